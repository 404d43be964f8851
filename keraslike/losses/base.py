"""`Loss`: a loss as a (sum, count), divided last, so that any split of a batch gives the whole batch's value."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from keraslike.errors import DataError


class Loss(nn.Module, ABC):
    """A loss that knows its sum and what it is a mean over.

    A step that goes through the network at once back-propagates `mean`; a step cut into micro-batches back-propagates
    `total` of each, divided by the `count` of the whole step. Either way `add` keeps the sums of the epoch, and
    `compute` divides them. In plain Poutyne the object works as a loss function, a batch metric and an epoch metric.

    A part in which nothing counts gives a total of 0 with a gradient of 0, and a count of 0.
    """

    problem_type: str
    """What the outputs mean, in Hugging Face's words: `single_label_classification` (one logit per class),
    `multi_label_classification` (one logit per yes-or-no) or `regression` (the values)."""

    _total: Tensor
    _count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    @abstractmethod
    def count(self, targets: Tensor) -> int | Tensor:
        """Give the denominator of torch's own mean, from the targets alone.

        Returns:
            an int, or a 0-dim tensor on the targets' device where it depends on their values.
        """

    @abstractmethod
    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the differentiable sum, a 0-dim tensor; `total / count` is the mean up to rounding."""

    @abstractmethod
    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give torch's own mean, a 0-dim tensor with the bits of `reduction="mean"`; NaN where nothing counts."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the batch's mean (its total, 0, where nothing counts) and add it to the epoch's sums.

        This is what Poutyne calls. Reading whether anything counts waits for the device, which Poutyne does anyway.
        """
        count = self.count(targets)
        if not count > 0:
            total = self.total(outputs, targets)
            self.add(total, count)
            return total
        mean = self.mean(outputs, targets)
        self.add(mean.detach().to(sum_dtype(mean)) * count, count)
        return mean

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add the batch to the epoch's sums."""
        with torch.no_grad():
            self.add(self.total(outputs, targets), self.count(targets))

    def add(self, total: Tensor, count: float | Tensor) -> None:
        """Add one part's sum and count to the epoch's sums, without waiting for the device.

        The sums are float64, where the device has it, and live on the device of `total`.
        """
        dtype = sum_dtype(total)
        self._total = self._total.to(total.device, dtype) + total.detach().to(dtype)
        self._count = self._count.to(total.device, dtype) + count

    def compute(self) -> Tensor:
        """Give the exact mean over everything added since `reset`, a 0-dim tensor; NaN before anything counted."""
        return self._total / self._count

    def reset(self) -> None:
        """Forget the sums."""
        self._total = torch.zeros((), dtype=torch.float64)
        self._count = torch.zeros((), dtype=torch.float64)


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
    if outputs.shape not in (targets.shape, (*targets.shape, 1)) and targets.shape != (*outputs.shape, 1):
        raise DataError(
            f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}.",
            "one target per output.",
            "give targets of the outputs' shape, or let the network's last layer give as many outputs as targets.",
        )
    return targets.reshape(outputs.shape)


def sum_dtype(tensor: Tensor) -> torch.dtype:
    """Give the dtype for sums on the tensor's device: float64, or float32 on Apple's GPUs, which have no float64."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
