"""`Kendall`: how many pairs of values stand in the right order."""

from keraslike.metrics.base import registered
from keraslike.metrics.kept import Array, KeptMetric, mean_over_columns


@registered
class Kendall(KeptMetric):
    """Kendall's tau-b over all rows, -1 to 1; the mean over several targets.

    The same as scipy's `kendalltau`. A constant column gives NaN.

    Example:
        >>> import torch
        >>> Kendall()(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([6.0, 4.0, 2.0]))
        -1.0
    """

    name = "kendall"
    is_of_values = True

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask the library; as in `KeptMetric.score`."""
        from scipy.stats import kendalltau

        return mean_over_columns(lambda *columns: kendalltau(*columns).statistic, y_true, y_pred)
