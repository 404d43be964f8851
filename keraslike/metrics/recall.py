"""Recall: how much of a class is found; of the second class of two, or averaged over classes."""

from keraslike.metrics.base import registered
from keraslike.metrics.class_counts import Array, ClassCounts, ratio
from keraslike.metrics.kinds import TWO


@registered
class RecallMacro(ClassCounts):
    """The mean over classes of the share of what was found among what is there, 0 to 1.

    The same as scikit-learn's `recall_score(average="macro")`; class indices of -100 do not count.
    """

    name = "recall_macro"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over classes; as in `ClassCounts.score`."""
        return float(ratio(right, actual).mean())


@registered
class Recall(RecallMacro):
    """The recall of the second of two classes, 0 to 1; of more classes, or of several labels, as `RecallMacro`.

    As for `F1`, the second class is that of the greater label in sorted order.
    """

    name = "recall"
    is_of_second_class = True


@registered
class RecallBinary(Recall):
    """The recall of the second of two classes; it refuses more, as scikit-learn's `average="binary"` does."""

    name = "recall_binary"
    suits = frozenset({TWO})


@registered
class RecallMicro(ClassCounts):
    """The recall of all decisions together, 0 to 1; with one label per example it equals the accuracy.

    The same as scikit-learn's `recall_score(average="micro")`; class indices of -100 do not count.
    """

    name = "recall_micro"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Sum over classes; as in `ClassCounts.score`."""
        return float(ratio(right.sum(), actual.sum()))


@registered
class RecallWeighted(ClassCounts):
    """The mean of the classes' recall, 0 to 1, each weighted by how often the class is there.

    The same as scikit-learn's `recall_score(average="weighted")`; class indices of -100 do not count.
    """

    name = "recall_weighted"

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over examples; as in `ClassCounts.score`."""
        return float(ratio((ratio(right, actual) * actual).sum(), actual.sum()))
