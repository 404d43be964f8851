"""Reads rows of a text, the choices that may follow or answer it, and which of them is right."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data.checking import check_texts
from keraslike.data.fields import Field, drawn, read_fields
from keraslike.data.reading import read
from keraslike.data.right_choices import Choices, Ways, indices_of
from keraslike.data.rows import Prepare, Rows
from keraslike.data.values import is_missing, kind_of, plain_list
from keraslike.errors import ArgumentError, DataError

TEXTS = (
    *("context", "premise", "article", "passage", "sent1", "ctx", "startphrase", "story", "prompt", "question"),
    *("question_stem", "goal", "sentence", "stem"),
)
TARGETS = ("label", "labels", "answerkey", "answer", "correct", "correct_answer", "answer_idx", "gold", "cop")
TEXT = Field("text", TEXTS, "a text")
LEAD = Field("lead", ("question", "sent2"), "a question, or the beginning of each choice", is_optional=True)
TARGET = Field("target", TARGETS, "the right choice")
LISTS = ("choices", "endings", "options", "answers", "candidates", "alternatives")
"""Columns that hold a list of choices for each row."""

NUMBERED = re.compile(
    r"(ending|choice|option|answer|sol|solution|op|candidate|hypothesis|alternative)[_ ]?(\d+|[a-h])", re.IGNORECASE
)
"""Columns that hold one of the choices: ending0, choice1, option_a, answerB."""

ASKED = {"cause": "What was the cause?", "effect": "What happened as a result?"}
"""What COPA's words for its two questions stand for."""


def read_choices(
    x: Any,
    y: Any = None,
    *,
    text: Any = None,
    target: Any = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
    before: Ways | None = None,
) -> Rows:
    """Give any container as rows of `text`, `choices` (a list of str) and, where labelled, `target` (an index).

    The text is found by its name (context, premise, sent1, question, ...). The choices are a column of lists (choices,
    endings, options), of dicts {"text": [...], "label": [...]} as CommonsenseQA has them, or one column for each
    choice (ending0 ..., choice1 ..., option_a ...). A question beside a context, SWAG's sent2, or COPA's question
    stands before every choice. In a container without names a row is `(text, choices)`, or `(text, choices, target)`.

    Args:
        x: as in `as_dataset`.
        y: the right choices, where x does not hold them.
        text: the column of the text; or several columns: of the text, then that of the choices, or those of each.
        target: the column of the right choice.
        prepare: as in `as_dataset`.
        labelled: False for predicting: no target is looked for.
        before: as in `indices_of`.

    Raises:
        DataError: texts, choices or targets are missing, not of their kind, or the targets cannot be read in one way.
        ArgumentError: `text` or `target` names no column.

    Example:
        >>> swag = {
        ...     "sent1": ["Ann sits."],
        ...     "sent2": ["She"],
        ...     "ending0": ["reads."],
        ...     "ending1": ["flies."],
        ...     "label": [0],
        ... }
        >>> read_choices(swag)[0]
        {'text': 'Ann sits.', 'choices': ['She reads.', 'She flies.'], 'target': 0}
        >>> read_choices([("One and one?", ["two", "three"])], ["A"])[0]
        {'text': 'One and one?', 'choices': ['two', 'three'], 'target': 0}
    """
    if y is None and labelled and isinstance(x, tuple) and len(x) == 2 and not isinstance(x[0], (str, Mapping)):
        x, y = x
    x = drawn(x)
    has_names = not _is_unnamed(x)
    rows = read(x, True) if has_names else _unnamed(x)
    rows = rows if prepare is None else rows.prepared(prepare)
    if not has_names and prepare is None:
        text = target = None
    wanted = [text] if isinstance(text, str) else list(text or ())
    known: dict[str, Any] = {"text": wanted[:1] or None, "target": target, "labelled": labelled}
    found = read_fields(rows, y, fields=[TEXT, LEAD, TARGET], **known)
    columns = _columns_of_choices(found, wanted[1:])
    check_texts(found.column("text"), "the texts")
    ends = [match[2] for match in map(NUMBERED.fullmatch, columns) if match]
    marks = ends if len(ends) == len(columns) > 1 else []
    made = [Choices(*_choices(row, columns, number), marks) for number, row in enumerate(found)]
    leads = found.column("lead") if "lead" in found.columns else [None] * len(made)
    choices = [_led(lead, own.texts) for lead, own in zip(leads, made, strict=True)]
    texts: dict[str, Sequence[Any]] = {"text": list(found.column("text")), "choices": choices}
    if "target" in found.columns:
        texts["target"] = indices_of(list(found.column("target")), made, before)
    source: dict[str, Any] = {}
    if has_names:
        first = found.source_columns.get("text", "text")
        named = {"target": found.source_columns["target"]} if "target" in found.source_columns else {}
        source = {"text": [first if isinstance(first, str) else first[0], *columns], **named}
    result = Rows(texts, named=False, source_columns=source)
    result.numbers = rows.numbers
    return result


def _is_unnamed(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and not isinstance(next((row for row in x if row is not None), None), Mapping)


def _unnamed(x: Sequence[Any]) -> Rows:
    """Read rows of (text, choices), or (text, choices, target)."""
    sizes = {len(row) if isinstance(row, (list, tuple)) else 0 for row in x}
    if len(sizes) != 1 or not sizes <= {2, 3}:
        number = next((n for n, row in enumerate(x) if not isinstance(row, (list, tuple)) or len(row) not in (2, 3)), 0)
        what = f"row {number} of x (counted from 0) is {x[number]!r:.80}, {kind_of(x[number])}" if x else "x is empty"
        raise DataError(
            f"{what}.",
            "a text and its choices in every row, with the right one or without.",
            'write ("a question", ["a choice", "another"]), or give dicts: {"question": ..., "choices": [...]}.',
        )
    columns = zip(*x, strict=True)
    return Rows({name: list(column) for name, column in zip(("text", "choices", "target"), columns, strict=False)})


def _columns_of_choices(rows: Rows, named: Sequence[str]) -> list[str]:
    """Give the column of lists of choices, or the columns of the single ones."""
    for name in named:
        if name not in rows.columns:
            raise ArgumentError(
                f"there is no column {name!r} left for the choices, as text= says.",
                f"one of {', '.join(map(repr, rows.columns))}.",
                did_you_mean(name, rows.columns),
            )
    if named:
        return list(named)
    lower = {name.lower(): name for name in rows.columns}
    if found := next((lower[name] for name in LISTS if name in lower), None):
        return [found]
    stems: dict[str, list[tuple[str, str]]] = {}
    for name in rows.columns:
        if match := NUMBERED.fullmatch(name):
            stems.setdefault(match[1].lower(), []).append((match[2].lower().zfill(3), name))
    several = next((columns for columns in stems.values() if len(columns) > 1), None)
    if several is None:
        others = ", ".join(repr(name) for name in rows.columns if name not in ("text", "lead", "target"))
        raise DataError(
            f"no column holds the choices; beside the text there are {others or 'none'}.",
            "a column named 'choices', 'endings' or 'options' with a list in each row, or ending0, ending1, ...",
            'name them: text=("question", "choices"), or text=("premise", "first", "second").',
        )
    return [name for _, name in sorted(several)]


def _choices(row: Mapping[str, Any], columns: Sequence[str], number: int) -> tuple[list[str], list[str]]:
    """Give the choices of a row, and the labels beside them."""
    if len(columns) == 1:
        choices, labels = _listed(row[columns[0]])
    else:
        choices, labels = [row[name] for name in columns], []
        while choices and (is_missing(choices[-1]) or choices[-1] == ""):
            choices.pop()  # a row with fewer choices
    wrong = next((choice for choice in choices or () if not isinstance(choice, str) or not choice), None)
    if not choices or len(choices) < 2 or wrong is not None or not all(choices):
        what = f"{choices!r:.80}" if isinstance(choices, list) else f"{row[columns[0]]!r:.80}"
        raise DataError(
            f"the choices of row {number} (counted from 0) are {what}.",
            "two texts or more in every row.",
            'write them as a list of str: ["a choice", "another"].',
        )
    return choices, labels


def _led(lead: Any, choices: Sequence[str]) -> list[str]:
    """Give the choices of a row, each behind its beginning."""
    words = ASKED.get(lead, lead)
    return [f"{words} {choice}" if words else choice for choice in choices]


def _listed(value: Any) -> tuple[list[Any] | None, list[str]]:
    """Give the choices in a cell, and their labels where it has them."""
    if isinstance(value, Mapping) and "text" in value:
        return plain_list(value["text"]), [str(label) for label in value.get("label", ())]
    if isinstance(value, str) or not hasattr(value, "__iter__") or isinstance(value, Mapping):
        return None, []
    listed = plain_list(value)
    if listed and all(isinstance(choice, Mapping) for choice in listed):
        return [choice.get("text") for choice in listed], [str(choice.get("label", "")) for choice in listed]
    return listed, []
