"""`ClassCounts`: precision, recall and F1 from three counts per class."""

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from keraslike.metrics.base import Metric
from keraslike.metrics.reading import SINGLE_LABEL, Reading, classes, is_counted

Array = np.ndarray[Any, Any]


class Counts(NamedTuple):
    """How often each class was rightly predicted, predicted, and there: int64, shape `(3, classes)`.

    `are_columns` for several labels: every class takes part in an average over classes. Else only those that were
    seen do, as in scikit-learn. Counts of 0 may be those of rows without a label, or of no row: `has_rows` tells.
    """

    counts: Tensor
    are_columns: bool
    has_rows: bool = True


class ClassCounts(Metric[Counts]):
    """A metric of the counts per class, summed over batches on their device."""

    is_of_classes = True
    is_of_second_class = False
    """Whether of two classes the second alone is scored, as scikit-learn's `average="binary"` does."""

    @abstractmethod
    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Give the value from counts of shape `(classes,)`, float64."""

    def part(self, reading: Reading) -> Counts:
        """Count a batch."""
        predicted = classes(reading.logits, reading.problem_type)
        if predicted.dim() == 2:
            columns = (predicted * reading.targets, predicted, reading.targets)
            counts = torch.stack([column.sum(0) for column in columns])
            return Counts(counts, are_columns=True, has_rows=len(predicted) > 0)
        number = reading.logits.shape[1] if reading.problem_type == SINGLE_LABEL else 2
        return Counts(_counts_of_indices(predicted, reading.targets, is_counted(reading), number), are_columns=False)

    @property
    def waiting(self) -> int:
        """As in `Metric`: counts are added at once, so that many classes take no more room."""
        return 1

    def join(self, parts: list[Counts]) -> list[Counts]:
        """Add the counts."""
        last = parts[-1].counts
        counts = sum((part.counts.to(last.device) for part in parts[:-1]), last)
        return [Counts(counts, parts[-1].are_columns, any(part.has_rows for part in parts))]

    def value(self, parts: list[Counts]) -> float:
        """Give the score; NaN where nothing was counted."""
        ((tensor, are_columns, has_rows),) = self.join(parts)
        counts = tensor.cpu().numpy().astype(np.float64)
        seen = counts[1:].sum(0) > 0
        if not (has_rows if are_columns else seen.any()):
            return float("nan")
        if are_columns:
            return self.score(*counts)
        return self.score(*counts[:, [1] if self.is_of_second_class and len(seen) == 2 else seen])


def ratio(part: Array, whole: Array) -> Array:
    """Divide, and give 0 where the whole is 0, as scikit-learn does."""
    result: Array = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return result


def _counts_of_indices(predicted: Tensor, targets: Tensor, counted: Tensor, number: int) -> Tensor:
    targets, ones = torch.where(counted, targets, 0), counted.long()
    columns = ((targets, ones * (targets == predicted)), (predicted, ones), (targets, ones))
    # scatter_add, because bincount and indexing by a mask wait for the device
    return torch.stack([ones.new_zeros(number).scatter_add(0, index, weight) for index, weight in columns])
