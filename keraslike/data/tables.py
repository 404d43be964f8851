"""Readers of pandas and polars tables and columns."""

from collections.abc import Collection
from typing import Any

from keraslike.data.columns import TARGETS, TEXTS
from keraslike.data.reading import foreign, is_kind
from keraslike.data.rows import Rows
from keraslike.data.values import plain_list
from keraslike.errors import DataError

WORDS = ("tokens", "words")
"""Columns of words that are known by their names, beside those of texts."""


def as_dict(x: Any, columns: Collection[str] = ()) -> Any:
    """Give one row of a DataFrame, such as `frame.iloc[0]`, as a dict; a Series without the names of columns as it is.

    Args:
        x: what was given.
        columns: names of columns beside those that are known.

    Example:
        >>> import pandas
        >>> as_dict(pandas.DataFrame({"text": ["a film"], "label": ["good"]}).iloc[0])
        {'text': 'a film', 'label': 'good'}
        >>> as_dict(pandas.Series(["a film"])).tolist()
        ['a film']
    """
    known = {*TEXTS, *TARGETS, *WORDS, *columns}
    return x.to_dict() if is_kind(x, "pandas", "Series") and not known.isdisjoint(x.index) else x


@foreign("pandas", "DataFrame")
def read_pandas(x: Any, pairs: bool) -> Rows:
    """Read a DataFrame by position; its index is not looked at."""
    names = [str(name) for name in x.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"the DataFrame has more than one column {twice[0]!r}.",
            "column names that differ.",
            "rename them: x.columns = [...].",
        )
    return Rows({name: plain_list(x.iloc[:, index]) for index, name in enumerate(names)})


@foreign("pandas", "Series")
@foreign("pandas", "Index")
@foreign("polars", "Series")
def read_series(x: Any, pairs: bool) -> Rows:
    """Read a column of texts."""
    return Rows({"text": plain_list(x)}, named=False)


@foreign("polars", "DataFrame")
def read_polars(x: Any, pairs: bool) -> Rows:
    """Read a polars DataFrame."""
    return Rows({name: plain_list(x[name]) for name in x.columns})
