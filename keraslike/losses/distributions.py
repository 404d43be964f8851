"""Losses of distributions: Poisson's rate, a normal's mean and variance, the distance of two distributions."""

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.losses.base import REDUCTIONS, full_precision, match
from keraslike.losses.sums import Count
from keraslike.losses.torch_loss import TorchLoss, several, weighted_count


class PoissonNLL(TorchLoss):
    """Negative log-likelihood of counts under a Poisson distribution, torch's own, as a (sum, count).

    Outputs are the distribution's rates or their logarithms; targets of the same shape how often it happened.
    The count is the number of targets.

    Args:
        log_input: whether the outputs are logarithms.
        full: whether Stirling's term is added.
        eps: what keeps the logarithm of a rate of 0 finite.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> PoissonNLL().mean(torch.zeros(2), torch.tensor([0, 3])).item()
        1.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.PoissonNLLLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("poisson_nll",)
    func = staticmethod(F.poisson_nll_loss)
    module = nn.PoissonNLLLoss

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction, log_input=log_input, full=full, eps=eps)


class GaussianNLL(TorchLoss):
    """Negative log-likelihood under normal distributions, torch's own, as a (sum, count).

    The network gives `(mean, variance)`: the means in the targets' shape, the variances in the same, or with a last
    dimension of 1, or without it. The count is the number of targets.

    Args:
        full: whether the constant term is added.
        eps: the least variance.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> GaussianNLL().mean((torch.zeros(2), torch.ones(2)), torch.tensor([1.0, 2.0])).item()
        1.25

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("gaussian_nll",)
    func = staticmethod(F.gaussian_nll_loss)
    module = nn.GaussianNLLLoss

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction, full=full, eps=eps)

    def reduced(self, outputs: Any, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        mean, variance = several(outputs, ("mean", "variance"))
        mean, targets = match(mean, targets)
        return self.func(mean, targets, full_precision(variance), reduction=reduction, **self.options)


class KLDivergence(TorchLoss):
    """Kullback-Leibler divergence of log-probabilities from probabilities, torch's own, as a (sum, count).

    Outputs are log-probabilities, shape `(batch, classes)`; targets probabilities of the same shape. The count is
    the number of targets' elements, as torch's "mean" has it; with "batchmean", the mathematical one, the examples.

    Args:
        reduction: "mean", "batchmean", or "sum" as in `Loss`.
        log_target: whether the targets are logarithms too.

    Example:
        >>> import torch
        >>> loss = KLDivergence("batchmean")
        >>> round(loss.mean(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]])).item(), 4)
        0.6931

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("kl_div", "kl_divergence")
    func = staticmethod(F.kl_div)
    module = nn.KLDivLoss

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction, log_target=log_target)

    @classmethod
    def _reductions(cls) -> tuple[str, ...]:
        return (*REDUCTIONS, "batchmean")

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give the number of elements, or of examples; as in `Loss.count`."""
        items = len(targets) if self.reduction == "batchmean" else targets.numel()
        return items if sample_weight is None else weighted_count(items, sample_weight)

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give torch's own "mean" or "batchmean"; as in `Loss.mean`."""
        if self.reduction == "batchmean":
            return self.reduced(outputs, targets, "batchmean")
        outputs, targets = match(outputs, targets)
        # Said in this way torch does not warn that its "mean" is not the mathematical one; the bits are the same.
        return self.reduced(outputs, targets, "none").mean()
