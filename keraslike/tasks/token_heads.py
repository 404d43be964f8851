"""The heads that give a score for each token, and where their scores begin."""

from collections.abc import Collection
from typing import Any, NamedTuple

import torch

from keraslike.errors import ArgumentError
from keraslike.tasks.mistakes import check_head


class Head(NamedTuple):
    """Of a head transformers' Auto class, the ending of the architectures that carry it, and its outputs per token."""

    auto_class: str
    ending: str
    outputs: int


HEADS = {
    "token-classification": Head("AutoModelForTokenClassification", "ForTokenClassification", 1),
    "question-answering": Head("AutoModelForQuestionAnswering", "ForQuestionAnswering", 2),
}
"""The heads by the names of the tasks that they are made for."""


def centre(network: Any, fresh: Collection[str], head: Head, value: float) -> None:
    """Let the scores of a new head begin about a value, where it has a bias.

    Args:
        network: the network.
        fresh: the names of the parameters that no checkpoint held.
        head: which head it is.
        value: what the bias becomes.
    """
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in fresh and parameter.shape == (head.outputs,):
                parameter.fill_(value)


def check_token_head(task: Any, network: Any) -> None:
    """Refuse a module of the user's own without a head of tokens, or with several outputs for each.

    Args:
        task: the task, with its `auto_class`.
        network: the module.

    Raises:
        ArgumentError: it is one.
    """
    check_head(task, network, tuple(head.ending for head in HEADS.values()))
    if type(network).__name__.endswith("ForTokenClassification") and network.config.num_labels != 1:
        raise ArgumentError(
            f"the network has {network.config.num_labels} outputs for each token.",
            "one score for each token.",
            "load it with AutoModelForTokenClassification.from_pretrained(..., num_labels=1).",
        )
