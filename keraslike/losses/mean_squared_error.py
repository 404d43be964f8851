"""`MeanSquaredError`: the squared distance of values to their targets."""

from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from keraslike.losses.torch_loss import TorchLoss


class MeanSquaredError(TorchLoss):
    """Squared error, torch's own, as a (sum, count).

    Outputs have shape `(batch, targets)`; targets the same shape and any dtype. Targets of shape `(batch,)` fit
    outputs of shape `(batch, 1)`. The count is the number of targets.

    Args:
        reduction: as in `Loss`.

    Raises:
        DataError: if outputs and targets have shapes that do not fit.

    Example:
        >>> import torch
        >>> loss = MeanSquaredError()
        >>> loss.mean(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 4])).item()
        2.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """

    problem_type = "regression"
    names: ClassVar[tuple[str, ...]] = ("mse", "mean_squared_error")
    func = staticmethod(F.mse_loss)
    module = nn.MSELoss

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)
