"""`MomentMetric`: means and sums of squares of two series, added over batches without losing digits."""

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from keraslike.losses.sums import sum_dtype
from keraslike.metrics.base import WAITING, Metric
from keraslike.metrics.reading import Reading

Array = np.ndarray[Any, Any]
_SMALL = 1024  # numbers: parts of more do not wait, because they would fill the memory


class Moments(NamedTuple):
    """What is known of two series x and y: arrays of shape `(columns,)`, float64.

    `rows` of them; the mean of x; the sums of squares about the means, of x, of y and of both.
    """

    rows: Array
    mean_x: Array
    sum_xx: Array
    sum_yy: Array
    sum_xy: Array


class MomentMetric(Metric[Tensor]):
    """A metric of two series' means, variances and covariance: six numbers a column, however many rows.

    Each batch is centred on its own means, and batches are put together by their means' distances (the pairwise rule).
    Before, the first row of all is taken off, so that a common offset costs no digits and a constant series is exactly
    constant.

    Source:
        Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    """

    @abstractmethod
    def score(self, moments: Moments) -> Array:
        """Give the value of each column, NaN where it is not defined; there are at least two rows."""

    @abstractmethod
    def series(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Give x and y, of shape `(rows, columns)` as what they are made of."""

    def reset(self) -> None:
        """Forget every batch, and what was taken off."""
        super().reset()
        self._first_row: Tensor | None = None

    @property
    def waiting(self) -> int:
        """As in `Metric`; parts of many columns are joined at once."""
        return WAITING if self._parts[-1].numel() <= _SMALL else 1

    def part(self, reading: Reading) -> Tensor:
        """Give count, means (2), sums of squares (2) and the sum of products: shape `(6, columns)`."""
        xy = torch.stack(self.series(_columns(reading.logits), _columns(reading.targets)))
        xy = self._without_first_row(xy)
        means = xy.sum(1) / max(xy.shape[1], 1)
        centred = xy - means.unsqueeze(1)
        products = (centred[0] * centred[1]).sum(0, keepdim=True)
        count = torch.full_like(products, xy.shape[1])
        return torch.cat([count, means, centred.square().sum(1), products])

    def join(self, parts: list[Tensor]) -> list[Tensor]:
        """Put batches together."""
        stacked = torch.stack([part.to(parts[-1].device) for part in parts])
        counts, means = stacked[:, :1], stacked[:, 1:3]
        count = counts.sum(0)
        mean = (counts * means).sum(0) / count.clamp(min=1)
        away = means - mean
        between = torch.cat([away.square(), away.prod(1, keepdim=True)], 1)
        return [torch.cat([count, mean, (stacked[:, 3:] + counts * between).sum(0)])]

    def value(self, parts: list[Tensor]) -> float:
        """Give the plain mean over the columns; NaN for fewer than two rows."""
        count, mean_x, _, *sums = self.join(parts)[0].cpu().double().numpy()
        if count[0] < 2:
            return float("nan")
        offset = 0 if self._first_row is None else self._first_row[0, 0].cpu().double().numpy()
        return float(self.score(Moments(count, mean_x + offset, *sums)).mean())

    def _without_first_row(self, xy: Tensor) -> Tensor:
        if self._first_row is None and xy.shape[1]:
            self._first_row = xy[:, :1].clone()
        return xy if self._first_row is None else xy - self._first_row.to(xy.device)


def _columns(tensor: Tensor) -> Tensor:
    tensor = tensor.to(sum_dtype(tensor))
    return tensor.unsqueeze(1) if tensor.dim() == 1 else tensor
