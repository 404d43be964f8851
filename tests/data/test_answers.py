"""Answers are read in every form that users write them in, and held against their context."""

from typing import Any

import pytest

from keraslike.data.answers import Answer, places_of, read_answers
from keraslike.errors import DataError

CONTEXT = "Ann ran home, and Ann sang."


@pytest.mark.parametrize(
    "given",
    [
        {"text": ["Ann", "home"], "answer_start": [0, 8]},
        {"answer_start": (0, 8), "text": ("Ann", "home")},
        [{"text": "Ann", "answer_start": 0}, {"text": "home", "answer_start": 8}],
        [{"text": ["Ann"], "answer_start": [0]}, {"answer": "home", "start": 8}],
    ],
)
def test_dicts_and_lists_of_them(given: Any):
    """SQuAD's dict of lists and its list of dicts are the same answers."""
    assert read_answers(given) == [Answer("Ann", 0), Answer("home", 8)]


@pytest.mark.parametrize(
    "given", [None, float("nan"), "", [], {}, {"text": [], "answer_start": []}, {"text": None}, [{"text": [""]}]]
)
def test_no_answer(given: Any):
    """An unanswerable question has nothing, in any of its forms."""
    assert read_answers(given) == []


@pytest.mark.parametrize("given", ["home", ["home"], {"text": "home"}, {"text": ["home"], "answer_start": None}])
def test_texts_without_a_place(given: Any):
    """A text alone is an answer whose place nobody has said; it is found where it stands once."""
    assert read_answers(given) == [Answer("home")]
    assert places_of(read_answers(given), CONTEXT) == [(8, 12)]


def test_spaces_around_an_answer():
    """The characters of an answer are those without the spaces around it."""
    assert places_of([Answer(" ran home", 3)], CONTEXT) == [(4, 12)]


@pytest.mark.parametrize(
    "given",
    [
        7,
        {"text": 5},
        {"text": ["Ann"], "answer_start": [0, 8]},
        {"text": [3], "answer_start": [0]},
        {"text": "Ann", "answer_start": [True]},
        {"text": ["Ann"], "answer_start": ["0"]},
        {"answers": ["Ann"]},
        {"text": {"Ann": 1}},
    ],
    ids=str,
)
def test_what_is_no_answer(given: Any):
    """Anything else is refused, with the row, the value and SQuAD's form."""
    with pytest.raises(DataError, match=r"row 3 \(counted from 0\) has the answers") as error:
        read_answers(given, 3)

    assert str(given) in str(error.value)
    assert '{"text": ["Ann"], "answer_start": [4]}' in str(error.value)


def test_answer_that_stands_elsewhere():
    """An answer that does not begin where it is said to is refused; the message says what does, and where it is."""
    with pytest.raises(DataError) as error:
        places_of([Answer("home", 7)], CONTEXT, 3)

    assert str(error.value).splitlines() == [
        "row 3 (counted from 0): the answer 'home' does not begin at character 7 of the context; there stands ' hom'.",
        "  Expected: answer_start: the character of the context, counted from 0, at which the answer begins.",
        "  Do: the answer stands at 8; check how answer_start was counted.",
    ]


@pytest.mark.parametrize("start", [-3, 27, 4000])
def test_answer_beyond_the_context(start: int):
    """A place outside of the context is refused with the context's length; -3 does not count from the end."""
    with pytest.raises(DataError, match=r"the row: the answer 'ng\.' .* the context has 27 characters"):
        places_of([Answer("ng.", start)], CONTEXT)


def test_answer_that_stands_nowhere():
    """An answer of another row is told from one that is displaced."""
    with pytest.raises(DataError, match="the context does not hold it at all"):
        places_of([Answer("ann", 0)], CONTEXT)


@pytest.mark.parametrize(("text", "times"), [("Ann", 2), ("Bob", 0)])
def test_text_whose_place_cannot_be_told(text: str, times: int):
    """A text without a place has to stand in the context once."""
    with pytest.raises(DataError, match=f"'{text}' has no answer_start, and stands {times} times in the context"):
        places_of([Answer(text)], CONTEXT, 0)
