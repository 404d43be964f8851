"""The range test of learning rates: its steps are a hand-written loop's, and it ends where the loss diverges."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.data.order import order
from keraslike.errors import ArgumentError, DataError, MissingDependencyError, NonFiniteError
from keraslike.recipes.finding_rates import RangeTest
from keraslike.recipes.rate_curve import RateCurve, smooth, steepest, tenth_of_minimum, valley


def tensors(rows: int = 50) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 4, generator=generator)
    return x, (x.sum(1) > 0).long()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def by_hand(x: Tensor, y: Tensor, rates: list[float], seed: int, size: int) -> list[float]:
    """Take the steps of the range test in plain torch: batches of the epochs' orders, clipped at 0.5."""
    own, losses = network(), []
    optimizer = torch.optim.SGD(own.parameters(), lr=1.0, momentum=0.9)
    places = [order(len(x), seed, epoch) for epoch in range(1, 9)]
    batches = [part[start : start + size] for part in places for start in range(0, len(part), size)]
    for rate, places in zip(rates, batches, strict=False):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(own(x[places]), y[places])
        loss.backward()
        nn.utils.clip_grad_norm_(own.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_takes_the_steps_of_fit():
    """Losses by rate are those of a loop by hand, over the end of the first epoch, clipping and momentum with them."""
    x, y = tensors()
    model = Model(network(), {"optim": "sgd", "lr": 0.1, "momentum": 0.9}, "cross_entropy", device="cpu")
    curve = model.find_learning_rate(x, y, updates=20, low=1e-4, high=1.0, batch_size=8, seed=3, clip_norm=0.5)
    rates = [1e-4 * 10 ** (4 * update / 19) for update in range(20)]

    assert curve.rates == pytest.approx(rates, rel=1e-12)
    assert curve.losses == pytest.approx(by_hand(x, y, rates, seed=3, size=8), rel=1e-5)


def test_accumulates_as_fit():
    """Micro-batches change nothing, and several batches per step are one point of the curve."""
    x, y = tensors(48)
    found: list[RateCurve] = []
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    for data, options in (((x, y), {}), ((x, y), {"micro_batch_size": 3}), ((loader,), {"batches_per_step": 2})):
        model = Model(network(), "sgd", "cross_entropy", device="cpu")
        given: Any = {"batch_size": 8, "shuffle": False} if data != (loader,) else {}
        found.append(model.find_learning_rate(*data, updates=12, seed=0, **given, **options))

    assert len(found[0].rates) == 12
    assert found[1].losses == pytest.approx(found[0].losses, rel=1e-5)
    assert found[2].losses == pytest.approx(found[0].losses, rel=1e-5)


def test_groups_keep_their_ratio():
    """The highest of the groups' rates is the curve's; the others keep their ratio to it."""
    parts = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": parts[:1], "lr": 0.1}, {"params": parts[1:], "lr": 0.5}], lr=0.1)
    schedule = RangeTest(1e-3, 1.0, 11).schedule(optimizer)
    seen = []
    for _ in range(11):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()

    assert seen[0] == pytest.approx([0.2e-3, 1e-3])
    assert seen[-1] == pytest.approx([0.2, 1.0])


def test_ends_where_the_loss_diverges():
    """A running mean of four times its least ends the test; the rates go no further."""
    x, y = tensors()
    model = Model(nn.Linear(4, 1), "sgd", "mse", device="cpu")
    curve = model.find_learning_rate(x, y.float(), batch_size=8, seed=0, high=1e4)

    assert len(curve.rates) == len(curve.losses) < 100
    assert curve.smoothed[-1] > 4 * min(curve.smoothed)
    assert "4 times its least" in str(curve)
    assert 1e-3 < curve.suggestion < 1


def test_a_loss_that_is_no_number_ends_it():
    """An infinite loss in the middle ends the test, too, and is not part of the curve."""
    losses = iter([1.0] * 15 + [math.inf] * 3)

    def failing(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.mean() * 0 + next(losses)

    curve = Model(nn.Linear(4, 2), "sgd", failing, device="cpu").find_learning_rate(*tensors(), batch_size=8)

    assert curve.losses == [1.0] * 15
    assert "not finite" in str(curve)


def test_gradients_that_are_no_numbers_end_it():
    """Finite losses with gradients that are not: three in a row end the test, as they end a fit."""
    calls: list[int] = []

    def failing(outputs: Tensor, targets: Tensor) -> Tensor:
        calls.append(1)
        return outputs.abs().mean()

    def bad(grad: Tensor) -> Tensor:
        return grad if len(calls) < 13 else grad * math.inf

    model = Model(nn.Linear(4, 2), "sgd", failing, device="cpu")
    model.network.weight.register_hook(bad)
    curve = model.find_learning_rate(*tensors(), batch_size=8)

    assert len(curve.rates) == 14
    assert curve.rates[11] < curve.rates[12] == curve.rates[13]
    assert "gradient was not finite" in str(curve)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_refuses_a_loss_that_is_bad_from_the_start(bad: float):
    """Where the very first loss is no number, no rate is to blame."""
    x, y = tensors()
    with pytest.raises(NonFiniteError, match="from the start"):
        Model(nn.Linear(4, 1), "sgd", "mse", device="cpu").find_learning_rate(x * bad, y.float())


@pytest.mark.parametrize(
    "options", [{"low": 1.0, "high": 0.1}, {"low": 0.0}, {"high": math.inf}, {"updates": 3}], ids=str
)
def test_refuses_what_is_no_range(options: dict[str, Any]):
    """Rates rise from above 0, and there are enough updates for a curve."""
    with pytest.raises(ArgumentError, match=r"range of learning rates|no curve"):
        Model(network(), "sgd", "cross_entropy", device="cpu").find_learning_rate(*tensors(), **options)


def test_refuses_too_few_updates_before_the_end():
    """A test that diverges at once has no curve: it says so, and where to begin."""
    x, y = tensors()
    with pytest.raises(DataError, match="ended after"):
        Model(nn.Linear(4, 1), "sgd", "mse", device="cpu").find_learning_rate(x, y.float(), low=1e3, high=1e9)


class Once:
    """An iterable, no iterator, that has something to give only once."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __iter__(self) -> Any:
        batches, self.batches = self.batches, []
        return iter(batches)


@pytest.mark.parametrize("count", [0, 5])
def test_refuses_data_that_run_out(count: int):
    """Too few batches that cannot be read again are an error in words."""
    with pytest.raises(DataError, match="ran out"):
        Model(network(), "sgd", "cross_entropy", device="cpu").find_learning_rate(Once([tensors(4)] * count))


def test_draws_and_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The curve is a figure, a text, and plain numbers; without matplotlib the line to type is given."""
    curve = Model(network(), "sgd", "cross_entropy", device="cpu").find_learning_rate(*tensors(), updates=30)
    curve.plot(tmp_path / "curve.png")
    panel = curve.plot().axes[0]

    assert (tmp_path / "curve.png").exists()
    assert panel.get_xscale() == "log"
    assert list(panel.lines[1].get_ydata()) == curve.smoothed
    assert "by update" in str(curve)
    assert curve.to_json()["suggestion"] == curve.suggestion
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="matplotlib"):
        curve.plot()


def test_smoothing_by_hand():
    """The running mean, divided by the weights that it has so far."""
    losses = [3.0, 1.0, 2.0]
    weights = [[1.0], [0.5 * 0.5, 0.5], [0.125, 0.25, 0.5]]
    means = [sum(w * x for w, x in zip(row, losses, strict=False)) / sum(row) for row in weights]

    assert smooth(losses, weight=0.5) == pytest.approx(means)


def test_suggestions_of_a_known_curve():
    """A loss that falls along a parabola of the rate's logarithm: where it is steepest, least, and half way down."""
    rates = [10 ** (-6 + 0.1 * place) for place in range(61)]
    losses = [2.0] * 10 + [1 + math.cos(math.pi * (place - 10) / 40) for place in range(10, 51)] + [0.1] * 10

    assert steepest(rates, losses) == pytest.approx(1e-3, rel=0.3)
    assert tenth_of_minimum(rates, losses) == pytest.approx(1e-2)
    assert valley(rates, losses) == pytest.approx(1e-3, rel=0.3)
