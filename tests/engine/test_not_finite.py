"""A loss or a gradient that is not finite never reaches the weights: its step is left out, named and counted."""

import copy
import math

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import KeraslikeError, NonFiniteError
from tests.engine import by_hand as hand
from tests.engine.letters import Letters, LettersTask, text_of
from tests.engine.loops import batches_by_hand, make_data, make_mlp, weights_of

ROWS, BATCH, SEED, RATE = 40, 8, 7, 0.05
POISONED = 100.0  # a row whose first number is this one


class Spoil(torch.autograd.Function):
    """Gives what it is given, and a spoilt gradient for the poisoned rows."""

    @staticmethod
    def forward(ctx, outputs, is_poisoned, value):
        ctx.save_for_backward(is_poisoned)
        ctx.value = value
        return outputs.clone()

    @staticmethod
    def backward(ctx, gradient):
        (is_poisoned,) = ctx.saved_tensors
        return torch.where(is_poisoned, ctx.value, gradient), None, None


class Poisonable(nn.Module):
    """Gives outputs, or gradients, that are not finite for the poisoned rows."""

    def __init__(self, kind, dtype=torch.float64):
        super().__init__()
        self.mlp = make_mlp(dtype=dtype)
        self.place, self.value = kind.split()

    def forward(self, x):
        is_poisoned = (x[:, :1] == POISONED).expand(-1, 3)
        outputs = self.mlp(torch.where(x == POISONED, 0.5, x))
        if self.place == "loss":
            return torch.where(is_poisoned, float(self.value), outputs)
        return Spoil.apply(outputs, is_poisoned, float(self.value))


KINDS = ["loss nan", "loss inf", "gradient nan", "gradient inf"]


def make_rows(*poisoned, dtype=torch.float64):
    x, y = make_data(ROWS, dtype=dtype)
    x[list(poisoned), 0] = POISONED
    return x, F.one_hot(y, 3).to(dtype)


def make_adam(network):
    return torch.optim.AdamW(network.parameters(), lr=RATE)


def by_hand(batches, x, y, updates=None, clip_norm=None):
    """Train by hand on batches of row numbers, those with a poisoned row left out.

    Returns:
        the network, its optimizer, and the loss of each epoch; `updates` is how many the linear schedule counts on.
    """
    network = Poisonable("loss nan")
    optimizer = make_adam(network)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / updates if updates else 1.0)
    losses = []
    for epoch in batches:
        sums, counts = 0.0, 0
        for rows in epoch:
            if (x[rows] == POISONED).any():
                continue
            optimizer.zero_grad()
            value = F.mse_loss(network(x[rows]), y[rows])
            value.backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
            optimizer.step()
            schedule.step()
            sums, counts = sums + value.item() * len(rows), counts + len(rows)
        losses.append(sums / counts)
    return network, optimizer, losses


def shuffled(epochs=2):
    return [batches_by_hand(ROWS, BATCH, SEED, epoch) for epoch in range(1, epochs + 1)]


def in_order(size=BATCH):
    return [list(torch.arange(ROWS).split(size))]


def is_about(value, kind):
    return math.isnan(value) if kind.endswith("nan") else math.isinf(value)


# A step left out


@pytest.mark.parametrize("micro_batch_size", [None, 3, "auto"])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_moments_and_schedule(kind, clip_norm, micro_batch_size):
    """All three are those of a loop that leaves the step out, with a schedule that does not count it."""
    x, y = make_rows(13)
    reference, moments, losses = by_hand(shuffled(), x, y, updates=10, clip_norm=clip_norm)
    network = Poisonable(kind)
    optimizer = make_adam(network)

    model = Model(network, optimizer, "mse", device="cpu")
    options = {"schedule": "linear", "warmup": 0, "clip_norm": clip_norm, "micro_batch_size": micro_batch_size}
    history = model.fit(x, y, epochs=2, batch_size=BATCH, seed=SEED, verbose=0, **options)

    assert hand.largest_difference(network, reference) <= 1e-10
    for ours, true in zip(optimizer.state.values(), moments.state.values(), strict=True):
        assert ours["step"] == true["step"] == 8
        torch.testing.assert_close(ours["exp_avg_sq"], true["exp_avg_sq"], rtol=1e-9, atol=1e-15)
    assert history.skipped_steps == 2
    assert all(math.isfinite(row["loss"]) for row in history)
    if kind.startswith("loss"):
        assert [row["loss"] for row in history] == pytest.approx(losses, rel=1e-10)


@pytest.mark.parametrize("batches_per_step", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_a_loader(kind, batches_per_step):
    """The whole optimizer step is left out, whichever of its batches was not finite."""
    x, y = make_rows(13)
    reference, _, _ = by_hand(in_order(BATCH * batches_per_step), x, y)
    network = Poisonable(kind)

    model = Model(network, make_adam(network), "mse", device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH)
    history = model.fit(loader, batches_per_step=batches_per_step, verbose=0)

    assert hand.largest_difference(network, reference) <= 1e-10
    assert history.skipped_steps == 1
    assert history.skipped[0]["epoch"] == 1
    assert history.skipped[0]["batch"] in (1, 2)


class Spoiler(poutyne.Callback):
    """Writes a NaN into one parameter's gradient in the second batch of the first epoch."""

    def __init__(self, name, value=math.nan):
        super().__init__()
        self.name, self.value, self.epoch = name, value, 0

    def on_epoch_begin(self, epoch_number, logs):
        self.epoch = epoch_number

    def on_backward_end(self, batch_number):
        if (self.epoch, batch_number) == (1, 2):
            dict(self.model.network.named_parameters())[self.name].grad[..., 0] = self.value


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["mlp.0.weight", "mlp.3.bias"])
def test_a_callback_that_spoils_the_gradients(name, value, clip_norm, micro_batch_size):
    """What callbacks do to the gradients is looked at too, and the parameter is named."""
    x, y = make_rows()
    batches = [list(torch.arange(ROWS).split(BATCH))]
    reference, _, _ = by_hand([[batches[0][0], *batches[0][2:]]], x, y, clip_norm=clip_norm)
    network = Poisonable("loss nan")

    model = Model(network, make_adam(network), "mse", device="cpu")
    options = {"shuffle": False, "clip_norm": clip_norm, "micro_batch_size": micro_batch_size, "verbose": 0}
    history = model.fit(x, y, batch_size=BATCH, callbacks=[Spoiler(name, value)], **options)

    assert hand.largest_difference(network, reference) <= 1e-10
    assert history.skipped_steps == 1
    assert history.skipped[0]["parameter"] == name
    assert math.isfinite(history.skipped[0]["loss"])
    assert math.isfinite(history[0]["loss"])


@pytest.mark.parametrize("kind", KINDS)
def test_train_on_batch(kind):
    """A single batch that is not finite leaves the weights as they are."""
    x, y = make_rows(3)
    network = Poisonable(kind)
    before = weights_of(network)

    Model(network, make_adam(network), "mse", device="cpu").train_on_batch(x[:BATCH], y[:BATCH])

    assert torch.equal(weights_of(network), before)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_buffers_of_a_step_left_out(micro_batch_size):
    """What the step's forward wrote into buffers goes too: a running mean of NaN would spoil every evaluation."""
    x, y = make_rows()
    x[13] = math.nan
    network = nn.Sequential(nn.BatchNorm1d(4, momentum=None), make_mlp()).double()
    good = [rows for rows in in_order()[0] if 13 not in rows]
    parts = [part for rows in good for part in rows.split(micro_batch_size or BATCH)]
    mean = torch.stack([x[part].mean(0) for part in parts]).mean(0)  # momentum=None: the mean of the parts' means

    model = Model(network, make_adam(network), "mse", device="cpu")
    options = {"batch_size": BATCH, "micro_batch_size": micro_batch_size, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, **options)

    assert history.skipped_steps == 1
    assert network[0].num_batches_tracked == len(parts)
    torch.testing.assert_close(network[0].running_mean, mean)


# How it is named


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_named_in_the_history(kind, micro_batch_size):
    """Epoch, batch, rows of the user's data, loss, and where it is a gradient the parameter."""
    x, y = make_rows(13)
    where = [
        (epoch, number, rows)
        for epoch, batches in enumerate(shuffled(), 1)
        for number, rows in enumerate(batches, 1)
        if 13 in rows
    ]
    network = Poisonable(kind)

    model = Model(network, make_adam(network), "mse", device="cpu")
    history = model.fit(x, y, epochs=2, batch_size=BATCH, micro_batch_size=micro_batch_size, seed=SEED, verbose=0)

    assert len(history.skipped) == len(where) == 2
    for skipped, (epoch, batch, rows) in zip(history.skipped, where, strict=True):
        assert (skipped["epoch"], skipped["batch"]) == (epoch, batch)
        assert sorted(skipped["rows"]) == sorted(rows.tolist())
        if kind.startswith("loss"):
            assert is_about(skipped["loss"], kind)
        else:
            assert math.isfinite(skipped["loss"])
            assert skipped["parameter"] in dict(network.named_parameters())


def test_rows_after_a_validation_split():
    """The rows are those of the user's own data, not of the part that trains."""
    x, y = make_rows()
    labels = y.argmax(1)
    network = Poisonable("loss nan")
    poisoned = 29
    x[poisoned, 0] = POISONED

    model = Model(network, make_adam(network), "cross_entropy", device="cpu")
    seeds = [model.fit(x, labels, validation_split=0.25, batch_size=4, seed=seed, verbose=0) for seed in range(6)]

    found = [skipped for history in seeds for skipped in history.skipped]
    assert found  # in some of the splits the row is one that trains
    assert all(poisoned in skipped["rows"] and len(skipped["rows"]) <= 4 for skipped in found)


@pytest.mark.parametrize("micro_batch_size", [None, "auto", 2])
def test_rows_of_texts(micro_batch_size):
    """With a task the rows are numbered as the user gave them."""
    texts = [text_of(3 + (7 * row) % 23 + 60 * (row % 5 == 0), row) for row in range(ROWS)]
    texts[21] = "Z" + texts[21]
    _, table = make_data(ROWS)
    network = Letters()
    network.register_forward_hook(
        lambda _, __, inputs, outputs: outputs * torch.where((inputs["input_ids"] == ord("Z")).any(), torch.nan, 1.0),
        with_kwargs=True,
    )
    where = [(number, rows) for number, rows in enumerate(batches_by_hand(ROWS, BATCH, SEED, 1), 1) if 21 in rows]

    model = Model(network, make_adam(network), task=LettersTask("cross_entropy", table), device="cpu")
    options = {"batch_size": BATCH, "micro_batch_size": micro_batch_size, "seed": SEED, "verbose": 0}
    history = model.fit(texts, list(range(ROWS)), epochs=1, **options)

    assert history.skipped_steps == 1
    assert history.skipped[0]["batch"] == where[0][0]
    assert sorted(history.skipped[0]["rows"]) == sorted(where[0][1].tolist())
    assert math.isnan(history.skipped[0]["loss"])


def test_said_on_the_screen(capsys):
    """Whoever looks sees that a step was left out, and where."""
    x, y = make_rows(13)
    network = Poisonable("loss nan")

    Model(network, make_adam(network), "mse", device="cpu").fit(x, y, batch_size=BATCH, shuffle=False, verbose=2)

    said = capsys.readouterr()
    assert "skipped" in said.out
    assert "batch 2" in said.out
    assert said.err == ""


def test_nothing_to_name():
    """A run in which all is finite has skipped nothing."""
    x, y = make_rows()
    network = Poisonable("loss nan")

    history = Model(network, make_adam(network), "mse", device="cpu").fit(x, y, batch_size=BATCH, verbose=0)

    assert history.skipped_steps == 0
    assert list(history.skipped) == []


# Where it ends


@pytest.mark.parametrize("kind", KINDS)
def test_several_in_a_row(kind):
    """After three steps in a row training stops with an error that says what to try; the weights are the last good."""
    x, y = make_rows(9, 17, 25, 33)
    reference, _, _ = by_hand([in_order()[0][:1]], x, y)
    network = Poisonable(kind)
    model = Model(network, make_adam(network), "mse", device="cpu")

    with pytest.raises(NonFiniteError, match=r"3 ") as caught:
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    assert isinstance(caught.value, KeraslikeError)
    assert "learning_rate" in caught.value.do
    assert hand.largest_difference(network, reference) <= 1e-10


def test_in_a_row_means_without_a_good_one_between():
    """A good step starts the count anew, also across epochs; others than those in a row may be many."""
    x, y = make_rows(1, 17, 25)  # batches 1, 3 and 4 of 5: bad, good, bad, bad, good, in each of three epochs
    network = Poisonable("loss nan")
    model = Model(network, make_adam(network), "mse", device="cpu")

    history = model.fit(x, y, batch_size=BATCH, shuffle=False, epochs=3, verbose=0)

    assert history.skipped_steps == 9
    assert [(skipped["epoch"], skipped["batch"]) for skipped in history.skipped[2:5]] == [(1, 4), (2, 1), (2, 3)]


def test_a_diverging_rate_ends_in_the_error():
    """Weights that have run away to where losses overflow end in the error, and the interpreter lives."""
    x, y = make_rows(dtype=torch.float32)
    network = make_mlp()
    model = Model(network, torch.optim.SGD(network.parameters(), lr=1e30), "mse", device="cpu")

    with pytest.raises(NonFiniteError):
        model.fit(x, y, epochs=10, batch_size=BATCH, verbose=0)

    assert torch.isfinite(weights_of(network)).all()


# What is finite is not skipped


class Huge(torch.autograd.Function):
    """The identity, with a gradient 1e25 times as large."""

    @staticmethod
    def forward(ctx, outputs):
        return outputs.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 1e25


class WithHugeGradients(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = make_mlp()

    def forward(self, x):
        return Huge.apply(self.mlp(x))


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_huge_gradients(micro_batch_size):
    """Gradients whose squares overflow float32, so that their norm does, are finite: no step is skipped."""
    x, y = make_rows(dtype=torch.float32)
    reference, network = WithHugeGradients(), WithHugeGradients()
    before = weights_of(network)
    optimizer = torch.optim.SGD(reference.parameters(), lr=1e-26)
    for rows in in_order()[0]:
        optimizer.zero_grad()
        F.mse_loss(reference(x[rows]), y[rows]).backward()
        assert torch.linalg.vector_norm(reference.mlp[0].weight.grad).isinf()
        optimizer.step()

    model = Model(network, torch.optim.SGD(network.parameters(), lr=1e-26), "mse", device="cpu")
    options = {"batch_size": BATCH, "micro_batch_size": micro_batch_size, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, **options)

    assert history.skipped_steps == 0
    assert not torch.equal(weights_of(network), before)
    torch.testing.assert_close(weights_of(network), weights_of(reference), rtol=1e-5, atol=1e-6)


def test_huge_gradients_clipped():
    """Clipping such gradients skips nothing and gives finite weights, in the direction of the true gradient."""
    x, y = make_rows(dtype=torch.float32)
    network, reference = WithHugeGradients(), copy.deepcopy(make_mlp()).double()
    F.mse_loss(reference(x[:BATCH].double()), y[:BATCH].double()).backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in reference.parameters()])
    before = weights_of(network)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=1.0), "mse", device="cpu")
    history = model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, shuffle=False, clip_norm=1.0, verbose=0)

    assert history.skipped_steps == 0
    change = (before - weights_of(network)).double()
    np.testing.assert_allclose(change, gradient / gradient.norm(), rtol=1e-4, atol=1e-5)
