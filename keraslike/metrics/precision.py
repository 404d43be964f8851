"""`PrecisionMacro`: how many of a class's predictions are right."""

from keraslike.metrics.base import registered
from keraslike.metrics.class_counts import Array, ClassCounts, ratio


@registered
class PrecisionMacro(ClassCounts):
    """The mean over classes of the share of right ones among what was predicted, 0 to 1.

    The same as scikit-learn's `precision_score(average="macro")`; class indices of -100 do not count.
    """

    name = "precision_macro"
    aliases = ("precision",)

    def score(self, right: Array, predicted: Array, actual: Array) -> float:
        """Average over classes; as in `ClassCounts.score`."""
        return float(ratio(right, predicted).mean())
