"""Answers as users write them: SQuAD's dicts, lists of dicts, plain strings; and where they stand in the context."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Never

from keraslike.data.values import is_missing, kind_of
from keraslike.errors import DataError

TEXTS, STARTS = ("text", "answer"), ("answer_start", "start")
"""What the parts of an answer are called: in SQuAD, and in what `predict` gives."""


class Answer(NamedTuple):
    """A text, and the character of the context at which it begins; None where nobody has said."""

    text: str
    start: int | None = None


def read_answers(given: Any, row: int | None = None) -> list[Answer]:
    """Give the answers to one question; none where it has no answer.

    Args:
        given: `{"text": [...], "answer_start": [...]}`, or one text and one start in it, a list of such dicts or of
            strings, a string, or nothing: None, "", [] or {}.
        row: the number of the user's row, for messages.

    Raises:
        DataError: it is something else.

    Example:
        >>> read_answers({"text": ["Ann", "she"], "answer_start": [4, 9]})
        [Answer(text='Ann', start=4), Answer(text='she', start=9)]
        >>> read_answers([{"text": "Ann", "answer_start": 4}]), read_answers("Ann"), read_answers({"text": []})
        ([Answer(text='Ann', start=4)], [Answer(text='Ann', start=None)], [])
    """
    if is_missing(given):
        return []
    if isinstance(given, str):
        return [Answer(given)] if given else []
    if isinstance(given, Mapping):
        return _of_dict(given, row)
    if isinstance(given, (list, tuple)):
        return [answer for one in given for answer in read_answers(one, row)]
    return _refuse(given, row)


def places_of(answers: Sequence[Answer], context: str, row: int | None = None) -> list[tuple[int, int]]:
    """Give the first character of each answer in the context, and the one behind its last; spaces around it aside.

    Args:
        answers: from `read_answers`.
        context: the text that they stand in.
        row: as in `read_answers`.

    Raises:
        DataError: an answer does not stand where it is said to, or nobody says which of several places is meant.

    Example:
        >>> places_of([Answer("Ann", 4), Answer("ran")], "and Ann ran")
        [(4, 7), (8, 11)]
    """
    return [_trimmed(answer.text, _start_of(answer, context, row)) for answer in answers]


def named(row: int | None) -> str:
    """Say which row is meant, for messages.

    Example:
        >>> named(3), named(None)
        ('row 3 (counted from 0)', 'the row')
    """
    return "the row" if row is None else f"row {row} (counted from 0)"


def _of_dict(given: Mapping[str, Any], row: int | None) -> list[Answer]:
    if given and not any(name in given for name in TEXTS):
        _refuse(given, row)
    texts = _listed(next((given[name] for name in TEXTS if name in given), None))
    starts = _listed(next((given[name] for name in STARTS if name in given), None)) or [None] * len(texts)
    if len(texts) != len(starts) or not all(map(_is_answer, texts, starts)):
        _refuse(given, row)
    return [Answer(text, start) for text, start in zip(texts, starts, strict=True) if text]


def _listed(values: Any) -> list[Any]:
    if is_missing(values):
        return []
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _is_answer(text: Any, start: Any) -> bool:
    return isinstance(text, str) and (start is None or (isinstance(start, int) and not isinstance(start, bool)))


def _refuse(given: Any, row: int | None) -> Never:
    raise DataError(
        f"{named(row)} has the answers {given!r:.80}, {kind_of(given)}.",
        'as many texts as starts, such as {"text": ["Ann"], "answer_start": [4]}; empty lists for no answer.',
        "write them so, or as a list of dicts with a text and an answer_start each.",
    )


def _start_of(answer: Answer, context: str, row: int | None) -> int:
    text, start = answer
    if start is None:
        return _only_start(text, context, row)
    stands = context[start : start + len(text)] if start >= 0 else ""
    if stands == text:
        return start
    there = f"there stands {stands!r:.80}" if stands else f"the context has {len(context):,} characters"
    found = context.find(text)
    raise DataError(
        f"{named(row)}: the answer {text!r:.80} does not begin at character {start:,} of the context; {there}.",
        "answer_start: the character of the context, counted from 0, at which the answer begins.",
        f"the answer stands at {found:,}; check how answer_start was counted."
        if found >= 0
        else "the context does not hold it at all: check that both come from the same row, letter by letter.",
    )


def _only_start(text: str, context: str, row: int | None) -> int:
    count = context.count(text)
    if count == 1:
        return context.find(text)
    raise DataError(
        f"{named(row)}: the answer {text!r:.80} has no answer_start, and stands {count:,} times in the context.",
        "the character at which it begins, or an answer that stands there once.",
        f'write {{"text": [{text!r:.40}], "answer_start": [...]}}.',
    )


def _trimmed(text: str, start: int) -> tuple[int, int]:
    begin = start + len(text) - len(text.lstrip())
    return begin, max(begin, start + len(text.rstrip()))
