"""Probes leave no trace: the same hash before and after, and a fit afterwards has the bits of one without a probe."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from poutyne import Callback
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from keraslike import Model
from keraslike.errors import ArgumentError, NotFittedError

Data = tuple[list[str], list[str]]
Probe = Callable[..., Any]

PROBES: dict[str, Probe] = {
    "plan": lambda model, *data, **options: model.plan(*data, **options),
    "rate": lambda model, *data, **options: model.find_learning_rate(*data, updates=12, **options),
    "size": lambda model, *data, **options: model.find_batch_size(*data, **options),
}
EACH = pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    """One round of steps is enough where no time is looked at."""
    monkeypatch.setattr("keraslike.recipes.forecasting.SECONDS", 0.0)
    monkeypatch.setattr("keraslike.recipes.forecasting.PLAIN_STEPS", 8)


def digest(value: Any) -> str:
    """Hash tensors, numbers, and anything nested, bit by bit."""
    return hashlib.sha256(_bytes(value)).hexdigest()


def _bytes(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        return str((value.dtype, value.shape)).encode() + value.detach().cpu().contiguous().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return b"".join(repr(name).encode() + _bytes(part) for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return b"".join(map(_bytes, value))
    return repr(value).encode()


def random_state() -> str:
    return digest([torch.get_rng_state(), np.random.get_state(), random.getstate()])


def everything(model: Any) -> dict[str, str]:
    """Hash whatever a training changes, each by itself, so that a difference has a name."""
    groups = [
        {name: value for name, value in group.items() if name != "params"} for group in model.optimizer.param_groups
    ]
    network = model.network
    found = {
        "weights": network.state_dict(),
        "gradients": [parameter.grad for parameter in network.parameters()],
        "learning": [parameter.requires_grad for parameter in network.parameters()],
        "modes": [module.training for module in network.modules()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules()],
        "moments": model.optimizer.state_dict()["state"],
        "groups": groups,
        "members": [[id(parameter) for parameter in group["params"]] for group in model.optimizer.param_groups],
        "optimizer": sorted(vars(model.optimizer)),
        "history": [*model.history, model.history.learning_rates],
        "sums": model.loss_function._sums,
        "attributes": sorted(vars(model)),
        "limits": [model.micro_batch_limit, model.measuring_limit, model.training_loss],
        "task": None if model.task is None else [model.labels, model.task.notes, vars(model._feed)["columns"]],
        "settled": None if model.task is None else model._blueprint.is_settled,
        "config": None if not hasattr(network, "config") else network.config.to_dict(),
    }
    return {**{name: digest(value) for name, value in found.items()}, "random": random_state()}


def seed_all() -> None:
    torch.manual_seed(5)
    np.random.seed(6)
    random.seed(7)


def plain_model(optimizer: Any = "adamw") -> Any:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 2))
    return Model(network, optimizer, "cross_entropy", metrics=["accuracy"], batch_metrics=["accuracy"], device="cpu")


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 4, generator=generator), torch.randint(0, 2, (40,), generator=generator)


@EACH
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", {"optim": "sgd", "lr": 0.1, "momentum": 0.9}, "rmsprop"])
@pytest.mark.parametrize("epochs_before", [0, 1])
def test_puts_a_plain_model_back(probe: Probe, optimizer: Any, epochs_before: int):
    """Weights, buffers, moments (there or not), rates, modes, sums and random state have the hash of before."""
    model = plain_model(optimizer)
    if epochs_before:
        model.fit(*tensors(), verbose=0, seed=0)
    model.network[0].weight.grad = torch.ones(8, 4)
    seed_all()
    before = everything(model)
    probe(model, *tensors(), batch_size=8, validation_split=0.2, schedule="linear", clip_norm=1.0, weight_decay=0.3)

    assert everything(model) == before


@EACH
def test_fit_has_the_same_bits_afterwards(probe: Probe):
    """A fit after a probe ends with the weights of a fit without one, with and without a seed, twice."""
    results = []
    for is_probed in (False, True):
        model = plain_model()
        seed_all()
        for options in ({}, {"seed": 3}):
            if is_probed:
                probe(model, *tensors(), epochs=2, batch_size=8, **options)
            model.fit(*tensors(), epochs=2, batch_size=8, verbose=0, **options)
        results.append([digest(model.network.state_dict()), model.history.to_json()["learning_rates"], random_state()])

    assert results[0] == results[1]


@EACH
@pytest.mark.parametrize("is_trained", [False, True])
def test_puts_a_task_back(probe: Probe, is_trained: bool, tiny_bert: Path, texts_and_labels: Data):
    """A transformer whose labels are known, before its first fit and after it, has the hashes of before."""
    seed_all()
    model: Any = Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], device="cpu")
    if is_trained:
        model.fit(*texts_and_labels, epochs=1, verbose=0)
    before = everything(model)
    options: dict[str, Any] = (
        {"freeze": "body", "unfreeze": {2: 1}, "epochs": 2} if is_trained else {"layer_decay": 0.9}
    )
    probe(model, *texts_and_labels, batch_size=8, **options)

    assert everything(model) == before


@EACH
def test_an_unbuilt_model_stays_unbuilt(probe: Probe, tiny_bert: Path, texts_and_labels: Data):
    """A probe of a model that is not built works on a twin; the labels it learned do not stick."""
    results = []
    for is_probed in (False, True):
        seed_all()
        model = Model(str(tiny_bert), task="text-classification", device="cpu")
        if is_probed:
            before = random_state()
            probe(model, texts_and_labels[0], ["x", "y"] * 20, batch_size=8)
            assert random_state() == before
            assert model.labels is None
            assert not model.history
            with pytest.raises(NotFittedError):
                _ = model.network
        model.fit(*texts_and_labels, epochs=1, batch_size=8, verbose=0)
        results.append((digest(model.network.state_dict()), model.labels, model.history.seed))

    assert results[0] == results[1]


def shuffled(generator: torch.Generator) -> RandomSampler:
    return RandomSampler(range(40), generator=generator)


def loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*tensors()), **options)


DRAWING: dict[str, Callable[[torch.Generator], tuple[Any, dict[str, Any]]]] = {
    "loader": lambda own: ([loader(batch_size=8, shuffle=True, generator=own)], {}),
    "loader's sampler": lambda own: ([loader(batch_size=8, sampler=shuffled(own))], {}),
    "loader's batch sampler": lambda own: ([loader(batch_sampler=BatchSampler(shuffled(own), 8, False))], {}),
    "batch sampler as the loader's sampler": lambda own: (
        [loader(batch_size=None, sampler=BatchSampler(shuffled(own), 8, False))],
        {},
    ),
    "validation": lambda own: (tensors(), {"validation_data": loader(shuffle=True, generator=own)}),
    "sampler": lambda own: (tensors(), {"batch_size": 8, "sampler": shuffled(own)}),
    "generator in dataloader_kwargs": lambda own: (tensors(), {"dataloader_kwargs": {"generator": own}}),
    "sampler in dataloader_kwargs": lambda own: (tensors(), {"dataloader_kwargs": {"sampler": shuffled(own)}}),
    "batch sampler in dataloader_kwargs": lambda own: (
        tensors(),
        {"dataloader_kwargs": {"batch_sampler": BatchSampler(shuffled(own), 8, False)}},
    ),
}
"""Where a generator of the user's may stand: the data and the further arguments."""


@pytest.mark.parametrize("make", DRAWING.values(), ids=DRAWING)
@pytest.mark.parametrize("probe", [PROBES["plan"], PROBES["rate"]], ids=["plan", "rate"])
def test_puts_the_users_generators_back(probe: Probe, make: Callable[[torch.Generator], tuple[Any, dict[str, Any]]]):
    """A generator of the user's own, wherever it stands, gives the same order afterwards."""
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    data, options = make(generator)
    probe(plain_model(), *data, **options)

    assert torch.equal(generator.get_state(), before)


@EACH
def test_puts_the_optimizers_own_rate_back(probe: Probe):
    """A rate that is given for the probe does not stay the optimizer's default, which schedules reckon with."""
    model = plain_model()
    before = dict(model.optimizer.defaults)
    probe(model, *tensors(), batch_size=8, learning_rate=0.5)

    assert model.optimizer.defaults == before


@EACH
def test_puts_back_after_an_error(probe: Probe):
    """A loss that raises in the middle of a probe leaves nothing behind either."""
    calls = []

    def failing(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("in the middle")
        return nn.functional.cross_entropy(outputs, targets)

    model: Any = plain_model()
    model = Model(model.network, "adamw", failing, device="cpu")
    seed_all()
    before = everything(model)
    with pytest.raises(RuntimeError, match="in the middle"):
        probe(model, *tensors(), batch_size=8)

    assert everything(model) == before


@EACH
def test_calls_no_callback(probe: Probe, capsys: pytest.CaptureFixture[str]):
    """Callbacks are the fit's own, and nothing is printed."""

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    probe(plain_model(), *tensors(), callbacks=[Refusing()], verbose=1, progress_options={"coloring": False})

    assert capsys.readouterr().out == ""


@EACH
def test_refuses_what_is_read_once(probe: Probe):
    """A generator would be used up: that is said, and nothing is read from it."""
    rows = iter([(torch.zeros(2, 4), torch.zeros(2).long())])
    with pytest.raises(ArgumentError, match="can be read only once"):
        probe(plain_model(), rows)

    assert len(list(rows)) == 1


@EACH
def test_says_what_is_missing(probe: Probe):
    """Without an optimizer, or with a misspelt argument, the error is that of fit."""
    without = Model(nn.Linear(4, 2), None, "cross_entropy", device="cpu")
    with pytest.raises(ArgumentError, match="optimizer is None"):
        probe(without, *tensors())
    with pytest.raises(ArgumentError, match="batch_siz"):
        probe(plain_model(), *tensors(), batch_siz=3)


@pytest.mark.parametrize(
    ("verb", "word", "do"),
    [
        ("plan", "max_epochs", "write epochs=."),
        ("plan", "bactch_size", "did you mean 'batch_size'?"),
        ("find_learning_rate", "hgh", "did you mean 'high'?"),
        ("find_batch_size", "lr", "write learning_rate=."),
    ],
)
def test_names_its_own_arguments(verb: str, word: str, do: str):
    """A misspelt argument is told by the verb that was called, beside its own arguments and those of fit."""
    given: Any = {word: 2}
    with pytest.raises(ArgumentError) as caught:
        getattr(plain_model(), verb)(*tensors(), **given)

    assert caught.value.what == f"{verb}() has no argument {word!r}."
    assert caught.value.do == do
    assert caught.value.expected is not None
    assert ("low, high, updates" in caught.value.expected) == (verb == "find_learning_rate")
    assert "schedule" in caught.value.expected


def test_a_schedule_that_there_is_not():
    """The range test has a schedule of its own, and still knows a misspelt one."""
    with pytest.raises(ArgumentError, match="no schedule 'cosin'"):
        plain_model().find_learning_rate(*tensors(), schedule="cosin")


@EACH
def test_puts_lora_back(probe: Probe, tiny_bert: Path, texts_and_labels: Data):
    """The small matrices beside a frozen network are put back like weights, and nothing is merged."""
    pytest.importorskip("peft")
    seed_all()
    model: Any = Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], lora=2, device="cpu")
    before = everything(model)
    probe(model, *texts_and_labels, batch_size=8)

    assert everything(model) == before


def test_puts_the_labels_of_a_checkpoint_back(tiny_bert: Path, texts_and_labels: Data, tmp_path: Path):
    """A network that came with a head of its own keeps it, with the labels that its configuration had."""
    model: Any = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(*texts_and_labels, epochs=1, verbose=0)
    model.save(tmp_path / "saved")
    model = Model(str(tmp_path / "saved"), task="text-classification", device="cpu")
    network, before = model.network, everything(model)
    model.plan(texts_and_labels[0], ["x", "y", "z", "x"] * 10)

    assert model.network is network
    assert everything(model) == before


def test_puts_the_scale_of_fp16_back():
    """The scale of the losses, which grows and shrinks with the steps, is that of before."""
    torch.manual_seed(0)
    model: Any = Model(nn.Linear(4, 2), "adamw", "cross_entropy", precision="fp16", device="cpu")
    before = model.precision.state()
    model.find_learning_rate(*tensors(), updates=20, batch_size=8, high=1e6)

    assert model.precision.state() == before


def test_learns_on_from_the_moments():
    """A probe of a model that has learned takes the moments with it: its losses are those of the next fit."""
    runs = []
    for is_probed in (True, False):
        model = plain_model({"optim": "sgd", "lr": 0.1, "momentum": 0.9})
        model.fit(*tensors(), batch_size=8, verbose=0, seed=0)
        if is_probed:
            runs.append(model.find_learning_rate(*tensors(), batch_size=8, seed=1, low=0.1, high=0.1000001).losses[:5])
        else:
            seen: list[float] = []

            class Seeing(Callback):
                def on_train_batch_end(self, batch_number: int, logs: Any, seen: list[float] = seen) -> None:
                    seen.append(logs["loss"])

            model.fit(*tensors(), batch_size=8, verbose=0, seed=1, learning_rate=0.1, callbacks=[Seeing()])
            runs.append(seen)

    assert runs[0] == pytest.approx(runs[1], rel=1e-5)


@EACH
def test_puts_a_loss_with_sums_of_its_own_back(probe: Probe):
    """A loss that computes the value of the epoch itself, as Poutyne's do, keeps what it had summed."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sums = [5.0]

        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            loss = nn.functional.cross_entropy(outputs, targets)
            self.sums.append(loss.item())
            return loss

        def compute(self) -> torch.Tensor:
            return torch.tensor(sum(self.sums))

        def reset(self) -> None:
            self.sums = [0.0]

    own = Own()
    probe(Model(nn.Linear(4, 2), "sgd", own, device="cpu"), *tensors(), batch_size=8)

    assert own.sums == [5.0]
