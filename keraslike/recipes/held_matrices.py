"""Whether an optimizer holds LoRA's matrices."""

from typing import Any

from torch import nn

from keraslike.errors import ArgumentError
from keraslike.recipes.adapting import lora_layers, lora_of


def require_matrices(network: nn.Module, optimizer: Any) -> None:
    """Refuse an optimizer that holds none of the matrices, which would never learn.

    Args:
        network: the network, with matrices or without.
        optimizer: a torch optimizer, or None.

    Raises:
        ArgumentError: it is an object that was made before there were matrices.
    """
    if optimizer is None or lora_of(network) is None:
        return
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    matrices = [parameter for _, layer in lora_layers(network) for parameter in layer.parameters()]
    if held.isdisjoint(id(parameter) for parameter in matrices if parameter.requires_grad):
        kind = type(optimizer).__name__
        raise ArgumentError(
            f"an optimizer object ({kind}) was given beside lora=, and it holds none of LoRA's matrices, which come "
            "into being with the Model.",
            "the name of an optimizer, or a dict of its arguments.",
            f'write optimizer={{"optim": "{kind.lower()}", "lr": 5e-4}}.',
        )
