"""A dict of data sets, told from a dict of columns, of inputs and of splits by its values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from keraslike.data.dataset import as_dataset
from keraslike.data.files import quiet
from keraslike.data.sets import as_sets, parts_of, sets_of_lists
from keraslike.errors import ArgumentError

COLUMNS = {"text": ["a", "b"], "label": [0, 1]}
PAIRS = [("a", 0), ("b", 1)]
DICTS = [{"text": "a", "label": 0}, {"text": "b", "label": 1}]
TABLE = TensorDataset(torch.zeros(2, 3), torch.zeros(2))

SETS: dict[str, Any] = {
    "x and y": (["a", "b"], [0, 1]),
    "x and y of other lengths": (["a", "b"], [0]),
    "arrays": (np.zeros((2, 3)), np.zeros(2)),
    "tensors with weights": (torch.zeros(2, 3), torch.zeros(2), torch.ones(2)),
    "inputs by name and targets": ({"a": torch.zeros(2, 3)}, torch.zeros(2)),
    "a dict of columns": COLUMNS,
    "pandas": pd.DataFrame(COLUMNS),
    "polars": pl.DataFrame(COLUMNS),
    "Arrow": pa.table(COLUMNS),
    "Rows": as_dataset(COLUMNS),
    "Dataset": datasets.Dataset.from_dict(COLUMNS),
    "stream": datasets.Dataset.from_dict(COLUMNS).to_iterable_dataset(),
    "DatasetDict": datasets.DatasetDict(test=datasets.Dataset.from_dict(COLUMNS)),
    "torch Dataset": TABLE,
    "DataLoader": DataLoader(TABLE),
    "rows as dicts": DICTS,
    "rows as pairs": PAIRS,
    "generator": (row for row in PAIRS),
    "path": Path("dev.csv"),
    "name of a file": "dev.jsonl",
    "name of a text file": "dev.txt",
    "name of a CoNLL file": "dev.conll",
}

COLUMNS_OF_A_DICT: dict[str, dict[str, Any]] = {
    "lists": COLUMNS,
    "tuples of texts and numbers": {"text": ("a", "b"), "label": (0, 1)},
    "arrays": {"text": np.array(["a", "b"]), "label": np.array([0, 1])},
    "tensors": {"input_ids": torch.zeros(2, 3), "attention_mask": torch.ones(2, 3)},
    "Series": {"text": pd.Series(["a", "b"]), "label": pd.Series([0, 1])},
    "columns of a Dataset": dict(datasets.Dataset.from_dict(COLUMNS)[:]),
    "lazy columns of a Dataset": {"text": datasets.Dataset.from_dict(COLUMNS)["text"]},
    "lists of words": {"words": [["a", "b"], ["c"]], "tags": [["X", "Y"], ["X"]]},
    "tuples of words beside lists": {"words": [("a", "b"), ("c",)], "tags": [["X", "Y"], ["X"]]},
    "dicts in one column": {"question": ["a"], "answers": [{"text": ["b"], "answer_start": [0]}]},
    "one text": {"text": "a film. It was good.", "label": 1},
    "a list of nothing": {"text": [], "label": []},
    "empty cells first": {"text": [None, "a"], "label": [0, 1]},
    "nothing": {},
    "labels as pairs": {"text": ["a", "b"], "labels": [("joy", "love"), ("fear", "anger")]},
    "generators under known names": {"text": (text for text in "ab"), "label": (label for label in (0, 1))},
}

SPLITS: dict[str, Any] = {
    "some known names": datasets.DatasetDict(
        {name: datasets.Dataset.from_dict(COLUMNS) for name in ("train", "extra")}
    ),
    "train and test": datasets.DatasetDict({name: datasets.Dataset.from_dict(COLUMNS) for name in ("train", "test")}),
}


@pytest.mark.parametrize("kind", SETS)
def test_sets(kind: str) -> None:
    """Each of these is a data set of its own, alone or beside another."""
    value = SETS[kind]

    assert as_sets({"matched": value}) == {"matched": value}
    assert list(as_sets({"matched": value, 7: (["a"], [0])})) == ["matched", "7"]


@pytest.mark.parametrize("kind", COLUMNS_OF_A_DICT)
def test_columns(kind: str) -> None:
    """Each of these is one data set, by column."""
    assert as_sets(COLUMNS_OF_A_DICT[kind]) == {}


@pytest.mark.parametrize("kind", SPLITS)
def test_splits(kind: str) -> None:
    """A DatasetDict with a split by a known name is one source of them, as everywhere else."""
    assert as_sets(SPLITS[kind]) == {}


@pytest.mark.parametrize("names", [["train", "test"], ["validation", "test"], ["dev"], ["test"]], ids=str)
@pytest.mark.parametrize("kind", SETS)
def test_plain_dicts_under_names_of_splits(kind: str, names: list[str]) -> None:
    """A plain dict holds the sets that stand in it, whatever their names: none is left out unsaid."""
    assert as_sets(dict.fromkeys(names, SETS[kind])) == dict.fromkeys(names, SETS[kind])


@pytest.mark.parametrize("value", [["a", "b"], "dev.txt", Path("dev.csv"), SETS["Dataset"]], ids=str)
@pytest.mark.parametrize("names", [("dev", "test"), ("matched", "own")])
def test_sets_of_texts_alone(value: Any, names: tuple[str, str]) -> None:
    """Where texts are all that is learned from, two lists of them are two sets, whatever their names."""
    x = {names[0]: ["a rose"], names[1]: value}

    assert sets_of_lists(x) == x


@pytest.mark.parametrize(
    "value", [["a rose"], np.array(["a rose"]), (text for text in ["a rose"]), "a rose", 3], ids=str
)
@pytest.mark.parametrize("beside", [pd.DataFrame(COLUMNS), COLUMNS, SETS["stream"], "dev.txt"], ids=type)
def test_beside_a_set_of_texts(value: Any, beside: Any):
    """Where texts are all that is learned from, what stands beside a set is one too, or is refused as one."""
    x = {"text": value, "own": beside}

    assert sets_of_lists(x) == x


@pytest.mark.parametrize(
    "x",
    [
        {"text": ["a"], "title": ["b"]},
        {"Poem": ["a"]},
        {"old": ["a"], "id": [1]},
        {"old": ["a"], "none": []},
        {},
        ["a"],
        datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": ["a"]}) for name in ("train", "test")}),
    ],
    ids=["a known name", "one list", "numbers", "nothing", "empty", "no dict", "splits"],
)
def test_columns_of_texts_alone(x: Any) -> None:
    """A known name, one list alone, and a value that is no list of texts say that it is one set."""
    assert sets_of_lists(x) == {}


def test_datasets_under_names_of_their_own() -> None:
    """A DatasetDict that has no split by a known name is several sets."""
    parts = datasets.DatasetDict({name: datasets.Dataset.from_dict(COLUMNS) for name in ("matched", "mismatched")})

    assert list(as_sets(parts)) == ["matched", "mismatched"]


@pytest.mark.parametrize("x", [["a"], (["a"], [0]), "dev.csv", pd.DataFrame(COLUMNS), None])
def test_no_dict(x: Any) -> None:
    """What is no dict is one set."""
    assert as_sets(x) == {}


def test_saved_folder(tmp_path: Path) -> None:
    """The name of a folder is a set; of another word that is no path, it is a text."""
    with quiet():
        datasets.Dataset.from_dict(COLUMNS).save_to_disk(tmp_path)

    assert list(as_sets({"matched": str(tmp_path)})) == ["matched"]
    assert as_sets({"matched": "no-such-folder"}) == {}


@pytest.mark.parametrize(
    "x",
    [
        {"words": [("Ann", "ran"), ("Bob", "ate")], "tags": [("N", "V"), ("N", "V")]},
        {"words": (["Ann", "ran"], ["Bob", "ate"]), "tags": (["N", "V"], ["N", "V"])},
    ],
)
def test_names_decide_what_values_cannot(x: dict[str, Any]) -> None:
    """Tuples could be rows or values: they are columns where the model has read a column of that name, else sets."""
    assert as_sets(x, ["Words", "tags"]) == {}
    assert list(as_sets(x)) == ["words", "tags"]


def test_names_do_not_decide_what_values_tell() -> None:
    """A table is a set, whatever it is called."""
    assert list(as_sets({"text": pd.DataFrame(COLUMNS), "label": COLUMNS}, ["text"])) == ["text", "label"]


@pytest.mark.parametrize("values", [COLUMNS["text"], np.zeros(2), "a text", 3])
def test_mixture(values: Any) -> None:
    """A set beside a column is refused: neither reading makes sense."""
    with pytest.raises(
        ArgumentError, match=r"'dev' is a DataFrame, a data set .* 'other' is (.|\n)*alone, or"
    ) as caught:
        as_sets({"dev": pd.DataFrame(COLUMNS), "other": values})

    assert caught.value.do == "give each set whole: {'dev': ..., 'other': (x, y)}."


@pytest.mark.parametrize(
    ("value", "is_set"), [(TABLE, True), ("dev.csv", True), (pd.DataFrame(COLUMNS), False), (SETS["arrays"], False)]
)
def test_beside_targets(value: Any, is_set: bool) -> None:
    """With y beside, frames and tuples may be a network's inputs; a Dataset or a path cannot."""
    assert bool(as_sets({"a": value}, has_y=True)) == is_set


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), ((1, 2), None, None)),
        (("a", "b"), (("a", "b"), None, None)),
        ((DICTS[0], DICTS[1]), ((DICTS[0], DICTS[1]), None, None)),
        (PAIRS, (PAIRS, None, None)),
        ((["a"], [0]), (["a"], [0], None)),
        ((["a"], [0], [2.0]), (["a"], [0], [2.0])),
    ],
)
def test_parts(value: Any, expected: Callable[..., Any]) -> None:
    """A tuple of containers is (x, y), or with weights; a tuple of texts, numbers or rows is one container."""
    assert parts_of(value) == expected
