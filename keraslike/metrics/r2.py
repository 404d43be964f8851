"""`R2`: the share of the targets' variance that the values explain."""

import numpy as np
from torch import Tensor

from keraslike.metrics.base import registered
from keraslike.metrics.moments import Array, MomentMetric, Moments


@registered
class R2(MomentMetric):
    """The coefficient of determination: 1 is best, 0 is what their mean would get, below is worse than that.

    The same as scikit-learn's `r2_score`: the plain mean over several targets; of constant targets 1 if they are met
    and else 0; NaN for fewer than two rows.

    Example:
        >>> import torch
        >>> R2()(torch.tensor([1.0, 2.0, 2.0]), torch.tensor([1.0, 2.0, 3.0]))
        0.5
    """

    name = "r2"
    is_of_values = True

    def series(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Give the errors, and the targets."""
        return predictions - targets, targets

    def score(self, moments: Moments) -> Array:
        """Compare the squared errors with the targets' own; as in `MomentMetric.score`."""
        squared = moments.sum_xx + moments.rows * moments.mean_x**2
        constant = np.where(squared == 0, 1.0, 0.0)
        varies = moments.sum_yy != 0
        return np.where(varies, 1 - squared / np.where(varies, moments.sum_yy, 1), constant)
