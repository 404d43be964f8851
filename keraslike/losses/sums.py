"""`Sums`: the sum and the count of an epoch, divided when somebody asks."""

import torch
from torch import Tensor, nn

Count = int | float | Tensor
"""What a loss is a mean over: a Python number where it is known, or a 0-dim tensor on an accelerator."""


FEW = 256
"""So many numbers are counted faster in a list than by NumPy or torch; a step of a small network notices."""


class Sums(nn.Module):
    """What keeps the sum and the count of everything added, and gives the mean over it.

    On a CPU they are Python floats (float64); on an accelerator tensors there, float64 where the device has it, so that
    nothing waits for the device before `compute` is read.

    Example:
        >>> sums = Sums()
        >>> sums.add(torch.tensor(3.0), 2)
        >>> sums.add(1.0, 2)
        >>> sums.compute()
        tensor(1., dtype=torch.float64)
    """

    def __init__(self) -> None:
        super().__init__()
        self._sums: list[float | Tensor] = [0.0, 0.0]  # a list: setting a module's attribute costs a microsecond

    def add(self, total: float | Tensor, count: Count) -> None:
        """Add one part's sum and count."""
        if isinstance(total, Tensor):
            total = total.item() if total.is_cpu else total.detach().to(sum_dtype(total))
        if isinstance(count, Tensor):
            count = read_on_cpu(count)
        sums = self._sums
        sums[0] = sums[0] + total  # never in place: a tensor may be somebody else's
        sums[1] = sums[1] + count

    def compute(self) -> Tensor:
        """Give the exact mean over everything added since `reset`, a 0-dim tensor; NaN before anything counted."""
        total, count = self._sums
        if isinstance(total, Tensor) or isinstance(count, Tensor):
            return torch.as_tensor(total / count)
        return torch.tensor(total / count if count else torch.nan, dtype=torch.float64)

    def reset(self) -> None:
        """Forget the sums."""
        self._sums[:] = [0.0, 0.0]


def read_on_cpu(value: Tensor) -> float | Tensor:
    """Give a Python number for a 0-dim tensor on a CPU, where reading is free; elsewhere the tensor, for summing.

    Example:
        >>> read_on_cpu(torch.tensor(2.5))
        2.5
    """
    return value.item() if value.is_cpu else value.to(sum_dtype(value))


def times(mean: Tensor, count: Count) -> float | Tensor:
    """Give the sum that a mean is of, without its graph, for `Sums.add`.

    Example:
        >>> times(torch.tensor(0.5), 4)
        2.0
    """
    return read_on_cpu(mean.detach()) * (read_on_cpu(count) if isinstance(count, Tensor) else count)


def sum_dtype(tensor: Tensor) -> torch.dtype:
    """Give the dtype for sums on the tensor's device: float64, or float32 on Apple's GPUs, which have no float64."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
