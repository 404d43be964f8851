"""`NegativeLogLikelihood`: one right class among several, from log-probabilities."""

from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.losses.base import full_precision
from keraslike.losses.cross_entropy import count_classes, fitting
from keraslike.losses.sums import Count
from keraslike.losses.torch_loss import TorchLoss


class NegativeLogLikelihood(TorchLoss):
    """Negative log-likelihood of log-probabilities (after `log_softmax`), torch's own, as a (sum, count).

    Shapes and count are those of `CrossEntropy` with class indices.

    Args:
        weight: one factor per class, shape `(classes,)`; None: all are 1.
        ignore_index: the class index that means "no label here".
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> NegativeLogLikelihood().mean(torch.tensor([[-0.5, -0.9], [-0.1, -2.4]]), torch.tensor([0, 1])).item()
        1.4500000476837158

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html
    """

    problem_type = "single_label_classification"
    names: ClassVar[tuple[str, ...]] = ("nll", "negative_log_likelihood")
    func = staticmethod(F.nll_loss)
    module = nn.NLLLoss
    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction, ignore_index=ignore_index)
        self.register_buffer("weight", weight)

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give how many targets count, or the sum of their classes' weights; as in `Loss.count`."""
        return count_classes(targets, self.weight, self.options["ignore_index"], sample_weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        outputs = full_precision(outputs)
        targets = fitting(outputs, targets, has_probabilities=False)
        weight = None if self.weight is None else self.weight.to(outputs)
        return self.func(outputs, targets, weight, reduction=reduction, **self.options)

    def with_class_weight(self, weights: Tensor) -> Self:
        """Give a copy that weighs the classes; as in `Loss.with_class_weight`."""
        return self._weighed("weight", weights)
