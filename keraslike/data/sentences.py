"""Reads texts as lists of sentences, in whatever form they come, and cuts plain texts into sentences by a rule."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keraslike.data.columns import NUMBERED_SENTENCES, SENTENCES
from keraslike.data.dataset import Rows  # importing it has registered what can be read
from keraslike.data.fields import are_strings, is_unnamed
from keraslike.data.files import PLAIN_ENDINGS
from keraslike.data.reading import read
from keraslike.data.rows import Prepare
from keraslike.data.sets import sets_of_lists
from keraslike.data.splits import is_splits
from keraslike.data.values import is_missing, kind_of, plain
from keraslike.errors import ArgumentError, DataError

TEXT_NUMBER = "of_text"
"""The column that says which plain text, counted from 0, an example was cut from; only where there were such."""

PLAIN = ("text", "story", "document")
"""Names of columns that hold plain texts."""

ABBREVIATIONS = (
    "mr mrs ms dr prof st sr jr rev gen capt lt sgt hon messrs mt approx ca cf vs e.g i.e viz bzw z.b d.h u.a hr fr vgl"
)
"""Words, in lower case, whose full stop ends no sentence."""

BEFORE_NUMBERS = "no nos nr vol fig figs eq sec ch p pp art jan feb mar apr jun jul aug sep sept oct nov dec"
"""Words whose full stop ends no sentence where a digit follows."""

_END = re.compile(r"""(?:[.!?…]+["'”’»)\]]*(?=\s)|[。！？]+[」』”’]*)\s*""")
_PARAGRAPH = re.compile(r"\n\s*\n")


def cut_sentences(text: str) -> list[str]:
    """Cut a text into its sentences, by a rule.

    A sentence ends at `.`, `!`, `?` or `…`, with the quotes and brackets that close there, where a space follows and
    then something else than a small letter; at a full-width mark; and at the end of a paragraph, which is an empty
    line. The full stop of an initial, or of a word of `ABBREVIATIONS`, ends none, and a quotation stays whole. For
    texts that need more than a rule, give lists of sentences, cut by a library of your choice.

    Args:
        text: any text; line breaks within a paragraph count as spaces.

    Returns:
        The sentences in order, without spaces around them, none empty.

    Example:
        >>> cut_sentences('Mr. J. Fox ran. "Where to?" he asked. Nobody knew... Home.')
        ['Mr. J. Fox ran.', '"Where to?" he asked.', 'Nobody knew...', 'Home.']
    """
    found: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        line, start = " ".join(paragraph.split()), 0
        for end in _END.finditer(line):
            is_quoted = _is_open(line[start : end.end()], line)
            if not is_quoted and _ends(line[start : end.start()], line[end.start() : end.end()], line[end.end() :]):
                found.append(line[start : end.end()])
                start = end.end()
        found.append(line[start:])
    return [sentence.strip() for sentence in found if sentence.strip()]


def _is_open(part: str, paragraph: str) -> bool:
    """Tell whether a quotation that has begun goes on; where the paragraph's quotes do not match, none is seen."""
    is_straight = part.count('"') % 2 == 1 and paragraph.count('"') % 2 == 0
    pairs = (("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"))
    return is_straight or any(
        part.count(left) > part.count(right) and paragraph.count(left) == paragraph.count(right)
        for left, right in pairs
    )


def _ends(before: str, mark: str, after: str) -> bool:
    """Tell whether a sentence ends at a mark, by the word before it and the letter after it."""
    if after[:1].islower():
        return False
    if mark.strip() != ".":
        return True
    word = before.rpartition(" ")[2].strip("\"'“‘«([")
    goes_on = f"{ABBREVIATIONS} {BEFORE_NUMBERS}" if after[:1].isdigit() else ABBREVIATIONS
    if word.lower() in goes_on.split():
        return False
    return len(word) != 1 or not word.isupper() or word == "I"


def windows(sentences: int, size: int, generator: np.random.Generator) -> list[range]:
    """Draw runs of `size` neighbouring sentences that do not overlap: as many as there is room for.

    What is left over stands, drawn anew for each text, before, between and behind them. A text of fewer sentences, but
    two at least, is one run.

    Args:
        sentences: how many the text has.
        size: how many a run has, 2 or more.
        generator: draws the places.

    Example:
        >>> [list(run) for run in windows(4, 2, np.random.default_rng(0))]
        [[0, 1], [2, 3]]
        >>> windows(3, 5, np.random.default_rng(0)), windows(1, 5, np.random.default_rng(0))
        ([range(0, 3)], [])
    """
    if sentences < size:
        return [range(sentences)] if sentences > 1 else []
    count, left_over = divmod(sentences, size)
    gaps = np.sort(generator.integers(0, left_over + 1, count))
    return [range(index * size + int(gap), (index + 1) * size + int(gap)) for index, gap in enumerate(gaps)]


def read_sentences(
    x: Any,
    y: Any = None,
    *,
    text: str | Sequence[str] | None = None,
    prepare: Prepare | None = None,
    window: int = 5,
    seed: int = 0,
) -> Rows:
    """Give any container as rows of `sentences`, a list of strings each.

    A row is a list of sentences; or has columns sentence1, sentence2, ... of which those at the end may be empty; or a
    column `sentences` of lists. Where the rows are plain texts, each is cut into sentences, and each example is a run
    of `window` of them, drawn by the seed.

    Args:
        x: the container, as in `as_dataset`; also the path of a .txt or .md file.
        y: None: the order of the sentences is all there is to know.
        text: the column of lists or of texts, or those of the sentences, in order; None: found by their names.
        prepare: as in `as_dataset`.
        window: sentences of an example that is cut from a plain text.
        seed: draws where these begin.

    Raises:
        DataError: there are targets, or a row is no list of sentences.
        ArgumentError: `text` names no column.

    Example:
        >>> read_sentences([["He woke.", "He ate."]])[0]
        {'sentences': ['He woke.', 'He ate.']}
        >>> read_sentences({"sentence1": ["He woke."], "sentence2": ["He ate."], "sentence3": [""]})[0]
        {'sentences': ['He woke.', 'He ate.']}
        >>> read_sentences(["He woke. He ate. He ran. He slept."], window=2)[1]
        {'sentences': ['He ran.', 'He slept.'], 'of_text': 0}
    """
    if y is not None:
        raise DataError(
            f"y is given, {kind_of(y)}, but texts to put in order have no targets.",
            "the sentences of each text in their true order, and nothing else.",
            "leave out y: fit(x).",
        )
    rows = _read(x)
    if not len(rows):
        raise DataError("x is empty: it holds no rows.", "at least one row.", "check how x was made.")
    rows = rows if prepare is None else rows.prepared(prepare)
    values = _values(rows, text)
    if isinstance(values[0], str):
        return _cut(values, window, seed)
    return Rows({SENTENCES: [_checked(value, number) for number, value in enumerate(values)]}, named=False)


def is_one_text(x: Any) -> bool:
    """Tell one text from a container of texts: a list of sentences, a dict of a row's values, or a string.

    Example:
        >>> is_one_text(["He woke.", "He ate."]), is_one_text({"sentence1": "He woke.", "sentence2": "He ate."})
        (True, True)
        >>> is_one_text([["He woke.", "He ate."]]), is_one_text({"sentence1": ["He woke."], "sentence2": ["He ate."]})
        (False, False)
    """
    if isinstance(x, Mapping):
        listed = (value for name, value in x.items() if str(name).lower() == SENTENCES)
        return not is_splits(x) and (any(isinstance(v, str) for v in x.values()) or any(map(are_strings, listed)))
    return isinstance(x, str) or are_strings(x)


def sets_of_texts(x: Any) -> Mapping[str, Any]:
    """Give a dict of several sets, each a list of texts; none where its names are those of columns.

    A text is a list of sentences; or a str, where there are several sets.

    Example:
        >>> texts = [["It rained.", "All left."]]
        >>> list(sets_of_texts({"short": texts, "long": texts})), sets_of_texts({"sentences": texts})
        (['short', 'long'], {})
    """
    if not isinstance(x, Mapping):
        return {}
    is_named = any(NUMBERED_SENTENCES.fullmatch(str(name)) or str(name).lower() in (SENTENCES, *PLAIN) for name in x)
    are_texts = all(isinstance(value, list) and value and isinstance(value[0], (list, tuple)) for value in x.values())
    return {} if is_named else x if are_texts else sets_of_lists(x)


def _read(x: Any) -> Rows:
    """Read a container; one without names has the one column `sentences`."""
    if isinstance(x, (str, os.PathLike)) and os.fspath(x).lower().endswith(PLAIN_ENDINGS) and os.path.isfile(x):
        return Rows({SENTENCES: [Path(x).read_text(encoding="utf-8")]})
    values = list(x) if isinstance(x, Iterator) else x
    if is_unnamed(values):
        return Rows({SENTENCES: [plain(value) for value in values]})
    rows = read(values, True)
    return rows if rows.named else Rows({SENTENCES: rows.column(rows.columns[0])})


def _values(rows: Rows, text: str | Sequence[str] | None) -> list[Any]:
    """Give what each row holds: a list of sentences, with what is empty at its end left out, or a plain text."""
    names = _columns(rows, text)
    if len(names) == 1 and not NUMBERED_SENTENCES.fullmatch(names[0]):
        return list(rows.column(names[0]))
    columns = (rows.column(name) for name in names)
    return [_without_empty_end(row) for row in zip(*columns, strict=True)]


def _columns(rows: Rows, text: str | Sequence[str] | None) -> list[str]:
    """Find the columns of the sentences, or the one of all of them."""
    if text is not None:
        names = [text] if isinstance(text, str) else list(text)
        missing = [name for name in names if name not in rows.columns]
        if missing:
            listed = ", ".join(map(repr, rows.columns))
            raise ArgumentError(f"there is no column {missing[0]!r}, as text= says.", f"columns of {listed}.")
        return names
    numbered = {name: found for name in rows.columns if (found := NUMBERED_SENTENCES.fullmatch(name))}
    in_order = sorted(numbered, key=lambda name: int(numbered[name][1]))
    by_name = {name.lower(): name for name in rows.columns}
    known = next((by_name[name] for name in (SENTENCES, *PLAIN) if name in by_name), None)
    if SENTENCES not in by_name and in_order:
        return in_order
    if known is None:
        raise DataError(
            f"no columns hold sentences; there are {', '.join(map(repr, rows.columns))}.",
            "columns sentence1, sentence2, ..., or one column sentences with lists of them.",
            f"name them: text=[{rows.columns[-1]!r}].",
        )
    return [known]


def _without_empty_end(values: Sequence[Any]) -> list[Any]:
    kept = [None if is_missing(value) or (isinstance(value, str) and not value.strip()) else value for value in values]
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def _checked(value: Any, number: int) -> list[str]:
    """Give a row's sentences, without spaces around them; an error that names the row where they are none."""
    if isinstance(value, (list, tuple)) and value:
        wrong = next((place for place, part in enumerate(value) if not isinstance(part, str) or not part.strip()), None)
        if wrong is None:
            return [sentence.strip() for sentence in value]
        raise DataError(
            f"sentence {wrong + 1} of row {number} (counted from 0) is {value[wrong]!r:.80}, {kind_of(value[wrong])}.",
            "a sentence, a str that is not empty; only cells behind the last sentence may be empty.",
            f"look at row {number}.",
        )
    raise _neither(value, number)


def _neither(value: Any, number: int) -> DataError:
    """Say that a row is not what the rows before it are."""
    return DataError(
        f"row {number} (counted from 0) is {value!r:.80}, {kind_of(value)}.",
        "a list of sentences in every row, such as ['He woke.', 'He ate.'], or a plain text in every row.",
        f"look at row {number}.",
    )


def _cut(texts: Sequence[Any], window: int, seed: int) -> Rows:
    """Make examples of plain texts; an error that names the row where one is none."""
    wrong = next((number for number, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise _neither(texts[wrong], wrong)
    examples, numbers = [], []
    for number, text in enumerate(texts):
        sentences = cut_sentences(text)
        for run in windows(len(sentences), window, np.random.default_rng((seed, number))):
            examples.append(sentences[run.start : run.stop])
            numbers.append(number)
    if not examples:
        raise DataError(
            f"x holds plain texts, and none of the {len(texts)} has two sentences; the first is {texts[0]!r:.80}.",
            "lists of sentences, one for each text, or texts of several sentences.",
            "give the sentences of each text as a list: fit([['He woke.', 'He ate.'], ...]).",
        )
    return Rows({SENTENCES: examples, TEXT_NUMBER: numbers}, named=False)
