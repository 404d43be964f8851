"""`FunctionMetric`: a function of the user's own as a metric that is exact over the epoch."""

from collections.abc import Callable
from typing import Any

import torch
from poutyne import get_names_of_metric

from keraslike.calling import called_by_name
from keraslike.metrics.kept import Array, KeptMetric


class FunctionMetric(KeptMetric):
    """A function of predictions and targets, called once on the whole epoch.

    Args:
        function: gets two tensors on the CPU, `(rows,)` or `(rows, columns)`: classes (0 and 1 where a row has several
            labels) or, in regression, the values in float64; and gives one number. Parameters named `y_pred` and
            `y_true` may stand in either order; those of other names get the predictions first.
        problem_type: as in `Metric`.

    Raises:
        ArgumentError: if the function's parameters are others than these two.

    Example:
        >>> def errors(y_pred, y_true):
        ...     return (y_pred != y_true).sum()
        >>> metric = FunctionMetric(errors)
        >>> metric(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        1.0
    """

    def __init__(self, function: Callable[..., Any], problem_type: str | None = None) -> None:
        self.name = str(get_names_of_metric(function)[0])
        super().__init__(problem_type)
        self.function = function
        self._call = called_by_name(function)

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Call the function; as in `KeptMetric.score`."""
        return float(self._call(torch.from_numpy(y_pred), torch.from_numpy(y_true)))
