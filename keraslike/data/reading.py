"""Reads a container into rows: one registered reader per kind."""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from keraslike.data.rows import Rows
from keraslike.data.values import kind_of
from keraslike.errors import DataError

Reader = Callable[[Any, bool], Rows]

_FOREIGN: dict[tuple[str, str], Reader] = {}


def read(x: Any, pairs: bool) -> Rows:
    """Give the rows of a container, under the user's own column names.

    The kinds of other libraries are registered when the first of their objects comes by, so that no library is imported
    for it; and before Python's own kinds are tried, since a `DatasetDict` is also a dict.

    Args:
        x: the container.
        pairs: a row of two is two texts; if False, it is a text and its label.

    Raises:
        DataError: the container is of no known kind.
    """
    for kind in type(x).__mro__:
        reader = _FOREIGN.get((kind.__module__.partition(".")[0], kind.__name__))
        if reader is not None and kind not in reader_of.registry:
            reader_of.register(kind, reader)
    return reader_of(x, pairs)


@singledispatch
def reader_of(x: Any, pairs: bool) -> Rows:
    """Read whatever has a length and items, or can be walked through; `reader_of.register` adds a kind."""
    if isinstance(x, (set, frozenset)):
        raise DataError(
            "x is a set, which has no order.", "rows in an order that is the same in every run.", "use sorted(x)."
        )
    if hasattr(x, "__len__") and hasattr(x, "__getitem__"):
        return read([x[index] for index in range(len(x))], pairs)
    if hasattr(x, "__iter__"):
        return read(list(x), pairs)
    raise DataError(
        f"x is {kind_of(x)}, which holds no rows.",
        "a list of texts, of dicts or of pairs, a dict of columns, a numpy array, a pandas, polars or Arrow table, "
        "a datasets.Dataset, a torch Dataset, a generator of rows, or the path of a file.",
        'a list of texts is the simplest: fit(["good", "bad"], [1, 0]).',
    )


def foreign(library: str, name: str) -> Callable[[Reader], Reader]:
    """Register the reader of a kind by its library's and its class's name, without importing the library."""

    def register(reader: Reader) -> Reader:
        _FOREIGN[library, name] = reader
        return reader

    return register


def is_kind(x: Any, library: str, *names: str) -> bool:
    """Say whether `x` is an instance of one of a library's classes, without importing the library.

    Example:
        >>> import torch
        >>> is_kind(torch.zeros(1), "torch", "Tensor"), is_kind([], "pandas", "DataFrame")
        (True, False)
    """
    return any(kind.__module__.partition(".")[0] == library and kind.__name__ in names for kind in type(x).__mro__)
