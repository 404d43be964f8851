"""Running out of memory changes how a batch is cut, and nothing else."""

from typing import Any

import torch
from torch import Tensor, nn

from keraslike.engine.random_state import (
    Drawn,
    drawn_since,
    get_state,
    get_torch_state,
    set_state,
    set_torch_state,
)
from keraslike.errors import OutOfMemoryError

_TEXTS = (
    "DefaultCPUAllocator",
    "MPS backend out of memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "not enough memory",
)
"""How allocators say it that raise no `torch.OutOfMemoryError`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch, on any device, says that memory ran out.

    Example:
        >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: tried 8 bytes"))
        True
        >>> is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        False
    """
    if isinstance(error, OutOfMemoryError):
        return False
    is_torchs = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return is_torchs or (isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS))


def halved(largest: int, why_whole: str | None) -> int:
    """Give the number of examples that go through at once from now on, after `largest` were too many.

    Args:
        largest: examples in the largest part that was tried.
        why_whole: why a batch must not be cut, in words; None where it may be.

    Raises:
        OutOfMemoryError: there is nothing left to halve, or the batch must not be cut.
    """
    free_memory()
    if why_whole is not None:
        raise OutOfMemoryError(
            f"memory ran out with {largest} examples at once, and the batch is not cut by itself: {why_whole}.",
            "a batch that fits into memory.",
            f"set micro_batch_size={max(largest // 2, 1)} if a mean over examples is right, or a smaller batch_size.",
        ) from None
    if largest <= 1:
        raise OutOfMemoryError(
            "memory ran out with a single example.",
            "room for the network, its gradients, the optimizer's moments and one example.",
            "set a smaller max_length, Model(..., gradient_checkpointing=True), or take a smaller network.",
        ) from None
    return largest // 2


def free_memory() -> None:
    """Give back what the allocators of accelerators hold in reserve."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        torch.accelerator.empty_cache()


class Undo:
    """What a step changes before the weights, and how it is put back: gradients, random state and buffers.

    Random states are slow to read (NumPy's and Python's take 40 microseconds, torch's five), so that only those are
    kept for every step from which the first step of the epoch has drawn.

    Args:
        network: its buffers, such as a counter, are put back too.
        optimizer: it may hold parameters beyond the network's.

    Attributes:
        parameters: everything that gathers gradients.
    """

    def __init__(self, network: nn.Module, optimizer: Any) -> None:
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.parameters = list({id(p): p for p in (*network.parameters(), *held)}.values())
        self._places = [
            (module, name) for module in network.modules() for name, _ in module.named_buffers(recurse=False)
        ]
        self._buffers: list[Tensor] = []
        self._state: Any = None
        self._drawn: Drawn | None = None

    def watch(self) -> None:
        """Look again, at the next step, from which random states the network draws."""
        self._drawn = None

    def mark(self) -> None:
        """Keep the state at the beginning of a step."""
        if self._drawn is None or self._drawn == "everything":
            self._state = get_state()
        elif self._drawn == "torch":
            self._state = get_torch_state()
        if self._places:
            self._buffers = [getattr(module, name).detach().clone() for module, name in self._places]

    def learn_from_first(self) -> None:
        """See, after the first backward of a first step, from which random states the network has drawn."""
        if self._drawn is None:
            self._drawn = drawn_since(self._state)

    def put_back(self) -> None:
        """Put everything back as it was at `mark`."""
        if self._drawn is None or self._drawn == "everything":
            set_state(self._state)
        elif self._drawn == "torch":
            set_torch_state(self._state)
        self.put_buffers_back()

    def put_buffers_back(self, where: Tensor | None = None) -> None:
        """Put the buffers back as they were at `mark`.

        Args:
            where: a flag on the device, which is not waited for: only if it is not 0. None: in any case.
        """
        for (module, name), kept in zip(self._places, self._buffers, strict=True):
            buffer = getattr(module, name)
            if buffer.shape != kept.shape:  # the network has put another in its place
                setattr(module, name, kept)
                continue
            with torch.no_grad():
                buffer.copy_(kept if where is None else torch.where(where.bool(), kept, buffer))
