"""`MAE`: how far values are off."""

from keraslike.metrics.base import registered
from keraslike.metrics.kept import Array, KeptMetric


@registered
class MAE(KeptMetric):
    """The mean absolute error, in the targets' unit; the plain mean over several targets.

    The same as scikit-learn's `mean_absolute_error`. Of classes it is the distance of their indices.
    """

    name = "mae"

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask the library; as in `KeptMetric.score`."""
        from sklearn.metrics import mean_absolute_error

        return float(mean_absolute_error(y_true, y_pred))
