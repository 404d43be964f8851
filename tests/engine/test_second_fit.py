"""A second `fit` goes on where the first one ended, as the design says, sentence by sentence."""

import pytest
import torch
import torch.nn.functional as F

from keraslike import Model
from tests.engine.loops import batches_by_hand, make_data, make_mlp, train_by_hand, weights_of

X, Y = make_data(20)
OTHER = make_data(12, classes=2)


def by_hand(orders):
    """Train by hand on batches of these epochs; each fit seeds anew. Give network and optimizer."""
    network = make_mlp(dropout=0.3)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for seed, epochs, steps in orders:
        torch.manual_seed(seed)
        batches = [rows for epoch in epochs for rows in batches_by_hand(20, 8, seed, epoch)][:steps]
        train_by_hand(network, optimizer, F.cross_entropy, [(X[rows], Y[rows]) for rows in batches])
    return network, optimizer


def make_model():
    network = make_mlp(dropout=0.3)
    return Model(network, torch.optim.Adam(network.parameters(), lr=0.01), "cross_entropy", device="cpu")


def fit(model, **arguments):
    return model.fit(X, Y, **{"batch_size": 8, "verbose": 0, **arguments})


def test_weights_and_moments():
    """Weights and moments go on: both are those of a loop by hand with one optimizer."""
    network, optimizer = by_hand([(1, (1, 2), None), (2, (3,), None)])
    model = make_model()

    fit(model, epochs=2, seed=1)
    fit(model, epochs=1, seed=2)

    assert torch.equal(weights_of(model.network), weights_of(network))
    pairs = zip(model.optimizer.state.values(), optimizer.state.values(), strict=True)
    assert all(torch.equal(ours[name], theirs[name]) for ours, theirs in pairs for name in theirs)


@pytest.mark.parametrize("updates", [4, 5])
def test_order_after_a_partial_epoch(updates):
    """An epoch that was left in its middle counts as one of the model's life: the next order is the one after it."""
    network, _ = by_hand([(1, (1, 2), updates), (2, (3,), None)])
    model = make_model()

    fit(model, updates=updates, seed=1)
    fit(model, epochs=1, seed=2)

    assert torch.equal(weights_of(model.network), weights_of(network))


def test_order_after_an_early_stop():
    """Epochs that were run and not kept count too."""
    model = make_model()
    first = model.fit(X, Y, (X, Y), epochs=50, early_stop=1, learning_rate=0.5, batch_size=8, seed=1, verbose=0)
    assert first.best["epoch"] < len(first) < 50
    kept = weights_of(model.network)
    seen = []

    class Seeing(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            seen.append(x)
            return self.inner(x)

    model.network[0] = Seeing(model.network[0])
    fit(model, epochs=1, seed=2)

    true = [X[rows] for rows in batches_by_hand(20, 8, 2, len(first) + 1)]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(seen, true, strict=True))
    assert not torch.equal(weights_of(model.network), kept)


@pytest.mark.parametrize("second", [{"epochs": 2}, {"updates": 6}, {"minutes": 0.001}])
def test_new_schedule(second):
    """The schedule is planned anew, from the full rate down, not from the 0 where the first one ended."""
    model = make_model()

    fit(model, epochs=2, schedule="linear", warmup=0)
    history = fit(model, schedule="linear", warmup=0, **second)

    assert history.learning_rates[0] == pytest.approx(0.01, rel=0.2)
    assert model.optimizer.param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize("first", [{"updates": 4}, {"minutes": 0.001}, {"epochs": 2}])
def test_rate_without_a_schedule_after_one_with(first):
    """A run without a schedule has the rate from before the schedule."""
    model = make_model()

    fit(model, schedule="linear", warmup=0.5, **first)

    assert set(fit(model, epochs=1).learning_rates) == {0.01}


def test_learning_rate_given_again():
    """`learning_rate=` may be given again; the moments stay."""
    model = make_model()

    fit(model, epochs=1, seed=1)
    history = fit(model, epochs=1, learning_rate=0.002)

    assert set(history.learning_rates) == {0.002}
    assert {int(state["step"]) for state in model.optimizer.state.values()} == {6}


def test_own_rows_and_numbers():
    """Each call returns its own rows, numbered from initial_epoch; `model.history` has all rows, rates, validations."""
    model = make_model()

    first = model.fit(X, Y, (X, Y), updates=5, validate_every=2, batch_size=8, verbose=0)
    second = model.fit(X, Y, (X, Y), epochs=6, initial_epoch=5, validate_every=2, batch_size=8, verbose=0)

    assert [first.epoch, second.epoch] == [[1, 2], [5, 6]]
    assert list(model.history) == [*first, *second]
    assert model.history.learning_rates == first.learning_rates + second.learning_rates
    assert model.history.validations == first.validations + second.validations
    assert (first.stop_reason is not None, second.stop_reason) == (True, None)


def test_other_data():
    """Other rows, of another number, are learned from with the same optimizer."""
    model = make_model()

    fit(model, epochs=1)
    history = model.fit(*OTHER, epochs=1, batch_size=8, verbose=0)

    assert len(history.learning_rates) == 2
    assert {int(state["step"]) for state in model.optimizer.state.values()} == {5}


def test_nothing_left_to_train_is_said(capsys):
    """A first epoch behind the last one trains nothing, as in Poutyne, and a line says what `epochs` counts."""
    network = make_mlp()
    model = Model(network, "sgd", "cross_entropy", device="cpu")

    history = model.fit(X, Y, epochs=2, initial_epoch=3, verbose=2)

    assert history == []
    assert "Nothing to train: epochs=2 is the number of the last epoch" in capsys.readouterr().out
