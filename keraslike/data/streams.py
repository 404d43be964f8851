"""Streams: rows that come one after the other and are never held together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from keraslike.data.arrow import decoded, decoder
from keraslike.data.checking import is_no_target
from keraslike.data.columns import Names, find_columns
from keraslike.data.dataset import rename
from keraslike.data.reading import is_kind
from keraslike.data.rows import Prepare, Row, SourceColumns
from keraslike.data.values import kind_of, plain
from keraslike.errors import DataError


def is_stream(source: Any) -> bool:
    """Say whether a source is a `datasets.IterableDataset`."""
    return is_kind(source, "datasets", "IterableDataset")


def stream(
    source: Any,
    *,
    text: Names | None = None,
    target: Names | None = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
    seed: int | None = None,
    epoch: int = 1,
    buffer: int = 1000,
    on_columns: Callable[[SourceColumns], Any] | None = None,
    is_renamed: bool = True,
) -> Iterator[Row]:
    """Give the rows of a stream one by one, as dicts with the columns that `as_dataset` gives.

    Nothing is drawn before the first row is asked for; the columns are told from that row.

    Args:
        source: a `datasets.IterableDataset`, or anything that yields dicts.
        text: as in `as_dataset`.
        target: as in `as_dataset`.
        prepare: as in `as_dataset`; called once per row.
        labelled: as in `as_dataset`.
        seed: shuffles in a buffer by (seed, epoch); None keeps the order.
        epoch: which pass it is, counted from 1.
        buffer: rows held for shuffling.
        on_columns: told, once, which columns became `text` and `target`.
        is_renamed: False gives the rows under the user's own names, unchecked, for a task that reads other columns.

    Raises:
        DataError: a row is no dict, or its text or target is missing or of the wrong kind.

    Example:
        >>> next(stream([{"Review": "good", "stars": 5}]))
        {'text': 'good', 'target': 5}
    """
    rows = _rows(source, prepare)
    if seed is not None:
        rows = shuffled(rows, np.random.default_rng((seed, epoch)), buffer)
    if not is_renamed:
        yield from rows
        return
    columns = None
    for number, row in enumerate(rows):
        if columns is None:
            columns = find_columns(row, text, target, labelled)
            if on_columns is not None:
                on_columns(columns)
        renamed = rename(row, columns)
        _check(renamed, number)
        yield renamed


def shuffled(rows: Iterable[Row], generator: np.random.Generator, buffer: int) -> Iterator[Row]:
    """Give the rows in a random order in which none comes more than `buffer` places early.

    Example:
        >>> rows = [{"row": row} for row in range(5)]
        >>> sorted(row["row"] for row in shuffled(rows, np.random.default_rng(0), buffer=2))
        [0, 1, 2, 3, 4]
    """
    held: list[Row] = []
    for row in rows:
        if len(held) < buffer:
            held.append(row)
            continue
        place = int(generator.integers(buffer))
        yield held[place]
        held[place] = row
    for place in generator.permutation(len(held)):
        yield held[place]


def _rows(source: Any, prepare: Prepare | None) -> Iterator[Row]:
    decoders = {name: decoder(feature) for name, feature in (getattr(source, "features", None) or {}).items()}
    for number, row in enumerate(source):
        if not isinstance(row, Mapping):
            raise DataError(
                f"row {number} of the stream (counted from 0) is {row!r:.80}, {kind_of(row)}.",
                "dicts, the columns by name.",
                'yield {"text": ..., "label": ...}.',
            )
        own = {name: plain(value) for name, value in decoded(row, decoders).items()}
        yield own if prepare is None else dict(prepare(own))


def _check(row: Row, number: int) -> None:
    place = f"row {number} of the stream (counted from 0)"
    for part in ("text", "text_pair"):
        if part in row and (not isinstance(row[part], str) or not row[part]):
            raise DataError(f"{place} has no text: {row[part]!r:.80}.", "a str.", "filter such rows out of the stream.")
    if "target" in row and is_no_target(row["target"]):
        raise DataError(f"{place} has no label.", "a label in every row.", "filter such rows out of the stream.")
