"""The way of a batch to the device: arrays become tensors, tensors move, one batch ahead of its turn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

Device = torch.device | str | int | None


def moved(data: Any, device: Device, *, non_blocking: bool = False) -> Any:
    """Give nested data on a device; what is there already is given back itself, not copied.

    Args:
        data: a tensor, a NumPy array of numbers (it becomes a tensor and shares its memory on a CPU), or tuples,
            namedtuples, lists and Mappings of these, nested; a Mapping that is no dict, such as a `BatchEncoding`,
            becomes a dict. Anything else is left as it is.
        device: where to; None moves nothing. A `torch.device` is the fastest to compare.
        non_blocking: whether the host goes on while pinned memory is copied.

    Example:
        >>> moved({"x": [np.ones(2), "text"]}, torch.device("cpu"))
        {'x': [tensor([1., 1.], dtype=torch.float64), 'text']}
    """
    kind = type(data)
    if kind is Tensor:
        return data if data.device == device else _sent(data, device, non_blocking)
    if kind is tuple or kind is list:
        items = [moved(item, device, non_blocking=non_blocking) for item in data]
        for new, old in zip(items, data, strict=True):
            if new is not old:
                return items if kind is list else tuple(items)
        return data
    if isinstance(data, Tensor):
        return _sent(data, device, non_blocking)
    if isinstance(data, np.ndarray):
        return _sent(_as_tensor(data), device, non_blocking) if data.dtype.kind in "biufc" else data
    if isinstance(data, PackedSequence):  # its lengths stay on the CPU
        return data if device is None else _packed(data, device, non_blocking)
    return _rebuilt(data, lambda item: moved(item, device, non_blocking=non_blocking), keeps_mapping=False)


def changed(data: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Give nested data with every tensor changed, in containers of the same kind; itself where nothing changes.

    Example:
        >>> changed((torch.ones(1), None), torch.neg)
        (tensor([-1.]), None)
    """
    if isinstance(data, Tensor):
        return change(data)
    return _rebuilt(data, lambda item: changed(item, change), keeps_mapping=True)


def pinned(data: Any) -> Any:
    """Give nested data with its CPU tensors in pinned memory, from which an accelerator copies while the host goes on.

    Without an accelerator that can do so (NVIDIA, AMD, Intel), and for what is pinned already, it is `data` itself.
    """
    return changed(data, _pinned) if _pins() else data


def sender(device: Device) -> Callable[[Any], Any]:
    """Give the function that brings a batch to a device in the best way: pinned and non-blocking where that helps.

    Example:
        >>> send = sender("cpu")
        >>> send((np.zeros(2), np.ones(2)))
        (tensor([0., 0.], dtype=torch.float64), tensor([1., 1.], dtype=torch.float64))
    """
    if device is None:
        return partial(moved, device=None)
    target = torch.device(device)
    if target.type in ("cuda", "xpu"):
        return lambda data: moved(pinned(moved(data, None)), target, non_blocking=True)
    return partial(moved, device=target)


def look_ahead(iterable: Iterable[Any], prepare: Callable[[Any], Any], *, ahead: bool) -> Iterator[Any]:
    """Prepare the items of an iterable, each one step before its turn.

    Args:
        iterable: what is iterated over once; nothing is asked of it beyond its end.
        prepare: what is done to each item, such as collating and moving.
        ahead: whether item n + 1 is prepared before item n is handed out, so that its copy is under way while the
            accelerator works. False: each item when it is asked for, as `map` does.

    Example:
        >>> list(look_ahead([1, 2, 3], float, ahead=True))
        [1.0, 2.0, 3.0]
    """
    return _ahead(iterable, prepare) if ahead else map(prepare, iterable)


def _ahead(iterable: Iterable[Any], prepare: Callable[[Any], Any]) -> Iterator[Any]:
    waiting = deque[Any](maxlen=1)
    for item in map(prepare, iterable):
        yield from waiting
        waiting.append(item)
    yield from waiting


def _rebuilt(data: Any, change: Callable[[Any], Any], *, keeps_mapping: bool) -> Any:
    """Give a container with its items changed; itself, where none is another one than before."""
    if isinstance(data, Mapping):
        values = {key: change(value) for key, value in data.items()}
        is_same = all(value is data[key] for key, value in values.items())
        if is_same and (keeps_mapping or isinstance(data, dict)):
            return data
        # transformers' outputs are dataclasses, whose fields are read as attributes too
        is_output = keeps_mapping and hasattr(type(data), "__dataclass_fields__")
        return type(data)(**values) if is_output else values
    if isinstance(data, (tuple, list)):
        items = [change(item) for item in data]
        if all(new is old for new, old in zip(items, data, strict=True)):
            return data
        return type(data)(*items) if hasattr(data, "_fields") else type(data)(items)
    return data


def _as_tensor(array: Any) -> Tensor:
    """Share an array's memory where torch can: not of one that is read-only, reversed or of foreign byte order."""
    array = np.asarray(array)
    is_shared = array.flags.writeable and array.dtype.isnative and all(stride >= 0 for stride in array.strides)
    return torch.from_numpy(array if is_shared else array.astype(array.dtype.newbyteorder("="), order="C"))


def _sent(tensor: Tensor, device: Device, non_blocking: bool) -> Tensor:
    if device is None:
        return tensor
    if tensor.dtype is torch.float64 and torch.device(device).type == "mps":  # Apple's GPUs have no float64
        return tensor.to(device, torch.float32, non_blocking=non_blocking)
    return tensor.to(device, non_blocking=non_blocking)


def _packed(data: Any, device: Device, non_blocking: bool) -> Any:
    return data.to(device=device, non_blocking=non_blocking)


def _pinned(tensor: Tensor) -> Tensor:
    return tensor.pin_memory() if tensor.device.type == "cpu" and not tensor.is_pinned() else tensor


def _pins() -> bool:
    """Tell whether pinned memory helps: on Apple's chips host and device share it already."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator is not None and accelerator.type in ("cuda", "xpu")
