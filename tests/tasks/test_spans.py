"""The best spans of a context, against all spans tried one by one."""

import math
from typing import Any

import numpy as np
import pytest

from keraslike.tasks.spans import best_spans

CONTEXT = "it was a  moving film\n!"
OFFSETS = [(0, 2), (2, 6), (6, 8), (8, 9), (9, 10), (10, 13), (13, 16), (16, 21), (21, 22), (22, 23)]
"""As byte-pair tokenizers have them: with the space before a word, and spaces that are tokens of their own."""


def window_of(tokens: range, seed: int, first: int = 3) -> tuple[Any, dict[str, Any]]:
    """Give random logits, and the feature, of a window of the context's tokens; a question stands before them."""
    logits = np.random.default_rng(seed).standard_normal((first + len(tokens) + 1, 2)) * 3
    starts, ends = zip(*(OFFSETS[token] for token in tokens), strict=True)
    return logits, {"context": CONTEXT, "first": first, "null": 0, "starts": np.array(starts), "ends": np.array(ends)}


def all_spans(windows: list[tuple[Any, dict[str, Any]]], most: int) -> list[tuple[tuple[int, int], float]]:
    """Try every first and every last token of every window."""
    found = []
    for logits, feature in windows:
        words = [feature["context"][s:e] for s, e in zip(feature["starts"], feature["ends"], strict=True)]
        for begin in range(len(words)):
            for last in range(begin, min(begin + most, len(words))):
                if not words[begin].strip() or not words[last].strip():
                    continue
                text = feature["context"][feature["starts"][begin] : feature["ends"][last]]
                start = int(feature["starts"][begin]) + len(text) - len(text.lstrip())
                score = logits[feature["first"] + begin, 0] + logits[feature["first"] + last, 1]
                found.append(((start, start + len(text.strip())), float(score)))
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("most", [1, 3, 30])
@pytest.mark.parametrize("count", [1, 4, 1000])
def test_best_of_all(seed: int, most: int, count: int):
    """The best different spans of all windows, each once, no longer than asked for; and the sum of all exponentials."""
    windows = [window_of(range(7), seed), window_of(range(4, 10), 100 + seed, first=5)]
    tried = all_spans(windows, most)
    unique: dict[tuple[int, int], float] = {}
    for span, score in tried:
        unique[span] = max(score, unique.get(span, -math.inf))

    found = best_spans(windows, most, count)

    expected = sorted(unique.items(), key=lambda item: -item[1])[:count]
    assert [span for span, _ in found.best] == [span for span, _ in expected]
    assert [score for _, score in found.best] == pytest.approx([score for _, score in expected], rel=1e-12)
    assert found.total == pytest.approx(math.log(sum(math.exp(score) for _, score in tried)), rel=1e-12)
    assert found.null == pytest.approx(min(logits[0].sum() for logits, _ in windows), rel=1e-12)


def test_texts_have_no_spaces_around_them():
    """No span begins or ends with a space, and none is a space alone."""
    found = best_spans([window_of(range(10), 0)], 30, 1000)

    texts = [CONTEXT[start:end] for (start, end), _ in found.best]
    assert texts
    assert all(text == text.strip() and text for text in texts)


def test_window_of_spaces_has_no_span():
    """A window that holds nothing but spaces gives none; another window's are found all the same."""
    blank = window_of(range(8, 9), 0)

    assert best_spans([blank], 5, 3).best == []
    assert best_spans([blank, window_of(range(2), 1)], 5, 1).best == best_spans([window_of(range(2), 1)], 5, 1).best


def test_large_logits_do_not_overflow():
    """The sum of the exponentials is taken safely."""
    logits, feature = window_of(range(5), 0)

    found = best_spans([(logits * 1000, feature)], 5, 1)

    assert math.isfinite(found.total)
    assert found.total == pytest.approx(found.best[0][1], rel=1e-3)
