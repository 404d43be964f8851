"""`MeanMetric`: a sum divided by a count, of which nothing else is kept."""

from typing import TypeAlias

import torch
from torch import Tensor

from keraslike.losses.sums import sum_dtype
from keraslike.metrics.base import Metric
from keraslike.metrics.reading import Reading

Number: TypeAlias = float | Tensor
"""A number, or on an accelerator a 0-dim tensor, which nobody waits for."""


class MeanMetric(Metric[tuple[Number, Number]]):
    """A metric that is a sum over examples divided by a count; a part is (sum, count).

    Example:
        >>> from keraslike.losses.sums import read_on_cpu
        >>> class ShareOfZeros(MeanMetric):
        ...     name = "share_of_zeros"
        ...
        ...     def part(self, reading: Reading):
        ...         return read_on_cpu((reading.targets == 0).sum()), reading.targets.numel()
        >>> ShareOfZeros()(torch.zeros(4, 2), torch.tensor([0, 1, 1, 1]))
        0.25
    """

    def join(self, parts: list[tuple[Number, Number]]) -> list[tuple[Number, Number]]:
        """Add the sums and the counts."""
        totals, counts = zip(*parts, strict=True)
        return [(_added(totals), _added(counts))]

    def value(self, parts: list[tuple[Number, Number]]) -> float:
        """Divide; NaN where nothing counts."""
        ((total, count),) = self.join(parts)
        return float(total) / float(count) if count else float("nan")


def errors(reading: Reading) -> tuple[Tensor, Number]:
    """Give how far values are off, and how many there are.

    The differences are float64, or float32 on a device without it; shape `(rows,)` or `(rows, columns)`.
    """
    dtype = sum_dtype(reading.logits)
    differences = reading.logits.to(dtype) - reading.targets.to(dtype)
    return differences, differences.numel()


def _added(column: tuple[Number, ...]) -> Number:
    tensors = [item for item in column if isinstance(item, Tensor)]
    if not tensors:
        return sum(column)
    numbers = sum(item for item in column if not isinstance(item, Tensor))
    return torch.stack([item.to(tensors[-1].device) for item in tensors]).sum() + numbers
