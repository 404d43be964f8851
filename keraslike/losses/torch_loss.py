"""`TorchLoss`: one of torch's own functions as a (sum, count)."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from keraslike.errors import DataError
from keraslike.losses.base import Loss, match
from keraslike.losses.sums import Count, read_on_cpu, sum_dtype


class TorchLoss(Loss):
    """What torch computes, with the denominator of its mean: the number of targets, unless a subclass says another.

    Args:
        reduction: as in `Loss`.
        options: what goes to torch's function at each call.

    Attributes:
        names: by which the loss is found, the first one first; Poutyne's among them.
        func: torch's function. Poutyne keeps a loss's function under this name, too.
        module: torch's class.
    """

    names: ClassVar[tuple[str, ...]]
    func: ClassVar[Callable[..., Tensor]]
    module: ClassVar[type[nn.Module]]

    def __init__(self, reduction: str = "mean", **options: Any) -> None:
        super().__init__(reduction)
        self.options = options

    def reduced(self, outputs: Any, targets: Any, reduction: str) -> Tensor:
        """Call torch's function; "none" gives a loss for each example, or for each of its parts."""
        outputs, targets = match(outputs, targets)
        return self.func(outputs, targets, reduction=reduction, **self.options)

    def count(self, targets: Any, sample_weight: Tensor | None = None) -> Count:
        """Give the number of targets; as in `Loss.count`."""
        items: int = targets.numel()
        return items if sample_weight is None else weighted_count(items, sample_weight)

    def total(self, outputs: Any, targets: Any, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum; as in `Loss.total`."""
        if sample_weight is None:
            return self.reduced(outputs, targets, "sum")
        return weigh(self.reduced(outputs, targets, "none"), sample_weight).sum()

    def mean(self, outputs: Any, targets: Any) -> Tensor:
        """Give torch's own mean; as in `Loss.mean`."""
        return self.reduced(outputs, targets, "mean")

    def extra_repr(self) -> str:
        """Show what differs from torch's defaults: nothing but the reduction and the options."""
        shown = {**self.options, **({"reduction": self.reduction} if self.reduction != "mean" else {})}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())

    def _weighed(self, buffer: str, weights: Tensor) -> Self:
        """Give a copy whose weights in a buffer are times those given."""
        copy, own = deepcopy(self), getattr(self, buffer)
        setattr(copy, buffer, weights if own is None else own * weights.to(own))
        copy.reset()
        return copy


def weigh(losses: Tensor, sample_weight: Tensor) -> Tensor:
    """Give each example's sum times its weight, shape `(batch,)`.

    Args:
        losses: shape `(batch, ...)`.
        sample_weight: shape `(batch,)`.

    Raises:
        DataError: there are not as many weights as examples.

    Example:
        >>> import torch
        >>> weigh(torch.ones(2, 3), torch.tensor([1.0, 0.5]))
        tensor([3.0000, 1.5000])
    """
    if sample_weight.shape != losses.shape[:1]:
        raise DataError(
            f"sample_weight has shape {tuple(sample_weight.shape)} but the batch's losses {tuple(losses.shape)}.",
            "one weight per example.",
            "give weights of shape (examples,).",
        )
    each = losses.sum(tuple(range(1, losses.dim()))) if losses.dim() > 1 else losses
    return each * sample_weight.to(losses)


def weighted_count(items: int, sample_weight: Tensor) -> Count:
    """Give the count of `items` that are evenly spread over the examples, each example weighed.

    Example:
        >>> import torch
        >>> weighted_count(6, torch.tensor([1.0, 0.5]))
        4.5
    """
    each = items / max(len(sample_weight), 1)
    return read_on_cpu(sample_weight.sum(dtype=sum_dtype(sample_weight))) * each


def several(outputs: Any, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Give the outputs of a network that gives several.

    Raises:
        DataError: they are not as many.

    Example:
        >>> import torch
        >>> len(several([torch.zeros(2), torch.ones(2)], ("mean", "variance")))
        2
    """
    if not isinstance(outputs, (tuple, list)) or len(outputs) != len(names):
        found = f"{len(outputs)} outputs" if isinstance(outputs, (tuple, list)) else f"a {type(outputs).__name__}"
        raise DataError(
            f"the network gives {found} to a loss of {len(names)}.",
            f"a tuple of tensors: ({', '.join(names)}).",
            f"return {', '.join(names)} from the network's forward.",
        )
    return tuple(outputs)
