"""Validations inside an epoch change nothing of the training, and are rows of their own."""

import random

import numpy as np
import poutyne
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from keraslike import Model
from keraslike.engine import gradients
from keraslike.engine.finite import StepGuard
from keraslike.errors import ArgumentError, DataError
from tests.engine.loops import make_data, make_mlp, weights_of

TRAIN, VALID = make_data(50), tuple(column[50:] for column in make_data(80))
SEED = 3


class Drawing(nn.Module):
    """Draws from all three generators in every mode, and goes wrong where its own mode is not put back."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.3)

    def forward(self, x):
        noise = torch.rand(()).item() + np.random.rand() + random.random()
        return self.dropout(x) * (1 + 0.01 * noise)


def with_batch_norm():
    return nn.Sequential(make_mlp(dropout=0.3), nn.BatchNorm1d(3))


def with_draws():
    return nn.Sequential(Drawing(), make_mlp(dropout=0.3))


NETWORKS = {"dropout": lambda: make_mlp(dropout=0.3), "batch norm": with_batch_norm, "draws when measured": with_draws}
OPTIONS = {
    "whole batches": {},
    "micro-batches": {"micro_batch_size": 4},
    "several batches a step": {"batches_per_step": 2},
    "class weights": {"class_weight": {0: 1.0, 1: 5.0, 2: 0.5}},
    "schedule": {"schedule": "linear", "warmup": 0.2},
}


def fitted(network, validation=VALID, data=TRAIN, metrics=("accuracy",), **options):
    model = Model(network, "adam", "cross_entropy", metrics=list(metrics), batch_metrics=["accuracy"], device="cpu")
    given = {"epochs": 3, "batch_size": 8, "seed": SEED, "learning_rate": 0.02, "verbose": 0, **options}
    if isinstance(data, DataLoader):
        given.pop("batch_size")
    x, y = data if isinstance(data, tuple) else (data, None)
    return model, model.fit(x, y, validation, **given)


def moments(model):
    return torch.cat(
        [tensor.flatten().float() for state in model.optimizer.state.values() for tensor in state.values()]
    )


@pytest.mark.filterwarnings("ignore:BatchNorm1d sees")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("options", OPTIONS)
def test_training_is_the_same_to_the_bit(network, options):
    """Weights, buffers, moments and the training's own figures are those of a run without any validation."""
    make, chosen = NETWORKS[network], OPTIONS[options]

    plain, history = fitted(make(), None, **chosen)
    measured, with_rows = fitted(make(), validate_every=2, **chosen)

    assert torch.equal(weights_of(measured.network), weights_of(plain.network))
    assert torch.equal(moments(measured), moments(plain))
    buffers = zip(measured.network.buffers(), plain.network.buffers(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in buffers)
    for name in ("loss", "acc", "accuracy"):
        assert with_rows.history[name] == history.history[name]
    assert with_rows.learning_rates == history.learning_rates
    assert len(with_rows.validations) > 5


class Noisy(Dataset):
    """Rows that draw from all generators, and are moved by what they drew, as augmentations do."""

    def __init__(self, columns):
        self.columns = columns

    def __len__(self):
        return len(self.columns[0])

    def __getitem__(self, index):
        noise = torch.rand(1) + np.random.rand() + random.random()
        return (self.columns[0][index] + noise).float(), self.columns[1][index]


VALIDATIONS = {
    "tensors": lambda: VALID,
    "drawing loader": lambda: DataLoader(Noisy(VALID), batch_size=8, shuffle=True),
    "drawing dataset": lambda: Noisy(VALID),
}


@pytest.mark.parametrize("kind", VALIDATIONS)
@pytest.mark.parametrize("source", ["tensors", "drawing loader"])
def test_validation_that_draws(kind, source):
    """What the validation data draw reaches neither the network nor the training data that draw themselves."""

    def data():
        return TRAIN if source == "tensors" else DataLoader(Noisy(TRAIN), batch_size=8, shuffle=True)

    plain, _ = fitted(make_mlp(dropout=0.3), None, data())
    measured, _ = fitted(make_mlp(dropout=0.3), VALIDATIONS[kind](), data(), validate_every=3)

    assert torch.equal(weights_of(measured.network), weights_of(plain.network))


def test_rows():
    """Every validation is a row: each second update, and the end of each epoch, which is not counted twice."""
    _, history = fitted(make_mlp(), validate_every=2, epochs=2)

    where = [(row["epoch"], row["update"]) for row in history.validations]
    assert where == [(1, 2), (1, 4), (1, 6), (1, 7), (2, 8), (2, 10), (2, 12), (2, 14)]
    assert {*history.validations[0]} == {"epoch", "update", "val_loss", "val_acc", "val_accuracy"}
    ends = [row for row in history.validations if row["update"] in (7, 14)]
    assert [row["val_loss"] for row in ends] == history.history["val_loss"]


def test_update_that_ends_an_epoch_is_measured_once():
    """Where the last update of an epoch was just validated, the epoch's row has those values."""
    passes = []

    class Counting(Dataset):
        def __len__(self):
            return len(VALID[0])

        def __getitem__(self, index):
            passes.append(index)
            return VALID[0][index], VALID[1][index]

    _, history = fitted(make_mlp(), Counting(), validate_every=7, epochs=2)

    assert passes.count(0) == len(history.validations) == 2
    assert [row["val_loss"] for row in history.validations] == history.history["val_loss"]


@pytest.mark.parametrize("weights", [None, {0: 1.0, 1: 5.0, 2: 0.5}])
def test_values_are_those_of_evaluate(weights):
    """A row's values are what `evaluate` gives for a model that was trained for as many updates."""
    _, history = fitted(make_mlp(dropout=0.3), validate_every=4, epochs=2, class_weight=weights)

    for row in history.validations:
        shorter, _ = fitted(make_mlp(dropout=0.3), None, epochs=None, updates=row["update"], class_weight=weights)
        true = shorter.evaluate(*VALID, return_dict=True, verbose=0)
        assert {name: row[f"val_{name}"] for name in true} == pytest.approx(true, rel=1e-6)


def test_updates_count_over_the_run():
    """Updates are counted over the epochs, and are optimizer steps, not batches."""
    _, history = fitted(make_mlp(), validate_every=3, epochs=3, batches_per_step=4)

    assert [row["update"] for row in history.validations] == [2, 3, 4, 6]


def test_skipped_steps_are_no_updates():
    """A step that was skipped is none, and the update before it is not measured again."""
    x = TRAIN[0].clone()
    x[24:32] = float("nan")
    model = Model(make_mlp(), "sgd", "cross_entropy", device="cpu")

    history = model.fit(x, TRAIN[1], VALID, epochs=1, batch_size=8, shuffle=False, validate_every=3, verbose=0)

    assert history.skipped_steps == 1
    assert [row["update"] for row in history.validations] == [3, 6]


def test_way_of_an_accelerator(monkeypatch):
    """Where a step's flag is read one step late, a validation waits for it, and changes nothing else."""
    monkeypatch.setattr(gradients, "read", torch.Tensor.detach)
    monkeypatch.setattr(StepGuard, "_is_late", lambda guard, found: bool(found))
    x = TRAIN[0].clone()
    x[24:32] = float("nan")
    make = {"data": (x, TRAIN[1]), "shuffle": False, "schedule": "linear", "warmup": 0.2, "updates": 12, "epochs": None}

    plain, rates = fitted(make_mlp(dropout=0.3), None, **make)
    measured, history = fitted(make_mlp(dropout=0.3), validate_every=3, **make)

    assert torch.equal(weights_of(measured.network), weights_of(plain.network))
    assert history.learning_rates == rates.learning_rates
    assert len(rates.learning_rates) == 12
    assert [row["update"] for row in history.validations] == [3, 6, 9, 12]
    assert history.skipped_steps == 2


def test_every_part_keeps_its_mode():
    """A part that a callback has set to evaluation mode is still so after a validation."""
    modes = []

    class Freezing(poutyne.Callback):
        def on_train_batch_begin(self, batch_number, logs):
            if batch_number == 1:
                self.model.network[1].eval()

        def on_train_batch_end(self, batch_number, logs):
            modes.append((self.model.network[1].training, self.model.network[0].training))

    fitted(with_batch_norm(), validate_every=2, epochs=1, callbacks=[Freezing()])

    assert modes == [(False, True)] * 7


class Looking(poutyne.Callback):
    """Keeps the rows that it is shown, and the calls of Poutyne's protocol."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.rows, self.calls, self.stop_at = [], [], stop_at

    def on_validation_end(self, row):
        self.rows.append(dict(row))
        row.clear()  # it is a copy
        if self.rows[-1]["update"] == self.stop_at:
            self.model.stop_training = True

    def on_valid_begin(self, logs):
        self.calls.append("begin")

    def on_valid_end(self, logs):
        self.calls.append("end")


@pytest.mark.parametrize("options", [{}, {"validate_every": 5}])
def test_hook(options):
    """`on_validation_end` is called after every validation, those of the epochs' ends included."""
    looking = Looking()

    _, history = fitted(make_mlp(), callbacks=[looking], epochs=2, **options)

    assert [row["update"] for row in looking.rows] == ([5, 7, 10, 14] if options else [7, 14])
    assert history.validations == (looking.rows if options else [])


def test_poutynes_calls():
    """Poutyne's callbacks know validations at the end of an epoch alone, and get those calls."""
    looking = Looking()

    fitted(make_mlp(), callbacks=[looking], epochs=2, validate_every=2)

    assert looking.calls == ["begin", "end"]  # the second epoch's last update was just measured


def test_monitors_of_poutyne():
    """A callback of Poutyne's finds its val_ monitor at the end of every epoch."""
    callback = poutyne.EarlyStopping(monitor="val_loss", patience=1)

    _, history = fitted(make_mlp(), callbacks=[callback], validate_every=7, epochs=30, learning_rate=0.2)

    assert len(history) < 30


def test_callback_stops_inside_an_epoch():
    """A callback that stops the training after a validation ends the epoch there; its row has what was seen."""
    _, history = fitted(make_mlp(), callbacks=[Looking(stop_at=10)], validate_every=5)

    assert len(history.learning_rates) == 10
    assert [row["epoch"] for row in history] == [1, 2]
    assert history.stop_reason == "a callback stopped the training after 3 of 7 batches of epoch 2"
    assert history[-1]["val_loss"] == history.validations[-1]["val_loss"]


def test_early_stop_follows():
    """Early stopping counts these validations, stops inside the epoch, and puts the best weights back."""
    model, history = fitted(make_mlp(), validate_every=2, early_stop=2, epochs=30, learning_rate=0.3)

    best = history.best["update"]
    shorter, _ = fitted(make_mlp(), None, epochs=None, updates=best, learning_rate=0.3)
    assert history.validations[-1]["update"] > best
    assert min(history.validations, key=lambda row: row["val_loss"]) == history.best
    assert torch.equal(weights_of(model.network), weights_of(shorter.network))
    assert "up to" in history.stop_reason


def test_best_update_is_told(capsys):
    """The line names the update."""
    _, history = fitted(make_mlp(), validate_every=2, early_stop=2, epochs=30, learning_rate=0.3, verbose=2)

    best = history.best
    assert f"after update {best['update']} (epoch {best['epoch']})" in capsys.readouterr().out


def test_lines(capsys):
    """Each validation inside an epoch is one line, in the log's order."""
    fitted(make_mlp(), validate_every=5, epochs=1, verbose=2)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Update 5", "Epoch 1/1"]


@pytest.mark.parametrize("given", [{"validate_every": 7}, {"validate_every": 5, "epochs": None, "updates": 5}])
def test_figures_are_said_once(given, capsys):
    """Where a validation falls on an epoch's end, the epoch's line has its figures."""
    fitted(make_mlp(), verbose=2, **{"epochs": 1, **given})

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["Epoch 1/1"]


def test_validation_that_runs_out():
    """A generator that can be read only once gives one validation, and then an error in words."""
    with pytest.raises(DataError, match="a generator can be read only once"):
        fitted(make_mlp(), (pair for pair in [VALID]), validate_every=2, data=list_of_batches())


def list_of_batches():
    return DataLoader(TensorDataset(*TRAIN), batch_size=8)


def test_without_validation_data():
    """There is nothing to measure without validation data, and the error says how to get them."""
    with pytest.raises(ArgumentError, match=r"no validation data(.|\n)*validation_split=0.1"):
        fitted(make_mlp(), None, validate_every=2)


def test_with_a_task(tiny_bert, texts_and_labels):
    """With a task and dropout the weights are those of a run without validation."""
    texts, labels = texts_and_labels

    def weights(**arguments):
        model = Model(str(tiny_bert), task="text-classification", device="cpu")
        history = model.fit(texts, labels, epochs=1, batch_size=8, seed=SEED, verbose=0, **arguments)
        return weights_of(model.network), history

    plain, _ = weights()
    measured, history = weights(validation_data=(texts[:8], labels[:8]), validate_every=2)

    assert torch.equal(measured, plain)
    assert [row["update"] for row in history.validations] == [2, 4, 5]
    assert "val_accuracy" in history.validations[0]
