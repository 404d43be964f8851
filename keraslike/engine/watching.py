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


_LARGER = """acc accuracy auc auroc bleu chrf completeness corr d2 dcg em f1 fbeta fscore homogeneity info information
    iou jaccard kappa kendall kendalltau mallows map match matthews mcc measure meteor ndcg pearson pearsonr precision
    predictive r2 rand recall rouge similarity somersd spearman spearmanr specificity tau topk variance weightedtau"""

LARGER_IS_BETTER = frozenset(_LARGER.split())
"""A value whose name has one of these words, and none of `SMALLER_IS_BETTER`, is better where it is larger."""

_PLAIN = """acc accuracy auc auroc bleu cer error f1 kappa loss mae mcc mse nll pearson perplexity precision r2 recall
    rmse spearman wer"""

_BEYOND_DOUBT = frozenset(_PLAIN.split())
"""What has one of these words, and none that speaks against it, has no other direction than that of its name."""


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
    return "min" if _words(name) & SMALLER_IS_BETTER or name == "negative_log_likelihood" else "max"


def is_direction_known(monitor: str) -> bool:
    """Tell whether the name of a value says whether smaller or larger is better.

    Example:
        >>> is_direction_known("val_f1_macro"), is_direction_known("val_cost")
        (True, False)
    """
    is_of_scikit = monitor.endswith("_score") or monitor.removeprefix("val_").startswith("neg_")
    return is_of_scikit or bool(_words(monitor) & (SMALLER_IS_BETTER | LARGER_IS_BETTER))


def chosen_mode(monitor: str, given: Any, written: str) -> Literal["min", "max"]:
    """Give the direction that was named, else that of the name.

    Args:
        monitor: the name of the value.
        given: "min" or "max"; "auto" or None: the name tells it.
        written: what to write instead, with places for a name and a direction.

    Raises:
        ArgumentError: there is no such direction, the name says the opposite, or nothing in the name tells it.

    Example:
        >>> chosen_mode("val_cost", "min", ""), chosen_mode("val_f1_macro", "auto", "")
        ('min', 'max')
    """
    if given not in ("min", "max", "auto", None):
        raise ArgumentError(
            f"mode={given!r} is not known.",
            '"min" where a smaller value is better, "max" where a larger one is; "auto" tells it from the name.',
            did_you_mean(str(given), ("min", "max", "auto")) or f"write {written.format(monitor, 'max')}.",
        )
    if given in ("auto", None) and not is_direction_known(monitor):
        raise ArgumentError(
            f"whether a larger or a smaller {monitor!r} is better is not known.",
            'mode="max" or mode="min" beside the monitor.',
            f"write {written.format(monitor, 'max')}.",
        )
    named: Literal["min", "max"] = mode_of(monitor) if given in ("auto", None) else given
    if named != mode_of(monitor) and _is_beyond_doubt(monitor):
        raise ArgumentError(
            f"mode={given!r} is given, and of {monitor!r} the {'smaller' if given == 'max' else 'larger'} is better.",
            f"mode={mode_of(monitor)!r}, or a name for the value that does not say so.",
            f"leave mode out, or write {written.format(monitor, mode_of(monitor))}.",
        )
    return named


def _is_beyond_doubt(monitor: str) -> bool:
    words = _words(monitor)
    return bool(words & _BEYOND_DOUBT) and not (words & SMALLER_IS_BETTER and words & LARGER_IS_BETTER)


def _words(name: str) -> set[str]:
    """Give the words of a name in lower case; "rouge" stands for rouge1, rougeL and the like."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}
    return words | {re.sub(r"[0-9l]+$", "", word) for word in words if word.startswith("rouge")}


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
