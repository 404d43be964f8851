"""`SpanCrossEntropy`: where a span of tokens begins and where it ends, each one right token among all of a text."""

import torch
import torch.nn.functional as F
from torch import Tensor

from keraslike.errors import DataError
from keraslike.losses.base import Loss, full_precision
from keraslike.losses.sums import Count, read_on_cpu, sum_dtype
from keraslike.losses.torch_loss import weigh

IGNORED = -100


class SpanCrossEntropy(Loss):
    """The mean of two cross-entropies, of the first and of the last token of a span, as a (sum, count) of spans.

    Outputs have shape `(batch, tokens, 2)`: the logits of the first and of the last token. Targets are integers of
    shape `(batch, 2)`, the places of both; or `(batch, 3)`, with the number of real tokens behind them. Columns beyond
    that number are padding and take no part in the softmax. Without it all columns do, as in the heads of transformers:
    the same texts then have another loss for every width that they are padded to. A span with a place of -100 does not
    count.

    Args:
        reduction: as in `Loss`.

    Raises:
        DataError: if outputs and targets have shapes that do not fit, or a place is beyond the tokens.

    Example:
        >>> loss, logits = SpanCrossEntropy(), torch.zeros(1, 4, 2)
        >>> round(float(loss.mean(logits, torch.tensor([[1, 2]]))), 4)  # log(4)
        1.3863
        >>> round(float(loss.mean(logits, torch.tensor([[1, 2, 3]]))), 4)  # log(3)
        1.0986

    Source:
        Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", section 4.2.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give how many spans count; as in `Loss.count`."""
        counted = (targets[:, :2] != IGNORED).all(1)
        if sample_weight is None:
            return read_on_cpu(counted.sum())
        return read_on_cpu((counted * sample_weight.to(counted.device, sum_dtype(sample_weight))).sum())

    def total(self, outputs: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum; as in `Loss.total`."""
        if sample_weight is None:
            return self.reduced(outputs, targets, "sum")
        return weigh(self.reduced(outputs, targets, "none"), sample_weight).sum()

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the mean of torch's two means; as in `Loss.mean`."""
        return self.reduced(outputs, targets, "mean")

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's cross-entropy for both ends; "none" gives a loss for each span, shape `(batch,)`."""
        _check_shapes(outputs, targets)
        logits, places = full_precision(outputs), targets[:, :2].long()
        if targets.shape[1] == 3:
            columns = torch.arange(outputs.shape[1], device=outputs.device)
            logits = logits.masked_fill((columns >= targets[:, 2:])[..., None], -torch.inf)
        places = places.where((places != IGNORED).all(1, keepdim=True), IGNORED)
        try:
            first, last = (
                F.cross_entropy(logits[..., end], places[:, end], ignore_index=IGNORED, reduction=reduction)
                for end in (0, 1)
            )
        except IndexError as error:  # on a CPU; accelerators answer much later, and in other words
            raise DataError(
                f"the outputs have {outputs.shape[1]} tokens, and a target is the place of none of them: {error}",
                f"places from 0 to {outputs.shape[1] - 1}, or {IGNORED} for a span that does not count.",
                "count the places within the tokens that go through the network, from 0.",
            ) from None
        return (first + last) / 2

    def extra_repr(self) -> str:
        """Show what differs from the default."""
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


def _check_shapes(outputs: Tensor, targets: Tensor) -> None:
    is_span = outputs.dim() == 3 and outputs.shape[-1] == 2
    if is_span and targets.dim() == 2 and targets.shape[0] == outputs.shape[0] and targets.shape[1] in (2, 3):
        return
    raise DataError(
        f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}.",
        "outputs of shape (batch, tokens, 2), and targets of shape (batch, 2), or (batch, 3) with numbers of tokens.",
        "stack the logits of first and last tokens: torch.stack((start_logits, end_logits), -1).",
    )
