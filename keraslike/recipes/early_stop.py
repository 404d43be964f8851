"""`early_stop=3`, or a dict: when to stop, and by which value."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data.values import plain
from keraslike.engine.early_stop import EarlyStop, refuse_monitor
from keraslike.engine.watching import chosen_mode
from keraslike.errors import ArgumentError

PATIENCE = 3
"""Validations in a row that are not better, where a dict says nothing."""

_OTHER_WORDS = {
    "metric": "monitor",
    "metric_for_best_model": "monitor",
    "greater_is_better": "mode",
    "lower_is_better": "mode",
    "direction": "mode",
    "early_stopping_patience": "patience",
    "n_iter_no_change": "patience",
    "wait": "patience",
    "early_stopping_threshold": "min_delta",
    "threshold": "min_delta",
    "tol": "min_delta",
    "delta": "min_delta",
}

_KNOWN = ("monitor", "mode", "patience", "min_delta")

_ANSWERS = {
    "restore_best_weights": "leave it out: the best weights are always put back; poutyne.EarlyStopping in callbacks= "
    "stops and leaves the last ones.",
    "load_best": "leave it out: the best weights are always put back.",
    "verbose": "leave it out: one line says which validation was the best; fit(verbose=0) says nothing.",
    "baseline": "leave it out: the first validation is what the others are held against.",
    "start_from_epoch": "leave it out, and give more patience=.",
}


def plan_early_stop(given: Any, names: Sequence[str], *, has_validation: bool, has_further: bool) -> EarlyStop | None:
    """Give what `early_stop=` means.

    Args:
        given: validations in a row that may be no better (int), or a dict with `monitor`, `mode`, `patience` and
            `min_delta`; None or False: nothing is watched.
        names: the values of a validation, such as "val_loss", in the order of the history.
        has_validation: whether there are validation data.
        has_further: whether a loss or metric of the user's own may give further values, which nobody knows yet.

    Raises:
        ArgumentError: it is neither, or there is nothing to watch.

    Example:
        >>> stop = plan_early_stop(3, ["val_loss"], has_validation=True, has_further=False)
        >>> stop.monitor, stop.patience
        ('val_loss', 3)
    """
    if given is None or given is False:
        return None
    chosen = _as_dict(given)
    monitor = chosen.get("monitor") or "val_loss"
    if not has_validation:
        raise ArgumentError(
            f"early_stop watches {monitor!r}, and there are no validation data.",
            f"validation data; with them there are {', '.join(names)}.",
            "give validation_data=, or validation_split=0.1.",
        )
    if monitor not in names and not has_further:
        refuse_monitor(monitor, list(names))
    return EarlyStop(
        monitor,
        _patience(chosen.get("patience", PATIENCE)),
        is_higher_better=chosen_mode(monitor, chosen.get("mode"), 'early_stop=dict(monitor={!r}, mode="{}")') == "max",
        min_delta=_min_delta(chosen.get("min_delta") or 0.0),
    )


def _as_dict(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        for name, value in given.items():
            if name not in _KNOWN and (name, value) != ("restore_best_weights", True):
                _refuse_word(name)
        return given
    if type(plain(given)) is int:
        return {"patience": given}
    hint = 'write early_stop=dict(monitor="val_loss", patience=3).'
    raise ArgumentError(
        f"early_stop={given!r} does not say how long to wait.",
        "a number of validations, or a dict with monitor, mode, patience and min_delta.",
        hint if isinstance(given, str) else "write early_stop=3: three validations in a row that are no better.",
    )


def _refuse_word(name: Any) -> None:
    ours = _OTHER_WORDS.get(name)
    raise ArgumentError(
        f"early_stop has no word {name!r}.",
        f"one of {', '.join(_KNOWN)}.",
        f"write {ours}=." if ours else _ANSWERS.get(name) or did_you_mean(str(name), _KNOWN),
    )


def _patience(given: Any) -> int:
    patience = plain(given)
    if type(patience) is int and patience >= 1:
        return patience
    raise ArgumentError(
        f"the patience of early_stop is {given!r}.",
        "an int of at least 1: so many validations in a row that are no better end the training.",
        "write early_stop=1 to stop at the first that is no better; leave early_stop out to train to the end.",
    )


def _min_delta(given: Any) -> float:
    size = plain(given)
    if type(size) in (int, float) and isfinite(size) and size >= 0:
        return float(size)
    raise ArgumentError(f"min_delta={given!r} is no size.", "a finite number of at least 0.", "write min_delta=0.001.")
