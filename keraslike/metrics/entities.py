"""Precision, recall and F1 of entities: whole runs of words under one label, as seqeval counts them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard

from keraslike.data.values import kind_of
from keraslike.errors import ArgumentError, DataError
from keraslike.metrics.rows import row_metric

TAG = re.compile(r"[BIESLU](-.+)?", re.DOTALL)
"""A word of an entity: where it stands there, and mostly the entity's type."""

TAGS = "tags such as 'B-PER', 'I-PER' and 'O' (IOB1, IOB2, IOBES or BILOU)."
"""What is wanted, for messages."""

AS_SEQEVAL = {"L": "E", "U": "S"}
"""BILOU's words for the last and the only word of an entity are IOBES' E and S."""


def are_entity_tags(labels: Iterable[Any]) -> bool:
    """Say whether labels mark entities, as IOB1, IOB2, IOBES and BILOU do: "O", and `B-`, `I-`, ... before a type.

    Example:
        >>> are_entity_tags(["O", "B-PER", "I-PER"]), are_entity_tags(["NOUN", "VERB"]), are_entity_tags([0, 1])
        (True, False, False)
    """
    names = list(labels)
    if not all(map(_is_tag, names)):
        return False
    marks = [name for name in names if name != "O"]
    has_type = any(len(name) > 1 for name in marks)
    return any(name[0] in "BI" for name in marks) and (has_type or "O" in names)


def _check(name: str, references: Sequence[Any], _: Sequence[Any] | None) -> None:
    """Refuse rows that are no lists of tags."""
    for number, row in enumerate(references):
        is_list = isinstance(row, Iterable) and not isinstance(row, (str, Mapping))
        strange = [tag for tag in row if not (tag is None or _is_tag(tag))] if is_list else [row]
        if strange:
            raise DataError(
                f"the metric {name!r} was given {strange[0]!r:.60}, {kind_of(strange[0])}, in row {number} "
                "(counted from 0).",
                f"a list for each row, of {TAGS}",
                "leave it out; other labels are measured by metrics=['accuracy'].",
            )


@row_metric("entity_f1", partial(_check, "entity_f1"))
def entity_f1(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the harmonic mean of entity precision and recall, 0 to 1; over all entities of all rows (micro).

    An entity is right where its first word, its last word and its type are. Tags that do not follow their scheme are
    read as the CoNLL script reads them: an `I-` without a beginning begins an entity.

    Args:
        predictions: one list of tags for each row.
        references: as many, each as long; a word whose tag is None is left out.

    Raises:
        ArgumentError: the labels are no entity tags.

    Example:
        >>> truth = [["B-PER", "I-PER", "O", "B-LOC"]]
        >>> entity_f1([["B-PER", "I-PER", "B-ORG", "B-LOC"]], truth)
        0.8

    Source:
        https://github.com/chakki-works/seqeval, its default mode, which is that of CoNLL's conlleval.pl.
    """
    return _scores(predictions, references)[2]


@row_metric("entity_precision", partial(_check, "entity_precision"))
def entity_precision(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the share of the predicted entities that are right, 0 to 1, 0 where none is predicted; as `entity_f1`."""
    return _scores(predictions, references)[0]


@row_metric("entity_recall", partial(_check, "entity_recall"))
def entity_recall(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the share of the true entities that are found, 0 to 1, 0 where there are none; as `entity_f1`."""
    return _scores(predictions, references)[1]


def _scores(predictions: Sequence[Any], references: Sequence[Any]) -> tuple[float, float, float]:
    """Give precision, recall and F1."""
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    rows = [
        [(_as_seqeval(tag), _as_seqeval(own)) for tag, own in zip(*row, strict=True) if own is not None]
        for row in zip(predictions, references, strict=True)
    ]
    found, truth = ([[pair[side] for pair in row] for row in rows] for side in (0, 1))
    precision, recall, f1, _ = precision_recall_fscore_support(truth, found, average="micro", zero_division=0)
    return float(precision), float(recall), float(f1)


def _is_tag(tag: Any) -> TypeGuard[str]:
    return isinstance(tag, str) and (tag == "O" or TAG.fullmatch(tag) is not None)


def _as_seqeval(tag: Any) -> str:
    if not _is_tag(tag):
        raise ArgumentError(
            f"entities are to be counted, but {tag!r} is no tag of an entity.",
            TAGS,
            "measure other labels by metrics=['accuracy'].",
        )
    return AS_SEQEVAL.get(tag[0], tag[0]) + tag[1:]
