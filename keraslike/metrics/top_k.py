"""`TopKAccuracy`: whether the right class is among the most likely ones."""

from numbers import Integral
from typing import Any, ClassVar

import torch

from keraslike.errors import ArgumentError
from keraslike.losses.sums import read_on_cpu
from keraslike.metrics.base import registered
from keraslike.metrics.kinds import MORE
from keraslike.metrics.mean import MeanMetric, Number
from keraslike.metrics.reading import Reading, is_counted


@registered
class TopKAccuracy(MeanMetric):
    """The share of examples whose class is among the k most likely ones, 0 to 1.

    The same as scikit-learn's `top_k_accuracy_score`, where of equal logits the later class comes first; class indices
    of -100 do not count. Only two counts are kept.

    Args:
        problem_type: as in `Metric`.
        k: how many classes; 2 as in scikit-learn.

    Raises:
        ArgumentError: k is below 1, or there are no more than k classes, so that every example would be right.

    Example:
        >>> TopKAccuracy(k=2)(torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]]), torch.tensor([1, 0]))
        0.5
    """

    name = "top_k_accuracy"
    is_of_classes = True
    suits = frozenset({MORE})
    usual_k: ClassVar[int] = 2
    """The k where none is said."""

    def __init__(self, problem_type: str | None = None, k: int | None = None) -> None:
        given: Any = self.usual_k if k is None else k
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 1:
            raise ArgumentError(f"k={k!r} is no number of classes.", "a whole number from 1 on.", "write k=3.")
        self.k = int(given)
        if k is not None:
            self.name = f"top_{k}_accuracy"
        super().__init__(problem_type)

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Count the examples of which fewer than k classes come before the right one, and all of them."""
        logits, targets, _ = reading
        if logits.shape[1] <= self.k:
            raise ArgumentError(
                f"The metric {self.name!r} looks at the {self.k} likeliest of {logits.shape[1]} classes.",
                f"more than {self.k} classes: with these every example would be right.",
                "metrics=['accuracy'], or TopKAccuracy(k=...) with a smaller k.",
            )
        counted = is_counted(reading)
        column = torch.where(counted, targets, 0).unsqueeze(1)
        wanted, places = logits.gather(1, column), torch.arange(logits.shape[1], device=logits.device)
        comes_before = (logits > wanted) | ((logits == wanted) & (places > column))
        is_right = (comes_before.sum(1) < self.k) & counted & ~wanted.squeeze(1).isnan()
        return read_on_cpu(torch.count_nonzero(is_right)), read_on_cpu(torch.count_nonzero(counted))


@registered
class Top3Accuracy(TopKAccuracy):
    """The share of examples whose class is among the three most likely ones; as in `TopKAccuracy`."""

    name = "top_3_accuracy"
    usual_k = 3


@registered
class Top5Accuracy(TopKAccuracy):
    """The share of examples whose class is among the five most likely ones; as in `TopKAccuracy`."""

    name = "top_5_accuracy"
    usual_k = 5
