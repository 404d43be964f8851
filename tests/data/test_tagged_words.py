"""Rows of words and labels from every container, and what is said of those that do not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from keraslike.data.rows import LazyColumn
from keraslike.data.tagged_words import KNOWN_LABELS, has_label, read_tagged_words
from keraslike.errors import DataError

WORDS = [["Ann", "ran"], ["Bob"], []]
TAGS = [["PER", "O"], ["PER"], []]
CLASSES = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=["O", "PER"])))


def container(kind: str, folder: Path) -> tuple[Any, Any]:
    """Give x and y of a kind."""
    columns = {"tokens": WORDS, "ner_tags": TAGS}
    rows = [{"words": words, "tags": tags} for words, tags in zip(WORDS, TAGS, strict=True)]
    if kind == "jsonl":
        (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    if kind == "csv":
        lines = [f"{' '.join(words)},{' '.join(tags)}" for words, tags in zip(WORDS, TAGS, strict=True)]
        (folder / "a.csv").write_text("\n".join(["words,tags", *lines[:2]]) + "\n")
    return {
        "lists": lambda: (WORDS, TAGS),
        "a tuple": lambda: ((WORDS, TAGS), None),
        "pairs": lambda: (list(zip(WORDS, TAGS, strict=True)), None),
        "tuples": lambda: ([tuple(words) for words in WORDS], [tuple(tags) for tags in TAGS]),
        "arrays": lambda: ([np.array(words, dtype=str) for words in WORDS], [np.array(tags, str) for tags in TAGS]),
        "dict": lambda: (columns, None),
        "dict and y": lambda: ({"tokens": WORDS}, TAGS),
        "dicts": lambda: (rows, None),
        "dataset": lambda: (Dataset.from_dict({"tokens": WORDS, "upos": TAGS}), None),
        "class labels": lambda: (Dataset.from_dict({"tokens": WORDS, "ner_tags": [[1, 0], [1], []]}, CLASSES), None),
        "pandas": lambda: (pd.DataFrame(columns), None),
        "jsonl": lambda: (str(folder / "a.jsonl"), None),
        "csv": lambda: (str(folder / "a.csv"), None),
    }[kind]()


KINDS = ["lists", "a tuple", "pairs", "tuples", "arrays", "dict", "dict and y", "dicts", "dataset", "class labels"]


@pytest.mark.parametrize("kind", [*KINDS, "pandas", "jsonl", "csv"])
def test_containers(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same rows come from every container; ids of classes are names; a CSV file has spaces between words."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    x, y = container(kind, tmp_path)

    rows = read_tagged_words(x, y)

    count = 2 if kind == "csv" else 3
    assert [row["words"] for row in rows] == WORDS[:count]
    assert [row["target"] for row in rows] == TAGS[:count]


def test_data_sets_stay_on_disk():
    """A Dataset of lists is read when asked for, not held."""
    x, _ = container("dataset", Path())

    rows = read_tagged_words(x)

    assert isinstance(rows.column("words"), LazyColumn)


@pytest.mark.parametrize("name", KNOWN_LABELS)
def test_known_names(name: str):
    """The usual names of the labels' column are known, and remembered with that of the words."""
    rows = read_tagged_words({"id": ["1"], "tokens": [["Ann"]], name.upper(): [["PER"]]})

    assert rows.column("target") == [["PER"]]
    assert rows.source_columns == {"text": "tokens", "target": name.upper()}


def test_columns_by_name():
    """`text` and `target` choose among several columns."""
    x = {"lemmas": [["run"]], "tokens": [["ran"]], "ner_tags": [["O"]], "xpos": [["VBD"]]}

    rows = read_tagged_words(x, text="lemmas", target="xpos")

    assert (rows.column("words"), rows.column("target")) == ([["run"]], [["VBD"]])


def test_conll_files(tmp_path: Path):
    """A CoNLL file gives rows whose columns are not remembered: the next file may be of another kind."""
    path = tmp_path / "a.tsv"
    path.write_text("Ann\tPER\nran\tO\n\nBob\tPER\n")

    rows = read_tagged_words(path)

    assert (rows.column("words"), rows.column("target")) == (WORDS[:2], TAGS[:2])
    assert rows.source_columns == {}
    assert read_tagged_words(path, [[1, 0], [1]]).column("target") == [[1, 0], [1]]
    assert read_tagged_words(path, labelled=False).columns == ["words"]


def test_prepare(tmp_path: Path):
    """`prepare` sees rows under the user's names, of a CoNLL file too."""
    path = tmp_path / "a.conll"
    path.write_text("Ann PER\n")

    rows = read_tagged_words(path, prepare=lambda row: {**row, "tokens": [word.lower() for word in row["tokens"]]})

    assert rows.column("words") == [["ann"]]


def test_one_text_is_split():
    """To predict, a string alone is a text; its words are what stands between spaces."""
    assert read_tagged_words(["Ann  ran\n"], labelled=False).column("words") == [["Ann", "ran"]]


SAID = {
    "a text": (
        ["Ann ran", "Bob sat"],
        TAGS[:2],
        (
            "row 0 (counted from 0) has no list of words: 'Ann ran', a str.\n"
            "  Expected: a list of words for each row, such as [['Ann', 'ran'], ['Bob', 'sat', 'down']].\n"
            "  Do: split texts into words first: [text.split() for text in x]."
        ),
    ),
    "no words": (
        [["Ann"], None],
        [["O"], []],
        (
            "row 1 (counted from 0) has no list of words: None, None.\n"
            "  Expected: a list of words for each row, such as [['Ann', 'ran'], ['Bob', 'sat', 'down']].\n"
            "  Do: split texts into words first: [text.split() for text in x]."
        ),
    ),
    "a number": (
        [["Ann"], ["ran", 5]],
        [["O"], ["O", "O"]],
        (
            "word 1 of row 1 (both counted from 0) is 5, an int.\n"
            "  Expected: words that are str.\n  Do: make strings of them: [str(word) for word in words]."
        ),
    ),
    "pairs of word and label": (
        [[("Ann", "PER")]],
        [["O"]],
        (
            "word 0 of row 0 (both counted from 0) is ('Ann', 'PER'), a tuple.\n"
            "  Expected: words that are str.\n  Do: give words and labels apart, as x and y."
        ),
    ),
    "one label for a row": (
        [["Ann"], ["ran", "off"]],
        ["PER", "O"],
        (
            "row 0 (counted from 0) has no list of labels: 'PER', a str.\n"
            "  Expected: a list with one label for each word, such as ['PER', 'O'].\n"
            "  Do: give 1 labels for the words ['Ann']."
        ),
    ),
    "too few labels": (
        [["Ann"], ["ran", "off"]],
        [["PER"], ["O"]],
        (
            "row 1 (counted from 0) has 2 words but 1 labels.\n"
            "  Expected: one label for each word.\n  Do: look at the words ['ran', 'off'] and the labels ['O']."
        ),
    ),
    "a list for a label": (
        [["Ann", "ran"]],
        [["PER", ["O"]]],
        (
            "row 0 (counted from 0) has no label for its word 'ran': ['O'], a list.\n"
            "  Expected: a label for each word: a str or an int, or None where it has none.\n"
            "  Do: give the word a label, or leave out the row."
        ),
    ),
    "an empty label": (
        [["Ann", "ran"]],
        [["", "O"]],
        (
            "row 0 (counted from 0) has no label for its word 'Ann': '', a str.\n"
            "  Expected: a label for each word: a str or an int, or None where it has none.\n"
            "  Do: give the word a label, or leave out the row."
        ),
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_rows_that_do_not_fit(case: str):
    """An error names the row, the word, and what to do."""
    x, y, said = SAID[case]

    with pytest.raises(DataError) as error:
        read_tagged_words(x, y)

    assert str(error.value) == said


@pytest.mark.parametrize(("label", "expected"), [("O", True), (0, True), (None, False), (-100, False), (-100.0, False)])
def test_words_without_a_label(label: object, expected: bool):
    """None, and transformers' -100, stand for no label; such rows are read all the same."""
    assert has_label(label) == expected
    assert read_tagged_words([["Ann", "ran"]], [[label, 1 if label == 0 else "O"]])[0]["words"] == ["Ann", "ran"]


@pytest.mark.parametrize(
    ("words", "tags", "printed"),
    [
        ("['Ann', 'ran']", "['PER', 'O']", "\"['Ann', 'ran']\""),
        ("Ann ran", "[1, 0]", "'[1, 0]'"),
        ("Ann ran", "['PER' 'O']", "\"['PER' 'O']\""),
    ],
)
def test_lists_that_were_printed(words: str, tags: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """CSV files hold no lists: what pandas writes for one is refused, not split at its spaces."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows.csv"
    pd.DataFrame({"words": ["Bob", words], "tags": ["PER", tags]}).to_csv(path, index=False)

    with pytest.raises(DataError) as error:
        read_tagged_words(str(path))

    assert str(error.value) == (
        f"row 1 (counted from 0) has the text {printed}, which is a list as Python prints it.\n"
        "  Expected: lists, or a text with spaces between words or labels: CSV cannot hold lists.\n"
        "  Do: write the file as .jsonl or .parquet: frame.to_json(path, orient='records', lines=True)."
    )


def test_brackets_are_words_too():
    """A footnote, or a remark in brackets, is no list."""
    rows = read_tagged_words({"words": ["[1]", "[ laughs ]"], "tags": ["O", "O X O"]})

    assert rows.column("words") == [["[1]"], ["[", "laughs", "]"]]


def test_other_columns():
    """Columns of other names are listed."""
    with pytest.raises(DataError, match="no column holds a list of words for each row; there are 'a', 'b'"):
        read_tagged_words({"a": [["Ann"]], "b": [["O"]]})


def test_as_many_labels_as_rows():
    """There is one list of labels for each row."""
    with pytest.raises(DataError, match="x has 3 rows but y has 1 targets"):
        read_tagged_words(WORDS, [["PER", "O"]])
