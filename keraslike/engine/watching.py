"""Callbacks that watch a value of the epoch by its name."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError

_SMALLER = """bce cer ctc deviance distance divergence eer embedding entropy error huber kl l1 loss mae margin mse nll
    perplexity rmse wer"""

SMALLER_IS_BETTER = frozenset(_SMALLER.split())
"""A value whose name has one of these words is better where it is smaller."""


def mode_of(monitor: str) -> Literal["min", "max"]:
    """Tell from a value's name whether smaller or larger is better.

    Names that begin with "neg_" or "d2_", or end with "_score", are better where they are larger, as in scikit-learn.

    Example:
        >>> mode_of("val_loss"), mode_of("val_accuracy"), mode_of("val_neg_log_loss"), mode_of("MeanAbsoluteError")
        ('min', 'max', 'max', 'min')
    """
    name = monitor.removeprefix("val_")
    if name.startswith(("neg_", "d2_")) or name.endswith("_score"):
        return "max"
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}
    return "min" if words & SMALLER_IS_BETTER or name == "negative_log_likelihood" else "max"


def is_watching(callback: Any) -> bool:
    """Tell whether a callback looks at its `monitor`: a checkpoint of every epoch has one too, and does not."""
    if getattr(callback, "monitor", None) is None:
        return False
    if not hasattr(callback, "save_best_only"):
        return True
    return bool(callback.save_best_only or getattr(callback, "restore_best", False))


def names_of(metrics: Iterable[str], of_rows: Iterable[str] = (), *, has_validation: bool) -> list[str]:
    """Give the names of the values that an epoch will have.

    Args:
        metrics: the names of the metrics, as they stand in the history.
        of_rows: the names of the metrics of rows, which only validation has.
        has_validation: whether there are validation data.

    Example:
        >>> names_of(["accuracy"], has_validation=True)
        ['loss', 'accuracy', 'val_loss', 'val_accuracy']
    """
    names = ["loss", *metrics]
    return [*names, *(f"val_{name}" for name in [*names, *of_rows] if has_validation)]


def check_watched(callback: Any, known: Iterable[str]) -> None:
    """Refuse a callback that watches a name that no epoch will have.

    Raises:
        ArgumentError: it does.
    """
    known = list(known)
    second = getattr(callback, "second", None)
    for name in (callback.monitor, *([] if second in (None, "auto") else [second])) if is_watching(callback) else ():
        if str(name) not in known:
            raise ArgumentError(
                f"the callback {type(callback).__name__} watches {str(name)!r}, which no epoch of this run has.",
                f"one of {', '.join(known)}.",
                "give validation_data= or validation_split=."
                if str(name).startswith("val_") and "val_loss" not in known
                else did_you_mean(str(name), known),
            )


def check_monitors(callbacks: Iterable[Any], row: Mapping[str, Any]) -> None:
    """Refuse callbacks that watch what an epoch has not, once it is known what further scalars a loss or metric gives.

    Raises:
        ArgumentError: there is no such name.
    """
    known = [name for name in row if name not in ("epoch", "time")]
    for callback in callbacks:
        if is_watching(callback) and callback.monitor not in row:
            raise ArgumentError(
                f"the callback {type(callback).__name__} watches {callback.monitor!r}, which the epoch has not.",
                f"one of {', '.join(known)}.",
                did_you_mean(callback.monitor, known),
            )
