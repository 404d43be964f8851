"""Callbacks that are no list, and those that watch what there is not."""

from collections.abc import Iterable, Sequence
from typing import Any, Never

import poutyne
from poutyne import Callback

from keraslike.calling import nearest
from keraslike.engine.watching import check_watched, names_of
from keraslike.errors import ArgumentError


def as_list(callbacks: Any) -> list[Any]:
    """Give what the user named as callbacks as a list, one alone as a list of one.

    Example:
        >>> as_list(None), len(as_list(Callback()))
        ([], 1)
    """
    if not callbacks:
        return []
    is_one = isinstance(callbacks, (str, Callback)) or not isinstance(callbacks, Iterable)
    return [callbacks] if is_one else list(callbacks)


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
    given = as_list(callbacks)
    known = names_of(metrics, of_rows, has_validation=has_validation)
    for callback in given:
        if isinstance(callback, type) or not hasattr(callback, "on_train_begin") or not hasattr(callback, "set_model"):
            _refuse(callback)
        if not has_further:
            check_watched(callback, known)
    return given


def _refuse(callback: Any) -> Never:
    """Say what was taken for a callback, and Poutyne's of that name."""
    kind = callback if isinstance(callback, type) else type(callback)
    name = callback if isinstance(callback, str) else kind.__name__
    ours = nearest(name.removesuffix("Callback"), [known for known in dir(poutyne) if _is_callback(known)])
    do = None if ours is None else f"write poutyne.{ours}(...)."
    if isinstance(callback, type) and issubclass(callback, Callback):
        do = f"write {name}(...)."
    library = kind.__module__.partition(".")[0]
    shown = f"the class {name}" if isinstance(callback, type) else f"{callback!r:.60}"
    if library not in ("builtins", "__main__", "poutyne"):
        shown = f"{'the class' if isinstance(callback, type) else 'an object of the class'} {name} of {library}"
    raise ArgumentError(
        f"callbacks= holds {shown}, which is no callback of Poutyne's.",
        "objects of classes derived from poutyne.Callback.",
        do,
    )


def _is_callback(name: str) -> bool:
    found = getattr(poutyne, name)
    return isinstance(found, type) and issubclass(found, Callback) and found is not Callback
