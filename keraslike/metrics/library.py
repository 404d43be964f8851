"""`LibraryMetric`: a function of scikit-learn or scipy as a metric that is exact over the epoch."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from keraslike.metrics.kept import Array, KeptMetric
from keraslike.metrics.reading import SINGLE_LABEL, Reading, probabilities
from keraslike.metrics.result import one_number

_OF_TRUTH = ("y_true", "y1", "labels_true")
_OF_PROBABILITIES = ("y_score", "y_proba", "y_prob")
_OF_PROBABILITIES_BY_NAME = ("log_loss", "d2_log_loss_score")  # their y_pred are probabilities
_NO_NUMBER = ("_matrix", "_curve", "_report", "_support", "_thresholds", "_ratios", "_measure")
_SCIPY = ("pearsonr", "spearmanr", "kendalltau", "weightedtau", "somersd")


class LibraryMetric(KeptMetric):
    """A function of scikit-learn's `metrics` or a correlation of scipy's `stats`, called once on the whole epoch.

    It is called `(y_true, prediction)` by position: with classes (values in regression), or where the function asks
    for scores, with probabilities; those of the second class where there are two. A function that would only take two
    classes (`average="binary"`) averages over classes (`"macro"`) where the network has more; `roc_auc_score` then
    compares each class with the rest. Keywords of a `partial` come first.

    Args:
        function: the function, or a `functools.partial` of it.
        problem_type: as in `Metric`.

    Example:
        >>> import torch
        >>> from sklearn.metrics import balanced_accuracy_score
        >>> metric = LibraryMetric(balanced_accuracy_score)
        >>> metric(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        0.75
    """

    def __init__(self, function: Callable[..., Any], problem_type: str | None = None) -> None:
        self.name = _behind_partials(function).__name__
        super().__init__(problem_type)
        self.function = function
        self._has_more_than_two_classes = False
        self._arguments = list(inspect.signature(_behind_partials(function)).parameters)

    def predictions(self, reading: Reading) -> Tensor:
        """Give classes, probabilities or logits, as the function wants."""
        self._has_more_than_two_classes = reading.problem_type == SINGLE_LABEL and reading.logits.shape[1] > 2
        wanted = self._arguments[1]
        if wanted == "pred_decision":
            return _of_second_class(reading.logits, reading.problem_type, is_difference=True)
        if wanted in _OF_PROBABILITIES or self.name in _OF_PROBABILITIES_BY_NAME:
            scores = probabilities(reading.logits, reading.problem_type)
            return _of_second_class(scores, reading.problem_type)
        return super().predictions(reading)

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Call the function; as in `KeptMetric.score`.

        Raises:
            ArgumentError: if the function gives no single number.
        """
        return one_number(self.function(y_true, y_pred, **self._keywords(y_true, y_pred)), self.name)

    def _keywords(self, y_true: Array, y_pred: Array) -> dict[str, Any]:
        """Give what the function cannot tell from a set in which not every class is there."""
        given = self.function.keywords if isinstance(self.function, partial) else {}
        has_scores = y_true.ndim == 1 and y_pred.ndim == 2
        keywords: dict[str, Any] = {}
        if has_scores and "labels" in self._arguments:
            keywords["labels"] = range(y_pred.shape[1])
        if has_scores and "multi_class" in self._arguments:
            keywords["multi_class"] = "ovr"
        if self._averages_two_classes() and (y_true.ndim == 2 or self._has_more_than_two_classes):
            keywords["average"] = "macro"
        return {name: value for name, value in keywords.items() if name not in given}

    def _averages_two_classes(self) -> bool:
        average = inspect.signature(_behind_partials(self.function)).parameters.get("average")
        return average is not None and average.default == "binary"


def library_function(name: str) -> Callable[..., Any] | None:
    """Give scikit-learn's or scipy's function of that name (`_score` may be left out) if it gives one number.

    Example:
        >>> library_function("cohen_kappa").__name__
        'cohen_kappa_score'
    """
    from scipy import stats
    from sklearn import metrics

    found = next((choice for choice in (name, f"{name}_score") if choice in library_names()), None)
    if found is None:
        return None
    function: Callable[..., Any] = getattr(stats if found in _SCIPY else metrics, found)
    return function


def library_names() -> list[str]:
    """Give the names of the functions of scikit-learn and scipy that compare targets with predictions."""
    from sklearn import metrics

    functions = {name: getattr(metrics, name) for name in metrics.__all__ if not name.endswith(_NO_NUMBER)}
    ours = [name for name, function in functions.items() if _compares_with_truth(function)]
    return [*ours, *_SCIPY]


def is_library_function(function: Any) -> bool:
    """Tell whether a function, or what a `partial` holds, is scikit-learn's or scipy's."""
    module = getattr(_behind_partials(function), "__module__", None) or ""
    return inspect.isfunction(_behind_partials(function)) and module.startswith(("sklearn.metrics", "scipy.stats"))


def _compares_with_truth(function: Any) -> bool:
    return inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") in _OF_TRUTH


def _behind_partials(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function


def _of_second_class(scores: Tensor, problem_type: str, is_difference: bool = False) -> Tensor:
    if problem_type != SINGLE_LABEL or scores.shape[1] != 2:
        return scores
    return scores[:, 1] - scores[:, 0] if is_difference else scores[:, 1]
