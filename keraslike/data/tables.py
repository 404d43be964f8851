"""Readers of pandas and polars tables and columns."""

from typing import Any

from keraslike.data.reading import foreign
from keraslike.data.rows import Rows
from keraslike.data.values import plain_list
from keraslike.errors import DataError


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
