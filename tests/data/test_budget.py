"""Batches for measuring: longest first, filled by a token budget."""

import numpy as np
import pytest
import torch

from keraslike.data.budget import EXAMPLES, SortedBatches, token_budget
from keraslike.data.cutting import WHOLE
from keraslike.data.encoding import Features
from tests.data.test_features import collate

LENGTHS = np.random.default_rng(0).lognormal(3.2, 0.9, 200).astype(int).clip(1, 128)
FEATURES = [{"input_ids": [1] * int(length), "target": row, "row": row} for row, length in enumerate(LENGTHS)]


@pytest.mark.parametrize("features", [FEATURES, Features(FEATURES)], ids=["list", "columns"])
@pytest.mark.parametrize("batch_size", [None, 1, 7, 32])
def test_budget_is_filled_and_kept(features, batch_size):
    """No batch sends more tokens than the budget or has more examples than asked for, and none could take one more."""
    batches = SortedBatches(features, collate, batch_size, budget=400)

    sizes = [batch.size for batch in batches]
    widths = [batch.parts(WHOLE)[0].x["input_ids"].shape[1] for batch in batches]
    assert len(batches) == len(sizes)
    assert sum(sizes) == 200
    for size, width in zip(sizes, widths, strict=True):
        assert size * width <= 400
        assert batch_size is None or size <= batch_size
    for size, width in zip(sizes[:-1], widths[:-1], strict=True):
        assert (size + 1) * width > 400 or size == batch_size


def test_longest_first_and_back_in_order():
    """The longest come first, ties in the order given; `order` brings results back into the user's."""
    batches = SortedBatches(FEATURES, collate, None, budget=400, rows_of=range(200))

    results = torch.cat([batch.parts(WHOLE)[0].y for batch in batches])

    assert results.tolist() == batches.order.tolist() == sorted(range(200), key=lambda row: (-LENGTHS[row], row))
    assert results[np.argsort(batches.order)].tolist() == list(range(200))
    assert [row for batch in batches for row in batch.rows] == results.tolist()


def test_weights_follow_their_features():
    """Sample weights are sorted with their features."""
    batches = SortedBatches(FEATURES, collate, 9, budget=400, weights=np.arange(200.0))

    parts = [batch.parts(WHOLE)[0] for batch in batches]

    assert all(torch.equal(part.weight, part.y.double()) for part in parts)


def test_feature_above_the_budget():
    """A feature that is longer than the budget goes through alone."""
    features = [{"input_ids": [1] * length, "target": 0} for length in (9, 50, 2)]

    assert [batch.size for batch in SortedBatches(features, collate, None, budget=20)] == [1, 2]


def test_empty_features():
    """Features without a token still fill batches."""
    features = [{"input_ids": [], "target": 0}] * 3

    assert [batch.size for batch in SortedBatches(features, collate, 2, budget=20)] == [2, 1]


@pytest.mark.parametrize(("batch_size", "sizes"), [(3, [3, 3, 1]), (None, [7])])
def test_features_without_lengths(batch_size, sizes):
    """Features without lengths come in the order given, so many at once."""
    features = [{"pixels": value} for value in range(7)]

    batches = SortedBatches(features, lambda part: ([f["pixels"] for f in part], None), batch_size, budget=2)

    assert [batch.size for batch in batches] == sizes
    assert batches.order.tolist() == [value for batch in batches for value in batch.parts(WHOLE)[0].x] == list(range(7))
    assert EXAMPLES >= 7


def test_budget_by_device():
    """A CPU has the measured budget, anything else one that is larger."""
    assert token_budget("cpu") == 384
    assert token_budget("quantum") > token_budget("cpu")
