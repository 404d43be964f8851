"""`BinaryCrossEntropy`: yes or no, once or several times per example, from logits."""

import torch.nn.functional as F
from torch import Tensor

from keraslike.losses.base import Loss, match


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy of logits, torch's own, as a (sum, count).

    Outputs have shape `(batch, labels)`; targets the same shape, 0 or 1 of any dtype (or probabilities).
    Targets of shape `(batch,)` fit outputs of shape `(batch, 1)`. The count is the number of targets, even with
    weights, as in torch. Take `CrossEntropy` where exactly one of several classes is right.

    Args:
        weight: one factor per label, shape `(labels,)`; None: all are 1.
        pos_weight: one factor per label for its positive examples, shape `(labels,)`; None: all are 1.

    Raises:
        DataError: if outputs and targets have shapes that do not fit.

    Example:
        >>> import torch
        >>> loss = BinaryCrossEntropy()
        >>> loss.count(torch.tensor([1, 0])), loss.total(torch.zeros(2, 1), torch.tensor([1, 0])).item() / 2
        (2, 0.6931471824645996)

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    problem_type = "multi_label_classification"
    func = staticmethod(F.binary_cross_entropy_with_logits)  # under this name Poutyne keeps a loss's function
    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, pos_weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def count(self, targets: Tensor) -> int:
        """Give the number of targets; as in `Loss.count`."""
        return targets.numel()

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the sum; as in `Loss.total`."""
        return self._binary_cross_entropy(outputs, targets, reduction="sum")

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give torch's own mean; as in `Loss.mean`."""
        return self._binary_cross_entropy(outputs, targets, reduction="mean")

    def _binary_cross_entropy(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        outputs, targets = match(outputs, targets)
        return self.func(
            outputs,
            targets,
            weight=None if self.weight is None else self.weight.to(outputs),
            pos_weight=None if self.pos_weight is None else self.pos_weight.to(outputs),
            reduction=reduction,
        )
