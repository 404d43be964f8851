"""`KeptMetric`: keeps predictions and targets, and asks scikit-learn or scipy about all of them at once."""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from keraslike.errors import ArgumentError
from keraslike.metrics.base import Metric
from keraslike.metrics.reading import Reading, classes, is_counted

Array = np.ndarray[Any, Any]
KeptPart = tuple[Tensor, Tensor, Tensor]


class KeptMetric(Metric[KeptPart]):
    """A metric of all predictions and all targets, for what is no sum over batches.

    They are kept where they are, and become float64 (classes int64) on the CPU when the value is asked for.
    """

    @abstractmethod
    def score(self, y_true: Array, y_pred: Array) -> float:
        """Give the value for arrays of shape `(rows,)` or `(rows, columns)` with at least one row.

        Warnings of the libraries, such as those for a constant input, are kept off the screen.
        """

    def predictions(self, reading: Reading) -> Tensor:
        """Give what is compared with the targets: classes, or the values in regression."""
        return classes(reading.logits, reading.problem_type)

    def part(self, reading: Reading) -> KeptPart:
        """Keep copies, because a loop may write its next batch into the same memory."""
        return self.predictions(reading).clone(), reading.targets.clone(), is_counted(reading)

    def value(self, parts: list[KeptPart]) -> float:
        """Give the score of the rows that have a label; NaN without any, or where a prediction is no finite number.

        scikit-learn would raise there, and end the training for one bad validation.

        Raises:
            ArgumentError: batches have rows of different widths.
        """
        if len({targets.shape[1:] for _, targets, _ in parts}) > 1:
            raise ArgumentError(
                f"The metric {self.name!r} compares the numbers of a row, but not every batch has as many of them.",
                "rows of one width.",
                "choose a metric of single values, such as 'mae' or 'spearman', or a function (y_true, y_pred).",
            )
        y_pred, y_true, counted = (torch.cat([part.cpu() for part in column]) for column in zip(*parts, strict=True))
        y_pred, y_true = y_pred[counted], y_true[counted]
        if not len(y_pred) or (y_pred.is_floating_point() and not y_pred.isfinite().all()):
            return float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(self.score(_array(y_true), _array(y_pred)))


def mean_over_columns(statistic: Callable[[Array, Array], float], y_true: Array, y_pred: Array) -> float:
    """Give the plain mean of a statistic over the columns; NaN for fewer than two rows, where it has no meaning."""
    if len(y_true) < 2:
        return float("nan")
    if y_true.ndim == 1:
        return float(statistic(y_true, y_pred))
    return float(np.mean([statistic(*columns) for columns in zip(y_true.T, y_pred.T, strict=True)]))


def _array(tensor: Tensor) -> Array:
    array: Array = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    return array
