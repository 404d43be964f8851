"""What lies beside a step, gradients outside the optimizer, buffers, rates and random states, stays as it should."""

import math

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike import Model
from keraslike.engine import gradients
from keraslike.engine.finite import StepGuard
from keraslike.errors import NonFiniteError, OutOfMemoryError
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp, train_by_hand, weights_of

ROWS, BATCH = 16, 8
ORDERED = {"batch_size": BATCH, "shuffle": False, "seed": 1, "verbose": 0}


class At(poutyne.Callback):
    """Calls a function of the model and the batch's number at one place of the training."""

    def __init__(self, place, act):
        super().__init__()
        setattr(self, place, lambda batch_number, *_: act(self.model, batch_number))


def sgd(network, lr=0.1):
    return torch.optim.SGD(network.parameters(), lr=lr)


def make_norm():
    generator = torch.Generator().manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return network


def contrastive(outputs, targets):
    return F.cross_entropy(outputs @ outputs.T, torch.arange(len(outputs)))


# Parameters outside the optimizer


class Outside(nn.Module):
    """A body outside the optimizer, whose gradient may be NaN, and a head within."""

    def __init__(self):
        super().__init__()
        self.body, self.head = make_mlp(8, dtype=torch.float64), make_mlp(dtype=torch.float64)

    def forward(self, x):
        hidden = self.body(x)
        return self.head(torch.where(hidden > 0, hidden, (hidden.clamp_min(0) * 0).sqrt())[:, :4])


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_nan_outside_the_optimizer(micro_batch_size):
    """With clip_norm, a NaN in any gradient that the norm is taken over reaches no weight."""
    network = Outside()
    model = Model(network, sgd(network.head), "cross_entropy", device="cpu")
    before = weights_of(network)

    x, y = make_data(ROWS, dtype=torch.float64)
    history = model.fit(x, y, clip_norm=1.0, micro_batch_size=micro_batch_size, **ORDERED)

    assert network.body[0].weight.grad.isnan().any()
    assert torch.equal(weights_of(network), before)
    assert history.skipped[0]["parameter"] == "body.0.weight"


def test_fp16_outside_the_optimizer():
    """With fp16 the norm is of gradients that are all unscaled: the step is float32's, but for float16's 3 digits."""
    moved = {}
    for precision in ("float32", "fp16"):
        network = make_mlp()
        before = weights_of(network[3])
        model = Model(network, sgd(network[3]), "cross_entropy", device="cpu", precision=precision)
        model.fit(*make_data(ROWS), clip_norm=0.05, **ORDERED)
        moved[precision] = weights_of(network[3]) - before

    assert (moved["fp16"] - moved["float32"]).norm() <= 0.02 * moved["float32"].norm()


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("micro_batch_size", [None, 3, 5])
def test_counting_function_outside_the_optimizer(micro_batch_size, clip_norm):
    """What a function has counted divides all gradients, those outside the optimizer too, before they are clipped."""

    def counted(outputs, targets):
        counts = targets != 0
        return (F.cross_entropy(outputs, targets, reduction="none") * counts).sum(), int(counts.sum())

    x, y = make_data(ROWS, dtype=torch.float64)
    reference = make_mlp(dtype=torch.float64)
    by_hand = sgd(reference[3])
    for rows, targets in zip(x.split(BATCH), y.split(BATCH), strict=True):
        reference.zero_grad()
        total, count = counted(reference(rows), targets)
        (total / count).backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(reference.parameters(), clip_norm)
        by_hand.step()
    network = make_mlp(dtype=torch.float64)

    model = Model(network, sgd(network[3]), counted, device="cpu")
    model.fit(x, y, micro_batch_size=micro_batch_size, clip_norm=clip_norm, **ORDERED)

    assert hand.largest_difference(network, reference) <= 1e-10


# An accelerator's way, taken on the CPU


@pytest.fixture
def late(monkeypatch):
    """Let the guard choose as it does where the gradients are not on the CPU; memory never written holds NaN."""
    is_late = StepGuard._is_late
    elsewhere = torch.empty(1, device="meta")
    monkeypatch.setattr(torch, "empty_like", lambda given, **options: torch.full_like(given, math.nan, **options))
    monkeypatch.setattr(gradients, "read", Tensor.detach)
    monkeypatch.setattr(StepGuard, "_is_late", lambda guard, found: is_late(guard, [elsewhere for _ in found]))


def fused(name, network):
    if name == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=0.01, fused=True)
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)


@pytest.mark.parametrize("bad", [0, 1, 3])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.usefixtures("late")
def test_late_without_a_step(name, bad):
    """A step left out, the very first one too, leaves no moments that were never written."""
    x, y = make_data(ROWS, dtype=torch.float64)
    rows, targets = x.split(4), y.split(4)
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    good = [pair for place, pair in enumerate(zip(rows, targets, strict=True)) if place != bad]
    train_by_hand(reference, fused(name, reference), F.cross_entropy, good)
    poisoned = [(part * math.nan if place == bad else part) for place, part in enumerate(rows)]

    model = Model(network, fused(name, network), "cross_entropy", device="cpu")
    history = model.fit(torch.cat(poisoned), y, **{**ORDERED, "batch_size": 4})

    assert history.skipped_steps == 1
    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.usefixtures("late")
def test_late_without_the_first_step_of_a_group():
    """Nor does one in which a second group of parameters has its first gradients."""
    x, y = make_data(12, dtype=torch.float64)
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)

    def optimizer(of):
        groups = [{"params": of[3].parameters()}, {"params": of[0].parameters()}]
        return torch.optim.SGD(groups, lr=0.01, momentum=0.9, fused=True)

    by_hand = optimizer(reference)
    for start, is_thawed in ((0, False), (8, True)):  # the step between them is left out
        reference[0].requires_grad_(is_thawed)
        train_by_hand(reference, by_hand, F.cross_entropy, [(x[start : start + 4], y[start : start + 4])])
    x[4:8] = math.nan
    network[0].requires_grad_(False)
    thaw = At("on_train_batch_begin", lambda _, batch: network[0].requires_grad_(batch > 1))

    model = Model(network, optimizer(network), "cross_entropy", device="cpu")
    model.fit(x, y, callbacks=[thaw], **{**ORDERED, "batch_size": 4})

    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.parametrize("bad", [None, 2])
@pytest.mark.parametrize("schedule", ["constant", "linear", None])
@pytest.mark.parametrize(
    ("place", "number"), [("on_train_batch_end", 2), ("on_backward_end", 2), ("on_backward_end", 3)]
)
def test_rate_of_a_callback(place, number, schedule, bad, request):
    """A rate set by a callback is that of the same steps where the flag is read later, after a step left out too."""

    def fit():
        def act(model, batch):
            if batch == number:
                model.optimizer.param_groups[0]["lr"] = 0.05

        x, y = make_data(ROWS, dtype=torch.float64)
        if bad is not None:
            x[4 * (bad - 1) : 4 * bad] = math.nan
        network = make_mlp(dtype=torch.float64)
        model = Model(network, fused("adamw", network), "cross_entropy", device="cpu")
        options = {} if schedule is None else {"schedule": schedule}
        history = model.fit(x, y, callbacks=[At(place, act)], **{**ORDERED, "batch_size": 4}, **options)
        return history.learning_rates, weights_of(network)

    rates_now, weights_now = fit()
    request.getfixturevalue("late")
    rates, weights = fit()

    assert 0.05 in rates_now or bad is not None
    assert rates == rates_now
    assert torch.equal(weights, weights_now)


# What is not cut


@pytest.mark.parametrize("kind", ["BatchNorm", "function"])
def test_limit_left_behind(kind):
    """What ran out of memory before cuts no network, and no function, that must see its batch whole."""
    x, y = make_data(ROWS, dtype=torch.float64)
    make, loss = (make_norm, F.cross_entropy) if kind == "BatchNorm" else (make_mlp, contrastive)
    reference, network = make().double(), make().double()
    train_by_hand(reference, sgd(reference), loss, zip(x.split(BATCH), y.split(BATCH), strict=True))

    model = Model(network, sgd(network), "cross_entropy" if kind == "BatchNorm" else loss, device="cpu")
    model.micro_batch_limit = 2
    model.fit(x, y, **ORDERED)
    before_the_last = hand.largest_difference(network, reference)
    train_by_hand(reference, sgd(reference), loss, [(x[:BATCH], y[:BATCH])])
    model.train_on_batch(x[:BATCH], y[:BATCH])

    assert before_the_last <= 1e-10
    assert hand.largest_difference(network, reference) <= 1e-10


def test_number_for_batchnorm_is_kept():
    """Parts of the size that the user names for BatchNorm are not halved in silence."""
    network = make_norm()
    hand.Limit(network, 2)
    model = Model(network, sgd(network), "cross_entropy", device="cpu")

    with pytest.raises(OutOfMemoryError, match="4 examples at once"):
        model.fit(*make_data(ROWS, dtype=torch.float64), micro_batch_size=4, **ORDERED)


@pytest.mark.parametrize("metrics", [None, ["accuracy"]])
def test_outputs_of_a_cut_batch(metrics, monkeypatch):
    """They are kept until the last part only where a metric reads them."""
    found, add = [], gradients.add_gradients
    monkeypatch.setattr(gradients, "add_gradients", lambda *given: found.append(add(*given)) or found[-1])
    network = make_mlp()

    model = Model(network, sgd(network), "cross_entropy", device="cpu", metrics=metrics)
    model.fit(*make_data(ROWS), micro_batch_size=3, **ORDERED)

    assert [learned.outputs is None for learned in found] == [metrics is None] * 2
    assert [learned.size for learned in found] == [BATCH] * 2


# What ended in an error


@pytest.mark.parametrize("ended_by", [NonFiniteError, KeyboardInterrupt])
def test_fp16_after_an_error(ended_by):
    """A fit that ended in the middle of a step does not stand in the way of the next; 2 % is float16's noise."""
    x, y = make_data(ROWS)
    network, reference = make_mlp(), make_mlp()

    def interrupt(model, batch):
        raise KeyboardInterrupt

    before = weights_of(network)
    model = Model(network, sgd(network), "cross_entropy", device="cpu", precision="fp16")
    bad, callbacks = (x * math.nan, []) if ended_by is NonFiniteError else (x, [At("on_backward_end", interrupt)])
    with pytest.raises(ended_by):
        model.fit(bad, y, callbacks=callbacks, **{**ORDERED, "batch_size": 2})
    untouched = weights_of(network)
    model.fit(x, y, **ORDERED)
    train_by_hand(reference, sgd(reference), F.cross_entropy, zip(x.split(BATCH), y.split(BATCH), strict=True))

    assert torch.equal(untouched, before)
    ours, true = weights_of(network) - before, weights_of(reference) - before
    assert (ours - true).norm() <= 0.02 * true.norm()


@pytest.mark.parametrize("form", hand.OUT_OF_MEMORY)
@pytest.mark.parametrize("kind", ["batch_metrics", "epoch_metrics"])
def test_out_of_memory_in_a_metric(kind, form):
    """Memory that runs out in a metric's update is told in words, as everywhere."""

    class Hungry(poutyne.Metric):
        __name__ = "hungry"
        compute = reset = lambda self: None

        def update(self, y_pred, y_true):
            error = hand.OUT_OF_MEMORY[form]()
            raise error

        forward = update

    model = Model(make_mlp(), "sgd", "cross_entropy", device="cpu", **{kind: [Hungry()]})

    with pytest.raises(OutOfMemoryError, match="memory ran out beside forward and backward"):
        model.fit(*make_data(ROWS), **ORDERED)
