"""Binary cross-entropy: yes or no, once or several times per example, from logits or from probabilities."""

from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.errors import DataError
from keraslike.losses.base import match
from keraslike.losses.torch_loss import TorchLoss


class BinaryCrossEntropy(TorchLoss):
    """Binary cross-entropy of logits, torch's own, as a (sum, count).

    Outputs have shape `(batch, labels)`; targets the same shape, 0 or 1 of any dtype (or probabilities).
    Targets of shape `(batch,)` fit outputs of shape `(batch, 1)`. The count is the number of targets, even with
    weights, as in torch. Take `CrossEntropy` where exactly one of several classes is right.

    Args:
        weight: one factor per label, shape `(labels,)`; None: all are 1.
        pos_weight: one factor per label for its positive examples, shape `(labels,)`; None: all are 1.
        reduction: as in `Loss`.

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
    names: ClassVar[tuple[str, ...]] = ("bce_with_logits", "binary_cross_entropy_with_logits")
    func = staticmethod(F.binary_cross_entropy_with_logits)
    module = nn.BCEWithLogitsLoss
    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        outputs, targets = match(outputs, targets)
        return self.func(
            outputs,
            targets,
            weight=None if self.weight is None else self.weight.to(outputs),
            pos_weight=None if self.pos_weight is None else self.pos_weight.to(outputs),
            reduction=reduction,
        )

    def with_class_weight(self, weights: Tensor) -> Self:
        """Give a copy that weighs each label's positive examples; as in `Loss.with_class_weight`."""
        return self._weighed("pos_weight", weights)


class BinaryCrossEntropyOfProbabilities(TorchLoss):
    """Binary cross-entropy of probabilities (after a sigmoid), torch's own, as a (sum, count).

    Shapes and count are those of `BinaryCrossEntropy`, whose logits are the better choice: they lose no digits.

    Args:
        weight: one factor per label, shape `(labels,)`; None: all are 1.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> BinaryCrossEntropyOfProbabilities().mean(torch.tensor([0.5, 0.5]), torch.tensor([1, 0])).item()
        0.6931471824645996

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("bce", "binary_cross_entropy")
    func = staticmethod(F.binary_cross_entropy)
    module = nn.BCELoss
    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        outputs, targets = match(outputs, targets)
        weight = None if self.weight is None else self.weight.to(outputs)
        try:
            return self.func(outputs, targets, weight, reduction=reduction)
        except RuntimeError as error:
            if "between 0 and 1" not in str(error):
                raise
            raise DataError(
                "the loss 'bce' takes probabilities, and the network gives numbers below 0 or above 1.",
                "outputs from 0 to 1, and targets too.",
                "take 'bce_with_logits', or end the network with nn.Sigmoid().",
            ) from None
