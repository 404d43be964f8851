"""Which of the user's columns become what."""

import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch

from keraslike.data.columns import ColumnError, find_columns
from keraslike.data.dataset import as_dataset
from keraslike.data.rows import LazyColumn
from keraslike.errors import ArgumentError, DataError


class Walked(torch.utils.data.IterableDataset[dict[str, Any]]):
    def __iter__(self):
        return iter([{"text": "a", "label": 1}, {"text": "b", "label": 0}])


class OnlyItems:
    """Neither a list nor a dataset: it has a length and items."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> str:
        return "ab"[index]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize(
    ("columns", "text", "target"),
    [
        (["text", "label"], "text", "label"),
        (["Review", "Sentiment"], "Review", "Sentiment"),
        (["premise", "hypothesis", "label", "idx"], ["premise", "hypothesis"], "label"),
        (["text", "text_pair", "y"], ["text", "text_pair"], "y"),
        (["question", "sentence", "label"], ["question", "sentence"], "label"),
        (["text", "intent", "domain"], "text", "intent"),
        (["words", "category"], "words", "category"),
        (["text", "kind"], "text", "kind"),
        (["text", "id"], "text", None),
        (["text", "one", "two"], "text", None),
    ],
    ids=str,
)
def test_columns_found_by_themselves(columns: list[str], text: Any, target: Any) -> None:
    """A known name first, in any case; then the only one left."""
    rows = as_dataset([dict.fromkeys(columns, "value")])

    assert rows.source_columns == {"text": text} | ({"target": target} if target else {})


def test_numbers_beside_an_unknown_text_column() -> None:
    """The only column of str is the text, the only other one the target; numbering is neither."""
    rows = as_dataset(pd.DataFrame({"id": ["r1"], "body_of_it": ["good"], "how_good": [0.5]}))

    assert rows[0] == {"text": "good", "target": 0.5, "id": "r1"}


def test_named_columns() -> None:
    """text= and target= choose; other columns keep their names, unless a name is now another's."""
    rows = as_dataset([{"a": "x", "b": "y", "label": 0, "kind": 1, "text": "z"}], text=("b", "a"), target="kind")

    assert rows[0] == {"text": "y", "text_pair": "x", "target": 1, "label": 0}
    assert rows.source_columns == {"text": ["b", "a"], "target": "kind"}


def test_several_targets(tmp_path: Path) -> None:
    """A list of names gives a list of numbers per row, cast together."""
    path = tmp_path / "a.csv"
    path.write_text("text,valence,arousal\na,1,2.5\nb,3,4\n")

    rows = as_dataset(path, target=["valence", "arousal"])

    assert rows.column("target") == [[1.0, 2.5], [3.0, 4.0]]
    assert rows.source_columns == {"text": "text", "target": ["valence", "arousal"]}


def test_remembered_columns_are_given_again() -> None:
    """`source_columns` are the arguments text= and target= of the next call; lists have no names to look for."""
    source = as_dataset([{"premise": "a", "hypothesis": "b", "label": 0}]).source_columns

    again = as_dataset([{"premise": "c", "hypothesis": "d", "label": 1}], **source)

    assert again[0] == {"text": "c", "text_pair": "d", "target": 1}
    assert as_dataset(["a"], [1], **source)[0] == {"text": "a", "target": 1}


def test_y_stands_before_columns() -> None:
    """With y no column of x is the target, but a label column is still not taken for a text."""
    rows = as_dataset([{"words": "a", "label": "no", "target": "no"}], ["yes"])

    assert rows[0] == {"text": "a", "label": "no", "target": "yes"}
    assert rows.source_columns == {"text": "words"}


def test_tokenised_rows() -> None:
    """Rows with input_ids need no text and keep their columns."""
    rows = as_dataset({"input_ids": torch.tensor([[1, 2]]), "attention_mask": [[1, 1]], "labels": np.array([3])})

    assert rows[0] == {"input_ids": [1, 2], "attention_mask": [1, 1], "target": 3}


# Pairs, tuples, rows without labels


def test_pairs_with_y() -> None:
    """With y a row that is a pair is two texts; so are two columns in a tuple."""
    expected = [{"text": "a", "text_pair": "b", "target": 1}, {"text": "c", "text_pair": "d", "target": 0}]

    assert list(as_dataset([("a", "b"), ["c", "d"]], [1, 0])) == expected
    assert list(as_dataset((["a", "c"], ["b", "d"]), [1, 0])) == expected
    assert list(as_dataset(((["a", "c"], ["b", "d"]), [1, 0]))) == expected
    assert list(as_dataset([("a", "b", 1), ("c", "d", 0)])) == expected
    assert list(as_dataset(np.array([["a", "b"], ["c", "d"]]), [1, 0])) == expected


def test_predicting_looks_for_no_target() -> None:
    """labelled=False: pairs are texts, and a label column is neither text nor target."""
    assert as_dataset([("a", "b")], labelled=False)[0] == {"text": "a", "text_pair": "b"}
    assert as_dataset([{"words": "a", "label": "b"}], labelled=False)[0] == {"text": "a", "label": "b"}


def test_several_labels_per_text() -> None:
    """Lists, tuples and sets of labels become lists; no label at all is allowed."""
    rows = as_dataset(["a", "b", "c"], [{"y", "x"}, ("z",), []])

    assert rows.column("target") == [["x", "y"], ["z"], []]


def test_other_things_that_hold_rows() -> None:
    """What can be walked through or counted through is read."""
    assert as_dataset(OnlyItems()).column("text") == ["a", "b"]
    assert as_dataset({"a": 1, "b": 2}.keys(), [1, 2]).column("text") == ["a", "b"]
    assert as_dataset(Walked()).column("target") == [1, 0]
    assert repr(as_dataset(["a"], [1])) == "Rows(1 rows of text, target)"


# prepare


def test_prepare_sees_the_users_columns(tmp_path: Path) -> None:
    """`prepare` maps rows before any column is looked for, in memory and on disk alike."""
    table = {"title": ["a", "b"], "body": ["c", "d"], "stars": [1, 5]}

    def join(row: dict[str, Any]) -> dict[str, Any]:
        return {"text": row["title"] + " " + row["body"], "label": "good" if row["stars"] > 3 else "bad"}

    in_memory = as_dataset(table, prepare=join)
    on_disk = as_dataset(datasets.Dataset.from_dict(table), prepare=join)

    assert list(in_memory) == [{"text": "a c", "target": "bad"}, {"text": "b d", "target": "good"}]
    assert list(on_disk) == list(in_memory)
    assert on_disk.take([1])[0] == in_memory[1]
    assert isinstance(on_disk.column("text"), LazyColumn)


def test_prepare_of_texts_and_y() -> None:
    """Lists of texts are rows with a text; y is joined afterwards."""
    rows = as_dataset(["A"], ["B"], prepare=lambda row: {"text": row["text"].lower()})

    assert rows[0] == {"text": "a", "target": "B"}


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda row: row["title"], "prepare failed at row 0 .*KeyError: 'title'"),
        (lambda row: None, "prepare returned None for row 0 .*a NoneType"),
    ],
)
def test_wrong_prepare(prepare: Any, message: str) -> None:
    """The error names the row and what was returned or raised."""
    with pytest.raises(DataError, match=message):
        as_dataset(["a"], prepare=prepare)


# Columns that are not there


@pytest.mark.parametrize(
    ("row", "given", "message"),
    [
        ({"a": "x", "b": "y"}, {"text": "c"}, r"no column 'c', as text= says(.|\n)*Do: name it: text='a'"),
        ({"id": 1, "a": "x", "b": "y"}, {"text": "a", "target": "q"}, r"as target= says(.|\n)*name it: target='b'"),
        ({"text": "x"}, {"target": "q"}, r"as target= says(.|\n)*one of 'text'"),
        ({"review": "x", "b": "y"}, {"text": "reviews"}, r"did you mean 'review'\?"),
        ({"a": "x", "b": "y", "c": "z"}, {}, r"text=\('a', 'b'\), and the labels: target='c'"),
        ({"a": "x", "b": "y", "label": 1}, {}, r"text='a', or a pair: text=\('a', 'b'\)\.$"),
    ],
)
def test_columns_that_are_proposed(row: dict[str, Any], given: dict[str, Any], message: str) -> None:
    """A column that is proposed is none that is another's."""
    with pytest.raises((ArgumentError, DataError), match=message):
        find_columns(row, **given)


def test_a_column_of_the_training_data() -> None:
    """A column that was not named in this call is said to be the training data's."""
    error = ColumnError("stars", "target", ["text", "star"], "star").as_remembered()

    assert "this model was fitted with the column 'stars' as its target" in str(error)
    assert "give the column of labels that name, or say which it is here: target='star'" in str(error)


@pytest.mark.parametrize(("name", "sign"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", ",")])
def test_another_separator(name: str, sign: str, tmp_path: Path) -> None:
    """A file of one column whose name holds another separator was not parted."""
    (tmp_path / name).write_text(f"text{sign}label\na{sign}b\n")

    with pytest.raises(DataError, match=rf"one column, (.|\n)*another separator(.|\n)*sep={re.escape(repr(sign))}"):
        as_dataset(tmp_path / name)
