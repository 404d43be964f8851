"""`Labels`: the user's labels in the order of the network's outputs."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import LabelEncoder, MultiLabelBinarizer

from keraslike.data.labels import Labels
from keraslike.errors import LabelError


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ([10, 9, 10, -1], [-1, 9, 10]),
        ([2.0, 1, np.float32(3)], [1, 2, 3]),
        ([True, False], [False, True]),
        (np.array([True, False]), [False, True]),
        (["b", "B", "é", "a"], ["B", "a", "b", "é"]),
        (np.array(["b", "a"]), ["a", "b"]),
        (torch.tensor([3, 1]), [1, 3]),
        ([0.5, 2], [0.5, 2]),
        ([], []),
    ],
    ids=str,
)
def test_sorted_and_plain(targets: Any, names: list[Any]) -> None:
    """Numbers numerically, False before True, strings by code point; all in Python's own types."""
    labels = Labels.from_targets(targets)

    assert [(type(name), name) for name in labels.names] == [(type(name), name) for name in names]


@pytest.mark.parametrize("targets", [["b", "a", "c", "a"], [7, -3, 7, 100], [True, False, True]])
def test_ids_are_scikit_learns(targets: list[Any]) -> None:
    """The same ids as `LabelEncoder`, and back again."""
    labels = Labels.from_targets(targets)

    ids = labels.encode(targets)

    assert ids.dtype == np.int64
    assert ids.tolist() == LabelEncoder().fit_transform(targets).tolist()
    assert [(type(label), label) for label in labels.decode(ids)] == [(type(label), label) for label in targets]


def test_multi_hot_is_scikit_learns() -> None:
    """The same rows as `MultiLabelBinarizer`, and back again."""
    targets = [["c", "a"], [], ["b"]]
    labels = Labels.from_many(targets)

    encoded = labels.encode_many(targets)

    assert encoded.dtype == np.float32
    assert encoded.tolist() == MultiLabelBinarizer().fit_transform(targets).tolist()
    assert labels.decode_many(encoded) == [["a", "c"], [], ["b"]]


def test_rows_of_0_and_1_are_labels_too() -> None:
    """Lists of labels are looked up, whatever they look like: what they are is told once, where they are learned."""
    encoded = Labels([0, 1, 5]).encode_many([[0, 1, 1], [1, 0, 0]])

    assert encoded.tolist() == [[1, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize("names", [[-1, 5], ["a", "b"], [False, True], ["1", "2"]])
def test_json_keeps_types(names: list[Any]) -> None:
    """Written to JSON and read again they are the same labels, of the same types."""
    labels = Labels(names)

    again = Labels.from_json(json.loads(json.dumps(labels.to_json())))

    assert again == labels
    assert hash(again) == hash(labels)


def test_true_is_not_1() -> None:
    """Labels of different types are different labels, though Python holds True and 1 for equal."""
    assert Labels([False, True]) != Labels([0, 1])
    assert Labels([0, 1]).id2label() == {0: "0", 1: "1"}
    assert len(Labels([0, 1])) == 2


@pytest.mark.parametrize(
    ("names", "targets", "message"),
    [
        (["negative", "positive"], ["negative", "postive"], "row 1 (counted from 0) has the unknown label 'postive'"),
        (["negative", "positive"], ["postive"], "Do: did you mean 'positive'?"),
        ([1, 2], ["1"], "Do: give 1, an int, as in training."),
        ([1, 2], [3], "Expected: one of 1, 2."),
        (list(range(12)), [99], "8, 9 and 2 more."),
        (["a"], [None], "has the unknown label None"),
        (["a"], [["a"]], "unknown label ['a'], a list"),
        (["zz"], ["a"], "give all labels from the start: Model(..., labels=[...])"),
    ],
)
def test_unknown_label(names: list[Any], targets: list[Any], message: str) -> None:
    """The error names the label, its row, the known ones and the nearest."""
    with pytest.raises(LabelError) as caught:
        Labels(names).encode(targets)

    assert message in str(caught.value)


def test_unknown_label_among_several() -> None:
    """Rows of labels name the row too."""
    with pytest.raises(LabelError, match=r"row 1 .*'jooy'(.|\n)*did you mean 'joy'"):
        Labels(["joy", "anger"]).encode_many([["joy"], ["anger", "jooy"]])


@pytest.mark.parametrize("targets", [["a", 1], [True, 2], [True, "a"], [None, None], ["a", ("b",)]], ids=str)
def test_labels_without_a_common_order(targets: list[Any]) -> None:
    """Labels of different kinds are refused, with the rows where they are."""
    with pytest.raises(LabelError, match=r"kinds that do not go together: .* in row 0"):
        Labels.from_targets(targets)


def test_label_twice() -> None:
    """Each label has one id."""
    with pytest.raises(LabelError, match="the label 'a' comes twice"):
        Labels(["a", "b", "a"])
