"""What users of arrays, data sets and functions of their own meet: sums, orders, NaN, names, and mistakes in words."""

from dataclasses import replace

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.recipes import PLAIN

ROWS = 50
X = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 3, (ROWS,), generator=torch.Generator().manual_seed(1))
LOADER = DataLoader(TensorDataset(X, Y), batch_size=16)


def make_network():
    network = nn.Linear(6, 3)
    with torch.no_grad():
        network.weight.copy_(torch.linspace(-1, 1, 18).reshape(3, 6))
        network.bias.zero_()
    return network


def make_model(loss="cross_entropy", **arguments):
    network = make_network()
    return Model(network, torch.optim.SGD(network.parameters(), lr=0.01), loss, device="cpu", **arguments)


# Losses that are sums


@pytest.mark.parametrize("micro_batch_size", [None, "auto", 50, 49, 25, 7, 1])
def test_sum_of_a_batch(micro_batch_size):
    """A loss with reduction="sum" takes the step of the sum, however the batch is cut."""
    reference = make_network()
    F.cross_entropy(reference(X), Y, reduction="sum").backward()

    model = make_model(nn.CrossEntropyLoss(reduction="sum"))
    model.fit(X, Y, batch_size=ROWS, shuffle=False, micro_batch_size=micro_batch_size, verbose=0)

    step = make_network().weight.detach() - model.network.weight.detach()
    torch.testing.assert_close(step, 0.01 * reference.weight.grad, rtol=1e-5, atol=1e-6)


def test_sum_over_batches():
    """Accumulated over batches of a loader the sums add up."""
    reference = make_network()
    F.cross_entropy(reference(X), Y, reduction="sum").backward()

    model = make_model(nn.CrossEntropyLoss(reduction="sum"))
    model.fit(DataLoader(TensorDataset(X, Y), batch_size=20), gradient_accumulation_steps=3, verbose=0)

    step = make_network().weight.detach() - model.network.weight.detach()
    torch.testing.assert_close(step, 0.01 * reference.weight.grad, rtol=1e-5, atol=1e-6)


# Orders


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ((X, Y), {}),
        ((X, Y), {"dataloader_kwargs": {"drop_last": False}}),
        ((X, Y), {"workers": 1}),
        ((TensorDataset(X, Y),), {}),
    ],
    ids=["tensors", "kwargs", "workers", "data set"],
)
def test_one_order(given, options):
    """Whoever makes the batches, the rows come in the documented order, another one in each epoch."""
    reference = make_network()
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.01)
    for epoch in (1, 2):
        for rows in np.array_split(np.random.default_rng((3, epoch)).permutation(ROWS), 5):
            optimizer.zero_grad()
            F.cross_entropy(reference(X[rows]), Y[rows]).backward()
            optimizer.step()

    model = make_model()
    model.fit(*given, epochs=2, batch_size=10, seed=3, verbose=0, **options)

    torch.testing.assert_close(model.network.weight, reference.weight, rtol=1e-6, atol=1e-7)


# Measuring what is not finite


@pytest.mark.parametrize("batch_size", [1, 10, ROWS])
def test_measured_nan_stays(batch_size):
    """A row that gives NaN makes the measured loss NaN, whatever the batch size: nothing is left out in silence."""
    x = X.clone()
    x[7] = torch.nan

    loss, accuracy = make_model(metrics=["accuracy"]).evaluate(x, Y, batch_size=batch_size, verbose=0)

    finite = torch.arange(ROWS) != 7
    right = (make_network()(x).argmax(1) == Y)[finite].sum().item()
    assert np.isnan(loss)
    assert accuracy * ROWS - right in (0, 1)  # the row counts, as right or wrong


# Names


@pytest.mark.parametrize("name", ["loss", "epoch", "accuracy", ""])
def test_taken_name(name):
    """A further scalar cannot hide another value."""

    def loss(logits, labels):
        return F.cross_entropy(logits, labels), {name: logits.mean()}

    with pytest.raises(ArgumentError, match="that name is taken"):
        make_model(loss, metrics=["accuracy"]).fit(X, Y, verbose=0)


def test_metrics_with_one_name():
    """Two metrics cannot give a scalar of the same name."""

    def first(y_true, y_pred):
        return (y_true == y_pred).double().mean(), {"s": 1.0}

    def second(y_true, y_pred):
        return (y_true != y_pred).double().mean(), {"s": 2.0}

    with pytest.raises(ArgumentError, match="'s', and that name is taken"):
        make_model(metrics=[first, second]).fit(X, Y, verbose=0)


def confident(logits, labels):
    return F.cross_entropy(logits, labels), {"confidence": logits.softmax(1).amax(1).mean()}


def test_callback_that_watches_a_scalar():
    """A callback may watch what a loss gives beside itself, also of the validation."""
    best = poutyne.BestModelRestore(monitor="val_confidence", mode="max")

    history = make_model(confident).fit(X, Y, validation_data=(X, Y), epochs=2, callbacks=[best], verbose=0)

    assert best.current_best == max(row["val_confidence"] for row in history)


def test_callback_that_watches_nothing():
    """A misspelt scalar is answered after the first epoch, when the names are known."""
    stop = poutyne.EarlyStopping(monitor="val_confidnce", patience=1)

    with pytest.raises(ArgumentError, match="which the epoch has not") as caught:
        make_model(confident).fit(X, Y, validation_data=(X, Y), epochs=2, callbacks=[stop], verbose=0)

    assert caught.value.do == "did you mean 'val_confidence'?"


# Outputs in a dict, inputs in a data set


class WithLogits(nn.Module):
    """Gives its outputs in a dict, as transformers do."""

    def __init__(self):
        super().__init__()
        self.layer = make_network()

    def forward(self, x):
        return {"logits": self.layer(x), "hidden": x}


def test_loss_by_name_reads_the_logits():
    """A loss by name finds the logits of a dict, as a metric does."""
    expected = F.cross_entropy(make_network()(X), Y).item()

    model = Model(WithLogits(), "sgd", "cross_entropy", metrics=["accuracy"], device="cpu")

    assert model.evaluate(X, Y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-6)
    assert model.fit(X, Y, batch_size=ROWS, micro_batch_size=7, verbose=0)[0]["loss"] == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("given", [TensorDataset(X, Y), DataLoader(TensorDataset(X, Y), batch_size=9)], ids=type)
def test_predict_leaves_targets_aside(given):
    """What fit takes, predict takes too: the targets of pairs are left aside."""
    outputs = make_model().predict(given)

    np.testing.assert_allclose(outputs, make_network()(X).detach().numpy(), rtol=1e-5, atol=1e-6)


class TwoInputs(nn.Module):
    """Adds two inputs."""

    def forward(self, a, b):
        return a + b


def test_predict_of_two_inputs():
    """A network with two arguments is given both items of a pair."""
    outputs = Model(TwoInputs(), None, None, device="cpu").predict(TensorDataset(X, X))

    np.testing.assert_array_equal(outputs, (2 * X).numpy())


# Mistakes


class Numbers(Model):
    """Computes its loss as a plain number."""

    def compute_loss(self, outputs, batch):
        return F.cross_entropy(outputs, batch.y).item()


def with_norm():
    return Model(nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)), "sgd", "cross_entropy", device="cpu")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: make_model().predict(X, batch_size=0), "batch_size=0 is not a count"),
        (lambda: make_model().evaluate(X, Y, batch_size=2.5), "batch_size=2.5 is not a count"),
        (lambda: make_model().predict(X[:0]), "there is nothing to predict"),
        (lambda: make_model().fit(X, Y, sampler=[], verbose=0), "there is no batch to learn from"),
        (
            lambda: make_model().fit(X, Y, batch_size=64, dataloader_kwargs={"drop_last": True}, verbose=0),
            "there is no batch to learn from",
        ),
        (lambda: make_model().fit(X, Y, class_weight=[0, 0, 0], verbose=0), "all class weights are 0"),
        (lambda: make_model().fit(X, Y, class_weight={"0": 2.0}, verbose=0), r"write it as it stands in y: 0 \(int\)"),
        (lambda: make_model().fit(X, Y, sampler=[0.5, 1.5], verbose=0), "the sampler gives what is no index"),
        (
            lambda: make_model().fit(X, Y, sampler=BatchSampler(SequentialSampler(Y), 2, False), verbose=0),
            "the sampler gives what is no index",
        ),
        (lambda: with_norm().fit(X, Y, batch_size=ROWS - 1, verbose=0), "BatchNorm was given one example"),
        (
            lambda: with_norm().fit(X, Y, batch_size=ROWS, micro_batch_size=7, verbose=0),
            "BatchNorm was given one example",
        ),
        (lambda: make_model(None).fit(X, Y, verbose=0), "Impossible to fit without a loss"),
        (lambda: make_model().fit(X, Y + 1, verbose=0), "the network gives 3 classes"),
        (lambda: make_model("bce").fit(X, F.one_hot(Y, 3).float(), verbose=0), "takes probabilities"),
        (lambda: Numbers(make_network(), "sgd", device="cpu").fit(X, Y, verbose=0), "compute_loss gave a number"),
        (
            lambda: make_model().fit(X, Y, recipe=replace(PLAIN, learning_rate="2e-5")),
            "learning_rate='2e-5' is no size",
        ),
        (lambda: make_model().fit(X, Y, recipe=replace(PLAIN, batch_size=-1)), "batch_size=-1 is not a count"),
        (lambda: make_model().fit(X, Y, recipe=replace(PLAIN, epochs=0)), "epochs=0 is not a count"),
        (lambda: Model(make_network(), {"optim": "sgd", "lr": "0.1"}, "mse").fit(X, Y), "SGD cannot be made"),
        (lambda: make_model().find_learning_rate(X, Y, low="1e-5"), "low='1e-5' and high=10.0 are no range"),
        (lambda: make_model().predict(X, batchsize=3), r"predict\(\) has no argument 'batchsize'"),
        (lambda: make_model().fit(LOADER, Y), "x is a DataLoader, which is read as it comes, and y is given"),
        (lambda: make_model().evaluate(LOADER, Y), "x is a DataLoader, which is read as it comes, and y is given"),
        (lambda: make_model().fit(LOADER.dataset, Y), "x is a TensorDataset, .* and y is given"),
        (lambda: make_model().fit(LOADER, batch_size=32), "x is a DataLoader, .* batch_size=32 is given"),
    ],
)
def test_mistakes_are_answered(act, words):
    """Each of these says what happened and what to do, before or at the first step."""
    with pytest.raises((ArgumentError, DataError), match=words) as caught:
        act()

    assert caught.value.expected


def test_function_that_counts_nothing():
    """A step in which a function counts nothing leaves the weights."""
    model = make_model(lambda logits, labels: (F.cross_entropy(logits, labels, reduction="sum"), 0))

    model.fit(X, Y, verbose=0)

    torch.testing.assert_close(model.network.weight, make_network().weight, rtol=0, atol=0)


def test_history_tells_of_skipped_steps():
    """A printed history says how many steps were left out."""
    x = X.clone()
    x[7] = torch.nan

    history = make_model().fit(x, Y, batch_size=10, verbose=0)

    assert "Skipped: 1 optimizer steps" in str(history)
