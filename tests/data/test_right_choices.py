"""A column of right choices is read in one way, or refused."""

from typing import Any

import numpy as np
import pytest

from keraslike.data.choices import read_choices
from keraslike.data.right_choices import Choices, Ways, indices_of
from keraslike.errors import DataError

LISTED = ["one", "two", "three"]


@pytest.mark.parametrize(
    ("value", "names", "expected"),
    [
        (2, [], 2),
        (1.0, [], 1),
        ("c", [], 2),
        ("0", [], 0),
        ("two", [], 1),
        ("2", ["1", "2", "3"], 1),
        ("z", ["x", "y", "Z"], 2),
    ],
)
def test_the_right_choice(value: Any, names: list[str], expected: int):
    """A number, a letter, a label beside the choices, or the choice itself."""
    assert indices_of([value], [Choices(LISTED, names)]) == [expected]


@pytest.mark.parametrize("value", [3, -1, "3"])
def test_no_choice(value: Any):
    """A number that is none of the choices is refused, with what would be one."""
    with pytest.raises(
        DataError, match=r"right choice of row 7 [\s\S]*3 choices[\s\S]*0 to 2, a letter[\s\S]*count from 0"
    ):
        indices_of(["two"] * 7 + [value], [Choices(LISTED)] * 8)


@pytest.mark.parametrize("value", ["d", "", None, True, 0.5, float("nan"), [1], "four"])
def test_no_choice_among_choices(value: Any):
    """What is no whole number either is refused with advice for its row: there is nothing to count."""
    with pytest.raises(DataError, match=r"right choice of row 7 [\s\S]*3 choices[\s\S]*0 to 2, a letter") as error:
        indices_of(["two"] * 7 + [value], [Choices(LISTED)] * 8)

    assert str(error.value).endswith("\n  Do: write row 7 like the others, or leave it out.")


@pytest.mark.parametrize("value", ["four", None, 0.5])
def test_no_choice_anywhere(value: Any):
    """Where no row is read there are no others to be like."""
    with pytest.raises(DataError) as error:
        indices_of([value] * 2, [Choices(LISTED)] * 2)

    assert str(error.value).endswith(
        "\n  Do: write the place of each right choice, counted from 0; leave out rows whose answer is not known."
    )


def test_true_and_false_are_no_choices():
    """True and False are refused, and the line that the error gives makes 1 and 0 of them."""
    rows, y = [{"question": "right?", "choices": ["no", "yes"]}] * 2, np.array([True, False])

    with pytest.raises(DataError, match=r"row 0 \(counted from 0\) is True, a bool") as error:
        read_choices(rows, y)

    assert str(error.value).endswith("\n  Do: write y = [int(value) for value in y].")
    assert list(read_choices(rows, [int(value) for value in y]).column("target")) == [1, 0]


def test_an_empty_answer_is_no_empty_label():
    """Choices without labels, written as dicts, are not found by a right choice that is not known."""
    row = {"question": "sky?", "choices": [{"text": "red"}, {"text": "blue"}]}

    with pytest.raises(DataError, match=r"row 1 \(counted from 0\) is '', a str[\s\S]*1 of 2 rows hold the choice"):
        read_choices([row] * 2, ["blue", ""])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_no_whole_number_is_no_choice(value: float):
    """A number with a fraction, or none at all, is refused in words."""
    with pytest.raises(DataError, match="the right choice of row 0"):
        indices_of([value], [Choices(["yes", "no"])])


SUM = {"question": "2+1?", "choices": ["4", "2", "3"]}
SKY = {"question": "sky?", "choices": ["red", "green", "blue"]}
ORDER = {"question": "first?", "choices": ["B", "A", "C"]}


@pytest.mark.parametrize(
    ("rows", "y", "expected"),
    [
        ([SUM, SKY], ["2", "2"], [2, 2]),  # no choice of the second row is "2"
        ([SUM, SKY], ["2", "red"], [1, 0]),  # "red" is no number
        ([SUM, SUM], ["2", "4"], [1, 0]),  # 4 would be the fifth of three
        ([ORDER, SKY], ["A", "A"], [0, 0]),  # no choice of the second row is "A"
        ([ORDER, SKY], ["A", "red"], [1, 0]),
        ([SUM, SKY], ["2", 0], [2, 0]),
        ([SUM, SUM], [2, 1], [2, 1]),
        ([SKY, SUM], ["0", "2"], [0, 2]),
    ],
)
def test_one_way_for_all_rows(rows: list[dict[str, Any]], y: list[Any], expected: list[int]):
    """What a value means depends on the column that it stands in, not on its row alone."""
    assert list(read_choices(rows, y).column("target")) == expected
    assert list(read_choices(rows[::-1], y[::-1]).column("target")) == expected[::-1]


SAME = {"question": "any?", "choices": ["A", "0", "2"]}
ITSELF = "y = [own.index(value) for own, value in zip(choices, y)] if it is the choice itself"
NUMBER = "y = [int(value) for value in y] if it is a number counted from 0"
LETTER = 'y = ["ABCDEFGH".index(value.upper()) for value in y] if it is a letter'
WAYS = {
    "number": (SUM, "2", "choice 1 as the choice itself and choice 2 as a number counted from 0", NUMBER),
    "letter": (ORDER, "A", "choice 1 as the choice itself and choice 0 as a letter", LETTER),
}


@pytest.mark.parametrize("case", WAYS)
def test_several_ways(case: str):
    """Where several ways fit all rows and differ, the error has a line for each of them."""
    row, value, ways, other = WAYS[case]

    with pytest.raises(DataError, match=rf"row 1 \(counted from 0\) is '{value}', which is {ways}; ") as error:
        read_choices([SAME, row], [value, value])

    assert str(error.value).endswith(f"\n  Do: write {ITSELF}, or {other}.")


def test_ways_that_agree_are_no_ambiguity():
    """A choice named like its own letter, or like its own number, may be read in either way."""
    rows = [{"question": "which?", "choices": ["a", "b"]}, {"question": "how many?", "choices": ["0", "1"]}]

    assert list(read_choices(rows[:1] * 2, ["a", "b"]).column("target")) == [0, 1]
    assert list(read_choices(rows[1:] * 2, ["0", "1"]).column("target")) == [0, 1]


def test_labels_beside_the_choices_come_first():
    """Labels are there to be named: ARC's of both kinds are read beside one another, whatever the choices say."""
    rows = [
        {"question": "2+1?", "choices": {"text": ["4", "2", "3"], "label": ["1", "2", "3"]}},
        {"question": "first?", "choices": {"text": ["B", "A"], "label": ["A", "B"]}},
    ]

    assert list(read_choices(rows, ["3", "A"]).column("target")) == [2, 0]


def test_columns_that_are_mixed():
    """A row that is not read like the others is named, with what the others are."""
    with pytest.raises(DataError) as error:
        read_choices([SKY] * 4, ["A", "B", "green", "C"])

    assert str(error.value) == (
        "the right choice of row 2 (counted from 0) is 'green', a str, and the row has 3 choices; 3 of 4 rows hold a "
        "letter.\n"
        "  Expected: a number from 0 to 2, a letter (A is the first), or the choice itself; the same in every row.\n"
        "  Do: write row 2 like the others, or leave it out."
    )


@pytest.mark.parametrize("y", [["1", "3", "2"], [1, 3, 2]])
def test_counted_from_one(y: list[Any]):
    """Numbers from 1 are refused, and the line that the error gives helps strings as well as ints."""
    with pytest.raises(DataError, match=r"row 1 .* 3 choices; 2 of 3 rows hold a number counted from 0") as error:
        read_choices([SKY] * 3, y)

    assert "  Do: count from 0: y = [int(number) - 1 for number in y]; " in str(error.value)
    assert list(read_choices([SKY] * 3, [int(number) - 1 for number in y]).column("target")) == [0, 2, 1]


# Columns that are read one after the other

NUMBERED = {"question": "what?", "choices": {"text": ["film", "story", "cast"], "label": ["1", "2", "3"]}}
IN_COLUMNS = {"sentence": "Ann thanked Bob; _ had won.", "option1": "Ann", "option2": "Bob"}
CONTINUED = {
    "numbers, not labels": (NUMBERED, ["0", "1", "2"], ["1", "2", "1"], [1, 2, 1]),
    "ends of names, not numbers": (IN_COLUMNS, ["1", "2"], ["1", "1"], [0, 0]),
    "numbers, not ends of names": (IN_COLUMNS, ["0", "1"], ["1", "1"], [1, 1]),
    "numbers, not the choice itself": (SUM, ["0", "2"], ["2"], [2]),
    "the choice itself, not numbers": (SUM, ["4", "2"], ["2"], [1]),
    "letters that agree with the choices": ({**SKY, "choices": ["a", "b"]}, ["a", "b"], ["B"], [1]),
}


def read_in_turn(*columns: tuple[dict[str, Any], list[Any]]) -> list[list[int]]:
    """Give the places in each column: one row with several right choices."""
    ways: Ways = {}
    return [list(read_choices([row] * len(y), y, before=ways).column("target")) for row, y in columns]


@pytest.mark.parametrize("case", CONTINUED)
def test_later_columns_are_read_alike(case: str):
    """What the first column cannot be, some of its rows alone are not, either."""
    row, first, later, expected = CONTINUED[case]

    assert read_in_turn((row, first), (row, later))[1] == expected


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ((SKY, ["A", "C"]), (SKY, ["red", "blue"]), [0, 2]),  # no row can be read as a letter
        ((SKY, ["0", "2"]), (NUMBERED, ["1", "2"]), [0, 1]),  # labels beside the choices, of which there were none
        ((SUM, ["0", "2"]), (IN_COLUMNS, ["2", "1"]), [1, 0]),
        ((NUMBERED, [0, 2]), (NUMBERED, ["1", "2"]), [0, 1]),  # ints say nothing of strings
        ((NUMBERED, ["1", "3"]), (NUMBERED, [1, 2]), [1, 2]),  # and are always numbers
        ((IN_COLUMNS, ["1", "2"]), (IN_COLUMNS, [1, 1]), [1, 1]),
    ],
)
def test_later_columns_of_another_form(first: Any, later: Any, expected: list[int]):
    """A column that is not like those before, or whose choices come in another form, is read anew."""
    assert read_in_turn(first, later)[1] == expected


def test_columns_of_two_forms_leave_both_open():
    """After labels and numbers for choices that come alike, rows that may be either are refused with both lines."""
    with pytest.raises(
        DataError, match="choice 0 as the label beside a choice and choice 1 as a number counted from 0"
    ) as error:
        read_in_turn((NUMBERED, ["0", "1"]), (NUMBERED, ["1", "3"]), (NUMBERED, ["1", "2"]))

    line = "y = [own.index(value) for own, value in zip(labels, y)] if it is the label beside a choice"
    assert f"\n  Do: write {line}, or {NUMBER}." in str(error.value)


def test_a_refused_column_settles_nothing():
    """What ends in an error is not remembered: option1 or the second choice is still asked."""
    ways: Ways = {}

    for _ in range(2):
        with pytest.raises(DataError, match="which is choice 0 as the end of a column's name and choice 1 as a number"):
            read_choices([IN_COLUMNS], ["1"], before=ways)
    assert ways == {}
