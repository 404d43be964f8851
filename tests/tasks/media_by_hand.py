"""A fine-tuning of images or sounds written with torch and transformers alone, by the recipe that `fit` documents."""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.engine.loops import batches_by_hand

Process = Callable[[Sequence[Any]], dict[str, Tensor]]


def fine_tune_by_hand(
    auto_class: Any,
    folder: Path,
    process: Process,
    values: Sequence[Any],
    targets: Tensor,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
) -> Any:
    """Give the network after AdamW at 5e-5 with a warm-up over 10 %, a linear schedule, and norms clipped at 1."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    network = auto_class.from_pretrained(folder, num_labels=int(targets.max()) + 1)
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    updates = epochs * math.ceil(len(values) / batch_size)
    warm = math.ceil(0.1 * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        for rows in batches_by_hand(len(values), batch_size, seed, epoch):
            optimizer.zero_grad()
            logits = network(**process([values[row] for row in rows])).logits
            F.cross_entropy(logits, targets[rows]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network
