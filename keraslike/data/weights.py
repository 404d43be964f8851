"""Sample weights: how much each of the user's rows counts."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from keraslike.data.tensors import floating_dtype
from keraslike.data.values import kind_of, plain_list
from keraslike.errors import DataError

Weights = npt.NDArray[np.floating[Any]]


def as_weights(sample_weight: Any, rows: int, network: nn.Module) -> Weights:
    """Read sample weights.

    Args:
        sample_weight: one number per row, in any container; 0 leaves a row out.
        rows: how many rows there are.
        network: what learns; the weights get the type of its parameters, float32 at least.

    Returns:
        The weights, shape `(rows,)`.

    Raises:
        DataError: they are not one number per row, one of them is negative or not finite, or all are 0.

    Example:
        >>> as_weights([1, 0.5], 2, nn.Linear(1, 1)).tolist()
        [1.0, 0.5]
    """
    try:
        values = np.array(plain_list(sample_weight), dtype=np.float64)
    except (TypeError, ValueError):
        raise _no_weights(f"sample_weight is {sample_weight!r:.80}, {kind_of(sample_weight)}.", rows) from None
    if values.shape != (rows,):
        raise _no_weights(f"sample_weight has the shape {values.shape} for {rows} rows.", rows)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise _no_weights(f"row {wrong[0]} (counted from 0) has the sample weight {values[wrong[0]]}.", rows)
    if rows and not values.any():
        raise _no_weights("all sample weights are 0, so that nothing would be learned.", rows)
    is_double = floating_dtype(network) == torch.float64
    return values if is_double else values.astype(np.float32)


def _no_weights(what: str, rows: int) -> DataError:
    return DataError(
        what,
        f"one finite number per row, 0 or more: shape ({rows},).",
        "give sample_weight= as a list or array in the order of x; 1 for a row that counts as usual.",
    )
