"""Early stopping: when a run ends, and which weights, buffers and moments it leaves."""

import copy
import math
import weakref

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from keraslike import Model
from keraslike.engine import best_state
from keraslike.engine.best_state import BestState
from keraslike.engine.early_stop import EarlyStop
from keraslike.errors import ArgumentError, NonFiniteError
from tests.engine.loops import batches_by_hand, make_data, make_mlp, train_by_hand, weights_of

TRAIN, VALID = make_data(50), tuple(column[50:] for column in make_data(80))
SEED = 1


def make_network():
    """A network whose buffers move in training."""
    return nn.Sequential(make_mlp(dropout=0.2), nn.BatchNorm1d(3, dtype=torch.float32))


def fitted(network=None, *, loss="cross_entropy", lr=0.05, **arguments):
    network = make_network() if network is None else network
    model = Model(network, torch.optim.Adam(network.parameters(), lr=lr), loss, metrics=["accuracy"], device="cpu")
    given = {"epochs": 12, "batch_size": 8, "seed": SEED, "verbose": 0, **arguments}
    return model, model.fit(*TRAIN, VALID, **given)


def by_hand(epochs, lr=0.05):
    """Train by hand, and give the validation losses, and network and optimizer as they are after each epoch."""
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    torch.manual_seed(SEED)
    losses, states = [], []
    for epoch in range(1, epochs + 1):
        batches = [(TRAIN[0][rows], TRAIN[1][rows]) for rows in batches_by_hand(50, 8, SEED, epoch)]
        train_by_hand(network, optimizer, F.cross_entropy, batches)
        network.eval()
        with torch.no_grad():
            losses.append(F.cross_entropy(network(VALID[0]), VALID[1]).item())
        states.append(copy.deepcopy((network.state_dict(), optimizer.state_dict()["state"])))
    return losses, states


def is_same(ours, theirs):
    """Whether two trees of dicts have the same tensors, bit for bit."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(is_same(ours[key], theirs[key]) for key in ours)
    return torch.equal(ours, theirs)


@pytest.mark.parametrize("patience", [2, 100], ids=["triggered", "not triggered"])
def test_best_weights_buffers_and_moments_are_put_back(patience):
    """The model ends as a hand-written loop was after its best epoch, whether or not the run was stopped."""
    losses, states = by_hand(12)
    best = min(range(12), key=losses.__getitem__)
    assert best < 9

    model, history = fitted(early_stop=patience)

    assert history.best["epoch"] == best + 1
    assert history.best["val_loss"] == pytest.approx(losses[best], rel=1e-5)
    assert len(history) == (best + 3 if patience == 2 else 12)
    assert is_same(model.network.state_dict(), states[best][0])
    assert is_same(model.optimizer.state_dict()["state"], states[best][1])


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("min_delta", [0.0, 0.05])
def test_stops_where_poutyne_stops(patience, min_delta):
    """The run is as long as with Poutyne's callback of the same patience and threshold."""
    callback = poutyne.EarlyStopping(monitor="val_loss", patience=patience, min_delta=min_delta)

    ours = fitted(early_stop={"patience": patience, "min_delta": min_delta})[1]
    theirs = fitted(callbacks=[callback])[1]

    assert len(ours) == len(theirs) < 12


def test_the_same_tensors():
    """The optimizer holds the network's own parameters as before: the next step changes them."""
    network = make_network()
    parameters = list(network.parameters())

    model, _ = fitted(network, early_stop=2)
    before = weights_of(network)
    model.fit(*TRAIN, epochs=1, seed=2, verbose=0)

    assert all(ours is theirs for ours, theirs in zip(network.parameters(), parameters, strict=True))
    assert not torch.equal(weights_of(network), before)


def test_monitor_where_larger_is_better():
    """A metric that is better where it is larger is followed upwards; the first of equal values is the best."""
    _, history = fitted(early_stop={"monitor": "val_accuracy", "patience": 100})

    values = history.history["val_accuracy"]
    assert history.best["epoch"] == values.index(max(values)) + 1
    assert min(values) < max(values)


def test_stop_is_told(capsys):
    """One line says why and which epoch was best; the history has the reason and the row."""
    _, history = fitted(early_stop=2, verbose=2)

    best = history.best["epoch"]
    lines = [line for line in capsys.readouterr().out.splitlines() if "best" in line]
    why = "val_loss did not get better in 2 validations in a row"
    value = f"{history.best['val_loss']:#.4g}"
    assert lines == [f"Stopped: {why}. The best val_loss was {value} after epoch {best}, whose weights are put back."]
    assert history.stop_reason == f"{why}, up to epoch {best + 2}"
    assert set(history.best) == {"epoch", "update", "val_loss", "val_accuracy"}


def test_run_that_is_not_stopped(capsys):
    """Where the last epoch is the best, nothing is put back, and the line says so."""
    _, history = fitted(early_stop=3, epochs=1, verbose=2)

    assert (history.best["epoch"], history.stop_reason) == (1, None)
    assert capsys.readouterr().out.splitlines()[-1].endswith("after epoch 1, the last weights.")


def test_model_history_knows_the_best():
    """`model.history` has the best row of the last call that looked for one."""
    model, first = fitted(early_stop=2)

    second = model.fit(*TRAIN, epochs=1, seed=2, verbose=0)

    assert model.history.best == first.best
    assert second.best is None


def test_second_fit_looks_anew():
    """A second fit has a count and a best row of its own."""
    model, _ = fitted(early_stop=1)

    history = model.fit(*TRAIN, VALID, epochs=1, early_stop=1, seed=2, verbose=0)

    assert (history.best["epoch"], history.stop_reason) == (1, None)


def test_values_that_are_not_finite():
    """A loss that is NaN is never the best, and counts as no better."""
    stop = EarlyStop("val_loss", patience=2)

    seen = [stop.look({"val_loss": value}) for value in (math.nan, 0.5, math.nan, -math.inf)]

    assert seen == [False, True, False, False]
    assert (stop.waited, stop.is_over, stop.best) == (2, True, {"val_loss": 0.5})


def test_nothing_but_nan(capsys):
    """Where no validation was a number the last weights stay, and the line says so."""

    def broken(y_pred, y_true):
        loss = F.cross_entropy(y_pred, y_true)
        return loss if torch.is_grad_enabled() else loss * math.nan

    model, history = fitted(loss=broken, early_stop=2, verbose=2)

    assert (history.best, len(history)) == (None, 2)
    assert "never a finite number, so the weights are the last ones" in capsys.readouterr().out
    assert model.history.best is None


def test_small_leads():
    """A lead below min_delta makes the best row, and does not start the count anew."""
    stop = EarlyStop("val_loss", patience=3, min_delta=0.1)

    seen = [stop.look({"val_loss": value}) for value in (1.0, 0.95, 0.91, 0.85, 0.80)]

    assert seen == [True] * 5
    assert (stop.waited, stop.best) == (1, {"val_loss": 0.80})


def test_larger_leads():
    """Upwards the lead counts the other way."""
    stop = EarlyStop("val_f1", patience=2, is_higher_better=True, min_delta=0.1)

    seen = [stop.look({"val_f1": value}) for value in (0.5, 0.55, 0.65, 0.6)]

    assert seen == [True, True, True, False]
    assert stop.waited == 1


def test_callback_that_stops():
    """Where a callback ends the run, the best weights are put back all the same."""

    class Stopping(poutyne.Callback):
        def on_epoch_end(self, epoch_number, logs):
            self.model.stop_training = epoch_number == 7

    _, states = by_hand(7)

    model, history = fitted(early_stop=100, callbacks=[Stopping()])

    assert history.stop_reason == "a callback stopped the training after epoch 7"
    assert is_same(model.network.state_dict(), states[history.best["epoch"] - 1][0])


def test_reason_of_a_callback():
    """A callback that says why it stopped is quoted."""

    class Stopping(poutyne.Callback):
        stop_reason = "the rate fell below 1e-4"

        def on_epoch_end(self, epoch_number, logs):
            self.model.stop_training = True

    assert fitted(callbacks=[Stopping()])[1].stop_reason == "the rate fell below 1e-4"


def test_callbacks_see_the_last_weights_until_the_end():
    """The best weights are back when `on_train_end` is called, and not before."""
    seen = {}
    model = None

    class Watching(poutyne.Callback):
        def on_epoch_end(self, epoch_number, logs):
            seen[epoch_number] = weights_of(self.model.network)

        def on_train_end(self, logs):
            seen["end"] = weights_of(self.model.network)

    model, history = fitted(early_stop=2, callbacks=[Watching()])

    assert torch.equal(seen["end"], seen[history.best["epoch"]])
    assert torch.equal(weights_of(model.network), seen["end"])


def test_nothing_to_run():
    """A run of no epochs looks at nothing and says nothing of it."""
    _, history = fitted(early_stop=2, epochs=1, initial_epoch=2)

    assert (list(history), history.best) == ([], None)


@pytest.mark.parametrize("every", [{}, {"validate_every": 5}], ids=["per epoch", "inside"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, NonFiniteError("none", "some"), ZeroDivisionError])
def test_best_is_put_back_where_an_exception_ends_the_run(error, every, capsys):
    """An interrupt, or an error, leaves the best weights so far and their moments, and the line is said."""
    seen = {}

    class Break(poutyne.Callback):
        def on_validation_end(self, row):
            seen[row["update"]] = copy.deepcopy((weights_of(network), self.model.optimizer.state_dict()["state"]))

        def on_train_batch_end(self, batch_number, logs):
            if len(seen) == 5 and batch_number == 3:
                raise error

    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    model = Model(network, optimizer, "cross_entropy", device="cpu")

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        model.fit(
            *TRAIN, VALID, epochs=12, batch_size=8, seed=SEED, early_stop=9, verbose=2, callbacks=[Break()], **every
        )

    weights, moments = seen[model.history.best["update"]]
    assert torch.equal(weights_of(network), weights)
    assert is_same(optimizer.state_dict()["state"], moments)
    assert "The best val_loss was" in capsys.readouterr().out


@pytest.mark.parametrize("every", [{}, {"validate_every": 5}], ids=["per epoch", "inside"])
def test_step_that_did_not_end(every):
    """An interrupt in the first step after the best validation leaves what that was measured with, buffers too."""
    seen = {}

    class Break(poutyne.Callback):
        def on_validation_end(self, row):
            seen["state"] = copy.deepcopy((network.state_dict(), self.model.optimizer.state_dict()["state"]))

        def on_backward_end(self, batch_number):
            if seen:  # BatchNorm has looked at the batch, and the weights have not moved yet
                seen["changed"] = not is_same(network.state_dict(), seen["state"][0])
                raise KeyboardInterrupt

    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    model = Model(network, optimizer, "cross_entropy", device="cpu")

    with pytest.raises(KeyboardInterrupt):
        model.fit(*TRAIN, VALID, epochs=3, batch_size=8, early_stop=9, verbose=0, callbacks=[Break()], **every)

    assert seen["changed"]
    assert is_same(network.state_dict(), seen["state"][0])
    assert is_same(optimizer.state_dict()["state"], seen["state"][1])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("copied", range(1, 60, 7))
def test_copy_that_is_broken_off(error, copied, monkeypatch, capsys):
    """Where the best weights cannot be copied to the end, the network still has them, and the line says so."""
    calls = []

    def breaking(value):
        calls.append(value)
        if len(calls) == copied:
            raise error
        return whole(value)

    whole = best_state._copied
    monkeypatch.setattr(best_state, "_copied", breaking)
    _, states = by_hand(5)
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    model = Model(network, optimizer, "cross_entropy", device="cpu")

    with pytest.raises(error):
        model.fit(*TRAIN, VALID, epochs=5, batch_size=8, seed=SEED, early_stop=9, verbose=2)

    best = model.history.best["epoch"]
    assert best == len(model.history) + 1
    assert is_same(network.state_dict(), states[best - 1][0])
    assert is_same(optimizer.state_dict()["state"], states[best - 1][1])
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"after epoch {best}, the last weights.")


def test_exception_before_the_first_validation(capsys):
    """Where nothing was measured yet, the weights are the last ones."""

    def fail(batch_number, logs):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fitted(early_stop=2, verbose=2, callbacks=[poutyne.LambdaCallback(on_train_batch_end=fail)])

    assert "val_loss" not in capsys.readouterr().out


def test_name_that_turns_out_to_be_missing():
    """Where a loss of the user's own may name further values, an unknown name is refused at the first validation."""

    def loss(y_pred, y_true):
        value = F.cross_entropy(y_pred, y_true)
        return value, {"margin": value.detach()}

    model, history = fitted(loss=loss, early_stop={"monitor": "val_margin", "mode": "min", "patience": 2})
    with pytest.raises(ArgumentError, match=r"watches 'val_margn'(.|\n)*did you mean 'val_margin'"):
        fitted(loss=loss, early_stop={"monitor": "val_margn", "mode": "min"})

    assert history.best["val_margin"] == pytest.approx(history.best["val_loss"])
    assert model.history.best == history.best


# What is kept


def test_buffers_and_moments_are_the_same_tensors():
    """What else holds a buffer or a moment, as a captured graph does, sees the best values too."""
    network = nn.BatchNorm1d(2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(4, 2)).square().sum().backward()
    optimizer.step()
    held = [*network.parameters(), *network.buffers(), *(t for s in optimizer.state.values() for t in s.values())]
    before = [tensor.detach().clone() for tensor in held]
    best = BestState(network, optimizer)
    best.keep()

    with torch.no_grad():
        for tensor in held:
            tensor.add_(1)
    best.put_back()

    now = [*network.parameters(), *network.buffers(), *(t for s in optimizer.state.values() for t in s.values())]
    assert len(held) == 2 + 3 + 2 * 3
    assert all(ours is theirs for ours, theirs in zip(now, held, strict=True))
    assert all(torch.equal(tensor, value) for tensor, value in zip(held, before, strict=True))


def test_one_copy_at_a_time(monkeypatch):
    """What was kept before is gone before anything more is copied: there is never memory for two asked for."""
    left, whole = [], best_state._copied

    def watched(value):
        before = [copied for copied in copies if copied() is not None]
        left.append(len(before))
        made = whole(value)
        fresh.append(weakref.ref(made))
        return made

    copies, fresh = [], []
    monkeypatch.setattr(best_state, "_copied", watched)
    network = nn.BatchNorm1d(2)
    best = BestState(network, torch.optim.SGD(network.parameters(), lr=0.1))
    best.keep()
    copies, fresh = fresh, []
    assert [copied() is not None for copied in copies] == [True] * 5
    best.keep()

    assert (len(fresh), set(left)) == (5, {0})


def test_parameters_beyond_the_network():
    """A loss with weights of its own, which the optimizer holds, is put back too."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.register_buffer("seen", torch.zeros(()))

    network, loss = nn.Linear(2, 2), Scaled()
    optimizer = torch.optim.SGD([*network.parameters(), loss.scale], lr=0.1, momentum=0.9)
    best = BestState(network, optimizer, loss)
    best.keep()

    with torch.no_grad():
        loss.scale.fill_(3.0)
        loss.seen.fill_(3.0)
    best.put_back()

    assert (loss.scale.item(), loss.seen.item()) == (1.0, 0.0)


def test_state_that_came_later():
    """Moments of a parameter that has learned only since then are gone: as then, there are none."""
    network = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    best = BestState(network, optimizer)
    best.keep()

    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert len(optimizer.state) == 2
    best.put_back()

    assert len(optimizer.state) == 0


def test_state_in_other_forms():
    """Numbers, None and nested dicts among the moments are put back; a buffer that was replaced, too."""
    network = nn.Linear(1, 1)
    network.register_buffer("seen", torch.zeros(2))
    network.register_buffer("nothing", None)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    kept = {"step": 1, "inner": {"mean": torch.ones(1)}, "buffer": None}
    optimizer.state[network.weight] = copy.deepcopy(kept)
    best = BestState(network, optimizer)
    best.keep()

    optimizer.state[network.weight] = {"step": 5, "inner": {"mean": torch.zeros(1)}, "more": 3}
    network.seen = torch.ones(3)
    best.put_back()

    state = optimizer.state[network.weight]
    assert (state["step"], state["inner"]["mean"].item(), state["buffer"]) == (1, 1.0, None)
    assert set(state) == set(kept)
    assert torch.equal(network.seen, torch.zeros(2))
    assert network.nothing is None


def test_nothing_was_kept():
    """Putting back what was never kept changes nothing."""
    network = nn.Linear(1, 1)
    before = weights_of(network)

    BestState(network, torch.optim.SGD(network.parameters(), lr=0.1)).put_back()

    assert torch.equal(weights_of(network), before)
