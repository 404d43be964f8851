"""Checks texts and targets at the door; every error names the row."""

from collections.abc import Callable, Sequence
from itertools import islice
from math import isinf
from typing import Any

from keraslike.data.values import is_missing, kind_of
from keraslike.errors import DataError


def check_texts(texts: Sequence[Any], place: str, hint: str | None = None) -> None:
    """Refuse whatever is no text.

    Args:
        texts: a column.
        place: what it is called, such as "x" or "the column 'review'".
        hint: what to do about a text that is no str.

    Raises:
        DataError: a text is missing, empty, or no str.
    """
    wrong = _rows_where(texts, lambda value: not isinstance(value, str) or not value)
    if not wrong:
        return
    value = texts[wrong[0]]
    if is_missing(value) or value == "":
        raise DataError(
            f"{_named(wrong)} of {place} {'have' if len(wrong) > 1 else 'has'} no text: {value!r}.",
            "a text in every row (rows are counted from 0).",
            "leave such rows out, with their labels.",
        )
    raise DataError(
        f"row {wrong[0]} of {place} is {value!r:.80}, {kind_of(value)}.",
        "a str in every row (rows are counted from 0).",
        hint or "make texts of them: [str(value) for value in x]; networks on numbers need no task.",
    )


def check_targets(targets: Sequence[Any], place: str) -> None:
    """Refuse missing targets.

    Raises:
        DataError: a target is None, not-a-number, infinite or an empty str, or holds one.
    """
    wrong = _rows_where(targets, is_no_target)
    if wrong:
        raise DataError(
            f"{_named(wrong)} of {place} {'have' if len(wrong) > 1 else 'has'} no label: {targets[wrong[0]]!r}.",
            "a label in every row (rows are counted from 0).",
            "leave such rows out, with their texts.",
        )
    endless = _rows_where(targets, _is_endless)
    if endless:
        raise DataError(
            f"{_named(endless)} of {place} {'have' if len(endless) > 1 else 'has'} no finite number: "
            f"{targets[endless[0]]!r}.",
            "finite numbers (rows are counted from 0).",
            "leave such rows out, with their texts, or clip the numbers.",
        )
    strange = _rows_where(targets, lambda value: not isinstance(value, (str, int, float, list)))
    if strange:
        value = targets[strange[0]]
        raise DataError(
            f"row {strange[0]} of {place} is {value!r:.80}, {kind_of(value)}.",
            "labels that are str, int, bool or float, or lists of them.",
            "make strings of them: [str(label) for label in y].",
        )


def is_no_target(value: Any) -> bool:
    """Say whether a target is missing or empty, or a list that holds such a one; an empty list is no labels."""
    if isinstance(value, list):
        return any(is_no_target(item) for item in value)
    return is_missing(value) or value == ""


def _is_endless(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_endless(item) for item in value)
    return isinstance(value, float) and isinf(value)


def _rows_where(values: Sequence[Any], is_wrong: Callable[[Any], bool]) -> list[int]:
    """Give the first few rows that are wrong; a fourth one says that there are more."""
    return list(islice((row for row, value in enumerate(values) if is_wrong(value)), 4))


def _named(rows: Sequence[int]) -> str:
    """Name rows: "row 3", "rows 3 and 7", "rows 3, 7, 9 and others".

    Example:
        >>> _named([3]), _named([3, 7]), _named([3, 7, 9, 11])
        ('row 3', 'rows 3 and 7', 'rows 3, 7, 9 and others')
    """
    if len(rows) == 1:
        return f"row {rows[0]}"
    names = [str(row) for row in rows] if len(rows) < 4 else [*map(str, rows[:3]), "others"]
    return f"rows {', '.join(names[:-1])} and {names[-1]}"
