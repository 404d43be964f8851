"""Texts without labels, from any container and from plain text files."""

from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from datasets import Dataset

from keraslike.data.plain_texts import read_texts
from keraslike.data.rows import LazyColumn
from keraslike.errors import DataError, LoadError

TEXTS = ["a rose", "", "is a rose"]


@pytest.fixture
def poem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two paragraphs, the first of two lines."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    file = tmp_path / "poem.txt"
    file.write_text("a rose\nis a rose\n\nein Röslein\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "x",
    [
        TEXTS,
        tuple(TEXTS),
        {"text": TEXTS},
        [{"content": text, "id": number} for number, text in enumerate(TEXTS)],
        pd.DataFrame({"poem": TEXTS, "year": [1, 2, 3]}),
        Dataset.from_dict({"text": TEXTS, "label": [0, 1, 0]}),
        (text for text in TEXTS),
    ],
    ids=["list", "tuple", "dict", "dicts", "pandas", "Dataset", "generator"],
)
def test_containers(x: Any):
    """The same texts come out of any container; empty ones are rows too, other columns are left out."""
    rows = read_texts(x)

    assert rows.columns == ["text"]
    assert list(rows.column("text")) == TEXTS


def test_named_column():
    """The column that the user names is read, and remembered."""
    rows = read_texts({"title": ["x"], "body": ["y"]}, text="body")

    assert rows[0] == {"text": "y"}
    assert rows.source_columns == {"text": "body"}


def test_prepared():
    """`prepare` makes the texts."""
    assert read_texts({"a": ["x"]}, prepare=lambda row: {"text": row["a"] * 2})[0] == {"text": "xx"}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("line", ["a rose", "is a rose", "", "ein Röslein"]),
        ("paragraph", ["a rose\nis a rose", "ein Röslein\n"]),
        ("document", ["a rose\nis a rose\n\nein Röslein\n"]),
    ],
)
@pytest.mark.parametrize("kind", [str, Path])
def test_text_file(poem: Path, kind: type, unit: str, expected: list[str]):
    """A .txt file is read by lines, by paragraphs or whole, and stays on disk."""
    column = read_texts(kind(poem), unit=unit).column("text")

    assert isinstance(column, LazyColumn)
    assert [text.rstrip("\n") for text in column] == [text.rstrip("\n") for text in expected]


def test_missing_file(poem: Path):
    """A misspelt file is answered with its neighbour."""
    with pytest.raises(LoadError, match=r"there is no file '.*poems.txt'.\n.*\n.*'poem.txt'"):
        read_texts(str(poem.with_name("poems.txt")))


def test_file_in_no_folder(tmp_path: Path):
    """A file in a folder that is not there has no neighbours."""
    with pytest.raises(LoadError, match=r"there is no file.*\n.*\n.*check the folder"):
        read_texts(tmp_path / "none" / "poem.txt")


def test_other_encoding(poem: Path):
    """A file that is not UTF-8 is refused in words."""
    poem.write_bytes("Röslein".encode("latin-1"))

    with pytest.raises(DataError, match=r"poem.txt' cannot be read: UnicodeDecodeError.\n.*UTF-8"):
        read_texts(poem)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([], r"x is empty: it holds no rows"),
        ([("a", "b")], r"the rows of x hold two texts each.\n.*one text in every row.*\n.*a list of texts"),
        ((["a"], ["b"]), r"hold two texts each"),
        ({"premise": ["a"], "hypothesis": ["b"]}, r"two texts each, 'premise' and 'hypothesis'.\n.*\n.*text='premise'"),
        ({"input_ids": [[1, 2]]}, r"the rows of x hold input_ids.\n"),
        (["a", None], r"row 1 of x is None, .*\n.*a str in every row"),
        ([1.5, 2.5], r"row 0 of x is 1.5, .*\n.*a str in every row"),
        ({"id": [1]}, r"no column holds texts"),
    ],
    ids=["nothing", "pairs", "columns", "named pairs", "tokens", "None", "numbers", "no text"],
)
def test_refused(x: Any, message: str):
    """What is not one text in every row is refused, with the row or the columns."""
    with pytest.raises(DataError, match=message):
        read_texts(x)


def test_empty_file(poem: Path):
    """A file with nothing in it holds no rows."""
    poem.write_text("")

    with pytest.raises(DataError, match="x is empty"):
        read_texts(poem)
