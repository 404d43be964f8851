"""Batches of tensors: whole, cut, shuffled."""

import numpy as np
import pytest
import torch
from torch.utils.data import SubsetRandomSampler, WeightedRandomSampler

from keraslike.data.batches import PairBatch, TensorBatches, as_batch
from keraslike.data.cutting import WHOLE, Cut
from keraslike.data.nested import count_rows
from keraslike.errors import DataError

X, Y = torch.arange(14.0).reshape(7, 2), torch.arange(7)
WEIGHTS = torch.arange(7.0) / 7


# A batch and its parts


@pytest.mark.parametrize(
    ("cut", "lengths"),
    [
        (WHOLE, [7]),
        (Cut(size=7), [7]),
        (Cut(size=9), [7]),
        (Cut(size=3), [3, 3, 1]),
        (Cut(size=1), [1] * 7),
        (Cut(limit=4), [4, 3]),
        (Cut(price=1.0), [7]),
        (Cut(price=1.0, limit=5), [5, 2]),
    ],
)
def test_pair_cut_in_parts(cut, lengths):
    """A pair is cut by numbers of examples, in order, never for padding; together the parts are the whole."""
    batch = PairBatch(X, Y, WEIGHTS)

    parts = batch.parts(cut)

    assert batch.size == 7
    assert [part.size for part in parts] == [len(part.y) for part in parts] == lengths
    assert torch.equal(torch.cat([part.x for part in parts]), X)
    assert torch.equal(torch.cat([part.y for part in parts]), Y)
    assert torch.equal(torch.cat([part.weight for part in parts]), WEIGHTS)
    assert all(part.index is None for part in parts)


def test_whole_pair_is_not_copied():
    """A batch that is not cut goes through as the very objects that came."""
    (part,) = PairBatch(X, Y).parts(WHOLE)

    assert part.x is X
    assert part.y is Y
    assert part.weight is None


@pytest.mark.parametrize(
    "x", [{"a": X, "b": Y}, (X, Y), [X, {"deep": (Y,)}], X.numpy()], ids=["dict", "tuple", "nested", "numpy"]
)
def test_containers_are_cut_inside(x):
    """Tuples, lists and dicts of tensors or arrays keep their form in every part."""
    parts = PairBatch(x, Y).parts(Cut(size=3))

    assert [count_rows(part.x) for part in parts] == [3, 3, 1]
    assert {type(part.x) for part in parts} == {type(x)}


def test_padded_tokens_are_counted():
    """Where a padded batch has an attention mask its tokens are counted, part by part."""
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])

    parts = PairBatch({"input_ids": mask, "attention_mask": mask}, torch.zeros(3)).parts(Cut(size=2))

    assert [(part.real_tokens, part.sent_tokens) for part in parts] == [(6, 8), (1, 4)]


def test_batch_without_tokens():
    """Where there are no lengths there are no tokens."""
    (part,) = PairBatch({"a": X}, Y).parts(WHOLE)

    assert (part.real_tokens, part.sent_tokens) == (0, 0)


def test_pair_unpacks():
    """A batch unpacks as `x, y`, also where it has weights."""
    x, y = PairBatch(X, Y, WEIGHTS)

    assert x is X
    assert y is Y


def test_as_batch():
    """Pairs in tuples or lists become batches; a batch stays what it is."""
    batch = PairBatch(X, Y)

    assert as_batch(batch) is batch
    assert as_batch((X, Y)).size == 7
    assert as_batch([X, Y]).size == 7
    assert as_batch((X, Y)).rows is None


@pytest.mark.parametrize("weight", [WEIGHTS, WEIGHTS.numpy(), WEIGHTS.tolist()], ids=["tensor", "array", "list"])
def test_as_batch_with_weights(weight):
    """The third of three is the sample weights, in any container."""
    (part,) = as_batch((X, Y, weight)).parts(WHOLE)

    assert torch.equal(part.weight, WEIGHTS)


def test_as_batch_without_weights():
    """A third that is None is no weights."""
    (part,) = as_batch((X, Y, None)).parts(WHOLE)

    assert part.weight is None


@pytest.mark.parametrize("weight", [WEIGHTS[:6], WEIGHTS[:, None], 1.0])
def test_weights_that_do_not_fit(weight):
    """Sample weights of a loader are one number per example; the error has both shapes."""
    with pytest.raises(DataError, match=r"sample weights of shape .* for 7 examples"):
        as_batch((X, Y, weight))


@pytest.mark.parametrize("data", [X, {"input_ids": X, "labels": Y}, (X,), (X, Y, X, Y), "ab"])
def test_what_is_no_pair(data):
    """What a generator yields must be a pair or have weights; the error names its type and a way out."""
    with pytest.raises(DataError, match=f"yielded a {type(data).__name__}, not a pair") as caught:
        as_batch(data)

    assert "TransformerCollator" in caught.value.do


# Our own batches


def test_tensors_in_their_order():
    """Without a seed the batches follow the rows and are views, not copies."""
    x = torch.arange(160.0).reshape(40, 4)

    batches = list(TensorBatches((x, torch.arange(40)), batch_size=16, seed=None))

    assert [y.tolist() for _, y in batches] == [[*range(16)], [*range(16, 32)], [*range(32, 40)]]
    assert [batch.x.data_ptr() - x.data_ptr() for batch in batches] == [0, 256, 512]


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


@pytest.mark.parametrize("width", [1, 40_000], ids=["many at once", "one at a time"])
@pytest.mark.parametrize("rows", [1, 31, 400, 401])
def test_batches_gathered_together(rows, width):
    """However many batches are gathered at once, each holds the rows that a hand-written loop takes for it."""
    x, y = torch.arange(rows * 1.0)[:, None].expand(rows, width), torch.arange(rows)
    chosen = np.random.default_rng((3, 1)).permutation(rows)

    batches = list(TensorBatches((x, y), batch_size=5, seed=3))

    by_hand = [chosen[start : start + 5] for start in range(0, rows, 5)]
    assert [batch.y.tolist() for batch in batches] == [part.tolist() for part in by_hand]
    assert [batch.size for batch in batches] == [len(part) for part in by_hand]
    assert [batch.rows for batch in batches] == [part.tolist() for part in by_hand]
    assert all(torch.equal(batch.x, x[part]) for batch, part in zip(batches, by_hand, strict=True))


def test_weights_stay_with_their_rows():
    """Sample weights are shuffled with their rows."""
    batches = TensorBatches((X, Y, WEIGHTS), batch_size=3, seed=5)

    assert all(torch.equal(batch.weight, batch.y / 7) for batch in batches)
    assert [x.shape[0] for x, _ in batches] == [3, 3, 1]


def test_rows_are_those_of_the_user():
    """Where the rows were split off, the batches name the rows of the user's data."""
    batches = TensorBatches((X[2:], Y[2:]), batch_size=3, seed=5, rows_of=np.arange(2, 7))

    assert [batch.rows for batch in batches] == [batch.y.tolist() for batch in batches]


def test_inputs_alone():
    """Inputs alone are yielded as they are, several of them too."""
    batches = list(TensorBatches((X, Y), batch_size=3, seed=None, is_labelled=False))

    assert [type(batch) for batch in batches] == [tuple] * 3
    assert torch.equal(torch.cat([y for _, y in batches]), Y)


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


# A sampler


def test_sampler_gives_the_order():
    """A sampler's places are the order, in any iterable; they may come twice or not at all."""
    batches = TensorBatches((X, Y), batch_size=2, seed=5, sampler=[6, 0, 6, 6, 3])

    assert [y.tolist() for _, y in batches] == [[6, 0], [6, 6], [3]]
    assert [batch.rows for batch in batches] == [[6, 0], [6, 6], [3]]
    assert len(batches) == 3


def test_sampler_is_drawn_anew():
    """Each pass asks the sampler again, and takes just what it gives."""
    sampler = WeightedRandomSampler([0, 1, 0, 1, 0, 0, 0], num_samples=50, generator=torch.Generator().manual_seed(1))
    batches = TensorBatches((X, Y), batch_size=8, seed=5, sampler=sampler)

    first, second = (torch.cat([y for _, y in batches]).tolist() for _ in range(2))

    by_hand = torch.Generator().manual_seed(1)
    weights = torch.tensor([0.0, 1, 0, 1, 0, 0, 0]).double()
    assert [first, second] == [torch.multinomial(weights, 50, True, generator=by_hand).tolist() for _ in range(2)]


def test_sampler_of_a_part():
    """With a sampler of some rows there are as many batches as these fill."""
    assert len(TensorBatches((X, Y), batch_size=2, seed=5, sampler=SubsetRandomSampler([0, 3, 4]))) == 2


@pytest.mark.parametrize("place", [7, -1])
def test_sampler_outside_of_the_rows(place):
    """A place that no row has is refused with its number."""
    with pytest.raises(DataError, match=f"the index {place}, and there are 7 rows") as caught:
        list(TensorBatches((X, Y), batch_size=2, seed=None, sampler=[0, place]))

    assert "validation_split" in caught.value.do
