"""Callbacks that watch a value of the epoch by its name."""

from collections.abc import Iterable, Mapping
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError


def is_watching(callback: Any) -> bool:
    """Tell whether a callback looks at its `monitor`: a checkpoint of every epoch has one too, and does not."""
    if getattr(callback, "monitor", None) is None:
        return False
    if not hasattr(callback, "save_best_only"):
        return True
    return bool(callback.save_best_only or getattr(callback, "restore_best", False))


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
