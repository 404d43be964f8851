"""Batches: whole, cut, shuffled."""

import numpy as np
import pytest
import torch

from keraslike.data.batches import FeatureBatch, FeatureBatches, PairBatch, TensorBatches, as_batch, count_rows, take
from keraslike.errors import ArgumentError, DataError

X, Y = torch.arange(14.0).reshape(7, 2), torch.arange(7)


def collate(features):
    """Pad to the longest, as a task does."""
    width = max(len(feature["ids"]) for feature in features)
    x = [[*feature["ids"], *[0] * (width - len(feature["ids"]))] for feature in features]
    return {"ids": torch.tensor(x)}, torch.tensor([feature["target"] for feature in features])


FEATURES = [{"ids": [1] * length, "target": length} for length in (3, 1, 4, 1, 5)]


# A batch and its parts


@pytest.mark.parametrize(("size", "lengths"), [(None, [7]), (7, [7]), (9, [7]), (3, [3, 3, 1]), (1, [1] * 7)])
def test_pair_cut_in_parts(size, lengths):
    """A pair is cut along its first dimension, in order, the last part shorter; together the parts are the whole."""
    batch = PairBatch(X, Y)

    parts = batch.parts(size)

    assert batch.size == 7
    assert [len(y) for _, y in parts] == lengths
    assert torch.equal(torch.cat([x for x, _ in parts]), X)
    assert torch.equal(torch.cat([y for _, y in parts]), Y)


def test_whole_pair_is_not_copied():
    """A batch that is not cut goes through as the very objects that came."""
    ((x, y),) = PairBatch(X, Y).parts(None)

    assert x is X
    assert y is Y


@pytest.mark.parametrize(
    ("x", "lengths"),
    [
        ({"a": X, "b": Y}, [3, 3, 1]),
        ((X, Y), [3, 3, 1]),
        ([X, {"deep": (Y,)}], [3, 3, 1]),
        (X.numpy(), [3, 3, 1]),
    ],
    ids=["dict", "tuple", "nested", "numpy"],
)
def test_containers_are_cut_inside(x, lengths):
    """Tuples, lists and dicts of tensors or arrays keep their form in every part."""
    parts = PairBatch(x, Y).parts(3)

    assert [count_rows(part) for part, _ in parts] == lengths
    assert {type(part) for part, _ in parts} == {type(x)}


@pytest.mark.parametrize(("size", "widths"), [(None, [5]), (2, [3, 4, 5]), (4, [4, 5]), (1, [3, 1, 4, 1, 5])])
def test_features_are_padded_by_part(size, widths):
    """Every part of a feature batch is padded to its own longest feature."""
    batch = FeatureBatch(FEATURES, collate)

    parts = batch.parts(size)

    assert batch.size == 5
    assert [x["ids"].shape[1] for x, _ in parts] == widths
    assert torch.cat([y for _, y in parts]).tolist() == [3, 1, 4, 1, 5]


def test_features_unpack_as_a_pair():
    """A feature batch unpacks as `x, y`, padded together."""
    x, y = FeatureBatch(FEATURES, collate)

    assert x["ids"].shape == (5, 5)
    assert y.tolist() == [3, 1, 4, 1, 5]


def test_as_batch():
    """Pairs in tuples or lists become batches; a batch stays what it is."""
    batch = PairBatch(X, Y)

    assert as_batch(batch) is batch
    assert as_batch((X, Y)).size == 7
    assert as_batch([X, Y]).size == 7


@pytest.mark.parametrize("data", [X, {"input_ids": X, "labels": Y}, (X,), "ab"])
def test_what_is_no_pair(data):
    """What a generator yields must be a pair; the error names its type and a way out."""
    with pytest.raises(DataError, match=f"yielded a {type(data).__name__}, not a pair") as caught:
        as_batch(data)

    assert "TransformerCollator" in caught.value.do


def test_named_tuples_are_not_cut():
    """A named tuple is not cut, and the error says what helps."""
    with pytest.raises(ArgumentError, match="cannot be cut into micro-batches") as caught:
        take(torch.nn.utils.rnn.pack_padded_sequence(X[:, :, None], torch.full((7,), 2), batch_first=True), slice(2))

    assert caught.value.do == "set micro_batch_size=None."


# Our own batches


def test_tensors_in_their_order():
    """Without a seed the batches follow the rows and are views, not copies."""
    batches = list(TensorBatches((X, Y), batch_size=3, seed=None))

    assert [y.tolist() for _, y in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches[0][0].data_ptr() == X.data_ptr()


@pytest.mark.parametrize("epoch", [1, 2, 9])
def test_tensors_shuffled(epoch):
    """With a seed the order is that of (seed, epoch); x and y stay together."""
    batches = TensorBatches((X, {"y": Y}), batch_size=3, seed=5)
    batches.set_epoch(epoch)

    pairs = list(batches)

    assert len(batches) == len(pairs) == 3
    rows = np.random.default_rng((5, epoch)).permutation(7)
    assert torch.cat([y["y"] for _, y in pairs]).tolist() == rows.tolist()
    assert torch.equal(torch.cat([x for x, _ in pairs]), X[rows])


def test_arrays_shuffled():
    """Arrays of numpy are shuffled like tensors."""
    x = X.numpy()

    batches = list(TensorBatches((x, Y.numpy()), batch_size=4, seed=1))

    assert np.array_equal(
        np.concatenate([part for part, _ in batches]), x[np.random.default_rng((1, 1)).permutation(7)]
    )


def test_batches_can_be_iterated_again():
    """A pass over the batches leaves them as they are."""
    batches = TensorBatches((X, Y), batch_size=3, seed=5)

    first, second = ([y.tolist() for _, y in batches] for _ in range(2))

    assert first == second


@pytest.mark.parametrize(("rows", "size", "batches"), [(7, 7, 1), (7, 8, 1), (7, 6, 2), (1, 1, 1), (6, 3, 2)])
def test_number_of_batches(rows, size, batches):
    """The length is the number of batches, a short last one included."""
    own = TensorBatches((X[:rows], Y[:rows]), batch_size=size, seed=None)

    assert len(own) == batches == len(list(own))


def test_features_shuffled():
    """Features are shuffled by the same order as tensors."""
    batches = FeatureBatches(FEATURES, collate, batch_size=2, seed=5)
    batches.set_epoch(3)

    lengths = [feature["target"] for batch in batches for feature in batch.features]

    assert lengths == [(3, 1, 4, 1, 5)[row] for row in np.random.default_rng((5, 3)).permutation(5)]


def test_features_in_their_order():
    """Without a seed features follow each other."""
    assert [batch.size for batch in FeatureBatches(FEATURES, collate, batch_size=2)] == [2, 2, 1]


def test_features_that_vary():
    """A task may change a feature in every epoch, by a generator of (seed, epoch, index) whatever the order."""

    def vary(feature, generator):
        return {**feature, "target": int(generator.integers(10**6))}

    def targets(seed, epoch):
        batches = FeatureBatches(FEATURES, collate, 2, seed, vary, vary_seed=7)
        batches.set_epoch(epoch)
        order = range(5) if seed is None else np.random.default_rng((seed, epoch)).permutation(5)
        drawn = [feature["target"] for batch in batches for feature in batch.features]
        return [target for _, target in sorted(zip(order, drawn, strict=True))]

    by_hand = [int(np.random.default_rng((7, 2, index)).integers(10**6)) for index in range(5)]
    assert targets(None, 2) == targets(3, 2) == by_hand
    assert targets(3, 1) != by_hand
    assert [feature["target"] for feature in FEATURES] == [3, 1, 4, 1, 5]


@pytest.mark.parametrize(
    "data", [(X, Y[:6]), {"a": X, "b": Y[:6]}, [X, (Y, {"c": Y[:6]})]], ids=["tuple", "dict", "nested"]
)
def test_lengths_that_differ(data):
    """Inputs and targets of different lengths are refused, with both lengths."""
    with pytest.raises(DataError, match=r"different numbers of rows: \[6, 7\]"):
        count_rows(data)
