"""What the comparisons with other tools share: networks, data, and what is read off a run."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from poutyne import Callback
from torch import Tensor, nn
from torch.utils.data import Dataset

from keraslike import Model
from tests.engine.loops import make_data, make_mlp

SEED = 7
ROWS = 50
"""No multiple of the batch sizes: the last batch of an epoch is short."""


class Losses(Callback):
    """Keeps the loss of every batch, as float32: what every tool computes."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[float] = []

    def on_train_batch_end(self, batch_number: int, logs: Any) -> None:
        """Keep it."""
        self.kept.append(float(np.float32(logs["loss"])))


class Rows(Dataset[dict[str, Tensor]]):
    """Rows as dicts, for a Trainer."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "labels": self.y[index]}


class WithLoss(nn.Module):
    """Gives the loss beside the logits, as a Trainer wants it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Give both."""
        logits = self.network(x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def momentum(network: nn.Module) -> torch.optim.Optimizer:
    """Give an optimizer of the user's own."""
    return torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)


def fit(recipe: str, optimizer: Any = "auto", validation: bool = False, **options: Any) -> tuple[nn.Module, Any, Any]:
    """Train a network with dropout by our fit; give it, the loss of every batch, and the history."""
    network, losses = make_mlp(dropout=0.3), Losses()
    x, y = make_data(ROWS)
    model = Model(network, optimizer(network) if callable(optimizer) else optimizer, "cross_entropy", device="cpu")
    given = {"batch_size": None, "micro_batch_size": None, "seed": SEED, "verbose": 0, "callbacks": [losses], **options}
    history = model.fit(x, y, (x, y) if validation else None, recipe=recipe, **given)
    return network, losses.kept, history
