"""Reads rows of a source text and a target text: translations, summaries, questions with answers."""

from collections.abc import Mapping
from typing import Any

from keraslike.data.checking import check_texts
from keraslike.data.fields import Field, read_fields
from keraslike.data.reading import read
from keraslike.data.rows import Prepare, Rows
from keraslike.errors import DataError

SOURCES = (
    "source",
    "input",
    "inputs",
    "document",
    "article",
    "dialogue",
    "src",
    "source_text",
    "input_text",
    "question",
)
TARGETS = (
    *("summary", "highlights", "translation", "output", "outputs", "tgt", "target_text", "output_text", "abstract"),
    *("answer", "response", "title", "label", "labels"),
)
FIELDS = [Field("text", SOURCES), Field("target", TARGETS, "a target text")]
NESTED = "translation"
"""The column of dicts from languages to texts, as translation data sets have it."""


def read_texts_to_texts(
    x: Any,
    y: Any = None,
    *,
    text: Any = None,
    target: Any = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
) -> Rows:
    """Give any container as rows of `text` and, where labelled, `target`, both str.

    Known columns: text, source, input, document, article, ... and target, summary, highlights, translation, output,
    ...; or a column `translation` of dicts such as {"en": ..., "de": ...}, whose languages are named by text="en" and
    target="de". A row that is a pair is source and target.

    Args:
        x: as in `as_dataset`.
        y: the target texts, where x does not hold them.
        text: the column, or language, of the source.
        target: the column, or language, of the target.
        prepare: as in `as_dataset`.
        labelled: False for predicting: no target is looked for.

    Raises:
        DataError: a text is missing or no str, or the columns cannot be told.
        ArgumentError: `text` or `target` names no column.

    Example:
        >>> rows = read_texts_to_texts({"translation": [{"en": "one", "de": "eins"}]}, text="en", target="de")
        >>> rows[0], rows.source_columns
        ({'text': 'one', 'target': 'eins'}, {'text': 'en', 'target': 'de'})
        >>> read_texts_to_texts([("one", "eins")])[0]
        {'text': 'one', 'target': 'eins'}
    """
    if y is None and labelled and _is_x_and_y(x):
        x, y = x
    rows = read(x, y is not None or not labelled)
    if not len(rows):
        raise DataError("x is empty: it holds no rows.", "at least one row.", "check how x was made.")
    rows = rows if prepare is None else rows.prepared(prepare)
    if rows.named:
        rows = _unnested(rows, text, target, labelled and y is None)
        found = read_fields(rows, y, fields=FIELDS, text=text, target=target, labelled=labelled)
    else:
        y = rows.column("target") if labelled and y is None and "target" in rows.columns else y
        found = read_fields(list(rows.column("text")), y, fields=FIELDS, labelled=labelled)
    for part in ("text", "target"):
        if part in found.columns:
            column = found.source_columns.get(part)
            place = f"the column {column!r}" if column else "y" if part == "target" else "x"
            check_texts(found.column(part), place, "make texts of them: [str(value) for value in values].")
    return found


def _is_x_and_y(x: Any) -> bool:
    return isinstance(x, tuple) and len(x) == 2 and not all(isinstance(part, (str, Mapping)) for part in x)


def _unnested(rows: Rows, text: Any, target: Any, has_target: bool) -> Rows:
    """Give the languages of a column of dicts as columns."""
    if NESTED not in rows.columns or not isinstance(rows.column(NESTED)[0], Mapping):
        return rows
    languages = list(rows.column(NESTED)[0])
    if text is None or (target is None and has_target):
        first, second = (*map(str, languages), "de", "en")[:2]
        raise DataError(
            f"the column {NESTED!r} holds {', '.join(map(repr, languages))}, and nothing says which is the source.",
            "the languages of source and target.",
            f"name them: text={first!r}, target={second!r}.",
        )
    return rows.prepared(lambda row: {**{key: row[key] for key in row if key != NESTED}, **(row[NESTED] or {})})
