"""Reads texts without labels: any container, a column of it, or a plain text file."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data import lists, tables
from keraslike.data.arrow import read_dataset
from keraslike.data.columns import Names, find_columns
from keraslike.data.files import quiet
from keraslike.data.reading import read
from keraslike.data.rows import Prepare, Rows
from keraslike.data.values import is_missing, kind_of
from keraslike.errors import DataError, LoadError

READERS = (lists, tables)  # importing them has registered what they read
UNITS = ("line", "paragraph", "document")
"""What a row of a plain text file is; paragraphs stand apart by empty lines."""


def read_texts(x: Any, *, text: Names | None = None, prepare: Prepare | None = None, unit: str = "line") -> Rows:
    """Give any container as rows with the one column `text`; empty texts are rows too.

    Args:
        x: as in `as_dataset`, or the path of a .txt file in UTF-8, which is read memory-mapped.
        text: the name of the text column; None: a known name, or the only column of texts.
        prepare: as in `as_dataset`.
        unit: what a row of a .txt file is, one of `UNITS`.

    Raises:
        DataError: the rows cannot be read, hold two texts, or a text is missing or no str.
        LoadError: there is no such file.

    Example:
        >>> read_texts({"id": [1, 2], "Poem": ["a rose", ""]})[0]
        {'text': 'a rose'}
    """
    rows = _read_file(Path(x), unit) if _is_text_file(x) else read(x, True)
    if not len(rows):
        raise DataError("x is empty: it holds no rows.", "at least one row.", "check how x was made.")
    rows = rows if prepare is None else rows.prepared(prepare)
    source = find_columns(_sample(rows), text, None, labelled=False) if rows.named else {}
    name = source.get("text", "text")
    if "text_pair" in rows.columns or not isinstance(name, str) or name not in rows.columns:
        raise DataError(
            f"the rows of x hold {_contents(rows, name)}.",
            "one text in every row, and nothing else to learn from.",
            f"name its column: text={rows.columns[0]!r}." if rows.named else "give a list of texts.",
        )
    column = rows.column(name)
    _check(column)
    found = Rows({"text": column}, named=False, source_columns=source)
    found.numbers = rows.numbers
    return found


def _is_text_file(x: Any) -> bool:
    return isinstance(x, (str, os.PathLike)) and Path(x).suffix.lower() == ".txt"


def _read_file(path: Path, unit: str) -> Rows:
    from datasets import Dataset

    if not path.is_file():
        neighbours = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise LoadError(
            f"there is no file {str(path)!r}.",
            f"the path of a file, seen from {str(Path.cwd())!r}.",
            did_you_mean(path.name, neighbours, "check the folder and the name."),
        )
    if not path.stat().st_size:
        return Rows({})
    options: dict[str, Any] = {"sample_by": unit}
    try:
        with quiet():
            return read_dataset(Dataset.from_text(str(path), **options), False)
    except Exception as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {type(error.__cause__ or error).__name__}.",
            "a plain text file in UTF-8.",
            "save it as UTF-8.",
        ) from error


def _sample(rows: Rows) -> dict[str, Any]:
    """Give the first value of every column that is not missing, looked for in a hundred rows."""
    return {
        name: next((value for value in islice(rows.column(name), 100) if not is_missing(value)), None)
        for name in rows.columns
    }


def _contents(rows: Rows, name: Any) -> str:
    if not rows.named:
        return "two texts each" if "text_pair" in rows.columns else "no text"
    return f"two texts each, {' and '.join(map(repr, name))}" if isinstance(name, list) else ", ".join(rows.columns)


def _check(texts: Sequence[Any]) -> None:
    for row, value in enumerate(texts):
        if not isinstance(value, str):
            raise DataError(
                f"row {row} of x is {value!r:.80}, {kind_of(value)}.",
                "a str in every row (rows are counted from 0).",
                "leave such rows out.",
            )
