"""Reads containers of images or sounds: what a row holds goes through the readers as it is, and stays where it lies."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from keraslike.data.fields import Field, read_fields
from keraslike.data.files import FILE_READERS
from keraslike.data.reading import is_kind, read
from keraslike.data.rows import LazyColumn, Prepare, Rows
from keraslike.data.sets import TEXT_FILES
from keraslike.data.splits import is_splits, split_of
from keraslike.data.values import kind_of
from keraslike.errors import DataError

IsValue = Callable[[Any], bool]


@dataclass(frozen=True, eq=False, slots=True)
class Whole:
    """An image or sound that readers hand on as it is, instead of making lists of its numbers; equal if it is the same.

    Args:
        value: what the user gave.
        number: its row in the user's data, for messages; None: not told.
    """

    value: Any
    number: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Whole) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True, slots=True)
class Stored:
    """An image or sound that stays in its column on disk until it is asked for.

    Args:
        column: the column.
        index: the number of its row in that column.
        number: as in `Whole`.
    """

    column: LazyColumn
    index: int
    number: int | None = field(default=None, compare=False)

    @property
    def value(self) -> Any:
        """What the column holds, read anew each time."""
        return bare(self.column[self.index])


def bare(value: Any) -> Any:
    """Give what a `Whole` or `Stored` holds; anything else as it is.

    Example:
        >>> bare(Whole(3)), bare(3)
        (3, 3)
    """
    return value.value if isinstance(value, (Whole, Stored)) else value


def content_of(value: Any) -> Any:
    """Give the bytes or the path in a dict as a column of `datasets` holds files; anything else as it is.

    Example:
        >>> content_of({"bytes": None, "path": "cat.png"}), content_of("cat.png")
        ('cat.png', 'cat.png')
    """
    return (value.get("bytes") or value.get("path")) if isinstance(value, Mapping) else value


def name_of_file(value: Any) -> str:
    """Give the file of an encoded image or sound, or of a picture of Pillow, for messages, between commas.

    Nothing for one without a name.

    Example:
        >>> name_of_file("cat.png"), name_of_file({"bytes": b"...", "path": "cat.png"}), name_of_file(b"...")
        (", 'cat.png',", ", 'cat.png',", '')
    """
    path = value.get("path") if isinstance(value, Mapping) else getattr(value, "filename", value)
    return f", {os.fspath(path)!r}," if isinstance(path, (str, os.PathLike)) and path else ""


def described(value: Any) -> str:
    """Give the beginning of a value, and its kind, for messages; of a path all, since its end tells most.

    Example:
        >>> described("dog.mp3"), described(None)
        ("'dog.mp3', a str", 'None, None')
    """
    return f"{value!r:.{300 if isinstance(value, (str, os.PathLike)) else 60}}, {kind_of(value)}"


def held(column: Sequence[Any]) -> Iterator[Whole | Stored]:
    """Give the values of a column one by one, without reading those that lie on disk.

    Example:
        >>> [held_one.value for held_one in held([Whole("cat.png"), "dog.png"])]
        ['cat.png', 'dog.png']
    """
    if isinstance(column, LazyColumn):
        return (Stored(column, index) for index in range(len(column)))
    return (value if isinstance(value, Whole) else Whole(value) for value in column)


def is_column(x: Any) -> bool:
    """Tell a column by itself: of a DataFrame, or of a Dataset of `datasets`.

    Example:
        >>> import pandas
        >>> is_column(pandas.Series(["cat.png"])), is_column(["cat.png"])
        (True, False)
    """
    is_series = is_kind(x, "pandas", "Series", "Index") or is_kind(x, "polars", "Series")
    return is_series or is_kind(x, "datasets", "Column", "IterableColumn")


def is_other_file(x: Any) -> bool:
    """Tell by its ending the path of a file that nothing here reads: alone it is answered as in a list.

    Example:
        >>> is_other_file("dog.mp3"), is_other_file("dogs.csv"), is_other_file("dogs")
        (True, False, False)
    """
    if not isinstance(x, (str, os.PathLike)) or Path(x).is_dir():
        return False
    return Path(x).suffix.lower() not in {"", *TEXT_FILES}


def read_media(
    x: Any,
    y: Any = None,
    *,
    fields: Sequence[Field],
    is_value: IsValue,
    text: str | Sequence[str] | None = None,
    target: str | None = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
) -> Rows:
    """Give any container of images or sounds as rows; arrays and pictures are not copied, datasets stay on disk.

    Args:
        x: an array of many; a list, or a column of a table or a dataset, of arrays, pictures or paths; pairs of one and
            its label; dicts of columns, lists of dicts, tables, datasets.
        y: the targets, where x does not hold them.
        fields: the input and the target, as in `read_fields`.
        is_value: tells an image, or a sound, from other values.
        text: as in `read_fields`.
        target: as in `read_fields`.
        prepare: as in `read_fields`; its rows hold what the user gave.
        labelled: as in `read_fields`.

    Raises:
        DataError: as in `read_fields`.
        ArgumentError: as in `read_fields`.

    Example:
        >>> import numpy as np
        >>> fields = [Field("image", ("img",)), Field("target", ("label",))]
        >>> known = {"fields": fields, "is_value": lambda value: np.ndim(value) == 2}
        >>> rows = read_media({"img": np.zeros((2, 8, 8)), "label": [0, 1]}, **known)
        >>> rows[1]["image"].value.shape, rows[1]["target"]
        ((8, 8), 1)
    """
    _refuse_no_rows(x, fields[0], is_value)
    if is_splits(x):
        x = split_of(x, "train")
    if y is None and labelled and isinstance(x, tuple) and len(x) == 2 and not is_value(x):
        x, y = x
    x, found = _wrapped(x, is_value)
    if y is not None and found is not None:
        raise DataError(
            f"the rows of x are pairs, whose second part would be their label, and y is given too; row 0 has "
            f"{next(iter(found), None)!r:.60}.",
            "the labels once: in x, or as y.",
            "write x = [first for first, _ in x].",
        )
    y = found if y is None and labelled else y
    own = None if prepare is None else _Prepared(prepare, is_value)
    return read_fields(x, y, fields=fields, text=text, target=target, prepare=own, labelled=labelled)


def _refuse_no_rows(x: Any, field: Field, is_value: IsValue) -> None:
    """Refuse a single image or sound in a file, a number, None, and a path that is not one of a table or a folder."""
    is_path = isinstance(x, (str, os.PathLike))
    if is_path and (Path(x).is_dir() or Path(x).suffix.lower() in FILE_READERS):
        return
    if not is_path and x is not None and not isinstance(x, (bytes, Number)):
        return
    given = repr(os.fspath(x)) if is_path else f"{x!r:.80}"
    if isinstance(x, bytes) or (is_path and is_value(x)):
        raise DataError(
            f"x is {given}, {field.kind} by itself.",
            "many: a list of them, for example.",
            "put it into a list: [x], and its label too: [y].",
        )
    raise DataError(
        f"x is {given}, which holds no {field.name}{' and is no file' * (is_path and not Path(x).exists())}.",
        f"{field.kind}, or many: a list or array of them, a dict of columns, a table, a dataset, or the path of a "
        f"file ending in {', '.join(FILE_READERS)} that names them.",
        "read or decode files of other kinds yourself, and give the arrays.",
    )


def _wrapped(x: Any, is_value: IsValue) -> tuple[Any, Any]:
    """Give a container whose images or sounds are wrapped, and the targets of rows that are pairs."""
    if is_kind(x, "torch", "Tensor") or is_kind(x, "numpy", "ndarray"):
        return [Whole(value) for value in x], None
    if is_kind(x, "pandas", "DataFrame"):
        return {str(name): [_whole(value, is_value) for value in column] for name, column in x.items()}, None
    if isinstance(x, Mapping):
        return {name: _column(column, is_value) for name, column in x.items()}, None
    if is_column(x):
        return _values(x, is_value)
    if isinstance(x, (list, tuple, Iterator)) or _is_transformed(x):
        return _wrapped_rows(list(x), is_value)
    if isinstance(x, Dataset) and not is_kind(x, "datasets", "Dataset"):
        given: Any = x
        rows = [given[index] for index in range(len(given))] if hasattr(given, "__len__") else list(given)
        return _wrapped_rows(rows, is_value)
    return x, None


def _values(column: Any, is_value: IsValue) -> tuple[Any, Any]:
    """Give what a column by itself holds as the rows of a list; that of a Dataset stays on disk, not decoded."""
    source: Any = getattr(column, "source", None)
    if is_kind(source, "datasets", "Dataset") and not _is_transformed(source):
        return read(source.select_columns([column.column_name]), True).column(column.column_name), None
    return _wrapped_rows(column.to_list() if hasattr(column, "to_list") else list(column), is_value)


def _is_transformed(x: Any) -> bool:
    """Tell a Dataset with a transform of its own, which alone knows what the rows hold."""
    return is_kind(x, "datasets", "Dataset") and x.format["type"] == "custom"


def _column(column: Any, is_value: IsValue) -> Any:
    if isinstance(column, (str, bytes)) or not hasattr(column, "__iter__"):
        return column  # the reader says what is wrong with it
    return [_whole(value, is_value) for value in column]


def _whole(value: Any, is_value: IsValue) -> Any:
    return Whole(value) if is_value(value) else value


def _wrapped_rows(rows: list[Any], is_value: IsValue) -> tuple[list[Any], Any]:
    first = next((row for row in rows if row is not None), None)
    if isinstance(first, Mapping) and not is_value(first):
        return [_wrapped_row(row, is_value) for row in rows], None
    if not isinstance(first, (tuple, list)) or len(first) != 2 or not is_value(first[0]) or is_value(first):
        return [Whole(row) for row in rows], None
    for number, row in enumerate(rows):
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise DataError(
                f"row {number} of x (counted from 0) is {kind_of(row)}, but row 0 is a pair.",
                "a pair of an input and its label, like the other rows.",
                f"look at x[{number}] and its neighbours.",
            )
    return [Whole(value) for value, _ in rows], [label for _, label in rows]


def _wrapped_row(row: Any, is_value: IsValue) -> Any:
    return {name: _whole(value, is_value) for name, value in row.items()} if isinstance(row, Mapping) else row


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The user's function, which gets and gives rows as the user knows them."""

    prepare: Prepare
    is_value: IsValue

    def __call__(self, row: dict[str, Any]) -> Any:
        return _wrapped_row(self.prepare({name: bare(value) for name, value in row.items()}), self.is_value)
