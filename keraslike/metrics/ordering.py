"""Metrics of texts whose tokens are scored to put them in order: accuracy of positions, Kendall's tau, the spread."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from keraslike.errors import DataError
from keraslike.losses.sums import read_on_cpu, sum_dtype
from keraslike.metrics.base import as_tensor, registered
from keraslike.metrics.mean import MeanMetric, Number
from keraslike.metrics.reading import IGNORED, REGRESSION, Reading


class OrderingMetric(MeanMetric):
    """A value for each text, averaged over the texts that have one.

    The scores are the logits, one per token, `(batch, tokens)`; the targets, of the same shape, say where each marked
    token's sentence stands in the true order (0 is the first), and -100 for any other token.
    """

    least = 2
    """How many sentences a text needs to have a value: one alone stands where it belongs, whatever its score."""

    @abstractmethod
    def per_text(self, scores: Tensor, targets: Tensor, is_marked: Tensor) -> Tensor:
        """Give the value of each text, shape `(batch,)`.

        Args:
            scores: `(batch, width)`, in float64 where the device has it; 0 where nothing is marked.
            targets: of the same shape, as whole numbers.
            is_marked: which of them count.
        """

    def read(self, y_pred: Any, y_true: Any) -> Reading:
        """Bring a batch into one score and one target per token; as in `Metric.update`."""
        logits, targets = as_tensor(y_pred, "logits"), as_tensor(y_true, "labels")
        scores = logits.squeeze(-1) if logits.shape == (*targets.shape, 1) else logits
        if scores.shape != targets.shape or scores.dim() != 2:
            raise DataError(
                f"The network's outputs have shape {tuple(logits.shape)} but the targets have {tuple(targets.shape)}.",
                "one score and one target per token, both (batch, tokens).",
                f"measure {self.name!r} with the task sentence-ordering, or another that scores tokens.",
            )
        return Reading(scores, targets, REGRESSION)

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Give the sum over the texts that have a value, and how many these are."""
        scores, targets, is_marked = _marked(reading.logits, reading.targets)
        is_finite = scores.isfinite().all(1)
        values = torch.where(is_finite, self.per_text(scores, targets, is_marked), torch.nan)
        has_value = is_marked.sum(1) >= self.least
        return read_on_cpu(torch.where(has_value, values, 0).sum()), read_on_cpu(has_value.sum())


@registered
class PositionAccuracy(OrderingMetric):
    """The share of a text's sentences that stand where they belong when they are put in the order of their scores.

    It is averaged over texts of two sentences or more.

    Example:
        >>> scores, targets = torch.tensor([[0.1, 2.0, 0.5]]), torch.tensor([[0, 1, 2]])
        >>> round(PositionAccuracy()(scores, targets), 4)  # the first one is right
        0.3333
    """

    name = "position_accuracy"

    def per_text(self, scores: Tensor, targets: Tensor, is_marked: Tensor) -> Tensor:
        """Give the share of equal ranks."""
        is_right = (_ranks(scores, is_marked) == _ranks(targets, is_marked)) & is_marked
        return is_right.sum(1) / is_marked.sum(1).clamp_min(1).to(scores)


@registered
class OrderingTau(OrderingMetric):
    """Kendall's tau of each text's scores and true positions, averaged over texts of two sentences or more.

    Pairs of sentences in the right order, minus those in the wrong one, over all of them: 1 is the true order, -1 the
    reverse, about 0 chance. Equal scores count as in scipy's `kendalltau` (tau-b); a text whose scores are all equal
    has no order, and counts 0.

    Example:
        >>> scores, targets = (
        ...     torch.tensor([[0.1, 2.0, 0.5], [7.0, 0.0, 0.0]]),
        ...     torch.tensor([[0, 1, 2], [0, -100, -100]]),
        ... )
        >>> round(OrderingTau()(scores, targets), 4)  # of the first text: the second has one sentence
        0.3333

    Source:
        https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.kendalltau.html
    """

    name = "tau"

    def per_text(self, scores: Tensor, targets: Tensor, is_marked: Tensor) -> Tensor:
        """Give tau-b."""
        pairs = is_marked.unsqueeze(2) & is_marked.unsqueeze(1)
        is_less = (scores.unsqueeze(2) < scores.unsqueeze(1)) & pairs
        is_before = (targets.unsqueeze(2) < targets.unsqueeze(1)) & pairs
        right, wrong = (is_less & is_before).sum((1, 2)), (is_less.transpose(1, 2) & is_before).sum((1, 2))
        untied = is_less.sum((1, 2)).to(scores).sqrt() * is_before.sum((1, 2)).to(scores).sqrt()
        return torch.where(untied > 0, (right - wrong) / untied, 0).clamp(-1, 1)  # the roots are rounded


@registered
class ScoreMean(OrderingMetric):
    """The mean of a text's scores, averaged over texts: that of the true positions once the network has learned it.

    Example:
        >>> ScoreMean()(torch.tensor([[0.5, 9.0, 2.5]]), torch.tensor([[0, -100, 1]]))
        1.5
    """

    name = "score_mean"
    least = 1

    def per_text(self, scores: Tensor, targets: Tensor, is_marked: Tensor) -> Tensor:
        """Give the mean."""
        return _mean(scores, is_marked)


@registered
class ScoreSpread(OrderingMetric):
    """The standard deviation of a text's scores, averaged over texts of two sentences or more.

    Scores that say nothing of the order are all near the mean, and their spread is near 0. That of the true positions
    of five sentences is 1.41.

    Example:
        >>> ScoreSpread()(torch.tensor([[0.5, 9.0, 2.5]]), torch.tensor([[0, -100, 1]]))
        1.0
    """

    name = "score_std"

    def per_text(self, scores: Tensor, targets: Tensor, is_marked: Tensor) -> Tensor:
        """Give the standard deviation of all the scores: divided by their number, as numpy's."""
        differences = torch.where(is_marked, scores - _mean(scores, is_marked).unsqueeze(1), 0)
        return _mean(differences.square(), is_marked).sqrt()


def _mean(values: Tensor, is_marked: Tensor) -> Tensor:
    """Give the mean of what is marked in each row; what is not is 0."""
    return values.sum(1) / is_marked.sum(1).clamp_min(1)


def _marked(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give scores, targets and what counts of them, without the tokens that count nowhere where that is free to know.

    On an accelerator the width stays as it is: it is not waited for.
    """
    is_marked = targets != IGNORED
    if _is_free_to_read(targets):
        width = int(is_marked.sum(1).max())
        places = is_marked.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :width]
        logits, targets, is_marked = (tensor.gather(1, places) for tensor in (logits, targets, is_marked))
    return torch.where(is_marked, logits.to(sum_dtype(logits)), 0), targets, is_marked


def _is_free_to_read(tensor: Tensor) -> bool:
    """Tell whether nobody waits for a value of a tensor: on a CPU, where there is one."""
    return tensor.is_cpu and tensor.numel() > 0


def _ranks(values: Tensor, is_marked: Tensor) -> Tensor:
    """Give how many marked values of the same row are smaller, or equal and stand before; shape `(batch, width)`."""
    mine, others = values.unsqueeze(2), values.unsqueeze(1)
    stands_before = torch.ones(values.shape[1], values.shape[1], dtype=torch.bool, device=values.device).tril(-1)
    is_before = (others < mine) | ((others == mine) & stands_before)
    return (is_before & is_marked.unsqueeze(1)).sum(2)
