"""Readers of pandas and polars tables and columns."""

from collections.abc import Collection, Iterator
from typing import Any

from keraslike.data.columns import NUMBERED_SENTENCES, SENTENCES, TARGETS, TEXTS
from keraslike.data.reading import foreign, is_kind
from keraslike.data.rows import Rows
from keraslike.data.values import plain_list
from keraslike.errors import DataError

OTHERS = (
    *(
        "tokens",
        "words",
        SENTENCES,
        "image",
        "img",
        "audio",
        "speech",
        "array",
        "path",
        "file",
        "file_name",
        "filename",
    ),
)
"""Columns that are known by their names, beside those of texts and targets."""


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
    if not is_kind(x, "pandas", "Series"):
        return x
    known, names = {*TEXTS, *TARGETS, *OTHERS}, [str(name).lower() for name in x.index]
    is_known = any(name in known or NUMBERED_SENTENCES.fullmatch(name) for name in names)
    return x.to_dict() if is_known or not {*columns}.isdisjoint(x.index) else x


def with_dicts(x: Any, columns: Collection[str] = ()) -> Any:
    """Give a list, tuple or iterator whose rows of DataFrames are dicts; anything else as it is.

    In a list a Series is such a row if all of its index are strings, the names of columns. A tuple may hold x and y: in
    one all have to be rows as in `as_dict`.

    Args:
        x: what was given.
        columns: as in `as_dict`.

    Example:
        >>> import pandas
        >>> frame = pandas.DataFrame({"text": ["a film"], "label": ["good"]})
        >>> with_dicts([row for _, row in frame.iterrows()]), with_dicts("films.csv")
        ([{'text': 'a film', 'label': 'good'}], 'films.csv')
    """
    if isinstance(x, Iterator):
        return map(_dict_of_row, x)
    one_of_each_type = {type(row): row for row in x}.values() if isinstance(x, list) else ()
    if any(is_kind(row, "pandas", "Series") for row in one_of_each_type):
        return list(map(_dict_of_row, x))
    rows = [as_dict(row, columns) for row in x] if isinstance(x, tuple) and all(map(is_row_of_frame, x)) else []
    return rows if rows and all(isinstance(row, dict) for row in rows) else x


def is_row_of_frame(x: Any) -> bool:
    """Tell a Series whose index are all strings: in a list it is a row of a DataFrame.

    Example:
        >>> import pandas
        >>> is_row_of_frame(pandas.Series({"text": "a film"})), is_row_of_frame(pandas.Series(["a film"]))
        (True, False)
    """
    return is_kind(x, "pandas", "Series") and all(isinstance(name, str) for name in x.index)


def _dict_of_row(row: Any) -> Any:
    return row.to_dict() if is_row_of_frame(row) else row


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
