"""The search for the best threshold: every one that tells the probabilities of some rows apart."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from keraslike.calling import did_you_mean, name_of
from keraslike.errors import ArgumentError, DataError
from keraslike.metrics.accuracy import Accuracy, BinaryAccuracy
from keraslike.metrics.base import REGISTRY
from keraslike.metrics.class_counts import ClassCounts, Counts
from keraslike.metrics.reading import MULTI_LABEL, SINGLE_LABEL, probabilities
from keraslike.tasks.thresholds import USUAL, Array, Threshold, require_two_sided


def find_threshold(task: Any, outputs: torch.Tensor, targets: Array, metric: Any, *, per_label: bool) -> Threshold:
    """Find the threshold at which a metric is best, among all that part these probabilities differently.

    Of equally good ones it is that which is nearest to 0.5; between two probabilities, in the middle.

    Args:
        task: gives several labels, or one of two.
        outputs: logits, shape `(rows, labels)`.
        targets: class indices `(rows,)`, or zeros and ones `(rows, labels)`.
        metric: a name, or a function `(y_true, y_pred)`, of zeros and ones; the higher the better.
        per_label: whether each label gets one of its own, by the metric of that label alone.

    Raises:
        ArgumentError: there is no such metric, or it is no function of zeros and ones, or `per_label` is asked of two
            classes.
        DataError: of two classes all rows have the same one.
    """
    is_of_two = require_two_sided(task).problem_type != MULTI_LABEL
    likely = probabilities(outputs, MULTI_LABEL if not is_of_two else SINGLE_LABEL).double().numpy()
    score = _scorer(metric, task.problem_type or SINGLE_LABEL)
    if is_of_two:
        if per_label:
            raise ArgumentError(
                "per_label=True is given, and there are two classes, which one threshold parts.",
                "several labels for each row.",
                "leave per_label out.",
            )
        _require_both(targets, list(task.labels.names))
        likely, targets = likely[:, [task.positive]], (targets == task.positive)[:, None]
        return Threshold((_best(likely, targets, score),), task.positive)
    columns = [[label] for label in range(likely.shape[1])] if per_label else [list(range(likely.shape[1]))]
    found = [_best(likely[:, column], targets[:, column] > 0, score) for column in columns]
    return Threshold(tuple(found) if per_label else tuple(found) * likely.shape[1])


def _require_both(targets: Array, names: list[Any]) -> None:
    there = np.unique(targets)
    if len(there) < 2:
        found = f"all {len(targets)} rows are {names[int(there[0])]!r}" if len(there) else "there are no rows"
        raise DataError(
            f"{found}: any threshold beyond them would do.",
            f"rows of both classes, {names[0]!r} and {names[1]!r}.",
            "give other rows to tune_threshold(x, y), such as those of validation.",
        )


ROUNDING = 1e-12
"""Values that are no further apart are equally good: the same mean, added up in another order, is an ulp away."""

Score = Callable[[Array, Array, Array], Array]
"""(probabilities, truth, thresholds) -> the metric at each threshold; the first two are `(rows, labels)`."""


def _best(likely: Array, truth: Array, score: Score) -> float:
    """Give the best threshold: cuts from 0 to 1, each of which lets in what is as likely as its upper end."""
    upper = np.unique(likely)
    if not len(upper) or upper[-1] < 1:
        upper = np.append(upper, 1.0)
    lower = np.concatenate([[0.0], upper[:-1]])
    values = np.nan_to_num(score(likely, truth, upper), nan=-np.inf)
    holds_usual = ((lower < USUAL) | (lower == 0)) & (upper >= USUAL)
    middles = np.where(holds_usual, USUAL, (lower + upper) / 2)
    best = np.flatnonzero(values >= values.max() - ROUNDING)
    return float(middles[best[np.abs(middles[best] - USUAL).argmin()]])


def _scorer(metric: Any, problem_type: str) -> Score:
    """Give what computes a metric at many thresholds."""
    if callable(metric) and not isinstance(metric, type):
        return lambda likely, truth, cuts: np.array([_called(metric, likely, truth, cut) for cut in cuts])
    kinds = {name: kind for name, kind in REGISTRY.items() if issubclass(kind, (ClassCounts, Accuracy, BinaryAccuracy))}
    if metric not in kinds:
        raise ArgumentError(
            f"a threshold cannot be chosen by metric={metric!r}.",
            f"one of {', '.join(kinds)}, or a function (y_true, y_pred) of zeros and ones.",
            did_you_mean(str(metric), kinds, "write metric='f1', or metric=sklearn.metrics.matthews_corrcoef."),
        )
    made = kinds[metric](problem_type)
    if not isinstance(made, ClassCounts):
        of_rows = isinstance(made, Accuracy)
        return lambda likely, truth, cuts: _shares(likely, truth, cuts, of_rows=of_rows)
    are_columns = problem_type == MULTI_LABEL

    def score(likely: Array, truth: Array, cuts: Array) -> Array:
        counted = _counts(likely, truth, cuts, are_columns)
        return np.array([made.value([Counts(torch.from_numpy(counts), are_columns)]) for counts in counted])

    return score


def _called(metric: Callable[[Array, Array], Any], likely: Array, truth: Array, cut: float) -> float:
    """Call a function with zeros and ones, `(rows,)` of one label, else `(rows, labels)`."""
    y_true, y_pred = truth.astype(np.int64), (likely >= cut).astype(np.int64)
    if truth.shape[1] == 1:
        y_true, y_pred = y_true[:, 0], y_pred[:, 0]
    try:
        return float(metric(y_true, y_pred))
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"the metric {name_of(metric)} cannot choose a threshold: {error}",
            "a function (y_true, y_pred) of zeros and ones that gives a number.",
            "write metric='f1', or metric=sklearn.metrics.matthews_corrcoef.",
        ) from error


def _counts(likely: Array, truth: Array, cuts: Array, are_columns: bool) -> Iterator[Array]:
    """Give for each threshold how often each class was rightly predicted, predicted, and there, `(3, classes)`."""
    predicted = np.stack([_at_least(column, cuts) for column in likely.T], 1)
    right = np.stack([_at_least(column[own], cuts) for column, own in zip(likely.T, truth.T, strict=True)], 1)
    actual, rows = truth.sum(0), len(truth)
    for of_right, of_predicted in zip(right, predicted, strict=True):
        counts = np.stack([of_right, of_predicted, actual])
        if are_columns:
            yield counts
            continue
        others = rows - of_predicted - actual + of_right  # neither said to be positive, nor so
        first = np.array([others, rows - of_predicted, rows - actual])
        yield np.concatenate([first.reshape(3, 1), counts], 1)


def _at_least(values: Array, cuts: Array) -> Array:
    """Count the values that are as high as each threshold."""
    return np.asarray(len(values) - np.searchsorted(np.sort(values), cuts, side="left"), dtype=np.int64)


def _shares(likely: Array, truth: Array, cuts: Array, *, of_rows: bool) -> Array:
    """Give the share of rows, or of single labels, that are right at each threshold.

    A row is right from just above its likeliest label that it has not, to its least likely one that it has.
    """
    lowest = np.where(truth, -np.inf, likely)
    highest = np.where(truth, likely, np.inf)
    if of_rows:
        lowest, highest = lowest.max(1, keepdims=True), highest.min(1, keepdims=True)
    begun = np.searchsorted(np.sort(lowest[lowest < highest]), cuts, side="left")
    ended = np.searchsorted(np.sort(highest[lowest < highest]), cuts, side="left")
    return np.asarray((begun - ended) / lowest.size)
