"""Reads lists of words with a label for each word: from lists, tables, data sets, and CoNLL files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from keraslike.data.conll import is_conll, read_conll
from keraslike.data.fields import Field, are_strings, drawn, is_unnamed, read_fields
from keraslike.data.loader import IGNORED_LABEL
from keraslike.data.rows import Prepare, Rows
from keraslike.data.splits import is_splits
from keraslike.data.values import is_missing, kind_of, plain
from keraslike.errors import DataError, LabelError

WORDS = Field("words", ("tokens", "words", "sentence", "text"), "a list of words")
KNOWN_LABELS = ("ner_tags", "tags", "labels", "upos", "pos_tags", "ner", "pos", "chunk_tags", "label")
PRINTED = re.compile(r"""\[(['"].*['"]|-?\d+([\s,]+-?\d+)+)\]""", re.DOTALL)
"""A list of strings or of whole numbers, as Python and numpy print it."""

LABELS = Field("target", KNOWN_LABELS, "a list of labels")


def read_tagged_words(
    x: Any,
    y: Any = None,
    *,
    text: Any = None,
    target: Any = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
) -> Rows:
    """Give any container as rows of `words`, a list of str each, and where labelled `target`, as long a list of labels.

    A word whose label is None or -100 has none, see `has_label`.

    In a container with names, strings are lists of words or labels with spaces between: a CSV file has no lists.

    Args:
        x: as in `read_fields`, where a list of rows may hold pairs (words, labels); or the path of a CoNLL file.
        y: as in `read_fields`.
        text: the column of the words; in a CoNLL file its number.
        target: the column of the labels; in a CoNLL file its number.
        prepare: as in `read_fields`.
        labelled: False for predicting: no labels are looked for, and one string alone is split into words.

    Raises:
        DataError: a row has no words, a word is no str, or there is not one label per word; the row is named. Or x is
            a dict that is one row, not a table.

    Example:
        >>> read_tagged_words([(["Ann", "ran"], ["PER", "O"])])[0]
        {'words': ['Ann', 'ran'], 'target': ['PER', 'O']}
    """
    x = drawn(x)
    known: dict[str, Any] = {"fields": [WORDS, LABELS], "prepare": prepare, "labelled": labelled}
    if is_conll(x, WORDS.known):
        rows = read_fields(read_conll(x, text, target, labelled=labelled and y is None), y, **known)
        rows.source_columns = {}  # files of other kinds have other names
        return _checked(rows, has_strings=False)
    if is_unnamed(x):
        x, y = _parted(x, y)
        is_text = not labelled and len(x) == 1 and isinstance(x[0], str)
        rows = read_fields([x[0].split()] if is_text else x, y, **known)
        return _checked(rows, has_strings=False)
    _refuse_one_row(x, y, text, target)
    return _checked(read_fields(x, y, text=text, target=target, **known), has_strings=True)


def is_one_row(x: Any) -> bool:
    """Tell a single row from a container of rows: a list of words, a string of them, or a dict of one row's values.

    Raises:
        DataError: a list of strings most of which have spaces, which may be meant as texts.

    Example:
        >>> is_one_row(["Ann", "ran"]), is_one_row({"tokens": ["Ann", "ran"], "ner_tags": [1, 0]})
        (True, True)
        >>> is_one_row([["Ann", "ran"]]), is_one_row({"tokens": [["Ann", "ran"]], "ner_tags": [[1, 0]]})
        (False, False)
    """
    if isinstance(x, Mapping):
        return not is_splits(x) and (any(isinstance(value, str) for value in x.values()) or _has_one_row(x))
    if isinstance(x, str) or not are_strings(x):
        return isinstance(x, str)
    if not isinstance(x, (list, tuple)) and hasattr(x, "to_list"):  # a Series, which may be a column of texts
        return not any(map(_is_several, x))
    texts = [value for value in x if _is_several(value)]
    if 2 * len(texts) > len(x):
        raise DataError(
            f"x is a list of strings with spaces, such as {texts[0]!r:.80}, and a list of strings is one row of words.",
            "a list of words, or a list of such lists.",
            "split texts into words: [text.split() for text in x].",
        )
    return True


def _has_one_row(x: Mapping[str, Any], y: Any = None, text: Any = None, target: Any = None) -> bool:
    """Tell a dict of one row, whose words are a list of strings, from a table, where a string may be a row's words.

    The labels tell: they are numbers, or words themselves, in one row. Where there are none the words do.
    """
    words, labels = _value(x, WORDS, text), _value(x, LABELS, target) if y is None else y
    if not are_strings(words):
        return False
    if not isinstance(labels, Iterable):
        return not any(map(_is_several, words))
    return not all(map(_is_several, words)) and not any(map(_is_several, labels))


def _value(x: Mapping[str, Any], field: Field, chosen: Any) -> Any:
    """Give what a dict holds for a field, None where it has none."""
    if chosen is not None:
        return x.get(chosen[0] if isinstance(chosen, (list, tuple)) else chosen)
    own = {str(name).lower(): value for name, value in x.items()}
    return next((own[name] for name in (field.name, *field.known) if name in own), None)


def _is_several(value: Any) -> bool:
    """Say whether a value is several words or labels: a list, or a string with spaces or a printed list in it."""
    if isinstance(value, str):
        return len(value.split()) > 1 or PRINTED.fullmatch(value) is not None
    return isinstance(plain(value), (list, dict))


def _refuse_one_row(x: Any, y: Any, text: Any, target: Any) -> None:
    """Refuse a dict of one row: as a table it would be many rows of a word each."""
    if isinstance(x, Mapping) and _has_one_row(x, y, text, target):
        raise DataError(
            f"x is a dict that holds one row: its words are {plain(_value(x, WORDS, text))!r:.80}.",
            "a dict of columns, each a list with one value per row: a list of words, or of labels.",
            "put a single row into a list: [x].",
        )


def has_label(label: Any) -> bool:
    """Say whether a word's label is one; None, not-a-number and -100 say that the word has none.

    Example:
        >>> has_label("O"), has_label(0), has_label(None), has_label(-100)
        (True, True, False, False)
    """
    return isinstance(label, str) or not (is_missing(label) or label == IGNORED_LABEL)


def _parted(x: Any, y: Any) -> tuple[Any, Any]:
    """Part rows that are pairs (words, labels)."""
    is_paired = isinstance(x, list) and all(isinstance(row, tuple) and len(row) == 2 for row in x)
    if y is not None or not is_paired or any(isinstance(part, str) for row in x for part in row):
        return x, y
    return [words for words, _ in x], [labels for _, labels in x]


def _checked(rows: Rows, *, has_strings: bool) -> Rows:
    """Give the rows with plain lists of words and labels, each checked."""
    names = [name for name in ("words", "target") if name in rows.columns]
    columns: dict[str, Sequence[Any]] = {name: _listed(rows.column(name), has_strings) for name in names}
    labels: Any = columns.get("target", repeat(None))
    for row, (words, own) in enumerate(zip(columns["words"], labels, strict=False)):
        _check_words(row, words)
        if "target" in columns:
            _check_labels(row, words, own)
    return rows.replaced(columns)


def _listed(column: Sequence[Any], has_strings: bool) -> Sequence[Any]:
    """Give arrays and tuples as lists, and strings too; a column of lists stays as it is, in memory or not."""
    if all(type(value) is list for value in column):
        return column
    if has_strings:
        _refuse_printed_lists(column)
    return [value.split() if has_strings and isinstance(value, str) else plain(value) for value in column]


def _refuse_printed_lists(column: Sequence[Any]) -> None:
    """Refuse lists that were written as text: split at their spaces they would be words such as "['Ann',"."""
    for row, value in enumerate(column):
        if isinstance(value, str) and PRINTED.fullmatch(value.strip()):
            raise DataError(
                f"row {row} (counted from 0) has the text {value!r:.80}, which is a list as Python prints it.",
                "lists, or a text with spaces between words or labels: CSV cannot hold lists.",
                "write the file as .jsonl or .parquet: frame.to_json(path, orient='records', lines=True).",
            )


def _check_words(row: int, words: Any) -> None:
    if not isinstance(words, list):
        raise DataError(
            f"row {row} (counted from 0) has no list of words: {words!r:.80}, {kind_of(words)}.",
            "a list of words for each row, such as [['Ann', 'ran'], ['Bob', 'sat', 'down']].",
            "split texts into words first: [text.split() for text in x].",
        )
    for place, word in enumerate(words):
        if not isinstance(word, str):
            raise DataError(
                f"word {place} of row {row} (both counted from 0) is {word!r:.80}, {kind_of(word)}.",
                "words that are str.",
                "give words and labels apart, as x and y."
                if isinstance(word, (list, tuple))
                else "make strings of them: [str(word) for word in words].",
            )


def _check_labels(row: int, words: list[str], labels: Any) -> None:
    if not isinstance(labels, list):
        raise DataError(
            f"row {row} (counted from 0) has no list of labels: {labels!r:.80}, {kind_of(labels)}.",
            "a list with one label for each word, such as ['PER', 'O'].",
            f"give {len(words)} labels for the words {words[:4]}.",
        )
    if len(labels) != len(words):
        raise DataError(
            f"row {row} (counted from 0) has {len(words)} words but {len(labels)} labels.",
            "one label for each word.",
            f"look at the words {words[:4]} and the labels {labels[:4]}.",
        )
    for word, label in zip(words, labels, strict=True):
        if label is not None and (not isinstance(label, (str, int, float)) or label == ""):
            raise DataError(
                f"row {row} (counted from 0) has no label for its word {word!r}: {label!r:.80}, {kind_of(label)}.",
                "a label for each word: a str or an int, or None where it has none.",
                "give the word a label, or leave out the row.",
            )


def mixed_labels(first: tuple[int, Any], second: tuple[int, Any]) -> LabelError:
    """Say that there are labels of two kinds, each given with its row."""
    found = " and ".join(f"{label!r} in row {row} ({kind_of(label)})" for row, label in (first, second))
    return LabelError(
        f"the labels are of kinds that do not go together: {found}.",
        "all str, or all numbers (rows are counted from 0).",
        "make strings of them: [[str(label) for label in row] for row in y].",
    )
