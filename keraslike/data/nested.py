"""Rows of tensors, arrays, and tuples, lists and dicts of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from keraslike.errors import ArgumentError, DataError

ALIGNMENT = 64
"""Bytes at whose multiples torch's own memory starts. The kernels of a matrix product take another way, with other last
bits, for rows that start elsewhere: of 3,000 small layers 331 gave other bits for a view at an odd place than for a
copy of it, none for one at a multiple of 16."""


def take(data: Any, index: Any) -> Any:
    """Give the rows at `index` (a slice or an index tensor) of tensors, arrays, or containers of them.

    Raises:
        ArgumentError: there is a named tuple in it, such as a `PackedSequence`, whose fields are no rows.
    """
    if isinstance(data, Mapping):
        return {key: take(value, index) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        raise ArgumentError(
            f"a batch of type {type(data).__name__} cannot be cut into micro-batches.",
            "tensors, arrays, or tuples, lists and dicts of them.",
            "set micro_batch_size=None.",
        )
    if isinstance(data, (tuple, list)):
        return type(data)(take(value, index) for value in data)
    if data is None:  # inputs alone have no targets
        return None
    if isinstance(data, Tensor) and isinstance(index, Tensor) and index.ndim == 1:
        return data.index_select(0, index.to(data.device))  # a third of the time of data[index], or less
    return data[index]


def split(data: Any, size: int) -> list[Any]:
    """Give runs of `size` rows, the last one shorter: views of tensors and arrays, in containers of the same kind.

    A tensor on the CPU that would not start at a multiple of 64 bytes is copied, so that a network gives it the bits
    that it gives to a tensor of its own.

    Example:
        >>> import torch
        >>> [part["a"].tolist() for part in split({"a": torch.arange(3)}, 2)]
        [[0, 1], [2]]
    """
    if isinstance(data, Tensor):
        return _aligned(data, list(data.split(size)), size)
    if isinstance(data, Mapping):
        columns = [split(value, size) for value in data.values()]
        return [dict(zip(data, values, strict=True)) for values in zip(*columns, strict=True)]
    if isinstance(data, (tuple, list)):
        return [type(data)(values) for values in zip(*(split(value, size) for value in data), strict=True)]
    return [data[start : start + size] for start in range(0, len(data), size)]


def _aligned(data: Tensor, parts: list[Tensor], size: int) -> list[Tensor]:
    if data.device.type != "cpu" or (
        data.data_ptr() % ALIGNMENT == 0 and size * data.stride(0) * data.element_size() % ALIGNMENT == 0
    ):
        return parts
    return [part.clone() if part.data_ptr() % ALIGNMENT else part for part in parts]


def count_rows(data: Any) -> int:
    """Give the common first dimension of tensors, or of containers of them.

    Raises:
        DataError: the lengths differ.
    """
    lengths = sorted({len(leaf) for leaf in leaves(data)})
    if len(lengths) != 1:
        raise DataError(
            f"the inputs and targets have different numbers of rows: {lengths}.",
            "the same first dimension everywhere.",
            "check that x and y come from the same rows, in the same order.",
        )
    return lengths[0]


def leaves(data: Any) -> Iterator[Any]:
    """Give the tensors and arrays in a container."""
    if isinstance(data, Mapping):
        for value in data.values():
            yield from leaves(value)
    elif isinstance(data, (tuple, list)):
        for value in data:
            yield from leaves(value)
    else:
        yield data
