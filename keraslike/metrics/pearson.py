"""`Pearson`: how near values and targets lie to a line."""

from keraslike.metrics.base import registered
from keraslike.metrics.kept import Array, KeptMetric, mean_over_columns


@registered
class Pearson(KeptMetric):
    """Pearson's correlation of values and targets, -1 to 1; the mean over several targets.

    The same as scipy's `pearsonr`. A constant column gives NaN.
    """

    name = "pearson"

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask the library; as in `KeptMetric.score`."""
        from scipy.stats import pearsonr

        return mean_over_columns(lambda *columns: pearsonr(*columns).statistic, y_true, y_pred)
