"""`MSE`: how far values are off, squared."""

from keraslike.losses.sums import read_on_cpu
from keraslike.metrics.base import registered
from keraslike.metrics.mean import MeanMetric, Number, errors
from keraslike.metrics.reading import Reading


@registered
class MSE(MeanMetric):
    """The mean squared error, in the targets' unit squared; the plain mean over several targets.

    The same as scikit-learn's `mean_squared_error`.

    Example:
        >>> import torch
        >>> MSE()(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 2.0, 2.0]))
        3.0
    """

    name = "mse"
    is_of_values = True

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Add the squares, in float64 where the device has it."""
        differences, count = errors(reading)
        return read_on_cpu(differences.square().sum()), count
