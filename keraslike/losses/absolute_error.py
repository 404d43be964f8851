"""The absolute distance of values to their targets, plain or rounded off near zero."""

from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from keraslike.losses.torch_loss import TorchLoss


class MeanAbsoluteError(TorchLoss):
    """Absolute error, torch's own L1, as a (sum, count); shapes and count are those of `MeanSquaredError`.

    Args:
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> MeanAbsoluteError().mean(torch.tensor([1.0, 2.0]), torch.tensor([1, 4])).item()
        1.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.L1Loss.html
    """

    problem_type = "regression"
    names: ClassVar[tuple[str, ...]] = ("l1", "mae", "mean_absolute_error")
    func = staticmethod(F.l1_loss)
    module = nn.L1Loss

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)


class SmoothL1(TorchLoss):
    """Absolute error, squared within `beta` and divided by it, torch's own; shapes and count as `MeanSquaredError`.

    Args:
        beta: up to which distance it is squared.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> SmoothL1().mean(torch.tensor([1.0, 2.0]), torch.tensor([1, 4])).item()
        0.75

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html
    """

    problem_type = "regression"
    names: ClassVar[tuple[str, ...]] = ("smooth_l1",)
    func = staticmethod(F.smooth_l1_loss)
    module = nn.SmoothL1Loss

    def __init__(self, beta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, beta=beta)


class Huber(TorchLoss):
    """Squared error up to `delta`, linear beyond, torch's own; shapes and count are those of `MeanSquaredError`.

    Args:
        delta: up to which distance it is squared.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> Huber(delta=2.0).mean(torch.tensor([1.0, 2.0]), torch.tensor([1, 5])).item()
        2.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html
    """

    problem_type = "regression"
    names: ClassVar[tuple[str, ...]] = ("huber",)
    func = staticmethod(F.huber_loss)
    module = nn.HuberLoss

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, delta=delta)
