"""CoNLL files: a word and its columns on each line, an empty line between sentences."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError, DataError, LoadError

SUFFIXES = (".conll", ".conllu", ".iob", ".bio", ".txt")
"""Endings of files that hold nothing but words in this form; a .tsv may be a table with a header instead."""

Line = tuple[int, list[str]]
"""A line's number, counted from 1, and its columns."""

COLUMNS = {".conllu": (1, 3)}
"""The columns of the words and of the labels, where they are not the first and the last; CoNLL-U's UPOS."""


def is_conll(x: Any, headers: Collection[str] = ()) -> bool:
    """Tell the path of a CoNLL file: by its ending; a .tsv whose first line names no known column is one, too.

    Args:
        x: what the user gave as data.
        headers: names in lower case by which a table's header is known.

    Raises:
        LoadError: the path ends as a CoNLL file's does, but there is no such file.

    Example:
        >>> is_conll("reviews.csv"), is_conll([["Ann", "ran"]])
        (False, False)
    """
    if not isinstance(x, (str, os.PathLike)):
        return False
    path = Path(x)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and not path.is_file():
        neighbours = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise LoadError(
            f"there is no file {str(path)!r}.",
            f"the path of a file, seen from {str(Path.cwd())!r}.",
            did_you_mean(path.name, neighbours, "check the folder and the name."),
        )
    if suffix != ".tsv" or not path.is_file():
        return suffix in SUFFIXES
    return not any(cell.lower() in headers for cell in next(_lines(path), (0, [""]))[1])


def read_conll(
    x: str | os.PathLike[str], words: Any = None, labels: Any = None, *, labelled: bool = True
) -> dict[str, list[list[str]]]:
    """Give the sentences of a CoNLL file: columns `tokens` and, where labelled, `tags`, a list of str each per row.

    Columns are parted by tabs, or by spaces where a line has no tab. Lines of -DOCSTART-, comments (`# ...` before a
    sentence), and CoNLL-U's lines of several words (`1-2`) and of omitted ones (`8.1`) are passed over.

    Args:
        x: the path.
        words: the number of the column of words, counted from 0 or, if negative, from the end; None: the first, in
            CoNLL-U the second.
        labels: that of the labels; None: the last, in CoNLL-U the fourth.
        labelled: whether the labels are wanted.

    Raises:
        DataError: a line has not as many columns as the others, or the file is no UTF-8.
        ArgumentError: there is no such column.
    """
    path = Path(x)
    suffix = path.suffix.lower()
    usual = COLUMNS.get(suffix, (0, -1))
    first, last = (number if _is_number(number) else own for number, own in zip((words, labels), usual, strict=True))
    sentences = _sentences(path, is_conllu=suffix == ".conllu")
    width = len(sentences[0][0][1]) if sentences else 0
    chosen = {"tokens": first, **({"tags": last} if labelled else {})}
    if sentences:
        _check_columns(path, chosen, width)
    return {name: [[cells[column] for _, cells in lines] for lines in sentences] for name, column in chosen.items()}


def _is_number(column: Any) -> bool:
    return isinstance(column, int) and not isinstance(column, bool)


def _sentences(path: Path, *, is_conllu: bool) -> list[list[Line]]:
    """Give the lines of each sentence, all with as many columns."""
    lines = list(_lines(path))
    width = _width(lines)
    sentences: list[list[Line]] = [[]]
    for number, cells in lines:
        if not cells or cells[0] == "-DOCSTART-":
            sentences.append([])
        elif not (_is_comment(cells, width) and not sentences[-1]) and not (is_conllu and not cells[0].isdigit()):
            if len(cells) != width:
                raise _uneven(path, number, cells, width)
            sentences[-1].append((number, cells))
    return [sentence for sentence in sentences if sentence]


def _width(lines: list[Line]) -> int:
    """Give how many columns most lines have; those that may be comments do not vote where there are others."""
    filled = [cells for _, cells in lines if cells]
    voting = [cells for cells in filled if not cells[0].startswith("#")] or filled
    return Counter(map(len, voting)).most_common(1)[0][0] if voting else 0


def _lines(path: Path) -> Iterator[Line]:
    """Give the number and the columns of each line; none for an empty line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                yield number, _cells(line.rstrip("\r\n"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error}.", "a text file in UTF-8.", "save the file as UTF-8."
        ) from None


def _cells(line: str) -> list[str]:
    if not line.strip(" \t"):
        return []
    is_comment = line.startswith("# ") and "=" in line
    return line.split("\t") if "\t" in line and not is_comment else re.split(" +", line.strip(" "))


def _is_comment(cells: list[str], width: int) -> bool:
    """Tell a comment from a hashtag: a word has as many columns as the others, and no `=` behind a lone `#`."""
    if not cells[0].startswith("#"):
        return False
    return len(cells) != width or (cells[0] == "#" and any("=" in cell for cell in cells[1:]))


def _uneven(path: Path, number: int, cells: list[str], width: int) -> DataError:
    return DataError(
        f"line {number} of {str(path)!r} has {len(cells)} columns: {' '.join(cells)!r:.60}.",
        f"{width} columns, as most lines have, parted by tabs or spaces.",
        "mend the line; sentences are parted by an empty line.",
    )


def _check_columns(path: Path, chosen: dict[str, int], width: int) -> None:
    for argument, column in zip(("text", "target"), chosen.values(), strict=False):
        if not -width <= column < width:
            raise ArgumentError(
                f"{argument}={column}, but {str(path)!r} has {width} columns.",
                f"a number from 0 to {width - 1}, or from the end -1 to -{width}.",
                "count the columns from 0.",
            )
    places = [column % width for column in chosen.values()]
    if len(set(places)) < len(places):
        raise DataError(
            f"{str(path)!r} has words and labels in one column ({width} in all).",
            "a word and, in another column, its label on each line.",
            "name the columns by number: text=0, target=1." if width > 1 else "check that this is the labelled file.",
        )
