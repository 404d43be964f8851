"""What `plan` tells, beside what `fit` with the same arguments then does."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import DataError
from keraslike.recipes import peak_memory, verbs
from keraslike.recipes.coming import Steps
from keraslike.recipes.forecasting import chosen
from keraslike.recipes.peak_memory import standing_bytes

Data = tuple[list[str], list[str]]
ROUNDS = "keraslike.recipes.forecasting.SECONDS"


class Counting(nn.Module):
    """Counts validations by the passes in evaluation mode that follow one in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.passes = nn.Linear(4, 2), [True]

    def forward(self, x: Tensor) -> Tensor:
        if self.passes[-1] != self.training:
            self.passes.append(self.training)
        return self.layer(x)


def tensors(rows: int = 50) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, 4, generator=generator), torch.randint(0, 2, (rows,), generator=generator)


LENGTHS: list[dict[str, Any]] = [
    {"epochs": 3},
    {"updates": 11},
    {"updates": 14, "validate_every": 4},
    {"epochs": 2, "validate_every": 5},
    {"epochs": 2, "validate_every": 2},
    {"epochs": 2, "batches_per_step": 3},
    {"epochs": 3, "steps_per_epoch": 4},
    {"epochs": 2, "steps_per_epoch": 13},
    {"epochs": 3, "initial_epoch": 2, "validate_every": 3},
    {"updates": 7, "batches_per_step": 2},
    {"epochs": 2, "sampler": range(20)},
    {"epochs": 2, "dataloader_kwargs": {"drop_last": True}},
]


@pytest.mark.parametrize("options", LENGTHS, ids=str)
def test_counts_updates_and_validations(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """The updates are those of the run, and so is the number of validations, inside the epochs and at their ends."""
    monkeypatch.setattr(ROUNDS, 0.0)
    model = Model(Counting(), "adamw", "cross_entropy", device="cpu")
    given: Any = {"validation_data": tensors(8), "batch_size": 6, **options}
    plan = model.plan(*tensors(), **given)
    model.network.passes[:] = [True]
    history = model.fit(*tensors(), verbose=0, **given)

    assert (plan.updates, plan.validations) == (len(history.learning_rates), model.network.passes.count(False))


@pytest.mark.parametrize("options", [{"epochs": 3}, {"updates": 7}, {"epochs": 2, "micro_batch_size": 3}], ids=str)
@pytest.mark.parametrize("name", ["tiny_bert", "tiny_gpt2"])
def test_counts_tokens(name: str, options: dict[str, Any], texts_and_labels: Data, request: Any, monkeypatch: Any):
    """The tokens that the layers are given, and the share of padding, are known beforehand to the last token."""
    monkeypatch.setattr(ROUNDS, 0.0)
    folder: Path = request.getfixturevalue(name)
    model = Model(str(folder), task="text-classification", device="cpu")
    given: Any = {"batch_size": 6, "seed": 4, **options}
    plan = model.plan(*texts_and_labels, **given)
    history = model.fit(*texts_and_labels, verbose=0, **given)

    assert (plan.tokens, plan.padding) == (history.tokens_sent, pytest.approx(history.padding, abs=1e-12))


def test_counts_all_of_many_steps(monkeypatch: pytest.MonkeyPatch):
    """Epochs beyond those that are counted one by one are taken for their mean."""
    monkeypatch.setattr("keraslike.recipes.reckoning.COUNTED", 5)
    plan = Model(nn.Linear(4, 2), "sgd", "cross_entropy", device="cpu").plan(*tensors(), epochs=6, batch_size=6)

    assert (plan.updates, plan.epochs) == (54, 6)


class Time:
    """A clock that goes on only where somebody works."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now


class Slow(nn.Module):
    """Takes 5 milliseconds for each call and 1 for each example; 30 more where its first layer learns."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.first, self.last, self.time = nn.Linear(4, 4), nn.Linear(4, 2), time

    def forward(self, x: Tensor) -> Tensor:
        is_learning = self.training and self.first.weight.requires_grad
        self.time.now += 0.005 + 0.001 * len(x) + 0.030 * is_learning
        return self.last(self.first(x))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time that passes in the network alone, for whoever asks for it."""
    own = Time()
    read = SimpleNamespace(process_time=own.read, perf_counter=own.read)
    for name in ("keraslike.recipes.stopwatch", "keraslike.recipes.forecasting", "keraslike.engine.clock"):
        monkeypatch.setattr(f"{name}.time", read)
    return own


TIMED: list[dict[str, Any]] = [
    {"epochs": 3},
    {"updates": 30},
    {"epochs": 2, "validate_every": 4},
    {"epochs": 2, "batches_per_step": 2},
    {"epochs": 1, "validation_steps": 3},
    {"epochs": 40},
]


@pytest.mark.parametrize("options", TIMED, ids=str)
def test_tells_the_time(options: dict[str, Any], clock: Time):
    """A network whose time is a line over the examples: that of steps and validations is told exactly."""
    model = Model(Slow(clock), "sgd", "cross_entropy", device="cpu")
    given: Any = {"validation_data": tensors(90), "batch_size": 8, **options}
    plan = model.plan(*tensors(100), **given)
    began = clock.now
    model.fit(*tensors(100), verbose=0, **given)

    assert plan.seconds == plan.cpu_seconds == pytest.approx(clock.now - began, rel=1e-6)


def test_tells_the_updates_of_minutes(clock: Time):
    """How many updates there are in so many minutes; the last one, and its validation, are finished."""
    model = Model(Slow(clock), "sgd", "cross_entropy", device="cpu")
    given: Any = {"validation_data": tensors(40), "batch_size": 8, "minutes": 0.1}
    plan = model.plan(*tensors(100), **given)
    began = clock.now
    history = model.fit(*tensors(100), verbose=0, **given)

    assert (plan.updates, plan.validations) == (len(history.learning_rates), len(history))
    assert plan.seconds == pytest.approx(clock.now - began, rel=1e-6)


def test_tells_the_time_of_a_loader(clock: Time):
    """Batches that come as they are count as the mean of the first ones."""
    loader = DataLoader(TensorDataset(*tensors(96)), batch_size=8)
    model = Model(Slow(clock), "sgd", "cross_entropy", device="cpu")
    plan = model.plan(loader, validation_data=loader, epochs=3)
    began = clock.now
    model.fit(loader, validation_data=loader, epochs=3, verbose=0)

    assert plan.seconds == pytest.approx(clock.now - began, rel=1e-6)
    assert "come as they are" in str(plan)


def test_counts_what_begins_to_learn(clock: Time):
    """Epochs from which on more layers learn are tried by themselves."""
    model = Model(Slow(clock), "sgd", "cross_entropy", device="cpu")
    given: Any = {"batch_size": 8, "epochs": 4, "freeze": ["first"], "unfreeze": {3: "all"}}
    plan = model.plan(*tensors(100), **given)
    began = clock.now
    model.fit(*tensors(100), verbose=0, **given)

    assert plan.seconds == pytest.approx(clock.now - began, rel=1e-6)


@pytest.mark.parametrize(("seconds", "tries"), [(0.0, 8), (1e9, 62)])
def test_tries_no_longer_than_it_needs(
    seconds: float, tries: int, tiny_bert: Path, texts_and_labels: Data, monkeypatch: pytest.MonkeyPatch
):
    """One round of slow steps is enough; further ones are taken only as long as they are quick."""
    monkeypatch.setattr(ROUNDS, seconds)
    model, steps = Model(str(tiny_bert), task="text-classification", device="cpu"), []
    model.fit(*texts_and_labels, epochs=1, verbose=0)
    model.optimizer.register_step_pre_hook(lambda *_: steps.append(1))

    model.plan(*texts_and_labels, epochs=1)

    assert len(steps) == tries


def test_loads_libraries_only_once(clock: Time, monkeypatch: pytest.MonkeyPatch):
    """What comes before the first step counts as it is the second time, unless it takes long."""
    model = Model(Slow(clock), "sgd", "cross_entropy", device="cpu")
    bare, calls = model.plan(*tensors(), batch_size=8).seconds, []

    def slow_first(*_: Any) -> None:
        calls.append(1)
        clock.now += 3.0 if len(calls) == 1 else 1.0

    monkeypatch.setattr(verbs, "check_steps", slow_first)
    short = model.plan(*tensors(), batch_size=8).seconds
    monkeypatch.setattr("keraslike.recipes.forecasting.SHORT", 0.5)
    long = model.plan(*tensors(), batch_size=8).seconds

    assert (short - bare, long - bare, len(calls)) == (pytest.approx(1.0), pytest.approx(1.0), 3)


@pytest.mark.skipif(not peak_memory.STATUS.exists(), reason="there is no high-water mark")
def test_tells_the_memory():
    """Weights, gradients, moments and activations of a wide network: the peak is that of the run, to a fifth."""
    network = nn.Sequential(nn.Linear(4, 3_000_000), nn.Tanh(), nn.Linear(3_000_000, 2))  # blocks that are given back
    model = Model(network, "adamw", "cross_entropy", device="cpu")
    given: Any = {"batch_size": 4, "epochs": 1}
    plan = model.plan(*tensors(12), **given)
    memory = peak_memory.PeakMemory(is_on_accelerator=False)
    memory.begin()
    model.fit(*tensors(12), verbose=0, **given)
    taken = memory.peak() - plan.held_bytes  # the allocator keeps some of what the plan has given back

    assert taken > 200e6
    assert plan.peak_bytes - plan.held_bytes == pytest.approx(taken, rel=0.2)


def test_reckons_the_memory_where_nothing_measures_it(monkeypatch: pytest.MonkeyPatch):
    """Without a high-water mark the tensors are added up, and that is said."""
    monkeypatch.setattr(peak_memory, "STATUS", Path("/nowhere"))
    model = Model(nn.Sequential(nn.Linear(4, 10), nn.Tanh(), nn.Linear(10, 2)), "adamw", "mse", device="cpu")
    plan = model.plan(torch.zeros(30, 4), torch.zeros(30, 2), batch_size=10)
    weights = 4 * (4 * 10 + 10 + 10 * 2 + 2)
    steps = 4 * 4  # AdamW counts the steps of each parameter
    activations = 4 * (30 * 4 + 10 * 10)  # the rows of all batches are gathered at once

    assert plan.peak_bytes == 4 * weights + steps + activations
    assert "reckoned" in str(plan)


def test_counts_the_copy_that_early_stopping_keeps(monkeypatch: pytest.MonkeyPatch):
    """The best weights and moments are kept beside the others, and the run may end sooner: both are said."""
    monkeypatch.setattr(peak_memory, "STATUS", Path("/nowhere"))
    x, y = tensors()
    model = Model(nn.Linear(4, 2), "adamw", "cross_entropy", device="cpu")
    given: Any = {"validation_data": (x, y), "batch_size": 10}
    without, stopping = model.plan(x, y, **given), model.plan(x, y, early_stop=2, **given)

    assert stopping.peak_bytes - without.peak_bytes == 3 * 4 * (4 * 2 + 2) + 2 * 4
    assert "sooner" in str(stopping)


def test_refuses_data_without_a_length():
    """Of a stream nobody knows how many updates it takes, unless it is said."""

    class Stream:
        def __iter__(self) -> Any:
            return iter([tensors(4)] * 30)

    model = Model(nn.Linear(4, 2), "sgd", "cross_entropy", device="cpu")
    with pytest.raises(DataError, match="no length"):
        model.plan(Stream())
    plan = model.plan(Stream(), updates=20)

    assert (plan.updates, plan.epochs) == (20, None)


def test_prints_and_is_plain():
    """A plan prints as a few lines, and is made of plain numbers for JSON."""
    plan = Model(nn.Linear(4, 2), "sgd", "cross_entropy", device="cpu").plan(*tensors(), epochs=2)
    told = plan.to_json()

    assert str(plan).startswith("4 updates in 2 epochs\n  time")
    assert told["minutes"] == told["seconds"] / 60
    assert {type(value) for value in told.values()} <= {int, float, list}


def test_chooses_from_all_over_the_range():
    """The step with the largest part comes first; small, middling and large ones follow, the short last one never."""
    sent = np.arange(100, 0, -1.0)
    largest = np.where(sent == 33, 99.0, 1.0)
    groups = [[np.array([place])] * (2 if place < 99 else 1) for place in range(100)]
    found = [int(key[0]) for key in chosen(Steps(sent, sent, sent, largest, groups), per_step=2)]

    assert found[:4] == [67, 67, 49, 49]
    assert {sent[place] for place in found} == {51, 7, 95, 26, 76, 33} or len(set(found)) == 6
    assert 99 not in found


def test_asks_the_accelerator(monkeypatch: pytest.MonkeyPatch):
    """On an accelerator the clocks wait for it, and what is held and the peak are its own; copies lie elsewhere."""
    waits: list[int] = []
    answers: dict[str, Any] = {
        "synchronize": lambda: waits.append(1),
        "reset_peak_memory_stats": lambda: None,
        "memory_allocated": lambda: 30,
        "max_memory_allocated": lambda: 70,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.accelerator, name, answer)
    monkeypatch.setattr(Model, "is_on_accelerator", True)
    plan = Model(nn.Linear(4, 2), "adamw", "cross_entropy", device="cpu").plan(*tensors(), batch_size=8)

    assert (plan.peak_bytes, plan.held_bytes) == (70, 30)
    assert len(waits) > 7


def test_counts_weights_buffers_gradients_and_moments():
    """What stands beside the activations is counted tensor by tensor."""
    model: Any = Model(nn.BatchNorm1d(5), {"optim": "sgd", "lr": 0.1, "momentum": 0.9}, "mse", device="cpu")
    model.train_on_batch(torch.randn(4, 5), torch.zeros(4, 5))

    assert standing_bytes(model) == 4 * (10 + 10 + 10 + 10) + 8
    assert standing_bytes(model, has_gradients=False) == 4 * 30 + 8
