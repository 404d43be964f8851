"""Those that keraslike is measured beside, one file each, behind one small interface.

A file has a function for each measurement that it takes part in:

    train_tensors(job: TensorJob) -> Learned              `steps.py`
    train_texts(job: TextJob) -> Learned                  `texts.py`
    predict_texts(job: TextJob, network) -> list[str]     `predicting.py`
    evaluate_tokens(network, inputs, labels) -> Scores    `evaluating.py`
    accumulate(job: AccumulationJob) -> Tensor            `accumulation.py`

To add one, write its file and add its line to `PEERS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

BEST = "best by hand"


@dataclass(frozen=True)
class Peer:
    """Where a side's functions are, what it needs, and what is passed on to them.

    Args:
        file: name of the file in this folder.
        package: what must be installed.
        options: keyword arguments of its functions.
        only: the functions that these options are for; empty: all.
    """

    file: str
    package: str = "torch"
    options: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()


PEERS = {
    BEST: Peer("best_by_hand"),
    "best by hand, of 25 batches": Peer("best_by_hand", options={"pool": 25}, only=("train_texts",)),
    "best by hand, of 100 batches": Peer("best_by_hand", options={"pool": 100}, only=("train_texts",)),
    "by hand": Peer("by_hand"),
    "keraslike": Peer("keraslike"),
    "keraslike, not cut": Peer("keraslike", options={"micro_batch_size": None}, only=("train_texts",)),
    "Poutyne": Peer("poutyne", "poutyne"),
    "HF Trainer": Peer("trainer", "accelerate"),
    "HF Trainer, grouped": Peer("trainer", "accelerate", {"pool": 100}, only=("train_texts",)),
    "HF Trainer, BERT's heads": Peer("trainer", "accelerate", {"is_head": True}, only=("accumulate",)),
    "Lightning": Peer("lightning", "pytorch_lightning"),
    "Keras": Peer("keras", "keras"),
    "skorch": Peer("skorch", "skorch"),
    "Accelerate": Peer("accelerate", "accelerate"),
    "pipeline": Peer("pipeline"),
}


def measured(function: str, only: Sequence[str] | None = None) -> dict[str, Callable[..., Any]]:
    """Give everyone who is installed and has this function, by name; `only` names those that are wanted."""
    unknown = set(only or ()) - set(PEERS)
    if unknown:
        raise SystemExit(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(PEERS)}")
    found = {}
    for name in only or PEERS:
        peer = PEERS[name]
        if (peer.only and function not in peer.only) or find_spec(peer.package) is None:
            continue
        made = getattr(import_module(f"peers.{peer.file}"), function, None)
        if made is not None:
            found[name] = partial(made, **peer.options)
    return found
