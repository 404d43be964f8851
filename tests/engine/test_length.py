"""Runs that end after so many updates, or after so much time."""

import time
from itertools import count

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from transformers import get_scheduler

from keraslike import Model
from keraslike.engine import gradients
from keraslike.engine.finite import StepGuard
from keraslike.errors import ArgumentError, DataError
from tests.engine.loops import batches_by_hand, make_data, make_mlp, train_by_hand, weights_of

X, Y = make_data(50)
VALID = make_data(20)
SEED = 5


def make_model(lr=0.1, dropout=0.3, **arguments):
    network = make_mlp(dropout=dropout)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    return Model(network, optimizer, "cross_entropy", metrics=["accuracy"], device="cpu", **arguments)


def fitted(data=(X, Y), validation=None, **arguments):
    model = make_model()
    given = {"batch_size": 8, "seed": SEED, "verbose": 0, **arguments}
    x, y = data if isinstance(data, tuple) else (data, None)
    if not isinstance(data, tuple):
        given.pop("batch_size")
    return model, model.fit(x, y, validation, **given)


# Updates


@pytest.mark.parametrize("updates", [1, 6, 7, 8, 17, 21])
def test_exactly_so_many_updates(updates):
    """The weights are those of a hand-written loop that stops after so many steps of the same epochs."""
    by_hand = make_mlp(dropout=0.3)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(SEED)
    batches = [rows for epoch in (1, 2, 3) for rows in batches_by_hand(50, 8, SEED, epoch)]
    train_by_hand(by_hand, optimizer, F.cross_entropy, [(X[rows], Y[rows]) for rows in batches[:updates]])

    model, history = fitted(updates=updates)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))
    assert len(history.learning_rates) == updates
    assert history.epoch == list(range(1, -(-updates // 7) + 1))


def test_partial_epoch():
    """The last row is of the batches that its epoch saw, and the history says how many these were."""
    by_hand = make_mlp()
    model = Model(by_hand, torch.optim.SGD(by_hand.parameters(), lr=0.0), "cross_entropy", device="cpu")

    history = model.fit(X, Y, updates=9, batch_size=8, seed=SEED, verbose=0)

    rows = torch.cat(batches_by_hand(50, 8, SEED, 2)[:2])
    assert history[-1]["loss"] == pytest.approx(F.cross_entropy(by_hand(X[rows]), Y[rows]).item(), rel=1e-6)
    assert history.stop_reason == "updates=9 were done after 2 of 7 batches of epoch 2"


def test_whole_epochs():
    """Updates that end with an epoch are the same run as these epochs, with nothing cut off."""
    counted, history = fitted(updates=14)
    plain, rows = fitted(epochs=2)

    assert torch.equal(weights_of(counted.network), weights_of(plain.network))
    assert [row["loss"] for row in history] == [row["loss"] for row in rows]
    assert history.stop_reason is None


@pytest.mark.parametrize("options", [{}, {"batches_per_step": 3}, {"steps_per_epoch": 4}])
def test_schedule_over_these_updates(options):
    """The schedule is planned over exactly these updates, whatever an epoch holds."""
    optimizer = torch.optim.SGD(make_mlp().parameters(), lr=0.1)
    true = get_scheduler("linear", optimizer, num_warmup_steps=2, num_training_steps=10)
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        true.step()

    _, history = fitted(updates=10, schedule="linear", warmup=0.2, **options)

    assert history.learning_rates == rates


@pytest.mark.parametrize(("options", "epochs"), [({"batches_per_step": 3}, 4), ({"steps_per_epoch": 4}, 3)])
def test_epochs_of_other_lengths(options, epochs):
    """An epoch has as many updates as batches_per_step and steps_per_epoch say."""
    assert len(fitted(updates=10, **options)[1]) == epochs


def test_updates_from_a_later_epoch():
    """Epochs are numbered from initial_epoch."""
    assert fitted(updates=10, initial_epoch=4)[1].epoch == [4, 5]


class Stream(IterableDataset):
    """Counts the batches that were drawn from it."""

    def __init__(self, batches=5):
        self.batches, self.drawn = batches, 0

    def __iter__(self):
        for start in range(0, 8 * self.batches, 8):
            self.drawn += 1
            yield X[start : start + 8], Y[start : start + 8]


def test_data_without_a_length():
    """A stream is read as often as needed; its schedule is planned over the updates; nothing is drawn in vain."""
    stream = Stream()

    _, history = fitted(DataLoader(stream, batch_size=None), updates=12, schedule="linear", warmup=0)

    assert history.learning_rates == pytest.approx([0.1 * (12 - step) / 12 for step in range(12)])
    assert history.epoch == [1, 2, 3]
    assert stream.drawn == 12
    assert history.stop_reason == "updates=12 were done after 2 batches of epoch 3"


def test_endless_generator():
    """A generator without an end is left after the last update."""
    drawn = []

    def endless():
        for number in count():
            drawn.append(number)
            yield X[:8], Y[:8]

    model = make_model()
    history = model.fit_generator(endless(), updates=5, seed=SEED, verbose=0)

    assert (drawn, history.epoch) == ([0, 1, 2, 3, 4], [1])


def test_generator_that_runs_out():
    """A generator that ends before is an error, as in every epoch but the first."""
    with pytest.raises(DataError, match="a generator can be read only once"):
        make_model().fit_generator(iter([(X, Y)] * 3), updates=5, verbose=0)


def test_schedule_without_a_length_names_the_way_out(capsys, tiny_bert, texts_and_labels):
    """Where the data have no length the line about the constant rate names `updates=`."""
    rows = [{"text": text, "label": label} for text, label in zip(*texts_and_labels, strict=True)]

    class Rows(IterableDataset):
        def __iter__(self):
            return iter(rows)

    def notes(**arguments):
        model = Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], device="cpu")
        loader = DataLoader(Rows(), batch_size=8, collate_fn=list)
        model.fit(loader, verbose=2, **arguments)
        return capsys.readouterr().out

    assert "The data have no length, so the learning rate stays constant; updates=" in notes(epochs=1)
    assert "no length" not in notes(updates=2)


def test_skipped_steps_do_not_count():
    """A step that was skipped is no update: the run goes on until so many were taken."""
    x = X.clone()
    x[0] = float("nan")

    _, history = fitted((x, Y), updates=14)

    first_two = [rows for epoch in (1, 2) for rows in batches_by_hand(50, 8, SEED, epoch)]
    assert sum(0 in rows for rows in first_two) == history.skipped_steps == 2
    assert (len(history.learning_rates), history.epoch) == (14, [1, 2, 3])


@pytest.mark.parametrize("given", [{"epochs": 2, "updates": 5}, {"updates": 5, "minutes": 1}])
def test_length_is_said_once(given):
    """Two lengths of one run are refused."""
    with pytest.raises(ArgumentError, match="each says how long the run is"):
        fitted(**given)


@pytest.mark.parametrize(("name", "value"), [("updates", 0), ("updates", 1.5), ("minutes", 0), ("minutes", "10")])
def test_no_length(name, value):
    """Neither is anything but a number above 0."""
    with pytest.raises(ArgumentError, match=f"{name}={value!r} is "):
        fitted(**{name: value})


def test_display_with_updates(capsys):
    """The display shows the epochs that are expected."""
    fitted(updates=10, verbose=2)

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["Epoch 1/2", "Epoch 2/2"]


# Time


class Hand:
    """A clock that moves by so many seconds with every batch that is learned from, and every validation."""

    def __init__(self, monkeypatch, of_step=1.0, of_validation=0.0):
        self.seconds, self.of_step, self.of_validation = 1000.0, of_step, of_validation
        monkeypatch.setattr(time, "perf_counter", lambda: self.seconds)

    def callback(self):
        return poutyne.LambdaCallback(on_backward_end=self._step, on_valid_end=self._validation)

    def _step(self, batch_number):
        self.seconds += self.of_step

    def _validation(self, logs):
        self.seconds += self.of_validation


def rate_at(share, name, warmup=0.1):
    """The rate of transformers' own schedule at a share of the run."""
    optimizer = torch.optim.SGD(make_mlp().parameters(), lr=0.1)
    made = get_scheduler(name, optimizer, num_warmup_steps=int(warmup * 1_000_000), num_training_steps=1_000_000)
    return 0.1 * made.lr_lambdas[0](int(share * 1_000_000))


NAMES = {
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_restarts": "cosine_with_restarts",
    "polynomial": "polynomial",
    "constant": "constant_with_warmup",
}


@pytest.mark.parametrize("name", NAMES)
def test_rate_follows_the_time(name, monkeypatch):
    """Each update has the rate of the share of the time that is over when it begins."""
    clock = Hand(monkeypatch)

    _, history = fitted(minutes=20 / 60, schedule=name, warmup=0.1, callbacks=[clock.callback()])

    assert history.learning_rates == pytest.approx([rate_at(step / 20, NAMES[name]) for step in range(20)])


def test_stops_on_time(monkeypatch):
    """Training ends at the first step boundary past the time, inside an epoch too, and the history says so."""
    clock = Hand(monkeypatch, of_step=3.0)

    _, history = fitted(minutes=0.5, callbacks=[clock.callback()])

    assert len(history.learning_rates) == 10
    assert history.epoch == [1, 2]
    assert history.stop_reason == "0.5 minutes were over after 3 of 7 batches of epoch 2"


def test_validation_is_counted(monkeypatch):
    """What a validation takes moves the rate on, and no epoch begins after the time."""
    clock = Hand(monkeypatch, of_step=1.0, of_validation=13.0)

    _, history = fitted(validation=VALID, minutes=40 / 60, schedule="linear", warmup=0.0, callbacks=[clock.callback()])

    shares = [step / 40 for step in range(7)] + [(20 + step) / 40 for step in range(7)]
    assert history.learning_rates == pytest.approx([rate_at(share, "linear", 0.0) for share in shares])
    assert history.epoch == [1, 2]
    assert history.stop_reason == "0.666667 minutes were over after epoch 2"


def test_one_step_at_least(monkeypatch):
    """However short the time is, one step is taken."""
    clock = Hand(monkeypatch, of_step=100.0)

    assert len(fitted(minutes=0.01, callbacks=[clock.callback()])[1].learning_rates) == 1


def test_rates_repeat_the_run(monkeypatch):
    """The rates that were recorded, given back, make the run again without a clock, bit for bit."""
    clock = Hand(monkeypatch, of_step=1.7)
    timed, first = fitted(minutes=0.5, schedule="cosine", warmup=0.1, callbacks=[clock.callback()])
    rates = first.learning_rates

    again, second = fitted(updates=len(rates), schedule=rates)

    assert second.learning_rates == rates
    assert torch.equal(weights_of(again.network), weights_of(timed.network))


def test_rates_repeat_the_run_by_hand(monkeypatch):
    """The same by a loop written by hand with torch's own LambdaLR."""
    clock = Hand(monkeypatch, of_step=1.7)
    timed, history = fitted(minutes=0.5, schedule="linear", warmup=0.1, callbacks=[clock.callback()])
    rates = history.learning_rates
    by_hand = make_mlp(dropout=0.3)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=1.0, momentum=0.9)
    schedule = LambdaLR(optimizer, lambda step: rates[min(step, len(rates) - 1)])

    torch.manual_seed(SEED)
    batches = [rows for epoch in (1, 2, 3) for rows in batches_by_hand(50, 8, SEED, epoch)]
    for rows in batches[: len(rates)]:
        train_by_hand(by_hand, optimizer, F.cross_entropy, [(X[rows], Y[rows])])
        schedule.step()

    assert torch.equal(weights_of(by_hand), weights_of(timed.network))


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.2, 0.1)])
def test_rates_repeat_the_run_of_several_groups(rates, monkeypatch):
    """So they do where the clock moves whenever it is read: all groups have the rate of the same moment."""
    seconds = count(1000, 0.125)
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))

    def of_groups():
        network = make_mlp(dropout=0.3)
        weights = [p for p in network.parameters() if p.ndim > 1], [p for p in network.parameters() if p.ndim == 1]
        groups = [{"params": held, "lr": rate} for held, rate in zip(weights, rates, strict=True)]
        return Model(network, torch.optim.AdamW(groups, lr=0.1), "cross_entropy", device="cpu")

    timed, again = of_groups(), of_groups()
    first = timed.fit(X, Y, batch_size=8, seed=SEED, verbose=0, minutes=1, schedule="linear", warmup=0.1)
    again.fit(X, Y, batch_size=8, seed=SEED, verbose=0, schedule=first.learning_rates)

    shares = [[rate / row[0] for rate in row] for row in first.group_rates if row and row[0]]
    assert len(first.learning_rates) > 7
    assert shares == [pytest.approx([1, rates[1] / rates[0]], rel=1e-12)] * len(shares)
    assert torch.equal(weights_of(again.network), weights_of(timed.network))


@pytest.mark.parametrize("schedule", ["linear", None])
def test_step_that_proves_to_be_skipped_in_time(schedule, monkeypatch):
    """A skipped step's rate is not kept; the next one's is that of its time, or of the step that was skipped."""
    monkeypatch.setattr(gradients, "read", torch.Tensor.detach)
    monkeypatch.setattr(StepGuard, "_is_late", lambda guard, found: bool(found))
    clock = Hand(monkeypatch)
    x = X.clone()
    x[0] = float("nan")
    network = make_mlp()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, fused=True)
    model = Model(network, optimizer, "cross_entropy", device="cpu")

    given = {"minutes": 20 / 60, "schedule": schedule, "warmup": 0.0, "callbacks": [clock.callback()]}
    history = model.fit(x, Y, batch_size=8, shuffle=False, verbose=0, **given)

    taken = [step for step in range(1, 20) if step % 7]
    rates = [rate_at(step / 20, "linear", 0.0) if schedule else 0.1 for step in taken]
    assert history.learning_rates == pytest.approx(rates, abs=0.1 / 20 + 1e-9)
    assert history.skipped_steps == 3


def test_time_without_a_schedule(monkeypatch):
    """Without a schedule the rate stays, and the time only ends the run."""
    clock = Hand(monkeypatch)

    assert fitted(minutes=5 / 60, callbacks=[clock.callback()])[1].learning_rates == [0.1] * 5


def test_real_time():
    """With the real clock the run ends about on time."""
    began = time.perf_counter()

    _, history = fitted(minutes=0.3 / 60, schedule="linear", warmup=0.1)

    assert 0.3 <= time.perf_counter() - began < 30
    assert history.learning_rates[-1] < max(history.learning_rates)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "StepLR", [0.1, 0.2], {"name": "linear", "every": "epoch"}])
def test_schedules_that_count_updates(schedule):
    """What counts updates or epochs cannot follow the time, and the error lists what can."""
    with pytest.raises(ArgumentError, match=r"cannot follow the time(.|\n)*linear, cosine"):
        fitted(minutes=1, schedule=schedule)


def test_misspelt_schedule():
    """A misspelt name gets the nearest."""
    with pytest.raises(ArgumentError, match="did you mean 'cosine'"):
        fitted(minutes=1, schedule="cosin")


def test_warmup_that_counts_updates():
    """A warm-up in updates has no meaning without their number."""
    with pytest.raises(ArgumentError, match=r"warmup=100 counts optimizer steps(.|\n)*warmup=0.1"):
        fitted(minutes=1, schedule="linear", warmup=100)


@pytest.mark.parametrize("kind", ["progress_options", "callback"])
def test_poutynes_display(kind):
    """Poutyne's display shows the number of epochs, which nobody knows here."""
    display = {"coloring": False}
    given = {"callbacks": [poutyne.ProgressionCallback(**display)]} if kind == "callback" else {kind: display}

    with pytest.raises(ArgumentError, match="Poutyne's display shows the number of epochs"):
        fitted(minutes=1, **{"verbose": 1, **given})


def test_display_with_minutes(capsys, monkeypatch):
    """Our display shows the epoch alone."""
    clock = Hand(monkeypatch)

    fitted(minutes=10 / 60, verbose=2, callbacks=[clock.callback()])

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["Epoch 1", "Epoch 2"]


def test_early_stop_within_the_time(monkeypatch):
    """Early stopping ends a timed run too."""
    clock = Hand(monkeypatch, of_step=0.01)

    _, history = fitted(validation=VALID, minutes=1, early_stop=1, callbacks=[clock.callback()])

    assert history.stop_reason.startswith("val_loss did not get better")


def test_loader(monkeypatch):
    """A loader of the user's own is trained from in the same way."""
    loader = DataLoader(TensorDataset(X, Y), batch_size=8)

    _, history = fitted(loader, updates=9)

    assert (len(history.learning_rates), history.epoch) == (9, [1, 2])
