"""`Pearson`: how near values and targets lie to a line."""

import numpy as np
from torch import Tensor

from keraslike.metrics.base import registered
from keraslike.metrics.moments import Array, MomentMetric, Moments


@registered
class Pearson(MomentMetric):
    """Pearson's correlation of values and targets, -1 to 1; the mean over several targets.

    The same as scipy's `pearsonr`. A constant column gives NaN.

    Example:
        >>> import torch
        >>> Pearson()(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([6.0, 4.0, 2.0]))
        -1.0
    """

    name = "pearson"
    is_of_values = True

    def series(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Give both as they are."""
        return predictions, targets

    def score(self, moments: Moments) -> Array:
        """Divide the covariance by both spreads; as in `MomentMetric.score`."""
        spread = np.sqrt(moments.sum_xx * moments.sum_yy)
        varies = spread != 0
        return np.where(varies, np.clip(moments.sum_xy / np.where(varies, spread, 1), -1, 1), np.nan)
