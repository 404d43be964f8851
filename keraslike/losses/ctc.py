"""`CTC`: a sequence of labels without their places in time."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.losses.base import full_precision
from keraslike.losses.sums import Count
from keraslike.losses.torch_loss import TorchLoss, weigh, weighted_count

IGNORED = -100


class CTC(TorchLoss):
    """Connectionist temporal classification, torch's own, as a (sum, count).

    The network gives log-probabilities `(time, batch, classes)`, as torch has it, or a tuple of these and their
    lengths `(batch,)`. Targets are class indices `(batch, labels)` filled up with -100, or a tuple of class indices
    and their lengths. Each example's loss is divided by the number of its labels ("mean"; "sum" does not), and the
    count is the number of examples.

    Args:
        blank: the class that means "nothing here".
        zero_infinity: whether labels that do not fit into the time give 0 instead of infinity.
        batch_first: whether the log-probabilities are `(batch, time, classes)`. Only then may batches be cut: their
            parts' outputs are put together along the first dimension.
        reduction: as in `Loss`.

    Example:
        >>> loss = CTC(batch_first=True)
        >>> log_probs = torch.zeros(2, 4, 3).log_softmax(-1)
        >>> round(loss.mean(log_probs, torch.tensor([[1, 2], [2, -100]])).item(), 4)
        1.4675

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("ctc",)
    func = staticmethod(F.ctc_loss)
    module = nn.CTCLoss

    def __init__(
        self, blank: int = 0, zero_infinity: bool = False, batch_first: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, blank=blank, zero_infinity=zero_infinity)
        self.batch_first = batch_first
        self.is_separable = batch_first
        self.reason = None if batch_first else "CTC's outputs have the time first; CTC(batch_first=True) can be cut"

    def count(self, targets: Any, sample_weight: Tensor | None = None) -> Count:
        """Give the number of examples; as in `Loss.count`."""
        examples = len(targets[1] if isinstance(targets, (tuple, list)) else targets)
        return examples if sample_weight is None else weighted_count(examples, sample_weight)

    def total(self, outputs: Any, targets: Any, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum over the examples, each divided by its number of labels; as in `Loss.total`."""
        losses = self.reduced(outputs, targets, "none")
        if not self.is_sum:
            losses = losses / _lengths(targets)[1].to(losses).clamp_min(1)
        return (losses if sample_weight is None else weigh(losses, sample_weight)).sum()

    def reduced(self, outputs: Any, targets: Any, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        log_probs, input_lengths = outputs if isinstance(outputs, (tuple, list)) else (outputs, None)
        log_probs = full_precision(log_probs.transpose(0, 1) if self.batch_first else log_probs)
        if input_lengths is None:
            input_lengths = torch.full((log_probs.shape[1],), len(log_probs), device=log_probs.device)
        labels, lengths = _lengths(targets)
        return self.func(log_probs, labels, input_lengths, lengths, reduction=reduction, **self.options)


def _lengths(targets: Any) -> tuple[Tensor, Tensor]:
    if isinstance(targets, (tuple, list)):
        return targets[0], targets[1]
    return targets.clamp_min(0), (targets != IGNORED).sum(-1)
