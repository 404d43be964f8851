"""One override, acting callbacks and named scalars: all exact, however a batch is cut."""

import math

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from tests.engine import by_hand as hand
from tests.engine.loops import gradient_of, make_data, make_mlp

ROWS, BATCH = 37, 14  # three optimizer steps: 14, 14, 9
EXACT = 1e-10
WEIGHT = torch.tensor([0.2, 3.0, 1.3], dtype=torch.float64)
SPLITS = [None, 1, 3, 5, "auto"]


def make_rows(*, unlabelled=()):
    x, y = make_data(ROWS, dtype=torch.float64)
    y[list(unlabelled)] = -100
    return x, y


def l2(network):
    return 0.01 * network[0].weight.square().sum()


def weighted(outputs, y, reduction="mean"):
    return F.cross_entropy(outputs, y, weight=WEIGHT, reduction=reduction)


def learn(network, loss, x, y, *, batch=BATCH, epochs=1, act=lambda network, optimizer: None, before=None):
    """Train by hand with `loss(outputs, y) -> (sum, count)`; `act` comes between backward and step.

    Returns:
        the loss of each epoch, sums by counts.
    """
    optimizer, losses = hand.sgd(network), []
    for _ in range(epochs):
        sums, counts = 0.0, 0.0
        for number, (rows, targets) in enumerate(zip(x.split(batch), y.split(batch), strict=True), 1):
            if before is not None:
                before(optimizer, number)
            optimizer.zero_grad()
            total, count = loss(network(rows), targets)
            (total / count).backward()
            act(network, optimizer)
            optimizer.step()
            sums, counts = sums + total.item(), counts + float(count)
        losses.append(sums / counts)
    return losses


def fit(model, x, y, micro_batch_size, **options):
    return model.fit(
        x, y, batch_size=BATCH, micro_batch_size=micro_batch_size, **{"shuffle": False, "verbose": 0, **options}
    )


# compute_loss, overridden alone


class Regularised(Model):
    """A mean over what the model's own loss counts, and more."""

    def compute_loss(self, outputs, batch):
        return 2 * weighted(outputs, batch.y) + l2(self.network)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
def test_a_mean_is_one_over_what_the_loss_counts(micro_batch_size):
    """A plain number is the part's mean; parts weigh by the count of the loss that the model was given."""
    x, y = make_rows()
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    losses = learn(
        reference,
        lambda out, y: ((2 * weighted(out, y) + l2(reference)) * WEIGHT[y].sum(), WEIGHT[y].sum()),
        x,
        y,
    )

    model = Regularised(network, hand.sgd(network), nn.CrossEntropyLoss(WEIGHT), device="cpu")
    history = fit(model, x, y, micro_batch_size)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(losses[0], rel=EXACT)


@pytest.mark.parametrize("loss_function", [F.smooth_l1_loss, "auto"], ids=["bare function", "auto"])
@pytest.mark.parametrize("micro_batch_size", [None, 1, 3, 5])
def test_a_mean_over_examples(loss_function, micro_batch_size):
    """Beside a loss that does not count, and where no loss was given, a plain number is a mean over examples."""
    x, y = make_rows()
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)

    class Own(Model):
        def compute_loss(self, outputs, batch):
            return F.huber_loss(outputs, batch.y) + l2(self.network)

    targets = F.one_hot(y, 3).double()
    losses = learn(reference, lambda out, y: ((F.huber_loss(out, y) + l2(reference)) * len(y), len(y)), x, targets)

    model = Own(network, hand.sgd(network), loss_function, device="cpu")
    history = fit(model, x, targets, micro_batch_size)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(losses[0], rel=EXACT)


class Counting(Model):
    """A sum and its count, which is 0 for some parts."""

    def compute_loss(self, outputs, batch):
        counted = batch.y != -100
        return weighted(outputs, batch.y, "sum"), WEIGHT[batch.y[counted]].sum()


def sum_and_count(outputs, y):
    return weighted(outputs, y, "sum"), WEIGHT[y[y != -100]].sum()


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_a_sum_and_its_count(micro_batch_size, batches_per_step):
    """(sum, count) is exact whatever the model's own loss counts, parts without a label and short groups included."""
    x, y = make_rows(unlabelled=[*range(6), 20])
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    losses = learn(reference, sum_and_count, x, y, batch=10 * batches_per_step)

    model = Counting(network, hand.sgd(network), "cross_entropy", device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=10)
    history = model.fit(loader, batches_per_step=batches_per_step, micro_batch_size=micro_batch_size, verbose=0)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(losses[0], rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_clipped_after_the_division(micro_batch_size):
    """What callbacks see, and what is clipped, is the gradient divided by the whole step's count."""
    x, y = make_rows(unlabelled=range(6))
    network = make_mlp(dtype=torch.float64)
    total, count = sum_and_count(network(x[:BATCH]), y[:BATCH])
    whole = gradient_of(network, total / count)
    seen = []

    class See(poutyne.Callback):
        def on_backward_end(self, batch_number):
            seen.append(torch.cat([parameter.grad.flatten() for parameter in network.parameters()]))

    before = torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])
    model = Counting(network, torch.optim.SGD(network.parameters(), lr=1.0), "cross_entropy", device="cpu")
    fit(model, x[:BATCH], y[:BATCH], micro_batch_size, clip_norm=0.01, callbacks=[See()])

    change = before - torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    torch.testing.assert_close(seen[0], whole, rtol=0, atol=EXACT)
    torch.testing.assert_close(change, whole * 0.01 / whole.norm(), rtol=1e-4, atol=1e-8)  # torch adds 1e-6 to the norm


def test_measured_by_the_same_loss():
    """`evaluate` and validation measure by the overridden loss, the same for every batch size."""
    x, y = make_rows(unlabelled=[*range(6), 20])
    network = make_mlp(dtype=torch.float64)
    total, count = sum_and_count(network(x), y)
    model = Counting(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", device="cpu")

    losses = [model.evaluate(x, y, batch_size=size, return_dict=True, verbose=0)["loss"] for size in (1, 5, 37)]
    history = fit(model, x, y, None, validation_data=(x, y))

    assert [*losses, history[0]["val_loss"]] == pytest.approx([(total / count).item()] * 4, rel=EXACT)


class Same(Model):
    def compute_loss(self, outputs, batch):
        return super().compute_loss(outputs, batch)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
def test_what_the_model_does_by_itself(micro_batch_size):
    """An override that asks the model itself changes nothing."""
    x, y = make_rows(unlabelled=[*range(6), 20])
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    losses = learn(reference, sum_and_count, x, y)

    history = fit(Same(network, hand.sgd(network), nn.CrossEntropyLoss(WEIGHT), device="cpu"), x, y, micro_batch_size)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(losses[0], rel=EXACT)


def test_sees_inputs_targets_and_weights():
    """`batch` has the part's inputs, targets, sample weights and size."""
    x, y = make_rows()
    weights = torch.linspace(0.1, 2.0, ROWS, dtype=torch.float64)
    seen = []

    class Looking(Model):
        def compute_loss(self, outputs, batch):
            seen.append((batch.x, batch.y, batch.weight, batch.size))
            losses = F.cross_entropy(outputs, batch.y, reduction="none") * batch.weight
            return losses.sum(), batch.weight.sum()

    network, reference = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    loss = hand.learn(reference, hand.sgd(reference), hand.cross_entropy, hand.batches_of(BATCH, x, y, weights))
    model = Looking(network, hand.sgd(network), "cross_entropy", device="cpu")
    history = fit(model, x, y, 5, sample_weight=weights)

    first_x = seen[0][0][0] if isinstance(seen[0][0], tuple) else seen[0][0]
    assert [size for *_, size in seen] == [5, 5, 4, 5, 5, 4, 5, 4]
    torch.testing.assert_close(first_x, x[:5])
    torch.testing.assert_close(torch.cat([part[2] for part in seen]).double(), weights)
    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


# Named scalars


def with_scalars(outputs, targets):
    """A loss beside which two numbers are shown: a mean over examples, and a sum with a count of its own."""
    confident = outputs.softmax(1).max(1).values
    numbers = {"confidence": confident.mean(), "middle": (confident[targets == 1].sum(), (targets == 1).sum())}
    return F.cross_entropy(outputs, targets), numbers


class Naming(Model):
    def compute_loss(self, outputs, batch):
        return with_scalars(outputs, batch.y)


def named_by_hand(outputs, targets):
    confident = outputs.softmax(1).max(1).values
    return {"confidence": confident.mean().item(), "middle": confident[targets == 1].mean().item()}


class Logs(poutyne.Callback):
    def __init__(self):
        super().__init__()
        self.train, self.valid = [], []

    def on_train_batch_end(self, batch_number, logs):
        self.train.append(dict(logs))

    def on_valid_batch_end(self, batch_number, logs):
        self.valid.append(dict(logs))


@pytest.mark.parametrize("micro_batch_size", [None, 1, 3])
@pytest.mark.parametrize("way", ["function", "compute_loss"])
def test_scalars_of_a_loss(way, micro_batch_size, capsys):
    """Further numbers beside a loss stand in the history, in the batches' logs, on the screen, in evaluate: exact."""
    x, y = make_rows()
    network = make_mlp(dtype=torch.float64)
    exact = named_by_hand(network(x), y)
    of_batches = [named_by_hand(network(x[s : s + BATCH]), y[s : s + BATCH]) for s in range(0, ROWS, BATCH)]
    optimizer, logs = torch.optim.SGD(network.parameters(), lr=0.0), Logs()
    kind, loss = (Model, with_scalars) if way == "function" else (Naming, "cross_entropy")

    model = kind(network, optimizer, loss, device="cpu")
    history = fit(model, x, y, micro_batch_size, validation_data=(x[:20], y[:20]), callbacks=[logs], verbose=2)
    values = model.evaluate(x, y, batch_size=5, return_dict=True, verbose=0)

    of_valid = named_by_hand(network(x[:20]), y[:20])
    line = capsys.readouterr().out
    for name in ("confidence", "middle"):
        assert history[0][name] == pytest.approx(exact[name], rel=EXACT)
        assert history[0][f"val_{name}"] == pytest.approx(of_valid[name], rel=EXACT)
        assert values[name] == pytest.approx(exact[name], rel=EXACT)
        assert [log[name] for log in logs.train] == pytest.approx([batch[name] for batch in of_batches], rel=EXACT)
        assert f"  {name} {exact[name]:.4g}  " in line
        assert f"  val_{name} {of_valid[name]:.4g}  " in line
    assert history[0]["loss"] == pytest.approx(F.cross_entropy(network(x), y).item(), rel=EXACT)


class Spread(nn.Module):
    """A metric of a user's own with further numbers by name: the mean of the first logit, its least and its largest."""

    __name__ = "spread"

    def __init__(self):
        super().__init__()
        self.reset()

    def update(self, outputs, targets):
        self.seen.append(outputs[:, 0].detach())

    def forward(self, outputs, targets):
        self.update(outputs, targets)
        return outputs[:, 0].mean()

    def compute(self):
        values = torch.cat(self.seen)
        self.ends = {"least": values.min().item(), "largest": values.max().item()}
        return values.mean().item()

    def scalars(self):
        return self.ends

    def reset(self):
        self.seen = []


@pytest.mark.parametrize("micro_batch_size", [None, 1, 3])
def test_scalars_of_a_metric(micro_batch_size, capsys):
    """A metric may have further named numbers too: in the history, the line of the epoch, and evaluate."""
    x, y = make_rows()
    network = make_mlp(dtype=torch.float64)
    first = network(x)[:, 0].detach()
    exact = {"spread": first.mean().item(), "least": first.min().item(), "largest": first.max().item()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)

    model = Model(network, optimizer, "cross_entropy", epoch_metrics=[Spread()], device="cpu")
    history = fit(model, x, y, micro_batch_size, validation_data=(x, y), verbose=2)
    values = model.evaluate(x, y, batch_size=5, return_dict=True, verbose=0)

    line = capsys.readouterr().out
    for name, value in exact.items():
        assert [history[0][name], history[0][f"val_{name}"], values[name]] == pytest.approx([value] * 3, rel=EXACT)
        assert f"  {name} " in line


# Callbacks that act


class Act(poutyne.Callback):
    """Does something at the end of the backward, after a batch, or before one."""

    def __init__(self, *, backward=None, after=None, before=None):
        super().__init__()
        self.backward, self.after, self.before = backward, after, before

    def on_train_batch_begin(self, batch_number, logs):
        if self.before is not None:
            self.before(self.model.optimizer, batch_number)

    def on_backward_end(self, batch_number):
        if self.backward is not None:
            self.backward(self.model.network, self.model.optimizer)

    def on_train_batch_end(self, batch_number, logs):
        if self.after is not None:
            self.after(self.model, batch_number)


def smaller_gradients(network, optimizer):
    for parameter in network.parameters():
        parameter.grad.clamp_(-0.01, 0.02).mul_(0.5)


def moved_weights(network, optimizer):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.9)


def half_the_rate(network, optimizer):
    optimizer.param_groups[0]["lr"] /= 2


def rate_by_batch(optimizer, number):
    optimizer.param_groups[0]["lr"] = 0.1 / number


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("act", [smaller_gradients, moved_weights, half_the_rate])
def test_changes_before_the_step(act, micro_batch_size):
    """A callback may change gradients, weights or the rate in on_backward_end, once per optimizer step."""
    x, y = make_rows(unlabelled=range(6))
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    losses = learn(reference, sum_and_count, x, y, act=act, epochs=2)

    model = Model(network, hand.sgd(network), nn.CrossEntropyLoss(WEIGHT), device="cpu")
    history = fit(model, x, y, micro_batch_size, callbacks=[Act(backward=act)], epochs=2)

    assert hand.largest_difference(network, reference) <= EXACT
    assert [row["loss"] for row in history] == pytest.approx(losses, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
def test_changes_the_rate_before_a_batch(micro_batch_size):
    """The rate that a callback sets in on_train_batch_begin is that of the step, and is kept in the history."""
    x, y = make_rows()
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    learn(reference, sum_and_count, x, y, before=rate_by_batch)

    model = Model(network, hand.sgd(network), nn.CrossEntropyLoss(WEIGHT), device="cpu")
    history = fit(model, x, y, micro_batch_size, callbacks=[Act(before=rate_by_batch)])

    assert hand.largest_difference(network, reference) <= EXACT
    assert history.learning_rates == pytest.approx([0.1, 0.05, 0.1 / 3])


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_changes_the_weights_after_a_batch(micro_batch_size):
    """Weights that a callback sets in on_train_batch_end are those that the next batch meets."""
    x, y = make_rows()
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    optimizer = hand.sgd(reference)
    for start in range(0, ROWS, BATCH):
        hand.learn(
            reference, optimizer, hand.cross_entropy, [(x[start : start + BATCH], y[start : start + BATCH], None)]
        )
        moved_weights(reference, None)

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    fit(model, x, y, micro_batch_size, callbacks=[Act(after=lambda model, _: moved_weights(model.network, None))])

    assert hand.largest_difference(network, reference) <= EXACT


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_stops(micro_batch_size):
    """A callback that sets stop_training ends the run after its epoch, as in Poutyne."""
    x, y = make_rows()
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    learn(reference, lambda out, y: (F.cross_entropy(out, y, reduction="sum"), len(y)), x, y, epochs=2)

    class Stop(poutyne.Callback):
        def on_epoch_end(self, epoch_number, logs):
            self.model.stop_training = epoch_number == 2

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    history = fit(model, x, y, micro_batch_size, callbacks=[Stop()], epochs=5)

    assert hand.largest_difference(network, reference) <= EXACT
    assert len(history) == 2
    assert history.stop_reason is not None


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("batches_per_step", [1, 2])
@pytest.mark.parametrize("name", ["ClipNorm", "ClipValue"])
def test_poutynes_clipping(name, batches_per_step, micro_batch_size):
    """Poutyne's ClipNorm and ClipValue clip the one mean gradient of each optimizer step."""
    x, y = make_rows(unlabelled=range(6))
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    by_hand = {"ClipNorm": nn.utils.clip_grad_norm_, "ClipValue": nn.utils.clip_grad_value_}[name]
    learn(
        reference,
        sum_and_count,
        x,
        y,
        batch=10 * batches_per_step,
        act=lambda network, _: by_hand(network.parameters(), 0.01),
    )

    model = Model(network, hand.sgd(network), nn.CrossEntropyLoss(WEIGHT), device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=10)
    callback = getattr(poutyne, name)(network.parameters(), 0.01)
    options = {"batches_per_step": batches_per_step, "micro_batch_size": micro_batch_size, "verbose": 0}
    model.fit(loader, callbacks=[callback], **options)

    assert math.isfinite(hand.largest_difference(network, reference))
    assert hand.largest_difference(network, reference) <= EXACT


def test_what_reaches_it_is_said(capsys):
    """The screen says how weights and smoothing reach a compute_loss of one's own; without them it says nothing."""

    class Own(Model):
        def compute_loss(self, outputs, batch):
            return super().compute_loss(outputs, batch)

    x, y = make_rows()
    model = Own(make_mlp(), "sgd", "cross_entropy", device="cpu")
    model.fit(x, y, class_weight=[1, 2, 3], label_smoothing=0.1, sample_weight=torch.ones(len(x)), verbose=2)
    told = capsys.readouterr().out
    model.fit(x, y, verbose=2)

    by_super = "class_weight= and label_smoothing= by super().compute_loss alone"
    assert f"compute_loss is the model's own, and gets {by_super}, sample_weight= as batch.weight." in told
    assert "compute_loss is" not in capsys.readouterr().out
