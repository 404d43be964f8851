"""Targets in the shape of the outputs, so that no loss and no metric broadcasts them."""

from typing import Any

from torch import Tensor


def matched(outputs: Any, targets: Any) -> Any:
    """Give targets of shape `(n,)` as `(n, 1)` where the outputs are, and the other way round; others as they are.

    Whole numbers for outputs of shape `(n, 1)` may be class indices, which have one dimension less; they stay.

    Example:
        >>> import torch
        >>> tuple(matched(torch.zeros(3, 1), torch.zeros(3)).shape)
        (3, 1)
    """
    if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
        return targets
    dimensions = outputs.dim()
    if dimensions == 2 and outputs.size(1) == 1 and targets.dim() == 1:
        is_other = targets.is_floating_point() and targets.size(0) == outputs.size(0)
    else:
        is_other = dimensions == 1 and targets.shape == (*outputs.shape, 1)
    return targets.reshape(outputs.shape) if is_other else targets
