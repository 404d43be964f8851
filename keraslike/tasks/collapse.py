"""Says when the scores of sentences have collapsed to their mean, so that they tell nothing of the order."""

from collections.abc import Mapping

import numpy as np

FLAT = 0.1
"""A standard deviation within a text that is less than this share of the true positions' says nothing."""


def collapse_remark(row: Mapping[str, float], sentences: int, *, is_sep: bool) -> str | None:
    """Give a line on an epoch in which all scores were near the mean; None where they were not, or it is not known.

    Args:
        row: the epoch's row of the history; validation, without dropout, counts before training.
        sentences: how many a text has.
        is_sep: whether the separator marks them already.

    Example:
        >>> collapse_remark({"score_mean": 2.0, "score_std": 0.9}, 5, is_sep=True)
        >>> print(str(collapse_remark({"score_mean": 2.0, "score_std": 0.01}, 5, is_sep=True))[:59])
        All scores are near their mean, 2.00 (spread 0.010; 1.41 is
    """
    part = "val_" if "val_score_std" in row else ""
    spread, mean = row.get(f"{part}score_std"), row.get(f"{part}score_mean", 0.0)
    true_spread = float(np.arange(max(sentences, 1)).std())
    if spread is None or not spread < FLAT * true_spread:
        return None
    ways = ["more epochs", "a higher learning_rate", *([] if is_sep else ['task=SentenceOrdering(marker="sep")'])]
    return (
        f"All scores are near their mean, {mean:.2f} (spread {spread:.3f}; {true_spread:.2f} is right): no order is "
        f"learned yet. Try {', '.join(ways[:-1])} or {ways[-1]}."
    )
