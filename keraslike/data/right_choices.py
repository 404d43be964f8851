"""Tells which choice is right in every row; a whole column is read in one way, and later ones like it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from keraslike.data.values import kind_of
from keraslike.errors import DataError

Ways = dict[str, list[str]]
"""How right choices of the type str were read before: names of `READINGS`, by how the choices came."""

WHOLE = re.compile(r"(-?\d+)(\.0*)?")
"""A str that is a number without a fraction, as files of numbers with holes write it, too."""


class Choices(NamedTuple):
    """What one row has to choose from.

    Args:
        texts: the choices themselves.
        labels: what stands beside each of them in the row; empty where nothing does.
        marks: how the names of the columns end, such as 1 and 2 of option1 and option2; empty for lists.
    """

    texts: Sequence[str]
    labels: Sequence[str] = ()
    marks: Sequence[str] = ()


class Reading(NamedTuple):
    """One way to read a column of right choices.

    Args:
        place: gives the place of a right choice in its row, counted from 0; None where it cannot be read so.
        line: what makes such a column one of places, for messages.
    """

    place: Callable[[Any, Choices], int | None]
    line: str


def _found(value: Any, known: Sequence[str]) -> int | None:
    """Look among labels, whatever their case."""
    key, lower = str(value).strip().lower(), [label.lower() for label in known]
    return lower.index(key) if isinstance(value, str) and key and key in lower else None


def _itself(value: Any, row: Choices) -> int | None:
    return row.texts.index(value) if value in row.texts else None


def _whole(value: Any) -> int | None:
    """Give a number without a fraction, which a str may be, too; None for anything else."""
    if isinstance(value, str):
        match = WHOLE.fullmatch(value.strip())
        return int(match[1]) if match else None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number and value % 1 == 0 else None


def _counted(value: Any, row: Choices) -> int | None:
    whole = _whole(value)
    return whole if whole is not None and 0 <= whole < len(row.texts) else None


LABEL = "the label beside a choice"
READINGS: Mapping[str, Reading] = {
    LABEL: Reading(
        lambda value, row: _found(value, row.labels), "y = [own.index(value) for own, value in zip(labels, y)]"
    ),
    "the choice itself": Reading(_itself, "y = [own.index(value) for own, value in zip(choices, y)]"),
    "a letter": Reading(
        lambda value, row: _found(value, "abcdefghijklmnopqrstuvwxyz"[: len(row.texts)]),
        'y = ["ABCDEFGH".index(value.upper()) for value in y]',
    ),
    "the end of a column's name": Reading(
        lambda value, row: _found(value, row.marks[: len(row.texts)]), "y = [{marks}.index(value) for value in y]"
    ),
    "a number counted from 0": Reading(_counted, "y = [int(value) for value in y]"),
}


def indices_of(values: Sequence[Any], rows: Sequence[Choices], before: Ways | None = None) -> list[int]:
    """Give the places of the right choices, counted from 0; all rows are read in one way.

    A whole number is the place. Strings are the labels that stand beside the choices, if all of them are. Else they
    are the choices themselves, letters (A is the first), ends of the columns' names (1 is option1), or numbers counted
    from 0: what fits every row. If several of these do, they have to give the same places.

    What was read before from choices that came alike goes first: some rows alone, such as a batch or a validation set,
    may fit in more ways than the training data do. Only where none of that fits, the column is read anew.

    Args:
        values: what the user gave, one for each row.
        rows: what the rows have to choose from.
        before: how columns were read before; how this one is read is added.

    Raises:
        DataError: nothing fits every row, or what fits gives different places.

    Example:
        >>> rows = [Choices(["4", "2", "3"]), Choices(["red", "green", "blue"])]
        >>> indices_of(["2", "2"], rows), indices_of(["2", "red"], rows), indices_of(["C", "a"], rows)
        ([2, 2], [1, 0], [2, 0])
        >>> ways = {}
        >>> indices_of(["0", "2"], rows, ways), indices_of(["2"], rows[:1], ways)  # "2" alone may be the choice itself
        ([0, 2], [2])
    """
    pairs = list(zip(values, rows, strict=True))
    found = {name: [reading.place(*pair) for pair in pairs] for name, reading in READINGS.items()}
    fitting = {name: [place for place in places if place is not None] for name, places in found.items()}
    fitting = {name: places for name, places in fitting.items() if len(places) == len(pairs)}
    if not fitting:
        raise _unreadable(pairs, found)
    before = {} if before is None else before
    layout = _layout(rows)
    ways = before.get(layout, [])
    anew = {LABEL: fitting[LABEL]} if LABEL in fitting else fitting
    fitting = {name: places for name, places in fitting.items() if name in ways} or anew
    first = next(iter(fitting.values()))
    if any(places != first for places in fitting.values()):
        raise _ambiguous(pairs, fitting)
    if any(isinstance(value, str) for value in values):  # an int is a number and says nothing of what a str is
        before[layout] = [*ways, *(name for name in fitting if name not in ways)]
    return first


def _layout(rows: Sequence[Choices]) -> str:
    """Say what can name a choice in these rows: a data set with labels is not read like one without."""
    return LABEL if any(row.labels for row in rows) else " ".join(rows[0].marks if rows else ())


def _unreadable(pairs: Sequence[tuple[Any, Choices]], found: Mapping[str, Sequence[int | None]]) -> DataError:
    """Name the first row that is not like most others."""
    counts = {name: len(places) - places.count(None) for name, places in found.items()}
    name = max(counts, key=lambda name: counts[name])
    number = found[name].index(None)
    value, row = pairs[number]
    others = f"; {counts[name]:,} of {len(pairs):,} rows hold {name}" if counts[name] else ""
    return DataError(
        f"the right choice of row {number} (counted from 0) is {value!r:.60}, {kind_of(value)}, and the row has "
        f"{len(row.texts)} choices{others}.",
        f"a number from 0 to {len(row.texts) - 1}, a letter (A is the first), or the choice itself; the same in every "
        "row.",
        _advice([value for value, _ in pairs], number, is_mixed=counts[name] > 0),
    )


def _advice(values: Sequence[Any], number: int, *, is_mixed: bool) -> str:
    """Say what to write where the value of one row is no choice."""
    if all(isinstance(value, bool) for value in values):
        return "write y = [int(value) for value in y]."
    if _whole(values[number]) is not None:
        return "count from 0: y = [int(number) - 1 for number in y]; leave out rows whose answer is not known."
    if is_mixed:
        return f"write row {number} like the others, or leave it out."
    return "write the place of each right choice, counted from 0; leave out rows whose answer is not known."


def _ambiguous(pairs: Sequence[tuple[Any, Choices]], fitting: Mapping[str, Sequence[int]]) -> DataError:
    """Show the first row that is read in different ways, and what to write for each of them."""
    number = next(number for number, places in enumerate(zip(*fitting.values(), strict=True)) if len({*places}) > 1)
    value, row = pairs[number]
    ways = " and ".join(f"choice {places[number]} as {name}" for name, places in fitting.items())
    lines = [f"{READINGS[name].line.format(marks=[*row.marks])} if it is {name}" for name in fitting]
    return DataError(
        f"the right choice of row {number} (counted from 0) is {value!r:.60}, which is {ways}; every row can be read "
        "in each of these ways.",
        "right choices that can be read in one way, best as int, counted from 0.",
        f"write {', or '.join(lines)}.",
    )
