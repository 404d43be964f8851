"""Plain Python values of whatever a container holds."""

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

_PLAIN = frozenset({str, int, bool, float, type(None)})
_MISSING_TYPES = frozenset({"NAType", "NaTType"})


def plain(value: Any) -> Any:
    """Give a value in Python's own types: numpy and torch become numbers, strings and lists, tuples and sets lists.

    Example:
        >>> import numpy as np
        >>> plain(np.int64(3)), plain(np.array([True, False])), plain(("a", np.str_("b")))
        (3, [True, False], ['a', 'b'])
    """
    if type(value) in _PLAIN:
        return value
    if hasattr(value, "tolist"):
        inner = value.tolist()
        return [plain(item) for item in inner] if isinstance(inner, list) else inner
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if hasattr(value, "to_list"):
        return plain(value.to_list())
    return None if type(value).__name__ in _MISSING_TYPES else value


def plain_list(values: Iterable[Any]) -> list[Any]:
    """Give a column as a list of plain values: from lists, arrays, tensors, pandas, polars and Arrow columns.

    Example:
        >>> import numpy as np
        >>> plain_list(np.array([1, 2])), plain_list(value for value in "ab")
        ([1, 2], ['a', 'b'])
    """
    for method in ("tolist", "to_list", "to_pylist"):
        if hasattr(values, method):
            return [plain(value) for value in getattr(values, method)()]
    return [plain(value) for value in values]


def is_missing(value: Any) -> bool:
    """Say whether a plain value stands for nothing: None or not-a-number.

    Example:
        >>> is_missing(None), is_missing(float("nan")), is_missing("")
        (True, True, False)
    """
    return value is None or (isinstance(value, float) and isnan(value))


def kind_of(value: Any) -> str:
    """Name the type of a value as an error message says it.

    Example:
        >>> kind_of(3), kind_of("a"), kind_of(None)
        ('an int', 'a str', 'None')
    """
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
