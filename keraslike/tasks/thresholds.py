"""From which probability on a label is given."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.metrics.reading import MULTI_LABEL, REGRESSION, SINGLE_LABEL

Array = npt.NDArray[Any]
USUAL = 0.5


@dataclass(frozen=True)
class Threshold:
    """From which probability on a label is given: at the threshold itself it is.

    Attributes:
        at: one for each label; of two classes, the one of `positive`.
        positive: of two classes, the place of the one that is given from its threshold on; None: several labels.
    """

    at: tuple[float, ...]
    positive: int | None = None

    def given(self, likely: Array) -> Array:
        """Give int64 class indices `(rows,)`, or zeros and ones `(rows, labels)`, from probabilities of that width.

        Example:
            >>> Threshold((0.3,), positive=1).given(np.array([[0.6, 0.4], [0.8, 0.2]]))
            array([1, 0])
        """
        if self.positive is None:
            return np.asarray(likely >= np.array(self.at), dtype=np.int64)
        is_positive = likely[:, self.positive] >= self.at[0]
        return np.where(is_positive, self.positive, 1 - self.positive)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {**asdict(self), "at": list(self.at)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any] | None) -> Self | None:
        """Make it again from what `to_json` gave; None stays None."""
        return None if state is None else cls(tuple(state["at"]), state["positive"])


@runtime_checkable
class Thresholded(Protocol):
    """A task whose answers depend on a threshold, or could.

    Attributes:
        threshold: its own; None: the most likely class, or labels above one half.
        positive: of two classes, the place of the one that a bare number is about.
    """

    threshold: Threshold | None
    positive: int
    problem_type: str | None
    labels: Any


def as_threshold(value: Any, task: Any) -> Threshold:
    """Read what `predict(threshold=)` was given, for a task.

    Args:
        value: a number from 0 to 1; a dict of them by label, where those left out keep the task's own, or 0.5; or, of
            several labels, a list of them in the order of the labels. Of two classes a number is about the second one,
            and a dict names one of them.
        task: the task.

    Raises:
        ArgumentError: the value is none of these, or the task gives neither several labels nor one of two.
    """
    labels = list(require_two_sided(task).labels.names)
    is_of_two = task.problem_type != MULTI_LABEL
    if isinstance(value, Mapping):
        return _by_label(value, labels, task, is_of_two=is_of_two)
    if isinstance(value, (list, tuple, np.ndarray, torch.Tensor)) and np.ndim(value) == 1:
        if is_of_two or len(value) != len(labels):
            wanted = "a number, or a dict that names one of the labels" if is_of_two else f"{len(labels)} of them"
            what = "classes" if is_of_two else "labels"
            raise ArgumentError(
                f"threshold is a list of {len(value)}, and there are {len(labels)} {what}.",
                f"{wanted}: {labels[:10]}.",
                f"write threshold={{{labels[-1]!r}: 0.3}}.",
            )
        return Threshold(tuple(_checked(one) for one in value))
    at = _checked(value)
    return Threshold((at,), task.positive) if is_of_two else Threshold((at,) * len(labels))


def require_two_sided(task: Any) -> Any:
    """Give the task, if it gives several labels, or one of two."""
    kind = getattr(task, "problem_type", None)
    labels = getattr(task, "labels", None)
    if isinstance(task, Thresholded) and labels is not None:
        if kind == MULTI_LABEL or (kind in (None, SINGLE_LABEL) and len(labels) == 2):
            return task
        found = f"one of {len(labels)} classes" if kind != REGRESSION else "numbers"
    else:
        found = "numbers" if kind == REGRESSION else f"answers of {getattr(task, 'name', type(task).__name__)!r}"
    raise ArgumentError(
        f"a threshold is given, but the model gives {found}.",
        "two classes, or several labels for each row.",
        "use predict_proba(x), and choose yourself." if "classes" in found else "leave threshold out.",
    )


def _by_label(value: Mapping[Any, Any], labels: list[Any], task: Any, *, is_of_two: bool) -> Threshold:
    for label in value:
        if label not in labels:
            raise ArgumentError(
                f"threshold names {label!r}, which is none of the labels.",
                f"labels among {labels[:10]}.",
                did_you_mean(str(label), map(str, labels), "write it as it stands in y."),
            )
    checked = {label: _checked(one) for label, one in value.items()}
    if not is_of_two:
        before = task.threshold.at if task.threshold is not None else (USUAL,) * len(labels)
        return Threshold(tuple(checked.get(label, own) for label, own in zip(labels, before, strict=True)))
    if len(checked) != 1:
        raise ArgumentError(
            f"threshold names {len(checked)} of two classes.",
            "the one that is given from its threshold on; else the other is.",
            f"write threshold={{{labels[-1]!r}: 0.3}}.",
        )
    ((label, at),) = checked.items()
    return Threshold((at,), labels.index(label))


def _checked(value: Any) -> float:
    is_number = isinstance(value, Real) or (hasattr(value, "item") and np.ndim(value) == 0)
    number = float(value) if is_number and not isinstance(value, (bool, np.bool_)) else float("nan")
    if not 0 <= number <= 1:
        raise ArgumentError(f"threshold={value!r} is no probability.", "a number from 0 to 1.", "write threshold=0.3.")
    return number


@contextmanager
def at_threshold(task: Any, value: Any) -> Iterator[None]:
    """Let a task answer by another threshold inside; None changes nothing.

    Raises:
        ArgumentError: as in `as_threshold`.
    """
    if value is None:
        yield
        return
    threshold, before = as_threshold(value, task), task.threshold
    task.threshold = threshold
    try:
        yield
    finally:
        task.threshold = before


def shown(threshold: Threshold, labels: Sequence[Any]) -> Any:
    """Give a threshold as the user writes it: one number, or a dict by label where they differ.

    Example:
        >>> shown(Threshold((0.3, 0.4)), ["joy", "fear"]), shown(Threshold((0.3, 0.3)), ["joy", "fear"])
        ({'joy': 0.3, 'fear': 0.4}, 0.3)
    """
    if threshold.positive is not None or len(set(threshold.at)) == 1:
        return threshold.at[0]
    return dict(zip(labels, threshold.at, strict=True))
