"""`Perplexity`: among how many classes, all equally likely, the right one would be as hard to guess."""

import math

from torch import Tensor
from torch.nn import functional as F

from keraslike.losses.base import full_precision
from keraslike.losses.sums import read_on_cpu, sum_dtype
from keraslike.metrics.base import registered
from keraslike.metrics.kinds import CLASSES
from keraslike.metrics.mean import MeanMetric, Number
from keraslike.metrics.reading import IGNORED, SINGLE_LABEL, Reading, is_counted


@registered
class Perplexity(MeanMetric):
    """`exp` of the mean cross-entropy over all tokens that count, 1 at best; of equally likely classes their number.

    Class indices of -100 do not count. Sums and counts are kept, so that it is the whole set's, however it is split;
    the mean of the batches' perplexities is another number.

    Example:
        >>> import torch
        >>> round(Perplexity()(torch.zeros(1, 3, 50), torch.tensor([[4, -100, 7]])), 3)
        50.0

    Source:
        F. Jelinek et al., Perplexity: a measure of the difficulty of speech recognition tasks, JASA 62, 1977.
    """

    name = "perplexity"
    is_of_classes = True
    suits = CLASSES

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Add the cross-entropies, and count them; yes or no are two classes."""
        logits, targets = full_precision(reading.logits), reading.targets
        if reading.problem_type != SINGLE_LABEL:
            each = F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
            return read_on_cpu(_sum(each)), each.numel()
        counted = is_counted(reading)
        if logits.is_cpu:  # an accelerator would be waited for
            logits, targets = logits[counted], targets[counted]
        each = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
        return read_on_cpu(_sum(each)), read_on_cpu(counted.sum())

    def value(self, parts: list[tuple[Number, Number]]) -> float:
        """Give `exp` of the mean; NaN where nothing counts, infinity where no float is as large."""
        try:
            return math.exp(super().value(parts))
        except OverflowError:
            return math.inf


def _sum(values: Tensor) -> Tensor:
    return values.sum(dtype=sum_dtype(values))
