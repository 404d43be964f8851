"""What the options of tasks may be: each check gives the value in Python's own type, or says what would be right.

A check takes the option's name and value. Where a task has words of its own for a mistake, `what` holds them, with the
places `{name}`, `{value!r}` and `{kind}`.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf, isnan
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data.labels import Labels
from keraslike.data.values import kind_of, plain, plain_list
from keraslike.errors import ArgumentError

UNKNOWN = "{name}={value!r} is not known."


def as_choice(name: str, value: Any, choices: Iterable[str], what: str = UNKNOWN) -> str:
    """Give one of some words.

    Args:
        name: the option.
        value: what it was given.
        choices: the words.
        what: as in the module's docstring.

    Raises:
        ArgumentError: it is none of them.

    Example:
        >>> as_choice("start", "mean", ["zero", "mean"])
        'mean'
    """
    known = list(choices)
    if isinstance(value, str) and value in known:
        return str(value)
    do = did_you_mean(str(value), known, f"write {name}={known[0]!r}.")
    raise _refusal(name, value, what, f"one of {', '.join(map(repr, known))}.", do)


def as_whole(
    name: str, value: Any, least: int, what: str | None = None, expected: str = "a whole number from {least} on."
) -> int:
    """Give a whole number; numpy's are such, a bool is none.

    Args:
        name: the option.
        value: what it was given.
        least: the smallest that it may be.
        what: as in the module's docstring.
        expected: what would be right.

    Raises:
        ArgumentError: it is none, or too small.

    Example:
        >>> import numpy as np
        >>> as_whole("stride", np.int64(8), 0)
        8
    """
    own = plain(value)
    is_whole = isinstance(own, int) and not isinstance(own, bool)
    if is_whole and own >= least:
        return int(own)
    wrong = f"below {least}" if is_whole else "{kind}, no whole number"
    raise _refusal(name, value, what or f"{{name}}={{value!r}} is {wrong}.", expected.format(least=least))


def as_number(
    name: str, value: Any, is_right: Callable[[float], bool], expected: str, what: str = "{name} is {value!r}."
) -> float:
    """Give a number that is in some range.

    Args:
        name: the option.
        value: what it was given.
        is_right: tells whether a number is in the range; not-a-number never is.
        expected: the range in words.
        what: as in the module's docstring.

    Raises:
        ArgumentError: it is no number, or none of the range.

    Example:
        >>> as_number("share", 1, lambda share: 0 <= share <= 1, "a number from 0 to 1.")
        1.0
    """
    own = plain(value)
    is_number = isinstance(own, (int, float)) and not isinstance(own, bool) and not isnan(own)
    if is_number and is_right(own):
        return float(own)
    raise _refusal(name, value, what, expected)


def as_above_zero(name: str, value: Any, what: str = "{name} is {value!r}.") -> float:
    """Give a number above 0, and not infinite.

    Raises:
        ArgumentError: it is none.
    """
    return as_number(name, value, lambda number: 0 < number < inf, "a number above 0, or None.", what)


def as_share(name: str, value: Any) -> float:
    """Give a number from 0 to 1.

    Raises:
        ArgumentError: it is none.
    """
    return as_number(
        name, value, lambda share: 0 <= share <= 1, "a number from 0 to 1.", "{name}={value!r} is no share."
    )


def as_bool(name: str, value: Any) -> bool:
    """Give True or False; numpy's are such, 0 and 1 are none.

    Raises:
        ArgumentError: it is neither.
    """
    own = plain(value)
    if isinstance(own, bool):
        return own
    raise _refusal(name, value, "{name}={value!r} is {kind}.", "True or False.")


def as_text(name: str, value: Any, do: str) -> str:
    """Give a text.

    Raises:
        ArgumentError: it is none.
    """
    if isinstance(value, str):
        return value
    raise _refusal(name, value, "{name}={value!r} is no text.", "a str.", do)


def as_labels(labels: Any) -> Labels:
    """Give a sequence of labels, in the order in which they come.

    Raises:
        ArgumentError: it is none, or it is empty: a word, a number, a dict, or a set, which has no order.
        LabelError: a label comes twice.

    Example:
        >>> as_labels(["ham", "spam"]).names
        ('ham', 'spam')
    """
    write = 'write labels=["ham", "spam"].'
    if isinstance(labels, (str, bytes, Mapping, set, frozenset)) or not isinstance(labels, Iterable):
        raise _refusal("labels", labels, "{name}={value!r} is no list of labels.", "all labels.", write)
    own = plain_list(labels)
    if not own:
        raise _refusal("labels", labels, "{name}={value!r} holds no label.", "all labels.", write)
    strange = [label for label in own if not isinstance(label, (str, int, float))]
    if strange:
        raise _refusal(
            "labels", strange[0], "{name} holds {value!r}, {kind}.", "words, numbers, True and False.", write
        )
    return Labels(own)


def _refusal(name: str, value: Any, what: str, expected: str, do: str | None = None) -> ArgumentError:
    said = what.format(name=name, value=value, kind=kind_of(value))
    return ArgumentError(said, expected, do or f"leave {name} out.")
