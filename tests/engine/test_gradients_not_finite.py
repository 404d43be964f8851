"""Gradients of every kind are looked at: sparse, complex, scaled; and what the optimizer's own step may do."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.engine.finite import told
from keraslike.errors import NonFiniteError, OutOfMemoryError
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS, BATCH = 24, 8


class Spoil(torch.autograd.Function):
    """The identity, whose gradient is spoilt where the flag is set."""

    @staticmethod
    def forward(ctx, outputs, is_bad, value):
        ctx.is_bad, ctx.value = is_bad, value
        return outputs.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.value if ctx.is_bad else gradient, None, None


class Words(nn.Module):
    """Means of word vectors whose gradients are sparse; word 9 spoils them."""

    def __init__(self, value):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.table = nn.Embedding.from_pretrained(
            torch.randn(10, 3, generator=generator, dtype=torch.float64), freeze=False, sparse=True
        )
        self.value = value

    def forward(self, x):
        return Spoil.apply(self.table(x).mean(1), bool((x == 9).any()), self.value)


def make_words(*bad):
    x = torch.randint(9, (ROWS, 5), generator=torch.Generator().manual_seed(2))
    x[list(bad), 2] = 9
    return x, make_data(ROWS)[1]


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_sparse_gradients(value, micro_batch_size):
    """A step whose sparse gradient is not finite is left out and named; the others are those of torch alone."""
    x, y = make_words(11)
    network, reference = Words(value), Words(value)
    optimizer = torch.optim.SparseAdam(reference.parameters(), lr=0.1)
    for rows in (slice(0, 8), slice(16, 24)):
        optimizer.zero_grad()
        F.cross_entropy(reference(x[rows]), y[rows]).backward()
        assert reference.table.weight.grad.is_sparse
        optimizer.step()

    model = Model(network, torch.optim.SparseAdam(network.parameters(), lr=0.1), "cross_entropy", device="cpu")
    options = {"batch_size": BATCH, "shuffle": False, "micro_batch_size": micro_batch_size, "verbose": 0}
    history = model.fit(x, y, **options)

    assert hand.largest_difference(network, reference) <= 1e-10
    assert history.skipped_steps == 1
    assert history.skipped[0]["parameter"] == "table.weight"
    assert math.isfinite(history.skipped[0]["loss"])
    assert history.skipped[0]["rows"] == list(range(8, 16))


class Waves(nn.Module):
    """A layer of complex weights; a first number of 100 spoils its gradient."""

    def __init__(self, value):
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.weight = nn.Parameter(torch.randn(4, 3, generator=generator, dtype=torch.complex128))
        self.value = value

    def forward(self, x):
        outputs = (x.clamp(-3, 3).to(self.weight.dtype) @ self.weight).abs()
        return Spoil.apply(outputs, bool((x == 100).any()), self.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_complex_gradients(value):
    """The same for complex weights."""
    x, y = make_data(ROWS)
    x[9, 0] = 100
    network, reference = Waves(value), Waves(value)
    optimizer = hand.sgd(reference)
    for rows in (slice(0, 8), slice(16, 24)):
        optimizer.zero_grad()
        F.cross_entropy(reference(x[rows]), y[rows]).backward()
        optimizer.step()

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    history = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    torch.testing.assert_close(network.weight, reference.weight, rtol=1e-10, atol=1e-10)
    assert [(skipped["batch"], skipped["parameter"]) for skipped in history.skipped] == [(2, "weight")]


def test_network_without_a_gradient():
    """A step in which no parameter has a gradient is taken: nothing in it is not finite."""

    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))

        def forward(self, x):
            return self.used * x[:, :3]

    network = Unused()
    model = Model(network, torch.optim.SGD([network.unused], lr=0.1), "cross_entropy", device="cpu")

    history = model.fit(*make_data(BATCH), batch_size=BATCH, verbose=0)

    assert (history.skipped_steps, len(history.learning_rates)) == (0, 1)
    assert torch.equal(network.unused.detach(), torch.ones(3))


def test_parameter_beyond_the_network():
    """A parameter that only the optimizer knows is named for what it is."""
    scale = nn.Parameter(torch.ones(()))
    network = nn.Linear(4, 3)
    network.register_forward_hook(lambda _, __, outputs: outputs.detach() + Spoil.apply(scale * 1.0, True, math.nan))

    model = Model(network, "sgd", "cross_entropy", device="cpu")
    model.optimizer.add_param_group({"params": [scale]})
    history = model.fit(*make_data(BATCH), batch_size=BATCH, verbose=0)

    assert history.skipped[0]["parameter"] == "a parameter of the loss"
    assert scale.item() == 1


# The optimizer's own step


class Exhausted(torch.optim.SGD):
    """Raises in its second step."""

    def __init__(self, parameters, error):
        super().__init__(parameters, lr=0.1)
        self.error, self.steps = error, 0

    def step(self, closure=None):
        self.steps += 1
        if self.steps == 2:
            raise self.error
        return super().step(closure)


FORMS = {**{name: make() for name, make in hand.OUT_OF_MEMORY.items()}, "python": MemoryError()}


@pytest.mark.parametrize("form", FORMS)
def test_optimizer_out_of_memory(form):
    """The error says that it was the optimizer, by name, and what needs less; nothing is cut, no step tried again."""
    network = make_mlp()
    optimizer = Exhausted(network.parameters(), FORMS[form])
    model = Model(network, optimizer, "cross_entropy", device="cpu")

    with pytest.raises(OutOfMemoryError, match="in the step of Exhausted itself") as caught:
        model.fit(*make_data(ROWS), batch_size=BATCH, verbose=0)

    assert optimizer.steps == 2
    assert "the weights may be changed in part" in caught.value.do
    assert model.micro_batch_limit is None


def test_other_errors_of_the_optimizer():
    """Any other error is the user's to see."""
    network = make_mlp()
    error = RuntimeError("expected a coalesced gradient")
    model = Model(network, Exhausted(network.parameters(), error), "cross_entropy", device="cpu")

    with pytest.raises(RuntimeError) as caught:
        model.fit(*make_data(ROWS), batch_size=BATCH, verbose=0)

    assert caught.value is error


# Scaled gradients of float16


def steep(outputs, targets):
    return 3000 * F.mse_loss(outputs, targets)


def by_scaler(network, x, y, rate):
    """Train by hand with torch's own scaler; give the skipped batches and the scale at the end."""
    optimizer, scaler = torch.optim.SGD(network.parameters(), lr=rate), torch.amp.GradScaler("cpu")
    skipped = []
    for number, rows in enumerate(torch.arange(len(x)).split(BATCH), 1):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            outputs = network(x[rows])
        scaler.scale(steep(outputs.float(), y[rows])).backward()
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() < before:
            skipped.append(number)
    return skipped, scaler.get_scale()


def test_scale_that_is_too_large_is_forgiven():
    """With fp16 more than three skipped steps in a row end nothing, as long as the losses are finite."""
    x, y = make_data(16 * BATCH)
    targets = F.one_hot(y, 3).float()
    network, reference = make_mlp(), make_mlp()
    skipped, scale = by_scaler(reference, x, targets, 1e-6)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=1e-6), steep, precision="fp16", device="cpu")
    history = model.fit(DataLoader(TensorDataset(x, targets), batch_size=BATCH), verbose=0)

    assert len(skipped) > 3
    assert [entry["batch"] for entry in history.skipped] == skipped
    assert model.precision.scaler.get_scale() == scale
    torch.testing.assert_close(weights_of(network), weights_of(reference), rtol=1e-6, atol=1e-7)


def test_loss_is_not_forgiven():
    """A loss that is not finite is no matter of the scale: three in a row end the training with fp16 too."""
    x, y = make_data(ROWS * 2)
    x[:] = math.nan
    network = make_mlp()
    model = Model(
        network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", precision="fp16", device="cpu"
    )

    with pytest.raises(NonFiniteError, match="3 optimizer steps"):
        model.fit(x, y, batch_size=BATCH, verbose=0)


# In words


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (None, "Epoch 2, batch 5: loss 0.25, gradient of w not finite."),
        ([], "Epoch 2, batch 5: loss 0.25, gradient of w not finite."),
        (list(range(8)), "Epoch 2, batch 5 (rows 0, 1, 2, 3, 4, 5, 6, 7): loss 0.25, gradient of w not finite."),
        (list(range(9)), "Epoch 2, batch 5 (rows 0, 1, 2, 3, 4, 5, 6, 7, ...): loss 0.25, gradient of w not finite."),
    ],
)
def test_told_in_words(rows, words):
    """At most eight rows are listed; a loader's, which nobody knows, are not."""
    assert told({"epoch": 2, "batch": 5, "rows": rows, "loss": 0.25, "parameter": "w"}) == words


def test_told_without_a_parameter():
    """Where no gradient is to blame, none is named."""
    words = told({"epoch": 1, "batch": 1, "rows": None, "loss": math.inf, "parameter": None})

    assert words == "Epoch 1, batch 1: loss inf."
