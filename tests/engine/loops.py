"""Networks and data for the tests of the loop, and training loops written by hand with torch alone."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn


def make_mlp(outputs: int = 3, dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """Give a network from 4 numbers to `outputs`, always with the same weights; nothing is drawn globally."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        network = nn.Sequential(nn.Linear(4, 16), nn.Dropout(dropout), nn.Tanh(), nn.Linear(16, outputs)).to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2)
    return network


def make_data(rows: int, classes: int = 3, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Give rows of 4 numbers and a class for each, always the same."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 4, generator=generator, dtype=torch.float64).to(dtype)
    return x, torch.randint(classes, (rows,), generator=generator)


def batches_by_hand(rows: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Give the row numbers of each batch of one epoch, as the documentation says that they are drawn."""
    return list(torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(rows)).split(batch_size))


def train_by_hand(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
) -> None:
    """Take one optimizer step per batch."""
    network.train()
    for x, y in batches:
        optimizer.zero_grad()
        loss(network(x), y).backward()
        optimizer.step()


def weights_of(network: nn.Module) -> Tensor:
    """Give all parameters in one row of numbers, a copy."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def gradient_of(network: nn.Module, value: Tensor) -> Tensor:
    """Give the gradient of a value by all parameters, in one row of numbers."""
    gradients = torch.autograd.grad(value, list(network.parameters()), allow_unused=True)
    zeros = (torch.zeros_like(parameter) for parameter in network.parameters())
    return torch.cat([zero.flatten() if g is None else g.flatten() for g, zero in zip(gradients, zeros, strict=True)])
