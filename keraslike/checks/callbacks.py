"""Callbacks that are no list, and those that watch what there is not."""

from collections.abc import Sequence
from typing import Any

from poutyne import Callback

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError


def check_callbacks(callbacks: Any, metrics: Sequence[str], has_validation: bool) -> list[Any]:
    """Give the callbacks as a list, one alone as a list of one.

    Args:
        callbacks: what the user gave.
        metrics: the names of the metrics, as they stand in the history.
        has_validation: whether there are validation data.

    Raises:
        ArgumentError: something is no callback, or watches a name that no epoch will have.
    """
    given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or [])
    names = ["loss", *metrics]
    known = [*names, *(f"val_{name}" for name in names if has_validation)]
    for callback in given:
        if isinstance(callback, type) or not hasattr(callback, "on_train_begin"):
            raise ArgumentError(
                f"callbacks= holds {callback!r:.60}, which is no callback.",
                "objects of classes derived from poutyne.Callback.",
                f"write {callback.__name__}(...)." if isinstance(callback, type) else None,
            )
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor not in known and _is_watching(callback):
            raise ArgumentError(
                f"the callback {type(callback).__name__} watches {monitor!r}, which no epoch of this run has.",
                f"one of {', '.join(known)}.",
                "give validation_data= or validation_split=."
                if monitor.startswith("val_") and not has_validation
                else did_you_mean(monitor, known),
            )
    return given


def _is_watching(callback: Any) -> bool:
    """Tell a checkpoint that is written after every epoch, whatever its monitor says, from a callback that looks."""
    if not hasattr(callback, "save_best_only"):
        return True
    return bool(callback.save_best_only or getattr(callback, "restore_best", False))
