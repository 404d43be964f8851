"""One row, told from a table by its values: words in a list, sentences in a list, a dict of either."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from datasets import Dataset, DatasetDict

from keraslike.data.fields import are_strings
from keraslike.data.sentences import is_one_text, read_sentences
from keraslike.data.tagged_words import is_one_row, read_tagged_words
from keraslike.errors import DataError

WORDS, TAGS = ["Ann", "lives", "in", "Rome"], ["B-PER", "O", "O", "B-LOC"]
TABLE = Dataset.from_dict({"tokens": [WORDS, ["Bob"]], "ner_tags": [[1, 0, 0, 2], [1]]})

LISTS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "array": lambda values: np.array(values, dtype=object),
    "pandas": pd.Series,
    "polars": pl.Series,
}

ONE_ROW: dict[str, Any] = {
    "a row of a Dataset": TABLE[0],
    "a row as arrays": TABLE.with_format("numpy")[0],
    "a row of strings": {"tokens": WORDS, "tags": TAGS},
    "words alone": {"Words": WORDS},
    "a number beside": {"id": 7, "tokens": WORDS, "ner_tags": [1, 0, 0, 2]},
    "a string beside": {"id": "7", "tokens": WORDS, "ner_tags": [1, 0, 0, 2]},
    "a word with a space": {"tokens": ["10 000", "homes"], "ner_tags": [1, 0]},
    "a word with a space and strings": {"tokens": ["New York", "sleeps"], "tags": ["B-LOC", "O"]},
    "a word that is missing": {"tokens": ["Ann", None], "ner_tags": [1, 0]},
    "strings with spaces": {"tokens": "Ann ran", "tags": "B-PER O"},
    "a string": "Ann ran",
}

TABLES: dict[str, Any] = {
    "columns of lists": TABLE[:],
    "one row of a table": TABLE[:1],
    "columns of arrays": TABLE.with_format("numpy")[:],
    "lists of lists": [WORDS, WORDS],
    "an array of lists": np.array([WORDS, WORDS]),
    "strings with spaces": {"words": ["Ann ran", "Bob"], "tags": ["B-PER O", "B-PER"]},
    "strings with spaces, and no labels": {"words": ["Ann ran", "Bob"]},
    "a word for each text, some with several labels": {"words": ["Ann", "Bob"], "tags": ["B-PER", "B-PER O"]},
    "lists of labels": {"words": ["Ann", "Bob"], "tags": [["B-PER"], ["B-PER"]]},
    "texts with a label each": {"text": ["Ann ran", "Bob sat down"], "label": [0, 1]},
    "lists that were printed": {"words": ["['Ann']", "['Bob']"]},
    "other names": {"a": WORDS, "b": TAGS},
    "nothing": {"tokens": [], "ner_tags": []},
    "splits": DatasetDict(train=TABLE),
    "files of splits": {"train": "a.conll", "test": "b.conll"},
    "a table": pd.DataFrame({"words": ["Ann"], "tags": ["B-PER"]}),
    "a column of texts": pd.Series(["Ann ran", "Bob"]),
}


@pytest.mark.parametrize("kind", ONE_ROW)
def test_one_row_of_words(kind: str):
    """A row of a Dataset has its words in a list, and a label for each of them."""
    assert is_one_row(ONE_ROW[kind])


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_words(kind: str):
    """In a table each value is a list, or a string with spaces between words, or between labels."""
    assert not is_one_row(TABLES[kind])


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_words(kind: str):
    """Words in any list are one row, read as one; a word that is missing is still one of them."""
    assert is_one_row(LISTS[kind](WORDS))
    assert is_one_row(LISTS[kind](["Ann", None]))
    assert read_tagged_words([LISTS[kind](WORDS)], labelled=False).column("words") == [WORDS]


@pytest.mark.parametrize(
    ("x", "y", "names"),
    [
        (TABLE[0], None, {}),
        ({"tokens": WORDS}, TAGS, {}),
        ({"lemmas": WORDS, "xpos": TAGS}, None, {"text": "lemmas", "target": "xpos"}),
        ({"lemmas": WORDS}, None, {"text": ["lemmas"], "labelled": False}),
    ],
    ids=["a row of a Dataset", "labels beside", "names", "to predict"],
)
def test_one_row_is_no_table(x: Any, y: Any, names: dict[str, Any]):
    """As a table it would be four rows of a word each, which nobody means."""
    with pytest.raises(DataError) as error:
        read_tagged_words(x, y, **names)

    assert str(error.value) == (
        "x is a dict that holds one row: its words are ['Ann', 'lives', 'in', 'Rome'].\n"
        "  Expected: a dict of columns, each a list with one value per row: a list of words, or of labels.\n"
        "  Do: put a single row into a list: [x]."
    )


def test_tables_of_strings_are_read():
    """A dict of strings with spaces is a table, one of whose texts may be a word."""
    rows = read_tagged_words({"words": ["Ann ran", "Bob"], "tags": ["B-PER O", "B-PER"]})

    assert rows.column("words") == [["Ann", "ran"], ["Bob"]]


def test_a_word_that_is_missing_is_named():
    """It is the word that is wrong, not the row."""
    with pytest.raises(DataError, match=r"word 1 of row 0 \(both counted from 0\) is None"):
        read_tagged_words([["Ann", None]], labelled=False)


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_sentences(kind: str):
    """Sentences in any list are one text, read as one; lists of them are several."""
    sentences = ["He woke.", "He ate."]

    assert is_one_text(LISTS[kind](sentences))
    assert is_one_text(LISTS[kind](["He woke.", None]))
    assert not is_one_text([LISTS[kind](sentences)])
    assert read_sentences([LISTS[kind](sentences)]).column("sentences") == [sentences]


@pytest.mark.parametrize(
    ("x", "is_one"),
    [
        ({"id": 7, "Sentences": ["He woke.", "He ate."]}, True),
        ({"sentence1": "He woke.", "sentence2": "He ate.", "sentence3": None}, True),
        ({"sentences": [["He woke.", "He ate."]]}, False),
        ({"sentence1": ["He woke."], "sentence2": ["He ate."]}, False),
        ({"text": ["He woke. He ate.", "She ran. She fell."]}, False),
        ({"train": "a.csv", "test": "b.csv"}, False),
        (pd.Series([["He woke.", "He ate."]]), False),
        ([], False),
    ],
    ids=["a list", "numbered", "lists", "numbered columns", "plain texts", "splits", "a Series of lists", "nothing"],
)
def test_one_text_of_sentences(x: Any, is_one: bool):
    """A dict is one text where its sentences are strings; columns hold lists."""
    assert is_one_text(x) == is_one


@pytest.mark.parametrize(("x", "row"), [(["He ran. He sat.", None], 1), ([None, "He ran. He sat."], 0)])
def test_a_plain_text_that_is_missing_is_named(x: Any, row: int):
    """The row to blame is that without a text, wherever it stands."""
    with pytest.raises(DataError, match=rf"row {row} \(counted from 0\) is None(.|\n)*plain text in every row"):
        read_sentences(x)


@pytest.mark.parametrize("x", [[None, None], [["a"]], [1, "a"], np.array([["a"]]), "a", {"a": "b"}, 3, []], ids=str)
def test_other_things_are_no_list_of_strings(x: Any):
    """There is at least one string, and nothing but strings and what is missing."""
    assert not are_strings(x)
