"""`Spearman`: how well values put the targets in order."""

from keraslike.metrics.base import registered
from keraslike.metrics.kept import Array, KeptMetric, mean_over_columns


@registered
class Spearman(KeptMetric):
    """Spearman's rank correlation, -1 to 1; the mean over several targets.

    The same as scipy's `spearmanr`. A constant column gives NaN.
    """

    name = "spearman"
    is_of_values = True

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask the library; as in `KeptMetric.score`."""
        from scipy.stats import spearmanr

        return mean_over_columns(lambda *columns: spearmanr(*columns).statistic, y_true, y_pred)
