"""Only the drawing of a head and the network's own forward draw from the global random state."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from poutyne import Callback, set_seeds
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, BertModel

from keraslike import Model
from keraslike.engine.random_state import kept
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS, SEED = 24, 11
Rows = tuple[list[str], list[str]]


def state() -> tuple[Any, ...]:
    """Give the state of torch's, numpy's and Python's generators in a form that can be compared."""
    of_numpy = np.random.get_state(legacy=True)
    return torch.get_rng_state().tolist(), of_numpy[1].tolist(), of_numpy[2:], random.getstate()


def seeded() -> tuple[Any, ...]:
    """Give the state right after seeding."""
    with kept():
        set_seeds(SEED)
        return state()


class Watching(Callback):
    """Writes down the random state when training begins on each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[tuple[Any, ...]] = []

    def on_forward_begin(self) -> None:
        """Write it down."""
        self.states.append(state())


def states_of_training(network: nn.Module) -> list[tuple[Any, ...]]:
    """Let a network write down the random state at each forward in training mode."""
    found: list[tuple[Any, ...]] = []

    def look(module: nn.Module, *_: Any) -> None:
        if module.training:
            found.append(state())

    network.register_forward_pre_hook(look)
    return found


def generator() -> Any:
    """Give batches from a generator that draws."""
    while True:
        torch.rand(2), np.random.rand(), random.random()
        yield make_data(8)


WAYS: dict[str, Callable[[Model], Any]] = {
    "shuffled": lambda model: model.fit(*make_data(ROWS), epochs=2, batch_size=8, seed=SEED, verbose=0),
    "split": lambda model: model.fit(
        *make_data(ROWS), validation_split=0.25, epochs=2, batch_size=8, seed=SEED, verbose=0, early_stop=1
    ),
    "balanced": lambda model: model.fit(
        *make_data(ROWS), class_weight="balanced", epochs=2, batch_size=8, seed=SEED, verbose=0
    ),
    "cut": lambda model: model.fit(*make_data(ROWS), micro_batch_size=3, batch_size=8, seed=SEED, verbose=0),
    "validated": lambda model: model.fit(
        *make_data(ROWS), make_data(ROWS), validate_every=2, epochs=2, batch_size=8, seed=SEED, verbose=0
    ),
    "dataset": lambda model: model.fit_dataset(TensorDataset(*make_data(ROWS)), epochs=2, seed=SEED, verbose=0),
    "loader": lambda model: model.fit(
        DataLoader(TensorDataset(*make_data(ROWS)), batch_size=8, shuffle=True), epochs=2, seed=SEED, verbose=0
    ),
    "generator": lambda model: model.fit_generator(generator(), steps_per_epoch=3, epochs=2, seed=SEED, verbose=0),
}


@pytest.mark.parametrize("way", WAYS)
def test_nobody_else_draws(way: str):
    """A network without dropout finds the state of the seed at each step: order, split and checks draw apart."""
    network = make_mlp()
    found = states_of_training(network)
    model = Model(network, "sgd", "cross_entropy", device="cpu")
    WAYS[way](model)

    assert len(found) >= 2
    assert all(one == seeded() for one in found)


@pytest.fixture(scope="module")
def without_dropout(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT whose forward draws nothing."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("models") / "without-dropout"
    body = BertModel.from_pretrained(tiny_bert, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    body.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("task", "auto"), [("text-classification", AutoModelForSequenceClassification), ("fill-mask", AutoModelForMaskedLM)]
)
def test_a_head_is_all_that_a_task_draws(task: str, auto: Any, without_dropout: Path, texts_and_labels: Rows):
    """After the head nothing more is drawn: masks come from a generator of their own."""
    texts, labels = texts_and_labels
    with kept():
        set_seeds(SEED)
        auto.from_pretrained(without_dropout)
        expected = state()
    watching = Watching()
    model = Model(str(without_dropout), task=task, device="cpu")
    found: list[tuple[Any, ...]] = []

    class AtTheFirstStep(Callback):
        def on_train_begin(self, logs: Any) -> None:
            found.extend([state()])
            states = states_of_training(self.model.network)
            watching.states = states

    data = (texts, labels) if task == "text-classification" else (texts,)
    model.fit(*data, epochs=2, seed=SEED, verbose=0, callbacks=[AtTheFirstStep()], validation_split=0.2)

    assert found == [expected]
    assert len(watching.states) >= 2
    assert all(one == expected for one in watching.states)


def test_numpy_and_python_are_seeded_too():
    """A forward that draws from numpy's and Python's state draws what their own seed gives."""
    drawn: list[tuple[float, float]] = []

    class Drawing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            drawn.append((np.random.rand(), random.random()))
            return super().forward(x)

    model = Model(Drawing(4, 3), "sgd", "cross_entropy", device="cpu")
    model.fit(*make_data(ROWS), batch_size=8, seed=SEED, verbose=0)

    with kept():
        np.random.seed(SEED)
        random.seed(SEED)
        assert drawn[:3] == [(np.random.rand(), random.random()) for _ in range(3)]


def test_poutynes_set_seeds_governs():
    """A run without a seed of its own depends on `set_seeds`, as on `torch.manual_seed`."""
    seeds = []
    for seed in (1, 1, 2):
        set_seeds(seed)
        seeds.append(Model(make_mlp(), "sgd", "cross_entropy", device="cpu").fit(*make_data(ROWS), verbose=0).seed)

    assert seeds[0] == seeds[1] != seeds[2]


SCRIPT = """
import hashlib, sys
from keraslike import Model
sys.path.insert(0, {root!r})
from tests.tiny import texts_with_labels
model = Model({source!r}, task="text-classification", device="cpu")
model.fit(*texts_with_labels(), epochs=1, seed=5, batch_size=8, validation_split=0.2, verbose=0)
weights = b"".join(p.detach().numpy().tobytes() for p in model.network.parameters())
print(hashlib.sha256(weights).hexdigest())
"""


def test_another_process_gives_the_same_bits(tiny_bert: Path, texts_and_labels: Rows):
    """The same seed gives the same weights bit for bit on one machine, whatever order Python's sets have there."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(*texts_and_labels, epochs=1, seed=5, batch_size=8, validation_split=0.2, verbose=0)
    weights = b"".join(p.detach().numpy().tobytes() for p in model.network.parameters())
    root = str(Path(__file__).resolve().parents[2])
    script = SCRIPT.format(root=root, source=str(tiny_bert))
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONHASHSEED": "12345"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.split()[-1] == hashlib.sha256(weights).hexdigest()
    assert len(weights_of(model.network)) > 0
