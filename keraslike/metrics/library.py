"""`LibraryMetric`: a function or scorer of scikit-learn or scipy as a metric that is exact over the epoch."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from keraslike.calling import name_of
from keraslike.errors import ArgumentError
from keraslike.metrics.kept import Array, KeptMetric, mean_over_columns
from keraslike.metrics.kinds import MORE, TWO, kind_of
from keraslike.metrics.reading import SINGLE_LABEL, Reading, probabilities
from keraslike.metrics.result import one_number
from keraslike.metrics.scikit import LABELS, PROBABILITIES, SCORES, Scoring, parameters_of, scoring_of, suits_of


class LibraryMetric(KeptMetric):
    """A function of scikit-learn's `metrics`, a scorer, or a correlation of scipy's `stats`, called once on the epoch.

    It is called `(y_true, prediction)` by position: with what a scorer's response method asks for (labels,
    probabilities, or scores, which are the logits), or of a function with classes (values in regression), and where it
    asks for scores, with probabilities. Of two classes those are the second's, and the score is the logits' difference.
    A scorer keeps its sign. A function that would only take two classes (`average="binary"`) averages over classes
    (`"macro"`) where the network has more; `roc_auc_score` then compares each class with the rest. Keywords of a
    `partial` come first.

    Args:
        function: the function, a `functools.partial` of it, or a scorer, such as `get_scorer` and `make_scorer` give.
        problem_type: as in `Metric`.
        name: what it is called in messages; the function's own name by default.

    Raises:
        ArgumentError: the function has no meaning for the problem, or cannot be called with targets and predictions
            alone.

    Example:
        >>> import torch
        >>> from sklearn.metrics import balanced_accuracy_score
        >>> metric = LibraryMetric(balanced_accuracy_score)
        >>> metric(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        0.75
    """

    def __init__(self, function: Any, problem_type: str | None = None, name: str | None = None) -> None:
        self.scoring: Scoring = scoring_of(function)
        self.name = name or self.scoring.name
        self.function = function
        self._suits = suits_of(self.scoring)
        self._refuse_open_parameters()
        super().__init__(problem_type)
        self._classes = 0

    @property
    def suits(self) -> frozenset[str]:
        """As in `Metric`: what scikit-learn's documentation says of the function; everything where it is unknown."""
        return self._suits

    def predictions(self, reading: Reading) -> Tensor:
        """Give classes, probabilities or scores, as the function wants."""
        is_single = reading.problem_type == SINGLE_LABEL
        self._classes = reading.logits.shape[1] if is_single else 2 if kind_of(reading) == TWO else 0
        response = self.scoring.response
        if self._is_roc_auc and kind_of(reading) == MORE:
            response = PROBABILITIES  # it holds each class against the rest, and wants rows that sum to 1
        if response == LABELS:
            return super().predictions(reading)
        if response == SCORES:
            return _of_second_class(reading.logits, is_single, is_difference=True)
        logits = reading.logits.float() if reading.logits.element_size() < 4 else reading.logits
        return _of_second_class(probabilities(logits, reading.problem_type), is_single)

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Call the function; as in `KeptMetric.score`.

        It is NaN where the function has no value because a class is missing, because all targets are the same, or
        because of the predictions alone.

        Raises:
            ArgumentError: the function gives no single number, or refuses the targets.
        """
        function = partial(self.scoring.function, **self._keywords(y_true, y_pred))
        try:
            if self.scoring.is_of_columns:
                return mean_over_columns(lambda *columns: one_number(function(*columns), self.name), y_true, y_pred)
            return self.scoring.sign * one_number(function(y_true, y_pred), self.name)
        except ArgumentError:
            raise
        except (ValueError, ZeroDivisionError) as error:  # the latter of targets, or weights, that are all the same
            if isinstance(error, ZeroDivisionError) or self._is_undefined(function, y_true):
                return float("nan")
            raise self._refused(error) from None

    def _keywords(self, y_true: Array, y_pred: Array) -> dict[str, Any]:
        """Give what the function cannot tell from a set in which not every class is there."""
        given = self.scoring.keywords
        has_scores = y_true.ndim == 1 and self._classes > 0 and self.scoring.response != LABELS
        is_many = self._classes > 2
        keywords: dict[str, Any] = {}
        if has_scores and "labels" in self._signature and (is_many or not self._is_roc_auc):
            keywords["labels"] = np.arange(self._classes)
        if has_scores and is_many and "multi_class" in self._signature:
            keywords["multi_class"] = "ovr"
        if self._averages_two_classes and (y_true.ndim == 2 or is_many):
            keywords["average"] = "macro"
        return {name: value for name, value in keywords.items() if name not in given}

    @property
    def _signature(self) -> Mapping[str, inspect.Parameter]:
        return parameters_of(self.scoring.bare)

    @property
    def _is_roc_auc(self) -> bool:
        return name_of(self.scoring.bare) == "roc_auc_score"

    @property
    def _averages_two_classes(self) -> bool:
        average = self._signature.get("average")
        return average is not None and average.default == "binary"

    def _is_undefined(self, function: Callable[..., Any], y_true: Array) -> bool:
        """Tell whether the targets are fine, and a class is missing or the predictions alone are to blame."""
        if self._classes:
            return len(np.unique(y_true)) < self._classes and y_true.max() < self._classes
        try:
            function(y_true, y_true)
        except ValueError:
            return False
        return np.issubdtype(y_true.dtype, np.floating)

    def _refused(self, error: Exception) -> ArgumentError:
        return ArgumentError(
            f"The metric {self.name!r} has no value for these targets and predictions: {str(error).splitlines()[0]}",
            "targets and predictions as scikit-learn's documentation of the function asks for them.",
            "look at the targets, or choose another metric.",
        )

    def _refuse_open_parameters(self) -> None:
        fixed = [
            parameter.name
            for parameter in list(self._signature.values())[2:]
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        missing = [name for name in fixed if name not in self.scoring.keywords]
        if missing:
            raise ArgumentError(
                f"The metric {self.name!r} has no usual value for {', '.join(missing)}.",
                "a function with all but targets and predictions filled in.",
                f"metrics=[functools.partial({name_of(self.scoring.bare)}, {missing[0]}=...)].",
            )


def _of_second_class(scores: Tensor, is_single: bool, is_difference: bool = False) -> Tensor:
    if not is_single or scores.shape[1] != 2:
        return scores
    return scores[:, 1] - scores[:, 0] if is_difference else scores[:, 1]
