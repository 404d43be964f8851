"""`R2`: the share of the targets' variance that the values explain."""

from keraslike.metrics.base import registered
from keraslike.metrics.kept import Array, KeptMetric


@registered
class R2(KeptMetric):
    """The coefficient of determination: 1 is best, 0 is what their mean would get, below is worse than that.

    The same as scikit-learn's `r2_score`. The plain mean over several targets.
    """

    name = "r2"

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask the library; as in `KeptMetric.score`."""
        from sklearn.metrics import r2_score

        return float(r2_score(y_true, y_pred))
