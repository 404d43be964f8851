"""The best spans of a context, from the logits of their first and last tokens in every window."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Array = npt.NDArray[np.float64]


class Spans(NamedTuple):
    """The best spans of one context.

    Attributes:
        best: spans of characters (the first, and the one behind the last) with the sums of their two logits, best
            first; spans that several windows hold, once.
        total: the logarithm of the sum of all spans' exponentials, in all windows.
        null: the logit sum of "no answer" in the window that believes in it least: one that sees the answer is enough.
    """

    best: list[tuple[tuple[int, int], float]]
    total: float
    null: float


def best_spans(windows: Sequence[tuple[Array, Mapping[str, Any]]], most_tokens: int, count: int) -> Spans:
    """Find the best spans of a context.

    Args:
        windows: of each window, the logits of its real tokens, shape `(tokens, 2)`, and its feature, as
            `data.contexts.Window.feature` makes it.
        most_tokens: how many tokens a span may have.
        count: how many spans are wanted.

    Example:
        >>> feature = {"context": "Ann ran", "first": 1, "null": 0, "starts": [0, 4], "ends": [3, 7]}
        >>> logits = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, 2.0]])
        >>> best_spans([(logits, feature)], most_tokens=1, count=2).best
        [((0, 3), 4.0), ((4, 7), 2.0)]
    """
    found: dict[tuple[int, int], float] = {}
    total, null = -np.inf, np.inf
    for logits, feature in windows:
        scores = _scores(logits, feature, most_tokens)
        total = float(np.logaddexp(total, _log_sum(scores)))
        null = min(null, float(logits[int(feature["null"])].sum()))
        for span, score in _best_of(scores, feature, count):
            found[span] = max(score, found.get(span, -np.inf))
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:count]
    return Spans(best, total, null)


def _scores(logits: Array, feature: Mapping[str, Any], most_tokens: int) -> Array:
    """Give the sum for each first token and each further one up to the last, shape `(tokens, most_tokens)`."""
    first, size = int(feature["first"]), len(feature["starts"])
    context, places = feature["context"], zip(feature["starts"], feature["ends"], strict=True)
    is_blank = np.array([not context[start:end].strip() for start, end in places])
    starts, ends = np.where(is_blank, -np.inf, logits[first : first + size].T)
    behind = np.full(most_tokens - 1, -np.inf)
    scores: Array = starts[:, None] + sliding_window_view(np.concatenate([ends, behind]), most_tokens)
    return scores


def _best_of(scores: Array, feature: Mapping[str, Any], count: int) -> list[tuple[tuple[int, int], float]]:
    """Give the best different spans of one window."""
    flat = scores.ravel()
    order = [flat.argmax()] if count == 1 else np.argsort(-flat, kind="stable")
    found: dict[tuple[int, int], float] = {}
    for place in order:
        if len(found) == count or not flat[place] > -np.inf:
            break
        begin, further = divmod(int(place), scores.shape[1])
        found.setdefault(_characters(feature, begin, begin + further), float(flat[place]))
    return list(found.items())


def _characters(feature: Mapping[str, Any], begin: int, last: int) -> tuple[int, int]:
    """Give the characters of a span of tokens; many tokenizers count the space before a word to the word."""
    start, end = int(feature["starts"][begin]), int(feature["ends"][last])
    text = feature["context"][start:end]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _log_sum(scores: Array) -> float:
    highest = float(scores.max())
    return highest if highest == -np.inf else highest + float(np.log(np.exp(scores - highest).sum()))
