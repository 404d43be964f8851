"""What each task is tried on in its contract: a file per task, named after it, with a `CASE` in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Case:
    """Rows that a tiny model can learn from.

    Args:
        x: rows as a user gives them to `fit`.
        y: their targets, or None where the task has none.
        answer: the type of what `predict` gives for a row.
        body: the fixture with the model's directory.
        to_predict: rows as a user gives them to `predict`; None: x.
        options: of `Model`.
        is_ready: whether the network can be built before data are seen.
        is_packed: whether rows are packed, so that features have no row of their own.
    """

    x: Sequence[Any]
    y: Sequence[Any] | None
    answer: type
    body: str = "tiny_bert"
    to_predict: Sequence[Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    is_ready: bool = False
    is_packed: bool = False


def case_of(name: str) -> Case:
    """Give the case of a task by its name."""
    case: Case = import_module(f"tests.tasks.cases.{name.replace('-', '_')}").CASE
    return case
