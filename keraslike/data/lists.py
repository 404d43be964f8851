"""Readers of what Python, numpy and torch hold: lists, tuples, dicts, arrays, iterators, torch datasets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from keraslike.data.reading import read, reader_of
from keraslike.data.rows import Rows, columns_of
from keraslike.data.splits import is_splits, split_of
from keraslike.data.values import kind_of, plain_list
from keraslike.errors import DataError


@reader_of.register(Sequence)
def read_list(x: Sequence[Any], pairs: bool) -> Rows:
    """Read rows: texts, dicts, or tuples of texts and a label."""
    rows = list(x)
    first = next((row for row in rows if row is not None), None)
    if isinstance(first, Mapping):
        return read_dicts(rows)
    if isinstance(first, (tuple, list)):
        return read_tuples(rows, pairs)
    return Rows({"text": plain_list(rows)}, named=False)


def read_dicts(rows: list[Any]) -> Rows:
    """Read rows that are dicts."""
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise _other_kind(rows, number, "a dict like the other rows")
    return Rows(columns_of(rows))


def read_tuples(rows: list[Any], pairs: bool) -> Rows:
    """Read rows that are `(text, label)` or `(text, text, label)`, or `(text, text)` where labels come apart."""
    size = next(len(row) for row in rows if row is not None)
    names = {2: ["text", "text_pair"] if pairs else ["text", "target"], 3: ["text", "text_pair", "target"]}.get(size)
    if names is None or (pairs and size == 3):
        raise DataError(
            f"the rows of x have {size} parts each.",
            "(text, text) rows where y holds the labels." if pairs else "(text, label) or (text, text, label) rows.",
            'give dicts: {"text": ..., "label": ...}.',
        )
    for number, row in enumerate(rows):
        if not isinstance(row, (tuple, list)) or len(row) != size:
            raise _other_kind(rows, number, f"{size} parts, {', '.join(names)}")
    columns = zip(*rows, strict=True)
    return Rows({name: plain_list(column) for name, column in zip(names, columns, strict=True)}, named=False)


@reader_of.register(tuple)
def read_columns(x: tuple[Any, ...], pairs: bool) -> Rows:
    """Read a tuple: two columns of texts, or rows where each is a text or a dict (as `zip(*rows)` gives them)."""
    if all(isinstance(row, (str, Mapping)) for row in x):
        return read_list(x, pairs)
    if len(x) != 2:
        raise DataError(
            f"x is a tuple of {len(x)} columns.",
            "a tuple of two columns: (texts, labels) without y, (texts, second texts) with y.",
            "give rows as a list, or columns as a dict: {'text': texts, 'label': labels}.",
        )
    first, second = (plain_list(column) for column in x)
    if len(first) != len(second):
        raise DataError(
            f"x has {len(first)} first texts but {len(second)} second texts.",
            "pairs of texts.",
            "check that both come from the same rows, in the same order.",
        )
    return Rows({"text": first, "text_pair": second}, named=False)


@reader_of.register(Mapping)
def read_mapping(x: Mapping[str, Any], pairs: bool) -> Rows:
    """Read a dict of columns; of a dict of splits, the training split."""
    if is_splits(x):
        return read(split_of(x, "train"), pairs)
    for name, column in x.items():
        if isinstance(column, (str, bytes)) or not hasattr(column, "__iter__"):
            raise DataError(
                f"x is a dict whose {name!r} is {column!r:.80}, {kind_of(column)}.",
                "a dict of columns, each a list with one value per row.",
                "put a single row into a list: [x].",
            )
    return Rows({str(name): plain_list(column) for name, column in x.items()})


@reader_of.register(np.ndarray)
@reader_of.register(torch.Tensor)
def read_array(x: npt.NDArray[Any] | torch.Tensor, pairs: bool) -> Rows:
    """Read an array of texts, `(rows,)`, or of pairs, `(rows, 2)`."""
    values = x.tolist()
    return read_list(values if isinstance(values, list) else [values], pairs)


@reader_of.register(Iterator)
def read_iterator(x: Iterator[Any], pairs: bool) -> Rows:
    """Read a generator or iterator of rows to its end."""
    return read_list(list(x), pairs)


@reader_of.register(Dataset)
def read_torch(x: Any, pairs: bool) -> Rows:
    """Read a torch dataset: row by row where it has a length, else as an iterator."""
    return read_list([x[index] for index in range(len(x))] if hasattr(x, "__len__") else list(x), pairs)


@reader_of.register(Rows)
def read_rows(x: Rows, pairs: bool) -> Rows:
    """Give rows as they are."""
    return x


def _other_kind(rows: list[Any], number: int, expected: str) -> DataError:
    return DataError(
        f"row {number} of x (counted from 0) is {rows[number]!r:.80}, {kind_of(rows[number])}.",
        f"{expected}.",
        f"look at x[{number}] and its neighbours.",
    )
