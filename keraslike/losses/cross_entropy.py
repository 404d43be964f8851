"""`CrossEntropy`: one right class among several, given as its index or as a distribution over the classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from keraslike.errors import DataError
from keraslike.losses.base import Loss, full_precision, sum_dtype


class CrossEntropy(Loss):
    """Cross-entropy of logits, torch's own, as a (sum, count).

    Outputs have shape `(batch, classes)` or `(batch, classes, ...)`. Targets are class indices (any integer dtype)
    of shape `(batch,)` or `(batch, ...)`, or probabilities (floats) of the outputs' shape.

    The count is that of the targets that are not `ignore_index`, or the sum of their classes' weights;
    for probabilities it is the number of examples (times positions), even with weights.

    Args:
        weight: one factor per class, shape `(classes,)`; None: all are 1.
        ignore_index: the class index that means "no label here".
        label_smoothing: the share of the target that is spread evenly over all classes, 0 to 1.

    Example:
        >>> loss = CrossEntropy()
        >>> logits, labels = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, -100])
        >>> int(loss.count(labels)), round(float(loss.total(logits, labels)), 4)
        (1, 0.1269)

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    problem_type = "single_label_classification"
    func = staticmethod(F.cross_entropy)  # under this name Poutyne keeps a loss's function
    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def count(self, targets: Tensor) -> int | Tensor:
        """Give how many targets count, or the sum of their classes' weights; as in `Loss.count`."""
        if targets.is_floating_point():
            return targets.numel() // max(targets.shape[min(1, targets.dim() - 1)], 1)
        counted = targets != self.ignore_index
        if self.weight is None:
            return counted.sum()
        weight = self.weight.to(targets.device)
        return (weight[torch.where(counted, targets, 0).long()] * counted).sum(dtype=sum_dtype(targets))

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the sum; as in `Loss.total`."""
        return self._cross_entropy(outputs, targets, reduction="sum")

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give torch's own mean; as in `Loss.mean`."""
        return self._cross_entropy(outputs, targets, reduction="mean")

    def _cross_entropy(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        outputs = full_precision(outputs)
        return self.func(
            outputs,
            _fitting(outputs, targets),
            weight=None if self.weight is None else self.weight.to(outputs),
            ignore_index=self.ignore_index,
            reduction=reduction,
            label_smoothing=self.label_smoothing,
        )


def _fitting(outputs: Tensor, targets: Tensor) -> Tensor:
    is_probability = targets.is_floating_point()
    expected = outputs.shape if is_probability else outputs.shape[:1] * (outputs.dim() > 1) + outputs.shape[2:]
    has_one_class = is_probability and outputs.dim() > 1 and outputs.shape[1] == 1  # its probability is always 1
    if targets.shape != expected or has_one_class:
        raise DataError(
            f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}"
            f" and dtype {targets.dtype}.",
            "outputs of shape (batch, classes), and class indices (integers) of shape (batch,) or probabilities"
            " (floats) of the outputs' shape.",
            "give class indices, such as y.long().reshape(-1), or take another loss, such as 'mse' for floats.",
        )
    return targets.to(outputs.dtype) if is_probability else targets.long()
