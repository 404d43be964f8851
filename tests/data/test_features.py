"""Batches of features: padded by part, shuffled, varied, weighed, made in workers."""

import numpy as np
import pytest
import torch

from keraslike.data.batches import as_batch
from keraslike.data.cutting import WHOLE, Cut
from keraslike.data.encoding import Features
from keraslike.data.features import FeatureBatch, FeatureBatches, lengths_of
from keraslike.data.order import order

LENGTHS = (3, 1, 4, 1, 5)


def collate(features):
    """Pad to the longest, as a task does."""
    width = max(len(feature["input_ids"]) for feature in features)
    x = [[*feature["input_ids"], *[0] * (width - len(feature["input_ids"]))] for feature in features]
    return {"input_ids": torch.tensor(x)}, torch.tensor([feature["target"] for feature in features])


FEATURES = [{"input_ids": [1] * length, "target": row * 10 + length, "row": row} for row, length in enumerate(LENGTHS)]
TARGETS = [3, 11, 24, 31, 45]


# One batch


@pytest.mark.parametrize(
    ("cut", "widths"),
    [
        (WHOLE, [5]),
        (Cut(size=2), [3, 4, 5]),
        (Cut(size=4), [4, 5]),
        (Cut(size=1), [3, 1, 4, 1, 5]),
        (Cut(size=4, limit=2), [3, 4, 5]),
    ],
)
def test_features_are_padded_by_part(cut, widths):
    """Every part of a feature batch is padded to its own longest feature, in the order given."""
    batch = FeatureBatch(FEATURES, collate)

    parts = batch.parts(cut)

    assert batch.size == 5
    assert [part.x["input_ids"].shape[1] for part in parts] == widths
    assert torch.cat([part.y for part in parts]).tolist() == TARGETS
    assert all(part.index is None for part in parts)


def test_features_sorted_by_a_price():
    """With a price the parts are sorted by length, and say where in the batch their examples stand."""
    parts = FeatureBatch(FEATURES, collate).parts(Cut(price=2))

    assert [part.index.tolist() for part in parts] == [[0, 2, 4], [1, 3]]
    assert [part.y.tolist() for part in parts] == [[3, 24, 45], [11, 31]]
    assert [part.x["input_ids"].shape for part in parts] == [(3, 5), (2, 1)]


@pytest.mark.parametrize("cut", [WHOLE, Cut(size=2), Cut(price=2), Cut(price=2, limit=1)])
def test_tokens_are_counted(cut):
    """Every part knows its real tokens, and those that go through the network; the real ones add up."""
    parts = FeatureBatch(FEATURES, collate).parts(cut)

    assert [part.sent_tokens for part in parts] == [part.x["input_ids"].numel() for part in parts]
    assert [part.real_tokens for part in parts] == [int(part.x["input_ids"].sum()) for part in parts]
    assert sum(part.real_tokens for part in parts) == sum(LENGTHS)


def test_features_without_lengths():
    """Features without input_ids are cut in the order given, and have no tokens."""
    features = [{"pixels": value} for value in range(5)]

    parts = FeatureBatch(features, lambda part: ([feature["pixels"] for feature in part], None)).parts(
        Cut(price=1, limit=2)
    )

    assert [(part.x, part.real_tokens, part.sent_tokens) for part in parts] == [
        ([0, 1], 0, 0),
        ([2, 3], 0, 0),
        ([4], 0, 0),
    ]


@pytest.mark.parametrize("ids", [[[1, 2], [3]], np.ones((2, 3), dtype=int)], ids=["lists", "matrix"])
def test_nested_ids_have_no_length(ids):
    """Ids of several sequences (the choices of a question) are not one sequence."""
    assert lengths_of([{"input_ids": ids}]) is None


def test_weights_follow_the_parts():
    """Each part has the weights of its own features, in its own order."""
    weights = np.arange(5) / 4

    parts = FeatureBatch(FEATURES, collate, weights=weights).parts(Cut(price=2))

    assert [part.weight.tolist() for part in parts] == [[0, 0.5, 1], [0.25, 0.75]]
    assert parts[0].weight.dtype == torch.float64


def test_features_unpack_as_a_pair():
    """A feature batch unpacks as `x, y`, padded together."""
    batch = FeatureBatch(FEATURES, collate)

    x, y = batch

    assert x["input_ids"].shape == (5, 5)
    assert y.tolist() == TARGETS
    assert as_batch(batch) is batch


def test_rows():
    """Rows are those of the user's data where these are known; a packed feature names all of its own."""
    packed = [{"row": [0, 2]}, {"row": 1}]

    assert FeatureBatch(FEATURES, collate, rows_of=[9, 8, 7, 6, 5]).rows == [9, 8, 7, 6, 5]
    assert FeatureBatch(packed, collate, rows_of=range(10, 13)).rows == [10, 12, 11]
    assert FeatureBatch(FEATURES, collate).rows is None
    assert FeatureBatch([{"input_ids": [1]}], collate, rows_of=range(1)).rows is None


# Batches of a data set


def test_features_shuffled():
    """Features are shuffled by the same order as tensors, and so are their rows and weights."""
    weights = np.arange(5, dtype=np.float32)
    batches = FeatureBatches(Features(FEATURES), collate, 2, seed=5, rows_of=range(5), weights=weights)
    batches.set_epoch(3)

    parts = [(batch.rows, *batch.parts(WHOLE)) for batch in batches]

    rows = np.random.default_rng((5, 3)).permutation(5).tolist()
    assert [row for numbers, _ in parts for row in numbers] == rows
    assert torch.cat([part.weight for _, part in parts]).tolist() == rows
    assert torch.cat([part.y for _, part in parts]).tolist() == [TARGETS[row] for row in rows]


def test_features_in_their_order():
    """Without a seed features follow each other."""
    assert [batch.size for batch in FeatureBatches(FEATURES, collate, batch_size=2)] == [2, 2, 1]


def test_sampler_of_features():
    """A sampler gives the order of the features."""
    batches = FeatureBatches(FEATURES, collate, 2, seed=5, loading={"sampler": [4, 4, 0]}, rows_of=range(5))

    assert [batch.rows for batch in batches] == [[4, 4], [0]]


def test_drop_last():
    """drop_last leaves out a last batch that is smaller, and counts."""
    batches = FeatureBatches(FEATURES, collate, 2, seed=5, loading={"drop_last": True}, rows_of=range(5))

    assert [batch.rows for batch in batches] == order(5, 5, 1)[:4].reshape(2, 2).tolist()
    assert len(batches) == 2


def vary(feature, generator):
    return {**feature, "target": int(generator.integers(10**6))}


def test_features_that_vary():
    """A task may change a feature in every epoch, by a generator of (seed, epoch, index) whatever the order."""

    def targets(seed, epoch):
        batches = FeatureBatches(FEATURES, collate, 2, seed, vary, vary_seed=7)
        batches.set_epoch(epoch)
        order = range(5) if seed is None else np.random.default_rng((seed, epoch)).permutation(5)
        drawn = [feature["target"] for batch in batches for feature in batch.features]
        return [target for _, target in sorted(zip(order, drawn, strict=True))]

    by_hand = [int(np.random.default_rng((7, 2, index)).integers(10**6)) for index in range(5)]
    assert targets(None, 2) == targets(3, 2) == by_hand
    assert targets(3, 1) != by_hand
    assert [feature["target"] for feature in FEATURES] == TARGETS


# Workers


def same(left, right):
    return all(
        torch.equal(one.x["input_ids"], other.x["input_ids"])
        and torch.equal(one.y, other.y)
        and torch.equal(one.weight, other.weight)
        and (one.size, one.real_tokens, one.sent_tokens) == (other.size, other.real_tokens, other.sent_tokens)
        and np.array_equal(one.index, other.index)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("ahead", [WHOLE, Cut(price=2)], ids=["cut again", "cut ahead"])
def test_workers_make_the_same_parts(ahead):
    """Workers change nothing: order, variation, weights and parts are those of one process, also if cut otherwise."""
    known = {"rows_of": range(5), "weights": np.arange(5.0)}
    alone = FeatureBatches(FEATURES, collate, 2, 3, vary, 7, **known)
    helped = FeatureBatches(FEATURES, collate, 2, 3, vary, 7, **known, loading={"num_workers": 2})
    helped.cut = ahead
    before = torch.get_rng_state()

    pairs = list(zip(alone, helped, strict=True))

    assert all(same(one.parts(Cut(price=2)), other.parts(Cut(price=2))) for one, other in pairs)
    assert all(one.rows == other.rows and other.made[0] == ahead for one, other in pairs)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_workers_made_is_used():
    """Parts that were made ahead are handed out, not made again."""
    batches = FeatureBatches(FEATURES, collate, 2, 3, loading={"num_workers": 1, "prefetch_factor": 4})

    assert all(batch.parts(WHOLE) is batch.made[1] for batch in batches)
