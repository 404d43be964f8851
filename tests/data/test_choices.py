"""The forms in which rows of choices come, and the errors of those that cannot be read."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from keraslike.data.choices import read_choices
from keraslike.errors import ArgumentError, DataError

ROW = {"text": "One and one?", "choices": ["one", "two", "three"], "target": 1}
LISTED = ["one", "two", "three"]

FORMS: dict[str, Any] = {
    "pairs and y": lambda: ([("One and one?", LISTED)], [1]),
    "a tuple of both": lambda: (([("One and one?", LISTED)], [1]), None),
    "triples": lambda: ([("One and one?", LISTED, 1)], None),
    "columns": lambda: ({"question": ["One and one?"], "choices": [LISTED], "label": [1]}, None),
    "columns and y": lambda: ({"question": ["One and one?"], "options": [LISTED]}, ["two"]),
    "letters": lambda: ([{"prompt": "One and one?", "options": LISTED, "answer": "B"}], None),
    "CommonsenseQA": lambda: (
        Dataset.from_dict(
            {
                "id": ["1"],
                "question": ["One and one?"],
                "question_concept": ["one"],
                "choices": [{"label": ["A", "B", "C"], "text": LISTED}],
                "answerKey": ["B"],
            }
        ),
        None,
    ),
    "numbered labels": lambda: (
        {"question": ["One and one?"], "choices": [{"label": ["1", "2", "3"], "text": LISTED}], "answerKey": ["2"]},
        None,
    ),
    "dicts of choices": lambda: (
        [
            {
                "stem": "One and one?",
                "choices": [{"label": k, "text": v} for k, v in zip("ABC", LISTED, strict=True)],
                "answer": "B",
            }
        ],
        None,
    ),
    "HellaSwag": lambda: ({"ctx": ["One and one?"], "endings": [LISTED], "label": ["1"]}, None),
    "a column each": lambda: (
        {"goal": ["One and one?"], **{f"sol{n + 1}": [LISTED[n]] for n in range(3)}, "label": [1]},
        None,
    ),
    "letters in names": lambda: (
        {"context": ["One and one?"], "answerC": ["three"], "answerA": ["one"], "answerB": ["two"], "label": ["B"]},
        None,
    ),
    "fewer than others": lambda: (
        {"question": ["One and one?"], "opa": ["one"], "opb": ["two"], "opc": ["three"], "opd": [None], "cop": [1]},
        None,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_reads_forms(name: str):
    """The same row comes from every form."""
    x, y = FORMS[name]()

    assert read_choices(x, y)[0] == ROW


def test_swag():
    """In SWAG the second sentence begins each ending."""
    row = {"sent1": "Ann sits.", "sent2": "She", **{f"ending{n}": f"{n}." for n in range(4)}, "label": 2}

    found = read_choices([{"video-id": "a", **row, "gold-source": "gold"}])

    assert found[0] == {"text": "Ann sits.", "choices": ["She 0.", "She 1.", "She 2.", "She 3."], "target": 2}
    assert found.source_columns == {"text": ["sent1", "ending0", "ending1", "ending2", "ending3"], "target": "label"}


def test_copa():
    """In COPA the question stands before each alternative, in words."""
    row = {"premise": "It rained.", "choice1": "Clouds came.", "choice2": "Birds sang.", "idx": 0, "label": 0}

    rows = read_choices([{**row, "question": "cause"}, {**row, "question": "effect"}])

    assert rows[0]["choices"] == ["What was the cause? Clouds came.", "What was the cause? Birds sang."]
    assert rows[1]["choices"][0] == "What happened as a result? Clouds came."


def test_race():
    """A question beside an article stands before each option."""
    rows = read_choices([{"article": "Ann is two.", "question": "Her age?", "options": ["1", "2"], "answer": "B"}])

    assert rows[0] == {"text": "Ann is two.", "choices": ["Her age? 1", "Her age? 2"], "target": 1}


def test_choice_itself_behind_a_question():
    """A right choice is given as it stands in the list, without the question that comes to stand before it."""
    rows = read_choices([{"article": "Ann sat.", "question": "Who?", "options": ["Bob", "Ann"], "answer": "Ann"}])

    assert rows[0] == {"text": "Ann sat.", "choices": ["Who? Bob", "Who? Ann"], "target": 1}


WINOGRANDE = {"sentence": "Ann thanked Bob; _ had won.", "option1": "Ann", "option2": "Bob"}


@pytest.mark.parametrize("named", [False, True])
def test_winogrande(named: bool):
    """Winogrande's "1" and "2" are option1 and option2, whether or not the columns are named."""
    rows = [{**WINOGRANDE, "answer": answer} for answer in ("2", "1", "1")]
    how: dict[str, Any] = {"text": ("sentence", "option1", "option2"), "target": "answer"} if named else {}

    assert list(read_choices(rows, **how).column("target")) == [1, 0, 0]


def test_winogrande_with_ones_alone():
    """A "1" alone may be option1 or the second choice; the lines that the error gives settle it."""
    with pytest.raises(DataError, match="choice 0 as the end of a column's name and choice 1 as a number") as error:
        read_choices([WINOGRANDE] * 2, ["1", "1"])

    line = "y = [['1', '2'].index(value) for value in y]"
    assert f"{line} if it is the end of a column's name, or y = [int(value) for value in y] if" in str(error.value)
    y = [["1", "2"].index(value) for value in ("1", "1")]
    assert list(read_choices([WINOGRANDE] * 2, y).column("target")) == [0, 0]


def test_row_with_fewer_choices_than_columns():
    """A column's name that stands for no choice of the row is none of its right choices."""
    row = {"goal": "a", "sol1": "b", "sol2": "c", "sol3": None}

    with pytest.raises(DataError, match=r"the right choice of row 1 .* is '3', a str, and the row has 2 choices"):
        read_choices([{**row, "sol3": "d"}, row], ["3", "3"])


def test_file_of_numbers_with_a_fraction(tmp_path: Path):
    """Numbers that a table with holes has made 0.0 and 1.0 are read as whole ones; True and False as choices."""
    numbers, words = tmp_path / "numbers.csv", tmp_path / "words.csv"
    numbers.write_text("premise,choice1,choice2,label\na,b,c,1.0\na,b,c,0.0\n")
    words.write_text("premise,choice1,choice2,label\na,True,False,False\na,True,False,True\n")

    assert list(read_choices(str(numbers)).column("target")) == [1, 0]
    assert list(read_choices(str(words)).column("target")) == [1, 0]


@pytest.mark.parametrize("text", [("q", "c"), ["q", "c"]], ids=["tuple", "list"])
def test_columns_by_name(text: Any):
    """The first name is the text's, the second that of the lists of choices; more are choices."""
    rows = read_choices({"q": ["a"], "c": [["b", "d"]], "n": [0]}, text=text, target="n")
    single = read_choices({"q": ["a"], "c": ["b"], "e": ["d"], "n": [0]}, text=("q", "c", "e"), target="n")

    assert rows[0] == single[0] == {"text": "a", "choices": ["b", "d"], "target": 0}
    assert single.source_columns == {"text": ["q", "c", "e"], "target": "n"}


def test_csv(tmp_path: Path):
    """Numbers in a file of strings count from 0; an empty last choice is none."""
    file = tmp_path / "copa.csv"
    file.write_text("premise,choice1,choice2,choice3,label\na,b,c,d,1\na,b,c,,0\n")

    rows = read_choices(str(file))

    assert list(rows.column("target")) == [1, 0]
    assert list(rows.column("choices")) == [["b", "c", "d"], ["b", "c"]]


def test_without_targets():
    """To predict, no target is looked for."""
    rows = read_choices({"question": ["a"], "choices": [["b", "c"]], "label": [-1]}, labelled=False)

    assert rows[0] == {"text": "a", "choices": ["b", "c"]}


def test_prepare():
    """A function of the user's own row gives what is read."""
    rows = read_choices({"q": ["a"]}, prepare=lambda row: {"question": row["q"], "choices": ["b", "c"], "label": 1})

    assert rows[0] == {"text": "a", "choices": ["b", "c"], "target": 1}


WRONG: dict[str, tuple[Any, Any, str]] = {
    "no pairs": (["a", "b"], None, r"row 0 of x \(counted from 0\) is 'a', a str[\s\S]*a text and its choices"),
    "four parts": ([("a", ["b", "c"]), ("a", "b", "c", "d")], None, r"row 1 of x \(counted from 0\) is \('a', 'b'"),
    "mixed": ([("a", ["b", "c"]), ("a", ["b", "c"], 1)], None, r"row 0 of x"),
    "nothing": ([], None, r"x is empty\."),
    "one choice": ([("a", ["b"])], [0], r"the choices of row 0 \(counted from 0\) are \['b'\][\s\S]*two texts or more"),
    "a str": ([("a", ["b", "c"]), ("a", "b or c")], [0, 0], r"the choices of row 1 \(counted from 0\) are 'b or c'"),
    "a number": ([("a", ["b", 2])], [0], r"the choices of row 0 \(counted from 0\) are \['b', 2\]"),
    "a hole": (
        {"goal": ["a"], "sol1": [None], "sol2": ["b"], "label": [1]},
        None,
        r"choices of row 0 .* are \[None, 'b'\]",
    ),
    "no column": (
        {"question": ["a"], "other": ["b"], "label": [1]},
        None,
        r"no column holds the choices; beside the text there are 'other'",
    ),
    "only a text": ({"question": ["a"], "label": [1]}, None, r"beside the text there are none"),
    "no text": ([("", ["b", "c"])], [0], r"row 0 of the texts has no text"),
    "too few targets": ([("a", ["b", "c"])], [0, 1], r"x has 1 rows but y has 2 targets"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rows(name: str):
    """What cannot be read is refused with the row, what was expected, and what to do."""
    x, y, text = WRONG[name]

    with pytest.raises(DataError, match=text):
        read_choices(x, y)


def test_wrong_column():
    """A column that is not there is named, with those that are."""
    with pytest.raises(ArgumentError, match=r"no column 'choises' left for the choices[\s\S]*did you mean 'choices'"):
        read_choices({"question": ["a"], "choices": [["b", "c"]], "label": [0]}, text=("question", "choises"))


def test_a_generator_of_rows_is_read_like_a_list():
    """Rows that are drawn one by one are those of a list."""
    rows = [("One and one?", LISTED, 1), ("Two?", LISTED[:2], 0)]

    assert list(read_choices(iter(rows))) == list(read_choices(rows))
