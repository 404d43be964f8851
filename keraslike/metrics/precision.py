"""Precision: how many of a class's predictions are right; of the second class of two, or averaged over classes."""

from keraslike.metrics.base import registered
from keraslike.metrics.class_counts import Array, ClassCounts, ratio
from keraslike.metrics.kinds import TWO


@registered
class PrecisionMacro(ClassCounts):
    """The mean over classes of the share of right ones among what was predicted, 0 to 1.

    The same as scikit-learn's `precision_score(average="macro")`; class indices of -100 do not count.
    """

    name = "precision_macro"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over classes; as in `ClassCounts.score`."""
        return float(ratio(right, predicted).mean())


@registered
class Precision(PrecisionMacro):
    """The precision of the second of two classes, 0 to 1; of more classes, or of several labels, as `PrecisionMacro`.

    As for `F1`, the second class is that of the greater label in sorted order.
    """

    name = "precision"
    is_of_second_class = True


@registered
class PrecisionBinary(Precision):
    """The precision of the second of two classes; it refuses more, as scikit-learn's `average="binary"` does."""

    name = "precision_binary"
    suits = frozenset({TWO})


@registered
class PrecisionMicro(ClassCounts):
    """The precision of all decisions together, 0 to 1; with one label per example it equals the accuracy.

    The same as scikit-learn's `precision_score(average="micro")`; class indices of -100 do not count.
    """

    name = "precision_micro"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Sum over classes; as in `ClassCounts.score`."""
        return float(ratio(right.sum(), predicted.sum()))


@registered
class PrecisionWeighted(ClassCounts):
    """The mean of the classes' precision, 0 to 1, each weighted by how often the class is there.

    The same as scikit-learn's `precision_score(average="weighted")`; class indices of -100 do not count.
    """

    name = "precision_weighted"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over examples; as in `ClassCounts.score`."""
        return float(ratio((ratio(right, predicted) * actual).sum(), actual.sum()))
