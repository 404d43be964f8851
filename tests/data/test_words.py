"""Words are runs without spaces; tokens are told apart by where they stand in the text."""

import numpy as np
import pytest

from keraslike.data.words import number_words


@pytest.mark.parametrize(
    ("text", "offsets", "expected"),
    [
        ("ab cd", [(0, 1), (1, 2), (3, 5)], [0, 0, 1]),
        ("ab cd", [(0, 2), (2, 5)], [0, 1]),
        ("ab cd", [(0, 2), (2, 3), (3, 5)], [0, -1, 1]),
        ("ab cd", [(0, 2), (2, 2), (3, 5), (5, 5)], [0, -1, 1, -1]),
        ("a b cd", [(0, 3), (3, 5), (5, 6)], [1, 2, 2]),
        (" \tab\n", [(0, 2), (2, 4), (4, 5)], [-1, 0, -1]),
        ("猫 a", [(0, 1), (0, 1), (0, 1), (1, 3)], [0, 0, 0, 1]),
        ("  ", [(0, 1), (1, 2)], [-1, -1]),
        ("", [], []),
    ],
    ids=["pieces", "space before", "space alone", "empty", "over two words", "edges", "bytes", "spaces", "nothing"],
)
def test_numbers(text: str, offsets: list[tuple[int, int]], expected: list[int]):
    """A token has the number of the word that it stands in, the last of several; spaces have none."""
    assert number_words(text, offsets).tolist() == expected


def test_every_letter_of_a_long_text():
    """Letter by letter, numbers rise by one behind every run of spaces."""
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ab \n"), 5_000))

    numbers = number_words(text, [(place, place + 1) for place in range(len(text))])

    expected, word = [], -1
    for place, letter in enumerate(text):
        word += not letter.isspace() and (place == 0 or text[place - 1].isspace())
        expected.append(-1 if letter.isspace() else word)
    assert numbers.tolist() == expected
