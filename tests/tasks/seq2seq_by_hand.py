"""The usual fine-tuning by hand for heads that compute their loss themselves: transformers and torch, nothing else."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.engine.loops import batches_by_hand
from tests.engine.test_bits import decaying_groups

SEED, BATCH = 7, 8


def seed_all() -> None:
    """Seed what a fit seeds."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    random.seed(SEED)


def fine_tune_by_hand(network: Any, inputs_of: Callable[[Tensor], dict[str, Tensor]], rows: int, epochs: int) -> None:
    """Take AdamW steps on the head's own loss: 10 % warm-up, linear decay, clipping.

    Args:
        network: a head of transformers, drawn after `seed_all`.
        inputs_of: gives the padded inputs, `labels` among them, of the rows with these numbers.
        rows: how many there are.
        epochs: how often they are seen.
    """
    optimizer = torch.optim.AdamW(decaying_groups(network), lr=5e-5, fused=True)
    updates = epochs * math.ceil(rows / BATCH)
    warm = math.ceil(0.1 * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        for chosen in batches_by_hand(rows, BATCH, SEED, epoch):
            optimizer.zero_grad()
            network(**inputs_of(chosen)).loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def gradients(network: nn.Module) -> Tensor:
    """Give all gradients in one row of numbers."""
    found = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return torch.cat([gradient.flatten() for gradient in found])
