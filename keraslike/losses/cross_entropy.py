"""`CrossEntropy`: one right class among several, given as its index or as a distribution over the classes."""

from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.errors import DataError
from keraslike.losses.base import full_precision
from keraslike.losses.sums import FEW, Count, read_on_cpu, sum_dtype
from keraslike.losses.torch_loss import TorchLoss, weigh, weighted_count


class CrossEntropy(TorchLoss):
    """Cross-entropy of logits, torch's own, as a (sum, count).

    Outputs have shape `(batch, classes)` or `(batch, classes, ...)`. Targets are class indices (any integer dtype)
    of shape `(batch,)` or `(batch, ...)`, or probabilities (floats) of the outputs' shape.

    The count is that of the targets that are not `ignore_index`, or the sum of their classes' weights;
    for probabilities it is the number of examples (times positions), even with weights.

    Args:
        weight: one factor per class, shape `(classes,)`; None: all are 1.
        ignore_index: the class index that means "no label here".
        label_smoothing: the share of the target that is spread evenly over all classes, 0 to 1.
        reduction: as in `Loss`.

    Raises:
        DataError: if outputs and targets have shapes that do not fit.

    Example:
        >>> loss = CrossEntropy()
        >>> logits, labels = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, -100])
        >>> loss.count(labels), round(float(loss.total(logits, labels)), 4)
        (1, 0.1269)

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    problem_type = "single_label_classification"
    names: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    func = staticmethod(F.cross_entropy)
    module = nn.CrossEntropyLoss
    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    @property
    def counts_labels(self) -> bool:
        """As in `Loss`: so it is without weights of classes, where negative indices alone are ignored."""
        is_ours = type(self).count is CrossEntropy.count  # and not a subclass' own
        return is_ours and self._buffers["weight"] is None and self.ignore_index < 0

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give how many targets count, or the sum of their classes' weights; as in `Loss.count`."""
        if targets.is_floating_point():
            items = targets.numel() // max(targets.shape[min(1, targets.dim() - 1)], 1)
            return items if sample_weight is None else weighted_count(items, sample_weight)
        return count_classes(targets, self._buffers["weight"], self.ignore_index, sample_weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        outputs = full_precision(outputs)
        weight = self._buffers["weight"]  # twenty times faster than through the module's __getattr__
        try:
            return self.func(
                outputs,
                fitting(outputs, targets),
                weight if weight is None else weight.to(outputs),
                ignore_index=self.ignore_index,
                reduction=reduction,
                label_smoothing=self.label_smoothing,
            )
        except IndexError as error:  # on a CPU; accelerators answer much later, and in other words
            raise DataError(
                f"the network gives {outputs.shape[-1 if outputs.dim() == 1 else 1]} classes, and a target is none of "
                f"them: {error}",
                "class indices from 0 to the number of outputs less 1.",
                "let the last layer give as many outputs as there are classes, or number them from 0.",
            ) from None

    def with_class_weight(self, weights: Tensor) -> Self:
        """Give a copy that weighs the classes; as in `Loss.with_class_weight`."""
        return self._weighed("weight", weights)

    def with_label_smoothing(self, label_smoothing: float) -> Self:
        """Give a copy that smooths; as in `Loss.with_label_smoothing`."""
        copy = deepcopy(self)
        copy.label_smoothing = label_smoothing
        copy.reset()
        return copy

    def extra_repr(self) -> str:
        """Show what differs from torch's defaults."""
        given: dict[str, Any] = {"weight": None if self.weight is None else [round(w, 4) for w in self.weight.tolist()]}
        given |= {"ignore_index": self.ignore_index, "label_smoothing": self.label_smoothing}
        plain: dict[str, Any] = {"weight": None, "ignore_index": -100, "label_smoothing": 0.0}
        shown = [f"{name}={value}" for name, value in given.items() if value != plain[name]]
        return ", ".join(filter(None, [*shown, super().extra_repr()]))


def count_classes(
    targets: Tensor, weight: Tensor | None, ignore_index: int, sample_weight: Tensor | None = None
) -> Count:
    """Count class indices that are not `ignore_index`, each as often as its class and its example weigh.

    Args:
        targets: class indices, shape `(batch, ...)`.
        weight: one factor per class, shape `(classes,)`.
        ignore_index: what does not count.
        sample_weight: one factor per example, shape `(batch,)`.

    Example:
        >>> count_classes(torch.tensor([0, 1, -100]), torch.tensor([1.0, 0.5]), -100)
        1.5
    """
    if weight is None and sample_weight is None:
        if targets.is_cpu and targets.numel() <= FEW and targets.dim() == 1:
            return targets.numel() - targets.tolist().count(ignore_index)
        if targets.is_cpu:  # half the time of torch's own two calls, which a step of a small network notices
            return int(np.count_nonzero(targets.numpy() != ignore_index))
        return read_on_cpu(torch.count_nonzero(targets != ignore_index))
    counted = targets != ignore_index
    each = counted.to(sum_dtype(targets))
    if weight is not None:
        each = each * weight.to(each)[torch.where(counted, targets, 0).long()]
    return read_on_cpu((each if sample_weight is None else weigh(each, sample_weight)).sum())


def fitting(outputs: Tensor, targets: Tensor, *, has_probabilities: bool = True) -> Tensor:
    """Give class indices as int64, or probabilities in the outputs' dtype, if they fit the outputs.

    Args:
        outputs: shape `(batch, classes, ...)`.
        targets: class indices of shape `(batch, ...)`, or probabilities of the outputs' shape.
        has_probabilities: whether these are understood.

    Raises:
        DataError: the shapes or the dtype do not fit.

    Example:
        >>> fitting(torch.zeros(2, 3), torch.tensor([True, False]))
        tensor([1, 0])
    """
    shape = outputs.shape
    if len(shape) == 2 and targets.dtype == torch.int64 and targets.shape == shape[:1]:
        return targets
    is_probability = targets.is_floating_point()
    expected = shape if is_probability else shape[:1] * (len(shape) > 1) + shape[2:]
    has_one_class = is_probability and len(shape) > 1 and shape[1] == 1  # its probability is always 1
    if targets.shape != expected or has_one_class or (is_probability and not has_probabilities):
        raise DataError(
            f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}"
            f" and dtype {targets.dtype}.",
            "outputs of shape (batch, classes), and class indices (integers) of shape (batch,)"
            + (" or probabilities (floats) of the outputs' shape." if has_probabilities else "."),
            "give class indices, such as y.long().reshape(-1), or take another loss, such as 'mse' for floats.",
        )
    return targets.to(outputs.dtype) if is_probability else targets.long()
