"""Keeps what the batches of an epoch hold, and puts it together as if it had been one batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from keraslike.calling import TARGET_NAMES
from keraslike.metrics.reading import IGNORED


def kept(value: Any) -> Any:
    """Give a copy without a gradient of a tensor or an array, in dicts, tuples and lists too; other things as they are.

    A copy, because a loop may write its next batch into the same memory; where it is, so that nothing waits.

    Example:
        >>> kept({"logits": np.zeros(2)})
        {'logits': tensor([0., 0.], dtype=torch.float64)}
    """
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, Mapping):
        return {key: kept(item) for key, item in value.items()}
    return tuple(map(kept, value)) if isinstance(value, tuple | list) and not _is_text(value) else value


def joined(batches: Sequence[Any], name: str) -> Any:
    """Put the batches' values together on the CPU, those of narrower batches padded on the right.

    Args:
        batches: from `kept`, one for each batch: tensors `(batch, ...)`, dicts or tuples of them, or lists of texts.
        name: what it is: targets (`labels`, ...) are padded with -100, all else with 0.

    Example:
        >>> joined([torch.tensor([[1, 2]]), torch.tensor([[3]])], "labels")
        tensor([[   1,    2],
                [   3, -100]])
    """
    first = batches[0]
    if isinstance(first, Tensor):
        return _padded([batch.cpu() for batch in batches], IGNORED if name in TARGET_NAMES else 0)
    if isinstance(first, Mapping):
        return {key: joined([batch[key] for batch in batches], key) for key in first}
    if isinstance(first, list):
        return [text for batch in batches for text in batch]
    if isinstance(first, tuple):
        return tuple(joined(column, name) for column in zip(*batches, strict=True))
    return batches[-1]  # a flag or None: no row's


def in_float64(value: Any) -> Any:
    """Give floating tensors as float64, in dicts and tuples too; others as they are.

    Example:
        >>> in_float64((torch.zeros(1), torch.tensor([3])))
        (tensor([0.], dtype=torch.float64), tensor([3]))
    """
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: in_float64(item) for key, item in value.items()}
    return tuple(map(in_float64, value)) if isinstance(value, tuple) else value


def _padded(batches: list[Tensor], fill: int) -> Tensor:
    if batches[0].dim() == 0:
        return torch.stack(batches)
    shapes = {batch.shape[1:] for batch in batches}
    if len(shapes) == 1:
        return torch.cat(batches)
    widest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    whole = batches[0].new_full((sum(map(len, batches)), *widest), fill)
    for batch, rows in zip(batches, whole.split([len(batch) for batch in batches]), strict=True):
        rows[tuple(slice(size) for size in batch.shape)] = batch
    return whole


def _is_text(value: Sequence[Any]) -> bool:
    return bool(value) and isinstance(value[0], str)
