"""Which tokens belong to one word, whatever the tokenizer: a word is a run of characters without spaces."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WORD = re.compile(r"\S+")
NO_WORD = -1
"""The number of a token that belongs to no word: spaces, and tokens that stand for nothing in the text."""


def number_words(text: str, offsets: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Give the number of each token's word, counted from 0, shape `(tokens,)`; `NO_WORD` where there is none.

    A token may bring the space before its word, as those of byte-level BPE and SentencePiece do. One that reaches over
    several words counts for the last of them.

    Args:
        text: the text.
        offsets: where each token begins and ends in the text, in characters.

    Example:
        >>> number_words("a new-born star", [(0, 1), (1, 5), (5, 6), (6, 10), (10, 11), (11, 15)]).tolist()
        [0, 1, 1, 1, -1, 2]
    """
    spans = np.array([match.span() for match in WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
    begins, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    if not len(spans):
        return np.full(len(begins), NO_WORD)
    numbers = np.searchsorted(spans[:, 0], ends, side="left") - 1  # the last word that begins before the token ends
    is_in_word = (numbers >= 0) & (begins < ends) & (spans[numbers, 1] > begins)
    return np.where(is_in_word, numbers, NO_WORD)
