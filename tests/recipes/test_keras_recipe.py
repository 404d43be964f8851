"""`recipe="keras"` beside Keras 3 on torch: the same bits, and where it deviates on purpose."""

import copy
import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from poutyne import set_seeds

from keraslike import Model
from keraslike.recipes import KerasAdam
from tests.engine.loops import make_data, make_mlp, weights_of
from tests.recipes.beside_tools import ROWS, SEED, fit


@pytest.fixture(scope="module")
def keras():
    """Keras, on torch."""
    os.environ["KERAS_BACKEND"] = "torch"
    return pytest.importorskip("keras", reason="Keras comes with the bench extra")


def wrapped(keras, network):
    """Give a torch network behind Keras' verbs."""

    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.inside = keras.layers.TorchModuleWrapper(network)

        def call(self, inputs, training=None):
            self.inside.module.train(bool(training))
            return self.inside.module(inputs)

        def build(self, shape):
            self.built = True

    return Wrapped()


def trained(keras, *, optimizer="adam", rows=ROWS, validation=False, dropout=0.3, loss=None, **options):
    """Train by Keras' fit, seeded before; give the network and the loss of every epoch."""
    network = make_mlp(dropout=dropout)
    model = wrapped(keras, network)
    optimizer = optimizer(model) if callable(optimizer) else optimizer
    model.compile(optimizer, loss or (lambda y, outputs: F.cross_entropy(outputs, y.long())))
    set_seeds(SEED)
    x, y = (values.numpy() for values in make_data(rows))
    history = model.fit(x, y, validation_data=(x, y) if validation else None, verbose=0, **options)
    return network, [float(loss) for loss in history.history["loss"]]


def means(losses, sizes):
    """Give the loss of every epoch as Keras averages it: sums of loss times examples, in float32."""
    means = []
    for start in range(0, len(losses), len(sizes)):
        total, count = np.float32(0), np.float32(0)
        for loss, size in zip(losses[start:], sizes, strict=False):
            total, count = total + np.float32(loss) * np.float32(size), count + np.float32(size)
        means.append(float(total / count))
    return means


@pytest.mark.parametrize("shuffle", [True, False])
def test_tensors(keras, shuffle):
    """Its Adam, its order, and dropout behind the numbers that its loaders draw."""
    network, losses = trained(keras, epochs=3, batch_size=16, shuffle=shuffle)

    ours, our_losses, history = fit("keras", batch_size=16, epochs=3, shuffle=shuffle)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert means(our_losses, [16, 16, 16, 2]) == losses
    assert [row["loss"] for row in history] == pytest.approx(losses, rel=1e-6)


def test_without_a_word(keras):
    """Without a word of the user's: one epoch in batches of 32."""
    network, losses = trained(keras)

    ours, our_losses, _ = fit("keras")

    assert torch.equal(weights_of(ours), weights_of(network))
    assert means(our_losses, [32, 18]) == losses


def test_loss_of_its_own(keras):
    """Its cross-entropy has the gradients of torch's."""
    network, _ = trained(keras, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), epochs=3)

    ours, *_ = fit("keras", epochs=3)

    assert torch.equal(weights_of(ours), weights_of(network))


def test_words_of_the_user(keras):
    """Its rate and its decay are taken from the user."""

    def adam(model):
        made = keras.optimizers.Adam(1e-2, weight_decay=0.1)
        made.exclude_from_weight_decay([weight for weight in model.trainable_variables if len(weight.shape) < 2])
        return made

    network, losses = trained(keras, optimizer=adam)

    ours, our_losses, _ = fit("keras", learning_rate=1e-2, weight_decay=0.1)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert means(our_losses, [32, 18]) == losses


# Where Keras is wrong


def test_validation_shifts_keras(keras):
    """The loader of its validation draws a number, which changes the training; ours leaves it as it is without."""
    with_it, _ = trained(keras, epochs=3, validation=True)
    without, _ = trained(keras, epochs=3)

    ours, *_ = fit("keras", epochs=3, validation=True)

    assert not torch.equal(weights_of(with_it), weights_of(without))
    assert torch.equal(weights_of(ours), weights_of(without))


def test_accumulation(keras):
    """A short last part weighs as much as the others in its accumulated gradient; in ours every example does."""
    adam = keras.optimizers.SGD(1.0, gradient_accumulation_steps=4)
    theirs, _ = trained(keras, optimizer=adam, rows=14, batch_size=4, shuffle=False, dropout=0.0)
    x, y = make_data(14)
    true, ours = make_mlp(), make_mlp()
    start = weights_of(true)
    F.cross_entropy(true(x), y).backward()
    torch.optim.SGD(true.parameters(), lr=1.0).step()

    model = Model(ours, torch.optim.SGD(ours.parameters(), lr=1.0), "cross_entropy", device="cpu")
    model.fit(x, y, batch_size=14, micro_batch_size=4, recipe="keras", verbose=0)

    moved, their_move, our_move = (weights_of(network) - start for network in (true, theirs, ours))
    assert float((their_move - moved).norm() / moved.norm()) > 0.05
    assert float((our_move - moved).norm() / moved.norm()) < 1e-6


# Its Adam, without it


def adam_by_hand(gradients, lr, eps=1e-7, decay=0.0):
    """Give a weight that starts at 1, in float64, by the formula of the documentation."""
    weight, momentum, velocity = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        weight *= 1 - lr * decay
        momentum = 0.9 * momentum + 0.1 * gradient
        velocity = 0.999 * velocity + 0.001 * gradient**2
        rate = lr * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
        weight -= rate * momentum / (velocity**0.5 + eps)
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_formula(size, decay):
    """Epsilon stands beside the velocity as it is, the correction of both moments in the rate."""
    gradients = (torch.randn(20, generator=torch.Generator().manual_seed(0)) * size).tolist()
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = KerasAdam([weight], lr=1e-2, weight_decay=decay)

    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()

    assert weight.item() == pytest.approx(adam_by_hand(gradients, 1e-2, decay=decay), abs=1e-8)  # a rate in float32


def test_differs_from_torch():
    """Where gradients are as small as epsilon the two formulas take other steps."""
    steps = {}
    for kind in (KerasAdam, torch.optim.Adam):
        weight = torch.nn.Parameter(torch.ones(1))
        weight.grad = torch.full((1,), 1e-6)
        kind([weight], lr=1.0, eps=1e-7).step()
        steps[kind] = 1 - weight.item()

    assert steps[torch.optim.Adam] == pytest.approx(1 / 1.1, rel=1e-4)
    assert steps[KerasAdam] == pytest.approx(0.001**0.5 / (0.001**0.5 + 0.1), rel=1e-4)


def test_closure_and_weights_without_gradient():
    """A closure is called with gradients on; a weight without a gradient stays as it is."""
    weight, other = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = KerasAdam([weight, other], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (weight * 2).sum()
        loss.backward()
        return loss

    loss = optimizer.step(closure)

    assert loss.item() == 2
    assert weight.item() == pytest.approx(0.9)
    assert other.item() == 1


def test_state_goes_round():
    """Its state is saved and read as that of any torch optimizer, the number of steps included."""
    network, another = make_mlp(), make_mlp()
    x, y = make_data(8)
    first, second = KerasAdam(network.parameters()), KerasAdam(another.parameters())
    F.cross_entropy(network(x), y).backward()
    first.step()
    another.load_state_dict(network.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))

    for model, optimizer in ((network, first), (another, second)):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    assert torch.equal(weights_of(another), weights_of(network))


def test_moments_and_their_count_are_put_back():
    """After early stopping a further step is that of a run which ended with the best epoch: the count goes back too."""
    x, y = make_data(ROWS)

    def trained_to(epochs, **options):
        model = Model(make_mlp(dropout=0.3), "auto", "cross_entropy", device="cpu")
        given = {"recipe": "keras", "learning_rate": 0.05, "seed": SEED, "verbose": 0, **options}
        return model, model.fit(x, y, (x.flip(0), y), epochs=epochs, **given)

    stopped, history = trained_to(30, early_stop=2)
    best = history.best["epoch"]
    shorter, _ = trained_to(best)
    for model in (stopped, shorter):
        model.optimizer.zero_grad()
        F.cross_entropy(model.network.eval()(x), y).backward()
        model.optimizer.step()

    assert best < len(history)
    assert torch.equal(weights_of(stopped.network), weights_of(shorter.network))


def test_count_is_of_all_weights():
    """A weight that learns only later is corrected by the number of all steps, as in Keras."""
    first, later = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = KerasAdam([first, later], lr=0.1)

    for weights in ([first], [first, later]):
        for weight in weights:
            weight.grad = torch.ones(1)
        optimizer.step()

    correction = (1 - 0.999**2) ** 0.5 / (1 - 0.9**2)
    assert 1 - later.item() == pytest.approx(0.1 * correction * 0.1 / 0.001**0.5, rel=1e-4)
