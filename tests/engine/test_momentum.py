"""SGD with momentum, fused, where parameters begin to learn later than others."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from keraslike import Model
from keraslike.engine.momentum import complete_momentum

X = torch.randn(48, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.arange(48) % 3
MOMENTA: list[dict[str, Any]] = [
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "dampening": 0.5},
    {"momentum": 0.5, "maximize": True},
]


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def by_hand(chosen: dict[str, Any]) -> nn.Sequential:
    """Train for two epochs of three steps, the first layer in the second one alone, with torch's plain SGD."""
    own = network()
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1, fused=False, foreach=False, **chosen)
    own[0].requires_grad_(False)
    for step in range(6):
        if step == 3:
            own[0].requires_grad_(True)
        rows = slice(16 * (step % 3), 16 * (step % 3) + 16)
        optimizer.zero_grad()
        nn.functional.cross_entropy(own(X[rows]), Y[rows]).backward()
        optimizer.step()
    return own


def apart(own: nn.Module, other: nn.Module) -> float:
    pairs = zip(own.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


@pytest.mark.parametrize("chosen", MOMENTA, ids=str)
def test_layers_that_learn_later(chosen: dict[str, Any]):
    """Layers that begin to learn in the second epoch get the momentum that torch's plain SGD gives them."""
    model = Model(network(), {"optim": "sgd", "lr": 0.1, **chosen}, "cross_entropy", device="cpu")

    given: Any = {"epochs": 2, "batch_size": 16, "shuffle": False, "freeze": ["0"], "unfreeze": {2: "all"}}
    model.fit(X, Y, verbose=0, **given)

    assert apart(model.network, by_hand(chosen)) < 1e-12


def test_layers_that_learn_in_a_second_fit():
    """So do layers that were frozen in a first fit, and learn in a second one."""
    model = Model(network(), {"optim": "sgd", "lr": 0.1, "momentum": 0.9}, "cross_entropy", device="cpu")

    given: Any = {"epochs": 1, "batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(X, Y, freeze=["0"], **given)
    model.fit(X, Y, **given)

    assert apart(model.network, by_hand({"momentum": 0.9})) < 1e-12


class Branching(nn.Module):
    """Its second layer is used from the third pass on."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.passes = nn.Linear(6, 3), nn.Linear(6, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.first(x) + self.second(x) if self.passes > 2 else self.first(x)


def test_layers_that_are_used_later():
    """A network may use a layer for the first time in the middle of an epoch."""
    model = Model(Branching().double(), {"optim": "sgd", "lr": 0.1, "momentum": 0.9}, "cross_entropy", device="cpu")
    before = model.network.second.weight.detach().clone()

    history = model.fit(X, Y, batch_size=16, seed=0, verbose=0)

    assert len(history.learning_rates) == 3
    assert not torch.equal(model.network.second.weight, before)


def test_other_optimizers_are_left_alone():
    """Optimizers other than SGD, and SGD without momentum, have nothing to complete."""
    layer = nn.Linear(2, 2)
    layer.weight.grad = torch.ones(2, 2)
    for optimizer in (torch.optim.AdamW(layer.parameters()), torch.optim.SGD(layer.parameters(), lr=0.1, fused=True)):
        complete_momentum(optimizer)

        assert not optimizer.state
