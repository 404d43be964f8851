"""Finds which of the user's columns are the text, the second text, and the target."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from keraslike.calling import did_you_mean, nearest
from keraslike.data.rows import SourceColumns
from keraslike.data.values import kind_of
from keraslike.errors import ArgumentError, DataError

Names = str | Sequence[str]

TEXT_PAIRS = (
    ("text", "text_pair"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("query", "passage"),
    ("query", "document"),
)
TEXTS = ("text", "sentence", "review", "content", "document", "utterance", "tweet", "comment", "message", "post")
TARGETS = (
    *("label", "labels", "target", "targets", "y", "class", "category", "intent", "sentiment", "emotion", "emotions"),
    *("score", "rating", "stars", "topic"),
)
SENTENCES = "sentences"
"""A column of lists of sentences; it is called so in our rows, too."""

NUMBERED_SENTENCES = re.compile(r"sentence[ _-]?(\d+)", re.IGNORECASE)
"""Columns that hold one sentence each: sentence1, sentence2, ..."""

NUMBERING = ("id", "idx", "index", "row", "unnamed: 0", "__index_level_0__")
TOKENS = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask", "position_ids", "length")


class ColumnError(ArgumentError):
    """A column that was named, in this call or in an earlier one, is not there.

    Args:
        name: the column.
        argument: where it was named: "text" or "target".
        columns: those that are there.
        other: one of them that may be meant.
        is_remembered: whether it was not named in this call, but is that of the training data.
    """

    def __init__(
        self, name: str, argument: str, columns: Sequence[str], other: str | None, *, is_remembered: bool = False
    ) -> None:
        self.argument = argument
        self._given = (name, argument, columns, other)
        do = did_you_mean(name, columns, None if other is None else f"name it: {argument}={other!r}.")
        what = f"there is no column {name!r}, as {argument}= says."
        if is_remembered:
            what = f"there is no column {name!r}, and this model was fitted with the column {name!r} as its {argument}."
            near = nearest(name, columns) or other
            where = "" if near is None else f", or say which it is here: {argument}={near!r}"
            do = f"give the column of {'labels' if argument == 'target' else 'texts'} that name{where}."
        super().__init__(what, f"one of {_listed(columns)}.", do)

    def as_remembered(self) -> "ColumnError":
        """Give the error of a column that was not named in this call."""
        return ColumnError(*self._given, is_remembered=True)


def find_columns(
    row: Mapping[str, Any], text: Names | None = None, target: Names | None = None, labelled: bool = True
) -> SourceColumns:
    """Tell from one row which columns are texts and which are targets.

    Texts: those named by `text`; else a pair or a column of a known name; else the only column of texts beside the
    target. The target: that named by `target`; else a known name; else the only column left. Rows with `input_ids` are
    tokenised already and need no text.

    Args:
        row: one value of every column that is not missing.
        text: the name of the text column, or two names for pairs of texts.
        target: the name of the target column, or several names for several targets.
        labelled: False looks for no target.

    Returns:
        `text` and `target` as a user would write them: a name, or a list of names. `target` only where there is one.

    Raises:
        ArgumentError: a name is not among the columns.
        DataError: the text column cannot be told.

    Example:
        >>> find_columns({"id": 1, "Review": "good", "stars": 5})
        {'text': 'Review', 'target': 'stars'}
        >>> find_columns({"premise": "a", "hypothesis": "b", "label": 0})
        {'text': ['premise', 'hypothesis'], 'target': 'label'}
    """
    texts = _given(text, row, "text")
    if len(texts) > 2:
        raise ArgumentError(f"text= names {len(texts)} columns.", "one column, or two for pairs of texts.")
    targets = _given(target, row, "target", texts) or _known([(name,) for name in TARGETS], row, texts)
    if not texts and "input_ids" not in row:
        texts = _find_texts(row, targets)
    targets = (targets or _only_one_left(row, texts)) if labelled else []
    chosen = {"text": texts, "target": targets}
    return {part: names[0] if len(names) == 1 else names for part, names in chosen.items() if names}


def _given(names: Names | None, row: Mapping[str, Any], argument: str, taken: Collection[str] = ()) -> list[str]:
    """Give the names that the user typed, each known to be a column."""
    chosen = [names] if isinstance(names, str) else list(names or ())
    for name in chosen:
        if name not in row:
            left = [other for other in row if other not in taken and other.lower() not in NUMBERING]
            other = next(reversed(left) if argument == "target" else iter(left), None)
            raise ColumnError(str(name), argument, list(row), other)
    return chosen


def _known(choices: Sequence[tuple[str, ...]], row: Mapping[str, Any], taken: Collection[str] = ()) -> list[str]:
    """Give the first choice whose names, in any case, are all columns."""
    columns = {name.lower(): name for name in row if name not in taken}
    return next(([columns[name] for name in choice] for choice in choices if set(choice) <= set(columns)), [])


def _find_texts(row: Mapping[str, Any], targets: Sequence[str]) -> list[str]:
    known = _known([*TEXT_PAIRS, *((name,) for name in TEXTS)], row, targets)
    if known:
        return known
    candidates = [
        name
        for name, value in row.items()
        if isinstance(value, str) and name not in targets and name.lower() not in (*NUMBERING, *TARGETS)
    ]
    if len(candidates) == 1:
        return candidates
    if not candidates:
        kinds = ", ".join(f"{name!r} ({kind_of(value)})" for name, value in row.items())
        raise DataError(f"no column holds texts; there are {kinds}.", "a column of str.", "name it: text='...'.")
    first, second = candidates[:2]
    left = [name for name in row if name not in (first, second) and name.lower() not in NUMBERING]
    labels = f", and the labels: target={(left or [second])[-1]!r}" if not targets else ""
    pair = f"a pair: text=({first!r}, {second!r})"
    do = f"name it: text={first!r}, or {pair}{labels}" if left else f"name it: text={first!r}{labels}; or {pair}"
    raise DataError(
        f"the text column cannot be told: {_listed(candidates)} all hold texts; the columns are {_listed(row)}.",
        "a column with a known name such as 'text' or 'review', or one column of texts beside the target.",
        f"{do}.",
    )


def _only_one_left(row: Mapping[str, Any], texts: Sequence[str]) -> list[str]:
    left = [name for name in row if name not in texts and name.lower() not in (*NUMBERING, *TOKENS)]
    return left if len(left) == 1 else []


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names))
