"""Callbacks that are no list, and those that watch what there is not."""

from collections.abc import Sequence
from typing import Any

from poutyne import Callback

from keraslike.calling import did_you_mean
from keraslike.engine.watching import is_watching
from keraslike.errors import ArgumentError


def check_callbacks(
    callbacks: Any,
    metrics: Sequence[str],
    has_validation: bool,
    *,
    has_further: bool = False,
    of_rows: Sequence[str] = (),
) -> list[Any]:
    """Give the callbacks as a list, one alone as a list of one.

    Args:
        callbacks: what the user gave.
        metrics: the names of the metrics, as they stand in the history.
        has_validation: whether there are validation data.
        of_rows: the names of the metrics of rows, which only validation has.
        has_further: whether a loss or metric of the user's own may give further names, which no one knows yet.

    Raises:
        ArgumentError: something is no callback, or watches a name that no epoch will have.
    """
    given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or [])
    names = ["loss", *metrics]
    known = [*names, *(f"val_{name}" for name in [*names, *of_rows] if has_validation)]
    for callback in given:
        if isinstance(callback, type) or not hasattr(callback, "on_train_begin"):
            raise ArgumentError(
                f"callbacks= holds {callback!r:.60}, which is no callback.",
                "objects of classes derived from poutyne.Callback.",
                f"write {callback.__name__}(...)." if isinstance(callback, type) else None,
            )
        monitor = str(getattr(callback, "monitor", None))
        if not has_further and monitor not in known and is_watching(callback):
            raise ArgumentError(
                f"the callback {type(callback).__name__} watches {monitor!r}, which no epoch of this run has.",
                f"one of {', '.join(known)}.",
                "give validation_data= or validation_split=."
                if monitor.startswith("val_") and not has_validation
                else did_you_mean(monitor, known),
            )
    return given
