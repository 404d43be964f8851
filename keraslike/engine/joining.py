"""Puts the outputs, targets and inputs of a batch's parts together again, in the batch's order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Places = Sequence[Any]


def detached(outputs: Any) -> Any:
    """Give the outputs without their graph, containers kept."""
    if isinstance(outputs, Tensor):
        return outputs.detach()
    if isinstance(outputs, Mapping):
        return _same_kind(outputs, {key: detached(value) for key, value in outputs.items()})
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*(detached(value) for value in outputs))
    if isinstance(outputs, (tuple, list)):
        return type(outputs)(detached(value) for value in outputs)
    return outputs


def joined(parts: list[Any], places: Places, fill: int) -> Any:
    """Put the outputs (targets, inputs) of a batch's parts together, in the batch's order.

    Tensors are joined along the first dimension; what has none (a loss among the outputs) is taken from the last part.
    Parts that are padded to different lengths are filled up.

    Args:
        parts: what each part gave.
        places: the places of each part's examples in the batch; None: they stand in order.
        fill: what fills up; for targets of whole numbers -100, which no loss counts.
    """
    return in_order(_join(parts, fill), places) if len(parts) > 1 else in_order(parts[0], places)


def in_order(data: Any, places: Places) -> Any:
    """Put rows back where they stood."""
    if any(place is None for place in places):
        return data
    order = np.concatenate(list(places))
    back = torch.from_numpy(np.argsort(order, kind="stable"))
    return _taken(data, back, len(order))


def by_feature(outputs: list[Tensor], order: Any = None) -> Any:
    """Put the outputs of all batches together, one for each feature.

    Args:
        outputs: of each batch, `(batch, ...)`.
        order: the places of the features, as they came; None: in order.

    Returns:
        A tensor `(features, ...)`, or where batches are padded to different widths a list of tensors.

    Example:
        >>> by_feature([torch.zeros(1, 2), torch.ones(1, 2)], np.array([1, 0])).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
        >>> [tuple(output.shape) for output in by_feature([torch.zeros(2, 5), torch.zeros(1, 3)])]
        [(5,), (5,), (3,)]
    """
    if len({output.shape[1:] for output in outputs}) == 1:
        return in_order(torch.cat(outputs), [order])
    rows = [row for output in outputs for row in output]
    return rows if order is None else [rows[place] for place in np.argsort(order, kind="stable")]


def _taken(data: Any, index: Tensor, rows: int) -> Any:
    if isinstance(data, Tensor):
        return data[index.to(data.device)] if data.ndim and len(data) == rows else data
    if isinstance(data, Mapping):
        return _same_kind(data, {key: _taken(value, index, rows) for key, value in data.items()})
    if isinstance(data, (tuple, list)):
        values = [_taken(value, index, rows) for value in data]
        return type(data)(*values) if hasattr(data, "_fields") else type(data)(values)
    return data


def _join(parts: list[Any], fill: int) -> Any:
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(_equally_wide(parts, fill)) if first.ndim else parts[-1]
    if isinstance(first, Mapping):
        return _same_kind(first, {key: _join([part[key] for part in parts], fill) for key in first})
    if isinstance(first, (tuple, list)):
        values = [_join(list(column), fill) for column in zip(*parts, strict=True)]
        return type(first)(*values) if hasattr(first, "_fields") else type(first)(values)
    return parts[-1]


def _equally_wide(tensors: list[Tensor], fill: int) -> list[Tensor]:
    """Fill up the dimensions, beyond the first, in which the parts differ: those of the tokens."""
    shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
    if len(set(shapes)) == 1:
        return tensors
    widest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    value = 0 if tensors[0].is_floating_point() else fill
    return [F.pad(tensor, _padding(tensor, widest), value=value) for tensor in tensors]


def _padding(tensor: Tensor, widest: list[int]) -> list[int]:
    """Give what `torch.nn.functional.pad` takes: for the last dimension first, nothing before, the rest behind."""
    missing = [wide - size for wide, size in zip(widest, tensor.shape[1:], strict=True)]
    return [count for size in reversed(missing) for count in (0, size)]


def _same_kind(outputs: Any, values: dict[str, Any]) -> Any:
    """Keep the class of transformers' outputs, whose fields are read as attributes too."""
    kind: Any = type(outputs)
    return kind(**values) if hasattr(kind, "__dataclass_fields__") else values
