"""`MAE`: how far values are off."""

from keraslike.losses.sums import read_on_cpu
from keraslike.metrics.base import registered
from keraslike.metrics.mean import MeanMetric, Number, errors
from keraslike.metrics.reading import Reading


@registered
class MAE(MeanMetric):
    """The mean absolute error, in the targets' unit; the plain mean over several targets.

    The same as scikit-learn's `mean_absolute_error`.

    Example:
        >>> import torch
        >>> MAE()(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 2.0, 2.0]))
        1.0
    """

    name = "mae"
    is_of_values = True

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Add the distances, in float64 where the device has it."""
        differences, count = errors(reading)
        return read_on_cpu(differences.abs().sum()), count
