"""`Model` with `lora=`, trained and looked at."""

from typing import Any

import torch
from torch import Tensor, nn

from keraslike import Model
from keraslike.recipes.adapting import lora_layers

Rows = tuple[list[str], list[str]]


def model_of(source: Any, lora: Any = 8, **options: Any) -> Any:
    """Give a text classifier on the CPU with LoRA."""
    return Model(str(source), task="text-classification", lora=lora, device="cpu", **options)


def learn(model: Any, rows: Rows, **options: Any) -> Any:
    """Train one epoch with steps large enough to be seen."""
    return model.fit(*rows, **{"epochs": 1, "seed": 3, "verbose": 0, "batch_size": 8, "learning_rate": 0.01, **options})


def learning(network: nn.Module) -> dict[str, Tensor]:
    """Give a copy of all parameters that learn."""
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def adapted(network: nn.Module) -> list[str]:
    """Give the names of the layers that have matrices."""
    return [name for name, _ in lora_layers(network)]


def are_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Tell whether two sets of named tensors have the same names and bits."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
