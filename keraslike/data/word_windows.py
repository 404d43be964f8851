"""Cuts the pieces of long rows of words into overlapping windows, and says in which one each word counts."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


class Window(NamedTuple):
    """A part of a row's tokens that goes through the network at once.

    Args:
        places: which of the row's tokens these are, shape `(tokens,)`, the special ones at both ends included.
        words: the number of the word of each token, shape `(tokens,)`; -1 for special tokens, and for words that count
            in another window.
        firsts: the same for the first piece of each word only.
    """

    places: Array
    words: Array
    firsts: Array


def word_windows(words: npt.ArrayLike, limit: int | None, overlap: int) -> list[Window]:
    """Give the windows of a row.

    Every word with a piece counts in exactly one of them: one that holds it whole if any does, and of these the one
    where the nearer edge is farthest away.

    Args:
        words: the number of the word of each token, ascending, -1 for the special tokens at both ends; `(tokens,)`.
        limit: tokens in a window, special ones included; None: no limit.
        overlap: pieces that a window has in common with the one before.

    Example:
        >>> [window.words.tolist() for window in word_windows([-1, 0, 1, 1, 2, 3, -1], limit=5, overlap=1)]
        [[-1, 0, 1, 1, -1], [-1, -1, 2, 3, -1]]
    """
    given = np.asarray(words, dtype=np.int64)
    pieces = np.flatnonzero(given >= 0)
    head, end = (int(pieces[0]), int(pieces[-1]) + 1) if len(pieces) else (len(given), len(given))
    room = None if limit is None else limit - head - (len(given) - end)
    edges = _edges(end - head, room, overlap)
    body = given[head:end]
    is_first = np.diff(body, prepend=-1) != 0
    owners = _owners(body, is_first, edges)
    windows = []
    for index, (start, stop) in enumerate(edges):
        middle = np.arange(head + start, head + stop)
        places = np.concatenate([np.arange(head), middle, np.arange(end, len(given))])
        counted = np.full(len(given), -1)
        counted[head:end] = np.where(owners == index, body, -1)
        firsts = counted.copy()
        firsts[head:end][~is_first] = -1
        windows.append(Window(places, counted[places], firsts[places]))
    return windows


def _edges(pieces: int, room: int | None, overlap: int) -> list[tuple[int, int]]:
    """Give where each window starts and ends among the pieces."""
    if room is None or pieces <= room:
        return [(0, pieces)]
    return [(start, min(start + room, pieces)) for start in range(0, pieces - overlap, room - overlap)]


def _owners(body: Array, is_first: npt.NDArray[np.bool_], edges: list[tuple[int, int]]) -> Any:
    """Give the window in which each piece's word counts, shape `(pieces,)`."""
    if len(edges) == 1 or not len(body):
        return np.zeros(len(body), dtype=np.int64)
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(body)) - 1
    start, stop = np.array(edges).T[:, :, None]
    is_in, is_whole = (start <= first) & (first < stop), last < stop
    context = np.minimum(first - start, stop - 1 - np.minimum(last, stop - 1))
    rank = np.where(is_in, 1 + context + is_whole * len(body), 0)
    return rank.argmax(0)[np.cumsum(is_first) - 1]
