"""F1, the harmonic mean of precision and recall: of the second class of two, or averaged over classes in three ways."""

from keraslike.metrics.base import registered
from keraslike.metrics.class_counts import Array, ClassCounts, ratio
from keraslike.metrics.kinds import TWO


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

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over classes; as in `ClassCounts.score`."""
        return float(ratio(2 * right, predicted + actual).mean())


@registered
class F1(F1Macro):
    """F1 of the second of two classes, 0 to 1; of more classes, or of several labels, the mean as in `F1Macro`.

    The second class is that of the greater label in sorted order, such as 1, True, "spam" or "yes". So it is
    scikit-learn's `f1_score` wherever that has a value without being told how to average.

    Example:
        >>> import torch
        >>> F1()(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        0.6666666666666666
    """

    name = "f1"
    is_of_second_class = True


@registered
class F1Binary(F1):
    """F1 of the second of two classes, as `F1`; it refuses more classes, as scikit-learn's `average="binary"` does."""

    name = "f1_binary"
    suits = frozenset({TWO})


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
