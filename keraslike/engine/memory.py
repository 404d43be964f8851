"""Running out of memory changes how a batch is cut, and nothing else."""

from typing import Any

import torch
from torch import Tensor, nn

from keraslike.engine.random_state import State, get_state, has_drawn_outside_torch, set_state
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

    Numpy's and Python's random states are slow to read (40 microseconds), so they are kept for every step only where a
    first step has drawn from them.

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
        self._torch: Any = None
        self._whole: State | None = None
        self._draws_elsewhere: bool | None = None

    def watch(self) -> None:
        """Look again, at the next step, whether the network draws from numpy's or Python's random state."""
        self._draws_elsewhere = None

    def mark(self) -> None:
        """Keep the state at the beginning of a step."""
        self._whole = None if self._draws_elsewhere is False else get_state()
        if self._whole is None:
            self._torch = _torch_state()
        if self._places:
            self._buffers = [getattr(module, name).detach().clone() for module, name in self._places]

    def learn_from_first(self) -> None:
        """See, after the first backward of a first step, whether the network drew from other than torch's state."""
        if self._draws_elsewhere is None and self._whole is not None:
            self._draws_elsewhere = has_drawn_outside_torch(self._whole)

    def put_back(self) -> None:
        """Put everything back as it was at `mark`."""
        if self._whole is not None:
            set_state(self._whole)
        else:
            _set_torch_state(self._torch)
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


def _torch_state() -> tuple[Any, Any]:
    accelerator = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    if accelerator is None and torch.backends.mps.is_available():
        accelerator = torch.mps.get_rng_state()
    return torch.get_rng_state(), accelerator


def _set_torch_state(state: tuple[Any, Any]) -> None:
    cpu, accelerator = state
    torch.set_rng_state(cpu)
    if accelerator is not None and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(accelerator)
    elif accelerator is not None:
        torch.mps.set_rng_state(accelerator)
