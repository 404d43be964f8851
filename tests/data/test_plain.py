"""Arrays, datasets and loaders for a network without a task."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from keraslike import Model
from keraslike.data.batches import TensorBatches, as_batch
from keraslike.data.plain import evaluation_batches, plain_batches, prediction_batches
from keraslike.errors import ArgumentError, DataError

NETWORK = nn.Linear(2, 3)
X, Y = torch.arange(40.0).reshape(20, 2) / 40, torch.arange(20) % 3


def batches_of(x, y=None, validation=None, split=None, seed=4, **options):
    batch_size = 32 if isinstance(x, DataLoader) else 8  # a loader has its own
    return plain_batches(x, y, validation, split, batch_size, seed, network=NETWORK, options=options)


def rows_of(batches):
    """The rows in the order of the batches."""
    return [int(value) for x, _ in batches for value in (x[:, 0] * 20).round()]


def test_tensors_are_shuffled_by_seed_and_epoch():
    """Training rows are shuffled by (seed, epoch)."""
    batches, valid = batches_of(X, Y)

    assert rows_of(batches) == np.random.default_rng((4, 1)).permutation(20).tolist()
    assert valid is None


def test_shuffle_off():
    """shuffle=False keeps the rows' order."""
    assert rows_of(batches_of(X, Y, shuffle=False)[0]) == list(range(20))


@pytest.mark.parametrize(
    "x",
    [X.numpy(), X.double().numpy(), X.tolist(), pd.DataFrame(X.numpy()), X.double()],
    ids=["float32", "float64", "list", "frame", "double tensor"],
)
@pytest.mark.parametrize(
    "y", [Y.numpy(), Y.tolist(), pd.Series(Y.numpy()), Y.int()], ids=["array", "list", "series", "int32"]
)
def test_same_rows_in_any_container(x, y):
    """The same numbers in any container are the same batches, bit for bit."""
    for (our_x, our_y), (x_batch, y_batch) in zip(batches_of(x, y)[0], batches_of(X, Y)[0], strict=True):
        assert torch.equal(our_x, x_batch)
        assert torch.equal(our_y, y_batch)


@pytest.mark.parametrize(
    "validation",
    [(X[:5], Y[:5]), TensorDataset(X[:5], Y[:5]), DataLoader(TensorDataset(X[:5], Y[:5]))],
    ids=["tuple", "dataset", "loader"],
)
def test_validation_data(validation):
    """Validation data may be (x, y) or anything that holds both; they keep their order."""
    _, valid = batches_of(X, Y, validation)

    assert rows_of(valid) == list(range(5))


def test_validation_split():
    """A share is split off by the seed, stratified by class; no row is lost or in both parts."""
    train, valid = batches_of(X, Y, split=0.3)

    train_rows, valid_rows = rows_of(train), rows_of(valid)
    assert sorted(train_rows + valid_rows) == list(range(20))
    assert [sum(row % 3 == label for row in valid_rows) for label in range(3)] == [2, 2, 2]
    assert rows_of(batches_of(X, Y, split=0.3)[1]) == valid_rows
    assert rows_of(batches_of(X, Y, split=0.3, seed=5)[1]) != valid_rows


def test_validation_split_of_numbers():
    """Numbers are split without classes."""
    train, valid = batches_of(X, X[:, :1], split=0.25)

    assert (len(rows_of(train)), len(rows_of(valid))) == (15, 5)


def test_validation_split_of_a_loader():
    """A loader cannot be split; the error says what can be done."""
    with pytest.raises(ArgumentError, match="validation_split needs arrays or tensors") as caught:
        batches_of(DataLoader(TensorDataset(X, Y)), split=0.1)

    assert caught.value.expected == "validation_data=."


def test_both_kinds_of_validation():
    """validation_data and validation_split together are refused."""
    with pytest.raises(ArgumentError, match="validation_data and validation_split"):
        batches_of(X, Y, (X, Y), 0.2)


@pytest.mark.parametrize(
    "source", [DataLoader(TensorDataset(X, Y)), (pair for pair in [(X, Y)])], ids=["loader", "generator"]
)
def test_loaders_and_generators_stay(source):
    """Loaders and generators keep their own batches."""
    assert batches_of(source)[0] is source


def test_dataset_is_batched_and_shuffled():
    """A torch Dataset is batched in the run's batch size and shuffled by the run's seed, every row once."""
    first, second = (rows_of(batches_of(TensorDataset(X, Y), seed=seed)[0]) for seed in (1, 2))

    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert rows_of(batches_of(TensorDataset(X, Y), seed=1)[0]) == first
    assert rows_of(batches_of(TensorDataset(X, Y), shuffle=False)[0]) == list(range(20))


class Dicts(Dataset):
    """Tokenised rows of different lengths."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.read.append(index)
        return {"input_ids": [7] * (index + 1), "labels": index % 2}


def test_dataset_of_dicts_is_collated():
    """Rows that are dicts are padded, and their labels become the targets."""
    ((inputs, targets),) = batches_of(Dicts(), shuffle=False)[0]

    assert inputs["input_ids"].tolist() == [[7, 0, 0], [7, 7, 0], [7, 7, 7]]
    assert targets.tolist() == [0, 1, 0]


def test_rows_are_not_read_ahead():
    """Making batches reads no row of a user's dataset, whose rows may draw random numbers; a pass reads each once."""
    rows = Dicts()
    batches, _ = batches_of(rows, shuffle=False)
    assert rows.read == []

    list(batches)
    assert rows.read == [0, 1, 2]


@pytest.mark.parametrize("arguments", [{"drop_last": True}, {"batch_size": 3}])
def test_loading_arguments(arguments):
    """dataloader_kwargs go to torch's DataLoader, also for tensors."""
    batches, _ = batches_of(X, Y, dataloader_kwargs=arguments)

    assert isinstance(batches, DataLoader)
    assert len(batches) == {"drop_last": 2, "batch_size": 7}[next(iter(arguments))]


def test_loading_arguments_keep_shuffle_off():
    """shuffle=False holds for a loader of our own too."""
    batches, _ = batches_of(X, Y, shuffle=False, dataloader_kwargs={"drop_last": False})

    assert rows_of(batches) == list(range(20))


@pytest.mark.parametrize("arguments", [{"shuffle": True}, {"sampler": torch.utils.data.RandomSampler(X)}])
def test_validation_keeps_its_order(arguments):
    """What shuffles the training does not shuffle the validation."""
    _, valid = batches_of(
        X, Y, (X, Y), dataloader_kwargs=arguments | ({"shuffle": None} if "sampler" in arguments else {})
    )

    assert rows_of(valid) == list(range(20))


def test_own_loaders_draw_nothing_globally():
    """A loader of our own draws from a generator of its own."""
    before = torch.get_rng_state()

    list(batches_of(TensorDataset(X, Y))[0])

    assert torch.equal(torch.get_rng_state(), before)


def test_lengths_that_differ():
    """Inputs and targets of different lengths are refused with both numbers."""
    with pytest.raises(DataError, match=r"different numbers of rows: \[19, 20\]"):
        evaluation_batches(X, Y[:19], batch_size=8, network=NETWORK, loading=None)


@pytest.mark.parametrize("x", [X, X.numpy(), [1, 2, 3]])
def test_targets_that_are_missing(x):
    """Inputs without targets are refused."""
    with pytest.raises(DataError, match="no targets y"):
        batches_of(x)


@pytest.mark.parametrize("x", [3, None, object()])
def test_what_is_no_data(x):
    """What cannot be iterated over is named by its type."""
    with pytest.raises(DataError, match=f"x is {type(x).__name__}"):
        batches_of(x)


def test_prediction_batches():
    """Inputs alone are batched in their order."""
    batches = prediction_batches(X.numpy(), batch_size=8, network=NETWORK)

    assert isinstance(batches, TensorBatches)
    assert torch.equal(torch.cat(list(batches)), X)


def test_several_inputs():
    """A tuple, list or dict of tensors are several inputs, cut together."""

    class Adding(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, left, right):
            return self.layer(left + right)

    for x in ((X, X), [X, X]):
        model = Model(Adding(), "sgd", "mse", device="cpu")
        history = model.fit(x, X[:, :1], batch_size=8, micro_batch_size=3, verbose=0)

        assert history[0]["loss"] > 0
        assert model.predict(x).shape == (20, 1)


def test_no_rows():
    """No rows at all are refused before training."""
    with pytest.raises(DataError, match="there are no rows"):
        batches_of(X[:0], Y[:0])


# Sample weights

WEIGHTS = np.arange(20) / 4


def weights_by_row(batches):
    """The weights in the order of the rows."""
    pairs = [(x, weight) for batch in map(as_batch, batches) for x, weight in zip(batch.x, batch.weight, strict=True)]
    return {int((x[0] * 20).round()): float(weight) for x, weight in pairs}


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": False}, {"dataloader_kwargs": {"drop_last": False}}, {"sampler": range(20)}]
)
def test_weights_go_with_their_rows(options):
    """However the rows are ordered and loaded, each keeps its weight, in the type of the parameters."""
    batches, _ = batches_of(X, Y, sample_weight=WEIGHTS, **options)

    assert weights_by_row(batches) == dict(enumerate(WEIGHTS))
    assert as_batch(next(iter(batches))).weight.dtype == torch.float32


def test_weights_are_split_with_their_rows():
    """validation_split takes the weights along into both parts."""
    train, valid = batches_of(X, Y, split=0.3, sample_weight=WEIGHTS.tolist())

    assert len(weights_by_row(valid)) == 6
    assert weights_by_row(train) | weights_by_row(valid) == dict(enumerate(WEIGHTS))


def test_weights_of_validation_data():
    """Validation data may bring weights as their third part."""
    _, valid = batches_of(X, Y, (X, Y, WEIGHTS))

    assert weights_by_row(valid) == dict(enumerate(WEIGHTS))


def test_weights_of_a_dataset():
    """The rows of a torch Dataset are weighed by their index, pairs and dicts alike."""
    batches, _ = batches_of(TensorDataset(X, Y), sample_weight=WEIGHTS)
    ((_, labels, weights),) = batches_of(Dicts(), sample_weight=[3, 1, 2])[0]

    assert weights_by_row(batches) == dict(enumerate(WEIGHTS))
    assert sorted(zip(weights.tolist(), labels.tolist(), strict=True)) == [(1, 1), (2, 0), (3, 0)]


@pytest.mark.parametrize(
    "source", [DataLoader(TensorDataset(X, Y)), (pair for pair in [(X, Y)])], ids=["loader", "generator"]
)
def test_weights_beside_batches(source):
    """Batches that come as they are bring their own weights; the error says how."""
    with pytest.raises(ArgumentError, match="sample_weight is given") as caught:
        batches_of(source, sample_weight=WEIGHTS)

    assert caught.value.do.startswith("yield (x, y, sample_weight)")


@pytest.mark.parametrize("source", [TensorDataset(X, Y), X], ids=["dataset", "tensors"])
def test_weights_of_a_wrong_number(source):
    """There are as many weights as rows."""
    with pytest.raises(DataError, match=r"shape \(19,\) for 20 rows"):
        batches_of(source, Y if source is X else None, sample_weight=WEIGHTS[1:])


# How batches are loaded


@pytest.mark.parametrize("source", [(X, Y), (TensorDataset(X, Y),)], ids=["tensors", "dataset"])
def test_sampler_gives_the_order(source):
    """A sampler gives the order of the training rows, of tensors and of a Dataset."""
    batches, _ = batches_of(*source, sampler=[5, 0, 5, 19])

    assert rows_of(batches) == [5, 0, 5, 19]


def test_sampler_leaves_the_validation_alone():
    """Validation rows come in their order, all of them, whatever orders the training."""
    _, valid = batches_of(X, Y, split=0.25, sampler=[1, 2], dataloader_kwargs={"drop_last": True})

    assert len(rows_of(valid)) == 5


@pytest.mark.parametrize("source", [(X, Y), (TensorDataset(X, Y),)], ids=["tensors", "dataset"])
def test_workers_give_the_same_batches(source):
    """Worker processes change how rows are loaded, not which come when."""
    helped, _ = batches_of(*source, shuffle=False, workers=2)

    assert helped.num_workers == 2
    assert rows_of(helped) == list(range(20))


def test_batch_sampler():
    """A sampler of whole batches makes the batches."""
    batches, _ = batches_of(X, Y, dataloader_kwargs={"batch_sampler": [[3, 4], [0]]})

    assert [y.tolist() for _, y in batches] == [[0, 1], [0]]


@pytest.mark.parametrize("options", [{"workers": 2}, {"sampler": [0]}, {"dataloader_kwargs": {"timeout": 3}}])
def test_loading_of_a_loader(options):
    """A user's DataLoader loads by itself; the error says where the argument goes."""
    with pytest.raises(ArgumentError, match="x is a DataLoader") as caught:
        batches_of(DataLoader(TensorDataset(X, Y)), **options)

    assert "where x is made" in caught.value.do


def test_loader_validates_beside_workers():
    """A loader of validation data keeps its own way beside training rows that workers load."""
    loader = DataLoader(TensorDataset(X, Y))

    assert batches_of(X, Y, loader, workers=1)[1] is loader


def test_rows_after_a_split():
    """Training and validation batches name the rows of the user's data."""
    for batches in batches_of(X, Y, split=0.3):
        assert [row for batch in batches for row in batch.rows] == rows_of(batches)


def test_stream_of_a_dataset():
    """A Dataset that can only be iterated over is batched in its own order."""

    class Stream(IterableDataset):
        def __iter__(self):
            return zip(X, Y, strict=True)

    assert rows_of(batches_of(Stream())[0]) == list(range(20))
