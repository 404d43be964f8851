"""What targets are: told from their values, read from y, cast where a file held only strings."""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from keraslike.data.rows import Rows
from keraslike.data.values import kind_of, plain_list
from keraslike.errors import DataError

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"

_INT = re.compile(r"-?(0|[1-9]\d*)")
_FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d+)?")


class TargetKind(NamedTuple):
    """What the targets are.

    Attributes:
        problem_type: "single_label_classification", "multi_label_classification" or "regression".
        width: how many numbers each target has; 1 for one label or one number, None where rows are lists of labels.
    """

    problem_type: str
    width: int | None


def kind_of_targets(targets: Sequence[Any]) -> TargetKind:
    """Tell from the targets which problem they pose.

    str, int, bool and whole floats are classes, fractional floats regression; lists of floats are several targets;
    lists of labels, or rows of 0 and 1, are several labels.

    Raises:
        DataError: some targets are lists and others are not.

    Example:
        >>> kind_of_targets(["spam", "ham"]).problem_type, kind_of_targets([0.5, 1.0]).problem_type
        ('single_label_classification', 'regression')
        >>> kind_of_targets([["joy"], []]), kind_of_targets([[0, 1, 1], [1, 0, 0]])[1], kind_of_targets([[2.8, 3.1]])[1]
        (TargetKind(problem_type='multi_label_classification', width=None), 3, 2)
    """
    lists = [isinstance(target, list) for target in targets]
    if any(lists) and not all(lists):
        number = lists.index(not lists[0])
        raise DataError(
            f"target 0 is {targets[0]!r:.60} but target {number} (counted from 0) is {targets[number]!r:.60}.",
            "either one label each, or a list each.",
            'write one label as a list too: ["label"].',
        )
    if any(lists):
        return _kind_of_lists(targets)
    is_fractional = any(isinstance(target, float) and not target.is_integer() for target in targets)
    is_number = not any(isinstance(target, (str, bool)) for target in targets)
    return TargetKind(REGRESSION if is_fractional and is_number else SINGLE_LABEL, 1)


def is_multi_hot(targets: Sequence[Sequence[Any]], width: int | None = None) -> bool:
    """Say whether rows are of equal length, two or more, and hold nothing but 0 and 1, False and True.

    Example:
        >>> is_multi_hot([[0, 1], [1, 1]]), is_multi_hot([[0, 2], [1, 1]]), is_multi_hot([["a", "b"]])
        (True, False, False)
    """
    wanted = len(targets[0]) if width is None and len(targets) else width or 0
    return wanted > 1 and all(
        len(row) == wanted and all(isinstance(value, (int, float)) and value in (0, 1) for value in row)
        for row in targets
    )


def read_targets(y: Any) -> list[Any]:
    """Give the targets of y as a list of plain values; arrays and frames of one column as one value per row.

    Raises:
        DataError: y is no container.
    """
    if isinstance(y, (str, bytes)) or not hasattr(y, "__iter__"):
        raise DataError(
            f"y is {y!r:.80}, {kind_of(y)}.",
            "one label per row: a list, an array, a Series, a tensor.",
            f"name a column of x with target={y!r}." if isinstance(y, str) else "put a single label into a list: [y].",
        )
    values = plain_list(y.to_numpy() if len(getattr(y, "shape", ())) == 2 and hasattr(y, "to_numpy") else y)
    is_one_column = len(getattr(y, "shape", ())) == 2 and y.shape[1] == 1
    return [value for [value] in values] if is_one_column else values


def cast_strings(values: Sequence[Any]) -> list[Any]:
    """Give the strings of a file as ints, bools or floats where all of them are such; else as they are.

    Only what these types print themselves is cast: "01" is no int. Lists (several targets) are cast together.

    Example:
        >>> cast_strings(["1", "-2"]), cast_strings(["True", "False"]), cast_strings(["1", "2.5"]), cast_strings(["01"])
        ([1, -2], [True, False], [1.0, 2.5], ['01'])
    """
    flat = list(chain.from_iterable(values)) if isinstance(values[0], list) else values
    cast = _cast_for(flat) if all(isinstance(value, str) for value in flat) else _as_it_is
    return [[cast(item) for item in value] if isinstance(value, list) else cast(value) for value in values]


def require_target(rows: Rows, given_as: str = "") -> None:
    """Refuse rows without targets, with a line that names one.

    Args:
        rows: the rows.
        given_as: the argument that they are; empty for x.

    Raises:
        DataError: the rows have no column `target`.
    """
    if "target" in rows.columns:
        return
    is_text = "text" in rows.columns or "input_ids" in rows.columns
    others = [name for name in rows.columns if is_text and name not in ("text", "text_pair")]
    one = "text" if is_text else "row"
    several = f", or several: target={others}" if len(others) > 1 else ""
    beside = f"write {given_as}=({one}s, labels)." if given_as else f"give them as y: fit({one}s, labels)."
    raise DataError(
        f"{f'{given_as} has' if given_as else 'there are'} {len(rows)} {one}s but no labels.",
        f"one label per {one}." if not others else f"a column of labels; beside the text there are {others}.",
        f"name it: target={others[0]!r}{several}." if others else beside,
    )


def _kind_of_lists(targets: Sequence[list[Any]]) -> TargetKind:
    if any(isinstance(value, float) for target in targets for value in target):
        return TargetKind(REGRESSION, len(targets[0]))
    return TargetKind(MULTI_LABEL, len(targets[0]) if is_multi_hot(targets) else None)


def _cast_for(values: Sequence[str]) -> Callable[[str], Any]:
    if all(_INT.fullmatch(value) for value in values):
        return int
    if all(value in ("True", "False") for value in values):
        return "True".__eq__
    return float if all(_FLOAT.fullmatch(value) for value in values) else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
