"""`Loss`: a loss as a (sum, count), divided last, so that any split of a batch gives the whole batch's value."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import signature
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from keraslike.errors import ArgumentError, DataError
from keraslike.losses.sums import Count, Sums, times

REDUCTIONS = ("mean", "sum")


class Loss(Sums, ABC):
    """A loss that knows its sum and what it is a mean over.

    A step that goes through the network at once back-propagates `mean`; a step cut into micro-batches back-propagates
    `total` of each, divided by the `count` of the whole step. Either way `add` keeps the sums of the epoch, and
    `compute` divides them. In plain Poutyne the object works as a loss function, a batch metric and an epoch metric.

    A part in which nothing counts gives a total of 0 with a gradient of 0, and a count of 0.

    Args:
        reduction: "mean", or "sum" for the gradient of the sum; what is shown is the mean either way.

    Attributes:
        problem_type: what the outputs mean, in Hugging Face's words: `single_label_classification` (one logit per
            class), `multi_label_classification` (one logit per yes-or-no) or `regression` (the values); None: none
            of these.
        counts_items: True; False for a bare function, whose count is the number of examples.
        reads_logits: whether it sees the logits alone of outputs that are a dict.
        is_separable: whether total and count add up over examples, so that a batch may be cut.
        reason: in words, why it may not, for the line that says so.

    Raises:
        ArgumentError: the reduction is another one.
    """

    problem_type: str | None = None
    counts_items: bool = True
    reads_logits: bool = True
    is_separable: bool = True
    reason: str | None = None

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self._reductions():
            raise ArgumentError(
                f"{type(self).__name__} was given reduction={reduction!r}.",
                f"one of {', '.join(self._reductions())}: a step needs one number.",
                'leave it at "mean".',
            )
        self.reduction = reduction

    @classmethod
    def _reductions(cls) -> tuple[str, ...]:
        return REDUCTIONS

    @property
    def is_sum(self) -> bool:
        """Whether a step's gradient is that of the sum, not of the mean."""
        return self.reduction == "sum"

    @property
    def counts_labels(self) -> bool:
        """Whether the count of class indices, one for each example and none of them negative, is that of examples."""
        return False

    @abstractmethod
    def count(self, targets: Any, sample_weight: Tensor | None = None) -> Count:
        """Give the denominator of torch's own mean, from the targets alone.

        Args:
            targets: the batch's targets.
            sample_weight: one factor per example, shape `(batch,)`; each example counts as often as it says.

        Returns:
            a Python number, or a 0-dim tensor on the targets' device where it depends on values on an accelerator.
        """

    @abstractmethod
    def total(self, outputs: Any, targets: Any, sample_weight: Tensor | None = None) -> Tensor:
        """Give the differentiable sum, a 0-dim tensor; `total / count` is the mean up to rounding."""

    @abstractmethod
    def mean(self, outputs: Any, targets: Any) -> Tensor:
        """Give torch's own mean, a 0-dim tensor with the bits of `reduction="mean"`; NaN where nothing counts."""

    def count_of(self, x: Any, y: Any, sample_weight: Tensor | None = None) -> Count:  # for others
        """Give the count of a part of inputs `x` and targets `y`; as `count`, unless the inputs are needed.

        Targets may still be arrays: they are counted where the data are, before they move to a device.
        """
        if isinstance(y, np.ndarray):
            y = torch.from_numpy(y)
        if sample_weight is None:
            return self.count(y)
        self._require_weights(self.count)
        return self.count(y, sample_weight)

    def total_of(self, outputs: Any, x: Any, y: Any, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum of a part; as `total`, unless the inputs are needed."""
        if sample_weight is None:
            return self.total(outputs, y)
        self._require_weights(self.total)
        return self.total(outputs, y, sample_weight)

    def mean_of(self, outputs: Any, x: Any, y: Any) -> Tensor:
        """Give the mean of a part; as `mean`, unless the inputs are needed."""
        return self.mean(outputs, y)

    def with_class_weight(self, weights: Tensor) -> Self:
        """Give a copy that weighs the classes, times the weights that it has.

        Args:
            weights: one factor per class, shape `(classes,)`; for several yes-or-nos, one per label for its examples
                that say yes.

        Raises:
            ArgumentError: this loss has no classes.
        """
        raise ArgumentError(
            f"class_weight was given, but {type(self).__name__} does not weigh classes.",
            "a loss of classes, such as 'cross_entropy', or 'bce_with_logits' for several labels.",
            "leave class_weight out, or weigh examples: fit(..., sample_weight=...).",
        )

    def with_label_smoothing(self, label_smoothing: float) -> Self:
        """Give a copy that spreads a share of each target evenly over all classes, in place of the share that it has.

        Args:
            label_smoothing: the share, 0 to 1.

        Raises:
            ArgumentError: this loss has no classes of which one is right.
        """
        raise ArgumentError(
            f"label_smoothing was given, but {type(self).__name__} does not smooth.",
            "a loss of one right class among several, such as 'cross_entropy'.",
            "leave label_smoothing out.",
        )

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """Give the batch's mean (its total, 0, where nothing counts) and add it to the epoch's sums.

        This is what Poutyne calls. Reading whether anything counts waits for the device, which Poutyne does anyway.
        """
        count = self.count(targets)
        if self.is_sum or not count > 0:
            total = self.total(outputs, targets)
            self.add(total, count)
            return total
        mean = self.mean(outputs, targets)
        self.add(times(mean, count), count)
        return mean

    def update(self, outputs: Any, targets: Any) -> None:
        """Add the batch to the epoch's sums."""
        with torch.no_grad():
            self.add(self.total(outputs, targets), self.count(targets))

    def _require_weights(self, verb: Callable[..., Any]) -> None:
        if "sample_weight" not in signature(verb).parameters:
            raise ArgumentError(
                f"sample_weight was given, but {type(self).__name__}.{verb.__name__} does not take it.",
                "a loss whose count and total both take sample_weight.",
                f"write def {verb.__name__}(self, ..., sample_weight=None), or leave sample_weight out.",
            )


def full_precision(outputs: Tensor) -> Tensor:
    """Give half-precision outputs as float32, others as they are: sums in half precision lose their last digits."""
    return outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs


def match(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Give outputs, and targets of the same shape and dtype, as `same_shape` does; half precision becomes float32."""
    outputs = full_precision(outputs)
    return outputs, same_shape(outputs, targets).to(outputs.dtype)


def same_shape(outputs: Tensor, targets: Tensor) -> Tensor:
    """Give the targets in the outputs' shape; (n,) and (n, 1) are matched, nothing is broadcast.

    Raises:
        DataError: if the shapes differ by more than a last dimension of 1.

    Example:
        >>> tuple(same_shape(torch.zeros(3, 1), torch.tensor([1, 0, 1])).shape)
        (3, 1)
    """
    if outputs.shape == targets.shape:
        return targets
    if outputs.shape != (*targets.shape, 1) and targets.shape != (*outputs.shape, 1):
        if targets.is_floating_point() and bool(targets.isnan().all()):  # so says TransformerCollator without y_keys
            raise DataError(
                f"the targets are not-a-number for all {len(targets)} rows: the batches hold none.",
                "targets, for metrics and for any loss but the network's own.",
                'write TransformerCollator(y_keys="labels"), or leave out the metrics.',
            )
        raise DataError(
            f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}.",
            "one target per output.",
            "give targets of the outputs' shape, or let the network's last layer give as many outputs as targets.",
        )
    return targets.reshape(outputs.shape)
