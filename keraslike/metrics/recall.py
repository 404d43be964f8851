"""`RecallMacro`: how much of a class is found."""

from keraslike.metrics.base import registered
from keraslike.metrics.class_counts import Array, ClassCounts, ratio


@registered
class RecallMacro(ClassCounts):
    """The mean over classes of the share that was found among what is there, 0 to 1.

    The same as scikit-learn's `recall_score(average="macro")`; class indices of -100 do not count.
    """

    name = "recall_macro"
    aliases = ("recall",)

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over classes; as in `ClassCounts.score`."""
        return float(ratio(right, actual).mean())
