"""Running out of memory changes how a batch is cut, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def told_of_memory() -> Iterator[None]:
    """Turn an out-of-memory beside forward and backward into an error in words: there, nothing can be cut."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"memory ran out beside forward and backward: {str(error).splitlines()[0]:.150}",
            "room for the outputs, the metrics and the norm of the gradients.",
            "leave out metrics that keep rows, or set a smaller batch_size.",
        ) from None


class Undo:
    """What a step changes before the weights, and how it is put back: gradients, random state and buffers.

    Random states are slow to read (NumPy's and Python's take 40 microseconds, torch's five). Torch's is kept for every
    step unless the network consists of torch's own layers that draw nothing; the others where the first step of the
    epoch has drawn from them.

    Args:
        network: its buffers, such as a counter, are put back too.
        optimizer: it may hold parameters beyond the network's.
        loss: a loss may have buffers too.

    Attributes:
        parameters: everything that gathers gradients.
        has_seen_draws: whether it is known from which random states the network draws.
    """

    def __init__(self, network: nn.Module, optimizer: Any, loss: Any = None) -> None:
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.parameters = list({id(p): p for p in (*network.parameters(), *held)}.values())
        has_own_state = getattr(loss, "keeps_sums", False)  # as Poutyne's losses, which nobody looks into
        roots = [network] if has_own_state or not isinstance(loss, nn.Module) else [network, loss]
        modules = {id(module): module for root in roots for module in root.modules()}
        self._places = [(m, name) for m in modules.values() for name, _ in m.named_buffers(recurse=False)]
        self._buffers: list[tuple[Tensor | None, Tensor | None]] = []
        self._state: Any = None
        is_function = loss is not None and not getattr(loss, "counts_items", False)
        self._may_draw = is_function or any(_may_draw(module) for module in network.modules())
        self._drawn: Drawn | None = None
        self.has_seen_draws = False
        self._marked: Drawn = "nothing"

    def watch(self) -> None:
        """Look again, at the next step, from which random states the network draws."""
        self._drawn, self.has_seen_draws = None, False

    def mark(self) -> None:
        """Keep the state at the beginning of a step."""
        self._marked = self._drawn or "everything"
        if self._marked == "nothing" and self._may_draw:
            self._marked = "torch"
        if self._marked != "nothing":
            self._state = get_state() if self._marked == "everything" else get_torch_state()
        if self._places:
            self._buffers = [_kept(getattr(module, name, None)) for module, name in self._places]

    def see_draws(self) -> None:
        """See, after the first backward of a first step, from which random states the network has drawn."""
        self._drawn, self.has_seen_draws = drawn_since(self._state), True

    def put_back(self) -> None:
        """Put everything back as it was at `mark`."""
        if self._marked == "everything":
            set_state(self._state)
        elif self._marked == "torch":
            set_torch_state(self._state)
        self.put_buffers_back()

    def put_buffers_back(self, where: Tensor | None = None) -> None:
        """Put the buffers back as they were at `mark`; a tensor that the network has put in their place is not touched.

        Args:
            where: a flag on the device, which is not waited for: only if it is not 0, and the shape is the same. None:
                in any case.
        """
        with torch.no_grad():
            for (module, name), (original, kept) in zip(self._places, self._buffers, strict=True):
                if original is None or kept is None:
                    continue
                if where is None:
                    original.copy_(kept)
                    setattr(module, name, original)
                    continue
                now = getattr(module, name, None)
                if isinstance(now, Tensor) and now.shape == kept.shape:
                    chosen = torch.where(where.to(now.device).bool(), kept, now)
                    setattr(module, name, original.copy_(chosen) if now is original else chosen)


def _kept(buffer: Any) -> tuple[Tensor | None, Tensor | None]:
    return (buffer, buffer.detach().clone()) if isinstance(buffer, Tensor) else (None, None)


def _may_draw(module: nn.Module) -> bool:
    """Tell whether a module may draw random numbers: all but those of torch's layers that surely do not."""
    is_hooked = bool(module._forward_hooks or module._forward_pre_hooks)  # noqa: SLF001  # torch's own
    is_torchs = type(module).__module__.startswith("torch.nn.") and not is_hooked
    return not is_torchs or type(module).__name__ in _RANDOM or "ropout" in type(module).__name__


_RANDOM = frozenset(
    {
        "FractionalMaxPool2d",
        "FractionalMaxPool3d",
        "GRU",
        "LSTM",
        "MultiheadAttention",
        "RNN",
        "RReLU",
        "Transformer",
        "TransformerDecoder",
        "TransformerDecoderLayer",
        "TransformerEncoder",
        "TransformerEncoderLayer",
    }
)
"""Layers of torch that may draw, beside those of dropout."""
