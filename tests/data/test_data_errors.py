"""What the user reads when the data do not fit."""

import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch

from keraslike.data.dataset import as_dataset
from keraslike.data.rows import Rows
from keraslike.data.targets import require_target
from keraslike.errors import ArgumentError, DataError, LoadError


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def message_of(*args: Any, **options: Any) -> str:
    with pytest.raises((DataError, ArgumentError, LoadError)) as caught:
        require_target(as_dataset(*args, **options))
    assert caught.value.expected is not None
    return str(caught.value)


def test_x_and_y_differ_in_length() -> None:
    """The whole message, three parts."""
    assert message_of(["a"] * 5, [1] * 4) == (
        "x has 5 texts but y has 4 labels.\n"
        "  Expected: one label per text.\n"
        "  Do: check that x and y come from the same rows, in the same order."
    )


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "x is empty"),
        (["a", None, "b"], [1, 2, 3], "row 1 of x has no text: None"),
        ([""] * 5, [1] * 5, "rows 0, 1, 2 and others of x have no text: ''"),
        (pd.DataFrame({"review": ["a", None], "label": [1, 2]}), None, "row 1 of the column 'review' has no text: nan"),
        (pd.Series(["a", np.nan]), [1, 2], "row 1 of x has no text"),
        (["a", 3], [1, 2], "row 1 of x is 3, an int"),
        (np.zeros((2, 3)), [1, 2], "the rows of x have 3 parts each"),
        (torch.zeros(2), [1, 2], "row 0 of x is 0.0, a float"),
        (torch.tensor(1.0), [1], "row 0 of x is 1.0, a float"),
        (["a", "b"], [1, None], "row 1 of y has no label: None"),
        (["a", "b"], [float("nan"), 1.0], "row 0 of y has no label: nan"),
        (["a", "b", "c"], pd.Series([None, 1, pd.NA]), "rows 0 and 2 of y have no label"),
        (["a", "b"], [0.5, float("inf")], "row 1 of y has no finite number: inf"),
        (["a", "b"], np.array([[0.5, 1], [-np.inf, 2]]), r"row 1 of y has no finite number: \[-inf, 2.0\]"),
        (["a", "b"], [["x"], [""]], "row 1 of y has no label"),
        (["a", "b"], [{}, {}], "row 0 of y is {}, a dict"),
        ([{"text": "a", "a": 1.0, "label": b""}], None, "row 0 of the column 'label' is b'', a bytes"),
        ([("a", 1), ("b", 2)], [1, 2], "Do: leave y out if each row of x is a text and its label"),
        ([("a", 1), "b"], None, r"row 1 of x \(counted from 0\) is 'b', a str"),
        ([{"text": "a"}, "b"], None, r"row 1 of x \(counted from 0\) is 'b', a str"),
        ([("a", "b", "c")], [1], "the rows of x have 3 parts"),
        ({"text": ["a"], "label": [1, 2]}, None, "different lengths: 'text' 1, 'label' 2"),
        ({"text": "a", "label": 1}, None, r"put a single row into a list: \[x\]"),
        ((["a"], ["b"], ["c"]), None, "x is a tuple of 3 columns"),
        ((["a"], ["b", "c"]), [1], "x has 1 first texts but 2 second texts"),
        (3, None, "x is an int, which holds no rows"),
        (None, None, "x is None, which holds no rows"),
        ({"a", "b"}, [1, 2], "use sorted"),
        (["a"], "label", "name a column of x with target='label'"),
        (["a"], 1, r"put a single label into a list: \[y\]"),
        (["a"], None, "Do: give them as y"),
        ([{"text": "a", "one": 1, "two": 2}], None, "Do: name it: target='one'"),
        (pd.DataFrame([["a", 1]], columns=["text", "text"]), None, "more than one column 'text'"),
        ([{"one": "a", "two": "b"}], None,
         r"name it: text='one', and the labels: target='two'; or a pair: text=\('one', 'two'\)"),
        ([{"one": 1, "two": 2.5}], None, r"no column holds texts; there are 'one' \(an int\), 'two' \(a float\)"),
        ({"train": [], "validation": ["a"]}, None, "x is empty"),
        ({"validation": ["a"]}, None, "there is no split for 'train' among 'validation'"),
    ],
)  # fmt: skip
def test_errors_name_rows_and_columns(x: Any, y: Any, message: str) -> None:
    """What happened, in the user's own words, with the row."""
    assert re.search(message, message_of(x, y))


def test_misspelt_columns() -> None:
    """The nearest name is offered."""
    x = [{"review": "a", "label": 1}]

    assert "Do: did you mean 'review'?" in message_of(x, text="reviw")
    assert "there is no column 'lable', as target= says" in message_of(x, target="lable")
    assert "text= names 3 columns" in message_of(x, text=("review", "label", "review"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,1\n,2\n", "row 1 of the column 'text' has no text: ''"),
        ("a.csv", "text,label\na,1\nb,\n", "row 1 of the column 'label' has no label: ''"),
        ("a.csv", "text,text\na,1\n", "has two columns 'text'"),
        ("a.csv", "", "x is empty"),
        ("a.jsonl", "", "x is empty"),
        ("a.csv", "text,label\n", "x is empty"),
        ("a.csv", "text,label\na, and b,1\n", "Expected 2 fields in line 2, saw 3"),
        ("a.csv", "text,label\na,1\na, and b,1\n", "Expected 2 fields in line 3, saw 3"),
        ("a.jsonl", '{"text": "a"\n', "a.jsonl' cannot be read"),
        ("a.txt", "a", "has the ending '.txt'"),
    ],
)
def test_unreadable_files(name: str, content: str, message: str, tmp_path: Path) -> None:
    """The error names the file and what is wrong in it."""
    (tmp_path / name).write_text(content)

    assert message in message_of(str(tmp_path / name))


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    """The line to do says how to save it."""
    (tmp_path / "a.csv").write_bytes("text,label\nnaïve,1\n".encode("latin-1"))

    assert (
        "Do: look at the place named above; save the file as UTF-8; put quotes around texts with commas."
        in message_of(tmp_path / "a.csv")
    )


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    """A misspelt file gets its neighbour's name, a text that is no path a list, a folder a file in it."""
    (tmp_path / "train.csv").write_text("text,label\na,1\n")

    assert "Do: did you mean 'train.csv'?" in message_of(str(tmp_path / "trian.csv"))
    assert "check the folder" in message_of(str(tmp_path / "nowhere" / "train.csv"))
    assert "Do: put one text into a list: [x]." in message_of("I love this movie!")
    assert "is a folder without a saved data set" in message_of(tmp_path)


def test_rows_need_no_names() -> None:
    """A table of columns can be made by hand."""
    assert len(Rows({})) == 0
