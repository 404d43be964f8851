"""On an accelerator nothing waits for the flag of a step: it masks the update there, and is read one step later.

The way of an accelerator is taken on the CPU: losses stay tensors, and a fused optimizer is handed the flag.
"""

import math
from types import SimpleNamespace

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike import Model
from keraslike.data.batches import PairBatch
from keraslike.data.cutting import WHOLE
from keraslike.engine import gradients
from keraslike.engine.finite import StepGuard, Taken
from keraslike.engine.gradients import Prepared
from keraslike.engine.memory import Undo
from keraslike.engine.precision import Float16, Precision
from keraslike.errors import NonFiniteError
from keraslike.tracking.history import History
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp, weights_of
from tests.engine.test_not_finite import BATCH, KINDS, RATE, ROWS, SEED, Poisonable, make_rows, shuffled

STATES = ("exp_avg", "exp_avg_sq", "momentum_buffer")


@pytest.fixture
def late(monkeypatch):
    """Take the way of an accelerator."""
    monkeypatch.setattr(gradients, "read", Tensor.detach)
    monkeypatch.setattr(StepGuard, "_is_late", lambda guard, found: bool(found))


OPTIMIZERS = {
    "adamw": lambda network: torch.optim.AdamW(network.parameters(), lr=RATE, fused=True),
    "sgd": lambda network: torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9, fused=True),
}


def by_hand(name, batches, x, y, updates=None, clip_norm=None):
    """Train by hand on batches of row numbers, those with a poisoned row left out; give the rate of each step too."""
    network = Poisonable("loss nan")
    optimizer = OPTIMIZERS[name](network)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / updates if updates else 1.0)
    rates = []
    for rows in batches:
        if (x[rows] == 100.0).any():
            continue
        optimizer.zero_grad()
        F.mse_loss(network(x[rows]), y[rows]).backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return network, optimizer, rates


# Whole runs


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("late")
def test_weights_moments_and_schedule(kind, name, clip_norm, micro_batch_size):
    """Weights, moments, the step counter and the schedule are those of a loop that leaves the step out."""
    x, y = make_rows(13)
    batches = [rows for epoch in shuffled() for rows in epoch]
    reference, expected, rates = by_hand(name, batches, x, y, updates=10, clip_norm=clip_norm)
    network = Poisonable(kind)
    optimizer = OPTIMIZERS[name](network)

    model = Model(network, optimizer, "mse", device="cpu")
    options = {"schedule": "linear", "warmup": 0, "clip_norm": clip_norm, "micro_batch_size": micro_batch_size}
    history = model.fit(x, y, epochs=2, batch_size=BATCH, seed=SEED, verbose=0, **options)

    assert hand.largest_difference(network, reference) <= 1e-10
    for ours, true in zip(optimizer.state.values(), expected.state.values(), strict=True):
        assert ours.keys() == true.keys()
        assert ours.get("step", 8) == 8
        for kept in set(STATES) & ours.keys():
            torch.testing.assert_close(ours[kept], true[kept], rtol=1e-9, atol=1e-15)
    assert history.learning_rates == pytest.approx(rates)
    assert history.skipped_steps == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("late")
def test_named_in_the_history(kind):
    """Epoch, batch, rows, loss and, of a gradient, the first parameter are those of the step that was bad."""
    x, y = make_rows(13)
    where = [(e, n, rows) for e, epoch in enumerate(shuffled(), 1) for n, rows in enumerate(epoch, 1) if 13 in rows]
    network = Poisonable(kind)

    model = Model(network, OPTIMIZERS["adamw"](network), "mse", device="cpu")
    history = model.fit(x, y, epochs=2, batch_size=BATCH, seed=SEED, verbose=0)

    assert len(history.skipped) == len(where) == 2
    for skipped, (epoch, batch, rows) in zip(history.skipped, where, strict=True):
        assert (skipped["epoch"], skipped["batch"]) == (epoch, batch)
        assert skipped["rows"] == rows.tolist()
        assert math.isfinite(skipped["loss"]) == kind.startswith("gradient")
        assert skipped["parameter"] == ("mlp.0.weight" if kind.startswith("gradient") else None)


@pytest.mark.usefixtures("late")
def test_epoch_loss_without_the_bad_batch():
    """The epoch's loss is the mean over the batches whose loss is finite."""
    x, y = make_rows(13)
    network = Poisonable("loss nan")
    good = [row for rows in torch.arange(ROWS).split(BATCH) if 13 not in rows for row in rows]
    expected = F.mse_loss(Poisonable("loss nan")(x[good]), y[good]).item()

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0, fused=True), "mse", device="cpu")
    history = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    assert history[0]["loss"] == pytest.approx(expected, rel=1e-10)


class Reader(poutyne.Callback):
    """Keeps what stands on the screen at the end of each epoch."""

    def __init__(self, capsys):
        super().__init__()
        self.capsys, self.said = capsys, []

    def on_epoch_end(self, epoch_number, logs):
        self.said.append(self.capsys.readouterr().out)


@pytest.mark.usefixtures("late")
def test_flag_of_the_last_step_of_an_epoch(capsys):
    """It is read before the epoch ends, and not with the first step of the next one."""
    x, y = make_rows(ROWS - 1)
    network = Poisonable("gradient nan")
    reader = Reader(capsys)

    model = Model(network, OPTIMIZERS["adamw"](network), "mse", device="cpu")
    history = model.fit(x, y, epochs=2, batch_size=BATCH, shuffle=False, verbose=2, callbacks=[reader])

    assert reader.said[0].count("A step was skipped, the weights are as before. Epoch 1, batch 5 (rows 32, 33") == 1
    assert "skipped" not in reader.said[1]  # said once
    assert [(skipped["epoch"], skipped["batch"]) for skipped in history.skipped] == [(1, 5), (2, 5)]
    assert len(history.learning_rates) == 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("late")
def test_buffers_of_a_step_left_out(kind):
    """The flag masks the buffers too: a running mean has seen the good batches alone."""
    x, y = make_rows(13)
    norm = nn.BatchNorm1d(3, momentum=None).double()
    norm.weight.requires_grad_(False).fill_(1.0)  # what comes out is not normalised away
    network = nn.Sequential(Poisonable(kind), norm)
    good = [rows for rows in torch.arange(ROWS).split(BATCH) if 13 not in rows]
    before = Poisonable(kind)
    mean = torch.stack([before(x[rows]).detach().mean(0) for rows in good]).mean(0)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0, fused=True), "mse", device="cpu")
    history = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    assert history.skipped_steps == 1
    assert norm.num_batches_tracked == len(good)
    torch.testing.assert_close(norm.running_mean, mean)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("late")
def test_several_in_a_row(kind):
    """Three in a row end the training, at the latest with the epoch; the weights are the last good ones."""
    x, y = make_rows(17, 25, 33)  # the last three batches of five
    reference, _, _ = by_hand("adamw", list(torch.arange(16).split(BATCH)), x, y)
    network = Poisonable(kind)
    model = Model(network, OPTIMIZERS["adamw"](network), "mse", device="cpu")

    with pytest.raises(NonFiniteError, match=r"3 optimizer steps in a row .* Epoch 1, batch 5"):
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("late")
def test_train_on_batch(kind):
    """A single batch that is not finite leaves the weights as they are, a good one is learned from."""
    x, y = make_rows(3)
    network = Poisonable(kind)
    model = Model(network, OPTIMIZERS["adamw"](network), "mse", device="cpu")
    before = weights_of(network)

    model.train_on_batch(x[:BATCH], y[:BATCH])
    after_bad = weights_of(network)
    model.train_on_batch(x[BATCH : 2 * BATCH], y[BATCH : 2 * BATCH])

    reference, _, _ = by_hand("adamw", [torch.arange(BATCH, 2 * BATCH)], x, y)
    assert torch.equal(after_bad, before)
    assert hand.largest_difference(network, reference) <= 1e-10


# One step after the other


class Steps:
    """A guard over a small network, and its steps one by one."""

    def __init__(self, optimizer=None, network=None, precision=None):
        self.network = network or make_mlp(dtype=torch.float64)
        self.optimizer = optimizer or OPTIMIZERS["adamw"](self.network)
        self.history, self.said = History(), []
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 0.5**step)
        self.undo = Undo(self.network, self.optimizer)
        model = SimpleNamespace(
            network=self.network, optimizer=self.optimizer, precision=precision or Precision(), loss_function=None
        )
        self.guard = StepGuard(model, self.undo, None, self.history, self.schedule, self.said.append)

    def take(self, number, *spoilt, loss=None):
        """Take one step; the gradients of the parameters named get a NaN."""
        x, y = make_data(BATCH, dtype=torch.float64)
        self.undo.mark()
        self.optimizer.zero_grad()
        found = F.cross_entropy(self.network(x), y)
        found.backward()
        for name in spoilt:
            self.network.get_parameter(name).grad[..., -1] = math.nan
        batch = PairBatch(x, y, rows=np.arange(10, 10 + BATCH))
        prepared = Prepared(number, batch, WHOLE, batch.parts(WHOLE), [BATCH])
        self.guard.take(Taken(1, [prepared], [found.detach() if loss is None else torch.tensor(loss)]))


@pytest.mark.usefixtures("late")
def test_read_one_step_later():
    """A bad step is known when the next one is taken, not before; the move of the rate is then taken back."""
    steps = Steps()
    seen = []

    for number, spoilt in enumerate(([], ["0.bias"], []), 1):
        steps.take(number, *spoilt)
        seen.append((len(steps.history.learning_rates), steps.history.skipped_steps, len(steps.said)))
    steps.guard.settle()
    seen.append((len(steps.history.learning_rates), steps.history.skipped_steps, len(steps.said)))

    assert seen == [(1, 0, 0), (2, 0, 0), (2, 1, 1), (2, 1, 1)]
    assert steps.history.learning_rates == [RATE, RATE / 2]  # the bad step has not moved the rate


@pytest.mark.usefixtures("late")
def test_settled_once():
    """A flag that was read is not read again."""
    steps = Steps()
    steps.take(1, "3.weight")

    steps.guard.settle()
    steps.guard.settle()

    assert steps.history.skipped_steps == 1
    assert steps.history.skipped[0]["parameter"] == "3.weight"
    assert steps.history.skipped[0]["rows"] == list(range(10, 10 + BATCH))


@pytest.mark.usefixtures("late")
def test_first_of_several_parameters():
    """Of several spoilt gradients the first is named, in the order of the optimizer."""
    steps = Steps()

    steps.take(1, "3.bias", "0.bias")
    steps.guard.settle()

    assert steps.history.skipped[0]["parameter"] == "0.bias"


@pytest.mark.usefixtures("late")
def test_loss_alone():
    """A loss that is not finite masks the step, also where every gradient is finite."""
    steps = Steps()
    before = weights_of(steps.network)

    steps.take(1, loss=math.inf)
    steps.guard.settle()

    assert torch.equal(weights_of(steps.network), before)
    assert (steps.history.skipped[0]["loss"], steps.history.skipped[0]["parameter"]) == (math.inf, None)


@pytest.mark.usefixtures("late")
def test_flag_is_taken_off_the_optimizer():
    """After the step, and after one that raises, the optimizer is as the user made it."""
    steps = Steps()

    steps.take(1)
    steps.optimizer.register_step_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        steps.take(2)

    assert not hasattr(steps.optimizer, "found_inf")
    assert not hasattr(steps.optimizer, "grad_scale")


# Where it is taken

ELSEWHERE = [torch.empty(1, device="meta")]


@pytest.mark.parametrize(
    ("fused", "precision", "found", "is_late"),
    [
        (True, Precision(), ELSEWHERE, True),
        (False, Precision(), ELSEWHERE, False),
        (True, Float16("cpu"), ELSEWHERE, False),
        (True, Precision(), [torch.empty(1)], False),
        (True, Precision(), [], False),
    ],
    ids=["accelerator", "not fused", "float16", "cpu", "no gradients"],
)
def test_where_the_flag_stays(fused, precision, found, is_late):
    """Off the CPU, with a fused optimizer, unless the precision reads each step anyway."""
    network = make_mlp()
    optimizer = torch.optim.AdamW(network.parameters(), fused=fused)
    steps = Steps(optimizer, network, precision)

    assert steps.guard._is_late(found) is is_late
