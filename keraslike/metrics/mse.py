"""`MSE`: how far values are off, squared."""

from keraslike.metrics.base import registered
from keraslike.metrics.kept import Array, KeptMetric


@registered
class MSE(KeptMetric):
    """The mean squared error, in the targets' unit squared; the plain mean over several targets.

    The same as scikit-learn's `mean_squared_error`. Of classes it is the squared distance of their indices.
    """

    name = "mse"

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask the library; as in `KeptMetric.score`."""
        from sklearn.metrics import mean_squared_error

        return float(mean_squared_error(y_true, y_pred))
