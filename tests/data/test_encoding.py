"""Encoded rows, kept unpadded and compact."""

import numpy as np
import pytest
import torch

from keraslike.data.encoding import Features, Ragged
from keraslike.data.loader import pad_features

ROWS = [
    {"input_ids": [2, 7, 3], "attention_mask": [1, 1, 1], "target": 0, "row": 0},
    {"input_ids": [2, 3], "attention_mask": [1, 1], "target": 1, "row": 1},
    {"input_ids": [2, 9, 8, 7, 3], "attention_mask": [1] * 5, "target": 0, "row": 2},
]


def as_lists(feature):
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in feature.items()}


def test_gives_back_what_went_in():
    """Every feature comes back with its own values, unpadded, in order."""
    features = Features(ROWS)

    assert len(features) == 3
    assert [as_lists(feature) for feature in features] == ROWS


def test_sequence_protocol():
    """Features are a sequence: indices from both ends, slices, iteration, and an end."""
    features = Features(ROWS)

    assert as_lists(features[-1]) == ROWS[-1]
    assert as_lists(features[np.int64(1)]) == ROWS[1]
    assert [as_lists(feature) for feature in features[::-2]] == ROWS[::-2]
    with pytest.raises(IndexError):
        features[3]
    with pytest.raises(IndexError):
        features[-4]


def test_negative_index_of_a_ragged_column():
    """A ragged column is read from its end like a list."""
    column = Ragged([[5, 6], [7], [8, 9, 9]])

    assert [column[index].tolist() for index in (-1, -2, -3)] == [[8, 9, 9], [7], [5, 6]]
    assert len(column) == 3


def test_lengths():
    """The lengths of all features are known without touching them."""
    assert Features(ROWS).lengths().tolist() == [3, 2, 5]
    assert Features(ROWS).lengths("attention_mask").tolist() == [3, 2, 5]
    assert Features([{"text": "abc"}, {"text": "a"}]).lengths("text").tolist() == [3, 1]


def test_columns():
    """One value of every feature can be read at once."""
    features = Features(ROWS)

    assert list(features.column("target")) == [0, 1, 0]
    assert [ids.tolist() for ids in features.column("input_ids")] == [row["input_ids"] for row in ROWS]


def test_a_token_takes_four_bytes():
    """Sequences of integers lie in one flat array of 4 bytes a number."""
    column = Features(ROWS).column("input_ids")

    assert isinstance(column, Ragged)
    assert {column[index].dtype for index in range(3)} == {np.dtype(np.int32)}
    assert column[0].base is not None


@pytest.mark.parametrize(
    "values",
    [[[2, 3], [4]], [np.array([2, 3]), np.array([4])], [np.array([2, 3], np.int64), np.array([4], np.int64)]],
    ids=["lists", "arrays", "int64"],
)
def test_sequences_of_integers(values):
    """Lists and arrays of integers are stored alike."""
    features = Features({"input_ids": value} for value in values)

    assert [feature["input_ids"].tolist() for feature in features] == [[2, 3], [4]]


@pytest.mark.parametrize(
    "values",
    [["a", "bc"], [0.5, 1.5], [[0.5, 1.5], [2.5, 3.5]], [np.array([0.5, 1.0]), np.array([0.0, 2.25])], [None, 1]],
    ids=["texts", "numbers", "lists of fractions", "arrays of fractions", "none"],
)
def test_other_values_stay(values):
    """What is no sequence of integers comes back as the object that it was."""
    features = Features({"value": value} for value in values)

    assert all(feature["value"] is value for feature, value in zip(features, values, strict=True))


@pytest.mark.parametrize("rows", [[[], [4, 5]], [[4, 5], []], [[], []]])
def test_empty_sequences(rows):
    """A sequence without tokens is one too, wherever it stands."""
    features = Features({"input_ids": row} for row in rows)

    assert [list(feature["input_ids"]) for feature in features] == rows
    assert features.lengths().tolist() == [len(row) for row in rows]


def test_no_features():
    """No features are an empty sequence."""
    assert len(Features([])) == 0
    assert list(Features([])) == []


def test_a_generator_is_read_once():
    """Features may come one by one."""
    assert len(Features(row for row in ROWS)) == 3


def test_first_sequence_does_not_decide_for_the_others():
    """A column whose later sequences hold fractions keeps the fractions."""
    features = Features([{"values": [1, 2]}, {"values": [0.5, 1.5]}])

    assert list(features[1]["values"]) == [0.5, 1.5]


def test_large_numbers_stay_exact():
    """Numbers beyond 4 bytes come back as they were."""
    features = Features([{"ids": [1, 2]}, {"ids": [2**40, 3]}])

    assert list(features[1]["ids"]) == [2**40, 3]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("lengths", [(3, 1, 2), (2, 2), (0, 1), (4,)])
def test_flat_columns_are_padded_like_lists(lengths, dtype):
    """Sequences kept in arrays, as tasks keep their tokens, are padded as the same lists are, masks and labels too."""
    rows = [{"input_ids": list(range(1, n + 1)), "labels": [2] * n, "label_tags": [1] * n} for n in lengths]

    arrays = [{name: np.array(values, dtype=dtype) for name, values in row.items()} for row in rows]

    found, expected = pad_features(arrays, pad_token_id=9), pad_features(rows, pad_token_id=9)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) and found[name].dtype == torch.int64 for name in found)
