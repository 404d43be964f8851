"""Entities by hand, and against seqeval itself."""

from collections.abc import Sequence

import numpy as np
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score

from keraslike.errors import ArgumentError
from keraslike.metrics import ROW_METRICS, are_entity_tags, entity_f1, entity_precision, entity_recall, get_metrics


@pytest.mark.parametrize(
    "labels",
    [
        ["O", "B-PER", "I-PER"],
        ["O", "I-PER", "I-LOC"],
        ["O", "B-PER", "I-PER", "E-PER", "S-PER"],
        ["O", "B-PER", "I-PER", "L-PER", "U-PER"],
        ["O", "B", "I"],
        ["B-creative-work", "I-creative-work"],
    ],
    ids=["IOB2", "IOB1", "IOBES", "BILOU", "no types", "no O"],
)
def test_entity_tags(labels: list[str]):
    """Tags of the known schemes mark entities."""
    assert are_entity_tags(labels)


@pytest.mark.parametrize(
    "labels",
    [["NOUN", "VERB", "O"], ["O"], ["O", "PER"], [0, 1], ["B", "I"], ["S-ADJ", "O"], ["O", "B-PER", "X-PER"], []],
    ids=str,
)
def test_other_labels(labels: list[object]):
    """Parts of speech, types without a prefix, ids, and letters alone mark none."""
    assert not are_entity_tags(labels)


TRUTH = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG", "I-ORG", "B-ORG"], []]
FOUND = [["B-PER", "I-PER", "B-ORG", "B-PER"], ["O", "B-ORG", "O", "I-ORG"], []]


def test_by_hand():
    """An entity is right where both ends and the type are: of 5 found and 4 true ones, 2 agree."""
    assert entity_precision(FOUND, TRUTH) == 2 / 5
    assert entity_recall(FOUND, TRUTH) == 2 / 4
    assert entity_f1(FOUND, TRUTH) == pytest.approx(2 * 2 / (5 + 4), rel=1e-15)


def drawn(tags: Sequence[str], seed: int) -> list[list[str]]:
    generator = np.random.default_rng(seed)
    return [[str(tag) for tag in generator.choice(tags, 1 + row % 7)] for row in range(60)]


IOBES = ["O", *(f"{mark}-{kind}" for kind in ("PER", "LOC") for mark in "BIES")]


@pytest.mark.parametrize("tags", [["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["O", "I-A", "B-A"], IOBES], ids=str)
def test_as_seqeval(tags: list[str]):
    """Precision, recall and F1 of any tags, in an order that their scheme does not know too, are seqeval's."""
    truth, found = drawn(tags, seed=0), drawn(tags, seed=1)

    values = [metric(found, truth) for metric in (entity_precision, entity_recall, entity_f1)]

    expected = [metric(truth, found) for metric in (precision_score, recall_score, f1_score)]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    assert min(values) > 0


def test_bilou_is_iobes_in_other_words():
    """L and U mean what E and S do, which seqeval knows."""
    truth, found = drawn(IOBES, seed=0), drawn(IOBES, seed=1)

    renamed = [
        [[tag.replace("E-", "L-").replace("S-", "U-") for tag in row] for row in rows] for rows in (found, truth)
    ]

    assert entity_f1(*renamed) == entity_f1(found, truth)


@pytest.mark.parametrize("metric", [entity_f1, entity_precision, entity_recall], ids=lambda metric: metric.__name__)
def test_nothing_to_find(metric):
    """Without any entity every value is 0, and nobody is warned."""
    assert metric([["O", "O"]], [["O", "O"]]) == 0
    assert metric([["O"]], [["B-A"]]) == 0
    assert metric([["B-A"]], [["O"]]) == 0


@pytest.mark.parametrize("tag", ["NOUN", 3])
def test_labels_that_are_no_entities(tag: object):
    """Other labels are refused with the one that was met."""
    with pytest.raises(ArgumentError) as error:
        entity_f1([["O"]], [[tag]])

    assert str(error.value) == (
        f"entities are to be counted, but {tag!r} is no tag of an entity.\n"
        "  Expected: tags such as 'B-PER', 'I-PER' and 'O' (IOB1, IOB2, IOBES or BILOU).\n"
        "  Do: measure other labels by metrics=['accuracy']."
    )


def test_by_name():
    """All three are metrics of rows, found by their names."""
    names = ["entity_f1", "entity_precision", "entity_recall"]

    found = get_metrics(names)

    assert [name for name, _ in found] == names
    assert [metric.function for _, metric in found] == [ROW_METRICS[name] for name in names]
