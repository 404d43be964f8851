"""Numbers for a network without a task: arrays, frames and lists become tensors that suit its parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from keraslike.data.reading import is_kind
from keraslike.errors import DataError


def as_tensors(data: Any, network: nn.Module, *, is_target: bool = False) -> Any:
    """Give tensors of what a user gave as inputs or targets, containers kept.

    Numpy arrays, frames, series and lists of numbers become tensors; a tuple, a dict, or a list of arrays or tensors
    stays one. Fractional numbers get the dtype of the network's parameters. Whole numbers and bools stay classes or ids
    (int64) as targets and where the network has an embedding anywhere; else they become fractional too.

    Args:
        data: the inputs or the targets.
        network: what they go into.
        is_target: whether they are targets.

    Raises:
        DataError: there is text or an object in it.

    Example:
        >>> as_tensors(np.arange(3), nn.Linear(1, 1)).dtype, as_tensors([0, 1], nn.Linear(1, 1), is_target=True).dtype
        (torch.float32, torch.int64)
    """
    if isinstance(data, Mapping):
        return {key: as_tensors(value, network, is_target=is_target) for key, value in data.items()}
    if isinstance(data, tuple) or (isinstance(data, list) and data and _is_array(data[0])):
        return type(data)(as_tensors(value, network, is_target=is_target) for value in data)
    tensor = _tensor(data)
    if tensor.is_floating_point():
        is_cast = not is_target or tensor.dtype == torch.float64
        return tensor.to(floating_dtype(network)) if is_cast else tensor
    keeps_whole = is_target or _has_embedding(network)
    return tensor.to(torch.int64) if keeps_whole else tensor.to(floating_dtype(network))


def _is_array(data: Any) -> bool:
    return isinstance(data, (Tensor, np.ndarray)) and data.ndim > 0


def _tensor(data: Any) -> Tensor:
    if isinstance(data, Tensor):
        return data
    values = data.to_numpy() if is_kind(data, "pandas", "DataFrame", "Series") else _array(data)
    if values.dtype.kind == "O":
        values = _numbers(values)
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"without a task the data must be numbers, but they are {values.dtype.name}: {values.flat[0]!r:.60}.",
            "arrays, tensors, frames or lists of numbers.",
            'give Model(..., task="text-classification") for texts.',
        )
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))  # pandas gives read-only arrays


def _array(data: Any) -> Any:
    try:
        return np.asarray(data)
    except ValueError:
        raise DataError(
            "the rows have different lengths, so they are no table of numbers.",
            "as many numbers in every row.",
            "pad them, or give a DataLoader whose collate_fn does.",
        ) from None


def _numbers(values: Any) -> Any:
    """Read columns of Python numbers, which pandas may hold as objects; leave anything else as it is."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        return values


def are_class_indices(targets: Any) -> bool:
    """Tell whether targets are class indices on the CPU, one for each example, none of which means "no label".

    Example:
        >>> are_class_indices(torch.tensor([0, 2])), are_class_indices(torch.tensor([0, -100]))
        (True, False)
    """
    is_usual = isinstance(targets, Tensor) and targets.is_cpu and targets.dtype is torch.int64 and targets.dim() == 1
    return is_usual and targets.numel() > 0 and int(targets.min()) >= 0


def floating_dtype(network: nn.Module) -> torch.dtype:
    """Give the type of the network's first parameter that is no integer; torch's default where there is none."""
    parameters = (parameter.dtype for parameter in network.parameters() if parameter.is_floating_point())
    return next(parameters, torch.get_default_dtype())


def _has_embedding(network: nn.Module) -> bool:
    return any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in network.modules())
