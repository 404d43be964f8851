"""Rows: a finite table of raw rows, the one form that every container becomes."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from keraslike.data.values import plain
from keraslike.errors import DataError

Row = dict[str, Any]
Prepare = Callable[[Row], Mapping[str, Any]]
SourceColumns = dict[str, str | list[str]]


class LazyColumn(Sequence[Any]):
    """A column whose values are fetched when they are asked for, a thousand at a time when it is walked through."""

    chunk = 1000

    @abstractmethod
    def fetch(self, indices: Sequence[int]) -> list[Any]:
        """Give the values at `indices`, each in `0 .. len - 1`."""

    @abstractmethod
    def take(self, indices: Sequence[int]) -> "LazyColumn":
        """Give the column of the rows at `indices`, in that order, without fetching them."""

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.fetch(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.fetch([index % len(self)])[0]

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), self.chunk):
            yield from self[start : start + self.chunk]


class Rows:
    """A finite table of raw rows with plain Python values.

    Args:
        columns: one sequence per column, all of the same length; a `LazyColumn` is never loaded whole.
        named: the columns have the user's own names; False for lists of texts, whose names are ours.
        untyped: every value was read as a string (CSV), so that targets are still to be cast.
        source_columns: which of the user's columns became `text` (two names: `text` and `text_pair`) and `target`, to
            be given as `text=` and `target=` the next time; empty where the container has no column names.

    Attributes:
        part: what the rows are called in a note, such as "validation"; empty for those that are trained on.
        numbers: which of the user's rows these are, after some were taken; None: all, in order.

    Raises:
        DataError: the columns have different lengths.

    Example:
        >>> rows = Rows({"text": ["good", "bad"], "target": [1, 0]})
        >>> len(rows), rows[1], rows.take([1]).column("text")
        (2, {'text': 'bad', 'target': 0}, ['bad'])
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        *,
        named: bool = True,
        untyped: bool = False,
        source_columns: SourceColumns | None = None,
    ) -> None:
        self._columns = dict(columns)
        self.named = named
        self.untyped = untyped
        self.source_columns: SourceColumns = source_columns or {}
        self.part = ""
        self.numbers: Sequence[int] | None = None
        self._check_lengths()

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, index: int) -> Row:
        return {name: column[index] for name, column in self._columns.items()}

    def __iter__(self) -> Iterator[Row]:
        for values in zip(*self._columns.values(), strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def __repr__(self) -> str:
        return f"Rows({len(self)} rows of {', '.join(self._columns)})"

    def column(self, name: str) -> Sequence[Any]:
        """Give one value of every row, in order; slices of it are lists."""
        return self._columns[name]

    def take(self, indices: Iterable[int]) -> "Rows":
        """Give the rows at `indices`, in that order; lazy columns stay lazy."""
        chosen = [int(index) for index in indices]
        rows = self.replaced({name: _take(column, chosen) for name, column in self._columns.items()})
        rows.numbers = chosen if self.numbers is None else [self.numbers[index] for index in chosen]
        return rows

    def replaced(self, columns: Mapping[str, Sequence[Any]], source_columns: SourceColumns | None = None) -> "Rows":
        """Give the same rows with other columns, read in the same way."""
        source = self.source_columns if source_columns is None else source_columns
        rows = Rows(columns, named=self.named, untyped=self.untyped, source_columns=source)
        rows.numbers = self.numbers
        return rows

    def as_part(self, part: str) -> "Rows":
        """Give the same rows under a name for notes."""
        rows = self.replaced(self._columns)
        rows.part = part
        return rows

    def prepared(self, prepare: Prepare) -> "Rows":
        """Give the rows that `prepare` makes of these: at once for rows in memory, when asked for lazy ones.

        Raises:
            DataError: `prepare` failed, or did not give a dict with the same keys for every row.
        """
        function = _Prepared(prepare)
        if any(isinstance(column, LazyColumn) for column in self._columns.values()):
            names = list(function(0, self[0])) if len(self) else []
            columns: Mapping[str, Sequence[Any]] = {name: _PreparedColumn(self, function, name) for name in names}
        else:
            columns = columns_of([function(number, row) for number, row in enumerate(self)])
        rows = Rows(columns, untyped=self.untyped)
        rows.numbers = self.numbers
        return rows

    def _check_lengths(self) -> None:
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"the columns have different lengths: {', '.join(f'{k!r} {v}' for k, v in lengths.items())}.",
                "one value per row in every column.",
                "check that the columns come from the same rows, in the same order.",
            )


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn dict rows into columns; a key that a row lacks is None there.

    Example:
        >>> columns_of([{"text": "a"}, {"text": "b", "label": 1}])
        {'text': ['a', 'b'], 'label': [None, 1]}
    """
    names = dict.fromkeys(str(name) for row in rows for name in row)
    return {name: [plain(row.get(name)) for row in rows] for name in names}


def _take(column: Sequence[Any], indices: Sequence[int]) -> Sequence[Any]:
    return column.take(indices) if isinstance(column, LazyColumn) else [column[index] for index in indices]


class _Prepared:
    """The user's function, with errors that name the row."""

    def __init__(self, prepare: Prepare) -> None:
        self.prepare = prepare

    def __call__(self, number: int, row: Row) -> Mapping[str, Any]:
        names = ", ".join(map(repr, row))
        try:
            result = self.prepare(row)
        except Exception as error:
            raise DataError(
                f"prepare failed at row {number} (counted from 0): {type(error).__name__}: {error}.",
                f"a function of one row, a dict with the keys {names}.",
                "call prepare on that row by hand; when predicting, rows have no target.",
            ) from error
        if not isinstance(result, Mapping):
            raise DataError(
                f"prepare returned {result!r} for row {number} (counted from 0), a {type(result).__name__}.",
                "a dict, the row's new columns.",
                "end prepare with: return row.",
            )
        return result


class _PreparedColumn(LazyColumn):
    """One column of what `prepare` makes of lazy rows."""

    def __init__(self, rows: Rows, prepare: _Prepared, name: str) -> None:
        self.rows = rows
        self.prepare = prepare
        self.name = name

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, indices: Sequence[int]) -> list[Any]:
        rows = self.rows.take(indices)
        prepared = (self.prepare(number, row) for number, row in zip(indices, rows, strict=True))
        return [plain(row.get(self.name)) for row in prepared]

    def take(self, indices: Sequence[int]) -> "_PreparedColumn":
        return _PreparedColumn(self.rows.take(indices), self.prepare, self.name)
