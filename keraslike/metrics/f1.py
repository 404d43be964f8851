"""F1, the harmonic mean of precision and recall, averaged over classes in three ways."""

from keraslike.metrics.base import registered
from keraslike.metrics.class_counts import Array, ClassCounts, ratio


@registered
class F1Macro(ClassCounts):
    """The mean of the classes' F1, 0 to 1: every class weighs the same, however rare.

    The same as scikit-learn's `f1_score(average="macro")`; class indices of -100 do not count.

    Example:
        >>> import torch
        >>> F1Macro()(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        0.6666666666666666
    """

    name = "f1_macro"
    aliases = ("f1",)

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over classes; as in `ClassCounts.score`."""
        return float(ratio(2 * right, predicted + actual).mean())


@registered
class F1Micro(ClassCounts):
    """F1 of all decisions together, 0 to 1; with one label per example it equals the accuracy.

    The same as scikit-learn's `f1_score(average="micro")`; class indices of -100 do not count.
    """

    name = "f1_micro"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Sum over classes; as in `ClassCounts.score`."""
        return float(ratio(2 * right.sum(), (predicted + actual).sum()))


@registered
class F1Weighted(ClassCounts):
    """The mean of the classes' F1, 0 to 1, each weighted by how often the class is there.

    The same as scikit-learn's `f1_score(average="weighted")`; class indices of -100 do not count.
    """

    name = "f1_weighted"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over examples; as in `ClassCounts.score`."""
        return float(ratio((ratio(2 * right, predicted + actual) * actual).sum(), actual.sum()))
