"""Windows against brute force, and each word in exactly one of them."""

from itertools import groupby
from typing import Any

import numpy as np
import pytest

from keraslike.data.word_windows import word_windows


def row(generator: np.random.Generator, words: int) -> list[int]:
    """Give the words of the tokens of a row: each has no, one or more pieces."""
    pieces = [word for word in range(words) for _ in range(int(generator.choice([0, 1, 1, 2, 3, 9])))]
    return [-1, *pieces, -1]


def best_by_hand(words: list[int], spans: list[tuple[int, int]]) -> dict[int, int]:
    """Give the window of each word: whole if possible, its nearer edge as far away as possible, the first of equals."""
    found = {}
    for word in sorted(set(words) - {-1}):
        first, last = words.index(word), len(words) - 1 - words[::-1].index(word)
        ranks: list[Any] = []
        for start, stop in spans:
            seen = min(last, stop - 1)
            has_first, is_whole = start <= first < stop, last < stop
            ranks.append((has_first, has_first and is_whole, min(first - start, stop - 1 - seen)))
        found[word] = ranks.index(max(ranks))
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("limit", "overlap"), [(8, 0), (8, 2), (12, 5), (9, 6), (30, 7)])
def test_against_brute_force(seed: int, limit: int, overlap: int):
    """Windows are as long as they may be and overlap as told; a word counts where it has most context."""
    words = row(np.random.default_rng(seed), 25)
    room, pieces = limit - 2, len(words) - 2
    starts = [start for start in range(0, pieces, room - overlap) if start == 0 or start + overlap < pieces]
    spans = [(1 + start, 1 + min(start + room, pieces)) for start in starts]

    windows = word_windows(words, limit, overlap)

    best = best_by_hand(words, spans)
    assert [window.places.tolist() for window in windows] == [
        [0, *range(start, stop), len(words) - 1] for start, stop in spans
    ]
    for index, window in enumerate(windows):
        own = [words[place] if best.get(words[place]) == index else -1 for place in window.places.tolist()]
        assert window.words.tolist() == own
        assert window.firsts.tolist() == [
            word if words.index(word) == place else -1 for word, place in zip(own, window.places.tolist(), strict=True)
        ]


@pytest.mark.parametrize("seed", range(8))
def test_each_word_once(seed: int):
    """The first piece of each word that has one is in exactly one window."""
    words = row(np.random.default_rng(seed), 40)

    windows = word_windows(words, limit=9, overlap=3)

    counted = sorted(word for window in windows for word in window.firsts.tolist() if word >= 0)
    assert counted == [word for word, _ in groupby(words) if word >= 0]


@pytest.mark.parametrize("limit", [None, 7, 100])
def test_short_rows_stay_whole(limit: int | None):
    """What fits is one window, as it is."""
    [window] = word_windows([-1, 0, 0, 2, 3, -1, -1], limit, overlap=2)

    assert window.places.tolist() == list(range(7))
    assert window.words.tolist() == [-1, 0, 0, 2, 3, -1, -1]
    assert window.firsts.tolist() == [-1, 0, -1, 2, 3, -1, -1]


@pytest.mark.parametrize("words", [[-1, -1], [-1], []], ids=len)
def test_rows_without_pieces(words: list[int]):
    """A row without any piece is one window of its special tokens."""
    [window] = word_windows(words, limit=5, overlap=1)

    assert window.places.tolist() == list(range(len(words)))
    assert window.firsts.tolist() == words


def test_without_special_tokens():
    """Windows of a tokenizer that adds none hold pieces only."""
    windows = word_windows([0, 1, 2, 3, 4], limit=3, overlap=1)

    assert [window.places.tolist() for window in windows] == [[0, 1, 2], [2, 3, 4]]
    assert [window.words.tolist() for window in windows] == [[0, 1, 2], [-1, 3, 4]]
