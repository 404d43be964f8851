"""`SquaredErrorPerText`: how far the scores at some tokens are off, summed over a text, averaged over texts."""

import torch
from torch import Tensor

from keraslike.losses.base import REDUCTIONS, Loss, match
from keraslike.losses.sums import Count, read_on_cpu, sum_dtype
from keraslike.losses.torch_loss import weigh

IGNORED = -100
"""The target of a token whose score does not count."""


class SquaredErrorPerText(Loss):
    """Squared error at the tokens that have a target: the sum of a text, averaged over texts, as a (sum, count).

    Outputs are one score per token, shape `(batch, tokens)`; targets have the same shape, whole numbers, -100 where a
    token has none. The count is the number of texts with a target, so that a text of five counts as one of two does,
    and its squared errors add up to more; `is_averaged` takes their mean instead.

    Args:
        is_averaged: whether a text's squared errors are averaged over its targets, instead of summed.
        reduction: as in `Loss`.

    Raises:
        DataError: outputs and targets have shapes that do not fit.

    Example:
        >>> scores, targets = torch.tensor([[0.5, 9.0, 2.0]]), torch.tensor([[0, -100, 1]])
        >>> SquaredErrorPerText().mean(scores, targets).item()
        1.25
        >>> SquaredErrorPerText(is_averaged=True).mean(scores, targets).item()
        0.625
    """

    def __init__(self, is_averaged: bool = False, reduction: str = REDUCTIONS[0]) -> None:
        super().__init__(reduction)
        self.is_averaged = is_averaged

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give the number of texts with a target, each as often as it weighs; as in `Loss.count`."""
        counted = (targets != IGNORED).any(1).to(sum_dtype(targets))
        return read_on_cpu(counted.sum() if sample_weight is None else weigh(counted, sample_weight).sum())

    def total(self, outputs: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum over the texts; as in `Loss.total`."""
        errors = self._errors(outputs, targets)
        return errors.sum() if sample_weight is None else weigh(errors, sample_weight).sum()

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the mean over the texts; as in `Loss.mean`."""
        return self.total(outputs, targets) / self.count(targets)

    def _errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the squared error of each text, shape `(batch,)`."""
        scores, places = match(outputs, targets)
        is_counted = places != IGNORED
        squares = torch.where(is_counted, scores - places, 0.0).square()
        errors = squares.flatten(1).sum(1)
        return errors / is_counted.flatten(1).sum(1).clamp_min(1) if self.is_averaged else errors

    def extra_repr(self) -> str:
        """Show what differs from the guide's loss."""
        given = {"is_averaged": self.is_averaged, "reduction": self.reduction}
        plain = {"is_averaged": False, "reduction": REDUCTIONS[0]}
        return ", ".join(f"{name}={value!r}" for name, value in given.items() if value != plain[name])
