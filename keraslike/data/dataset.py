"""The one door through which every user's data comes: `as_dataset` gives rows of text, text_pair and target."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from keraslike.data import arrow, files, lists, tables
from keraslike.data.checking import check_targets, check_texts, is_no_target
from keraslike.data.columns import Names, find_columns
from keraslike.data.reading import read
from keraslike.data.rows import Prepare, Row, Rows, SourceColumns
from keraslike.data.targets import cast_strings, read_targets
from keraslike.data.values import is_missing
from keraslike.errors import DataError

__all__ = ["CANONICAL", "Rows", "as_dataset", "rename"]

CANONICAL = ("text", "text_pair", "target")
READERS = (lists, tables, arrow, files)  # importing them has registered what they read


def as_dataset(
    x: Any,
    y: Any = None,
    *,
    text: Names | None = None,
    target: Names | None = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
    pairs: bool | None = None,
    keep_strings: bool = False,
) -> Rows:
    """Give any container as rows with the columns `text`, `text_pair` where there are pairs, and `target`.

    The same rows give the same values of the same Python types in any container. Files and datasets stay on disk and
    are read when asked for. Rows that hold `input_ids` are taken as tokenised and need no text. Other columns keep
    their names, except a column whose name is one of the three but which was not chosen: it is left out.

    Args:
        x: a list of texts, of dicts or of pairs; a dict or tuple of columns; a numpy array; a pandas, polars or Arrow
            table; a `datasets.Dataset`, a `DatasetDict` (its training split); a torch Dataset; a generator of rows;
            the path of a .csv, .tsv, .json, .jsonl or .parquet file or of a `save_to_disk` folder. A row that is a pair
            is a text and its label without y, two texts with y.
        y: the targets, where x does not hold them; it then stands before any column of x.
        text: the name of the text column, or two names for pairs of texts; for containers without names not used.
        target: the name of the target column, or several names for several targets; as `text`.
        prepare: a function from a row (a dict of the user's own columns) to a row, called before columns are looked
            for. It is called anew whenever a row of a file or dataset is read, so it has to give the same each time.
        labelled: False for predicting: no target is looked for, and a row that is a pair is two texts.
        pairs: whether a row that is a pair is two texts (True) or a text and its label; default: as told above.
        keep_strings: whether one column of labels in a CSV file stays strings, though all of them look like numbers.

    Raises:
        DataError: the rows cannot be read, x and y differ in length, or a text or target is missing or not of its kind.
        ArgumentError: `text` or `target` names no column.

    Example:
        >>> rows = as_dataset({"Review": ["good", "bad"], "stars": [5, 1]})
        >>> rows[0], rows.source_columns
        ({'text': 'good', 'target': 5}, {'text': 'Review', 'target': 'stars'})
        >>> as_dataset([("good", "yes"), ("bad", "no")])[1]
        {'text': 'bad', 'target': 'no'}
    """
    if y is None and (labelled or pairs is False) and _is_x_and_y(x):
        x, y = x if labelled else (x[0], None)
    rows = read(x, (y is not None or not labelled) if pairs is None else pairs)
    if not len(rows):
        raise DataError("x is empty: it holds no rows.", "at least one row.", "check how x was made.")
    if prepare is not None:
        rows = rows.prepared(prepare)
    if rows.named:
        rows = _with_our_names(rows, find_columns(_sample(rows), text, target, labelled and y is None), keep_strings)
    elif not labelled:
        rows = rows.replaced({name: rows.column(name) for name in rows.columns if name != "target"})
    if y is not None:
        rows = _with_targets(rows, read_targets(y))
    _check(rows, y is not None)
    return rows


def rename(row: Mapping[str, Any], source: SourceColumns) -> Row:
    """Give a row (or a dict of columns) with our names for the chosen columns, which come first.

    Example:
        >>> rename({"id": 1, "Review": "good", "stars": 5}, {"text": "Review", "target": "stars"})
        {'text': 'good', 'target': 5, 'id': 1}
    """
    texts, targets = _names(source.get("text")), _names(source.get("target"))
    chosen = {part: row[name] for part, name in zip(("text", "text_pair"), texts, strict=False)}
    if targets:
        chosen["target"] = row[targets[0]] if isinstance(source["target"], str) else [row[name] for name in targets]
    return {**chosen, **{name: row[name] for name in row if name not in {*texts, *targets, *CANONICAL}}}


def _names(names: str | list[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else names or []


def _is_x_and_y(x: Any) -> bool:
    """Say whether x is the tuple (x, y); a tuple of texts or dicts is rows."""
    return isinstance(x, tuple) and len(x) == 2 and not all(isinstance(part, (str, Mapping)) for part in x)


def _sample(rows: Rows) -> Row:
    """Give the first value of every column that is not missing, looked for in a hundred rows."""
    return {
        name: next((value for value in islice(rows.column(name), 100) if not is_missing(value)), None)
        for name in rows.columns
    }


def _with_our_names(rows: Rows, source: SourceColumns, keep_strings: bool) -> Rows:
    columns = rename({name: rows.column(name) for name in rows.columns}, source)
    if "target" in columns:
        is_several = not isinstance(source["target"], str)
        targets = [list(row) for row in zip(*columns["target"], strict=True)] if is_several else list(columns["target"])
        is_cast = rows.untyped and not (keep_strings and not is_several) and not any(map(is_no_target, targets))
        columns["target"] = cast_strings(targets) if is_cast else targets
    return Rows(columns, named=False, source_columns=source)


def _with_targets(rows: Rows, targets: Sequence[Any]) -> Rows:
    if len(targets) != len(rows):
        raise DataError(
            f"x has {len(rows)} {'rows' if rows.source_columns else 'texts'} but y has {len(targets)} labels.",
            "one label per text.",
            "check that x and y come from the same rows, in the same order.",
        )
    columns = {name: rows.column(name) for name in rows.columns}
    return Rows({**columns, "target": targets}, named=False, source_columns=rows.source_columns)


def _check(rows: Rows, has_y: bool) -> None:
    for part in ("text", "text_pair"):
        if part in rows.columns:
            hint = "leave y out if each row of x is a text and its label." if has_y and part == "text_pair" else None
            check_texts(rows.column(part), _place(rows, part), hint)
    if "target" in rows.columns:
        check_targets(rows.column("target"), "y" if has_y else _place(rows, "target"))


def _place(rows: Rows, part: str) -> str:
    """Say where a part came from, in the user's words."""
    names = _names(rows.source_columns.get(part.removesuffix("_pair")))
    if not names:
        return "x"
    return (
        f"the columns {names}" if part == "target" and len(names) > 1 else f"the column {names[part == 'text_pair']!r}"
    )
