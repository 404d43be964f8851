"""`MeanSquaredError`: the squared distance of values to their targets."""

import torch.nn.functional as F
from torch import Tensor

from keraslike.losses.base import Loss, match


class MeanSquaredError(Loss):
    """Squared error, torch's own, as a (sum, count).

    Outputs have shape `(batch, targets)`; targets the same shape and any dtype. Targets of shape `(batch,)` fit
    outputs of shape `(batch, 1)`. The count is the number of targets.

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
    func = staticmethod(F.mse_loss)  # under this name Poutyne keeps a loss's function

    def count(self, targets: Tensor) -> int:
        """Give the number of targets; as in `Loss.count`."""
        return targets.numel()

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the sum; as in `Loss.total`."""
        return self.func(*match(outputs, targets), reduction="sum")

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give torch's own mean; as in `Loss.mean`."""
        return self.func(*match(outputs, targets), reduction="mean")
