"""The momentum of torch's fused SGD, which wants it of all parameters that learn, or of none."""

from typing import Any

import torch
from torch import nn


def lacks_momentum(optimizer: Any) -> bool:
    """Tell whether parameters that learn have no momentum yet.

    A skipped first step of fused SGD would leave moments that were never written.
    """
    return isinstance(optimizer, torch.optim.SGD) and any(
        _lacking(optimizer, group) for group in optimizer.param_groups
    )


def complete_momentum(optimizer: Any) -> None:
    """Begin the momentum of parameters that begin to learn later than the others of their group.

    Fused SGD stops with a TypeError at such a group. A momentum of 0 becomes the first gradient, as a first one is in
    torch, unless there is dampening, which spares the first gradient alone: such a group goes on without being fused.

    Args:
        optimizer: the optimizer, with the gradients of the step; of other kinds than SGD nothing is changed.
    """
    for group in optimizer.param_groups if isinstance(optimizer, torch.optim.SGD) else ():
        lacking = _lacking(optimizer, group) if group.get("fused") else []
        if not 0 < len(lacking) < len(_learning(group)):
            continue
        if group["dampening"]:
            group["fused"] = False
            continue
        for parameter in lacking:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _learning(group: dict[str, Any]) -> list[nn.Parameter]:
    return [parameter for parameter in group["params"] if parameter.grad is not None]


def _lacking(optimizer: Any, group: dict[str, Any]) -> list[nn.Parameter]:
    if not group["momentum"]:
        return []
    state = optimizer.state
    return [p for p in _learning(group) if state.get(p, {}).get("momentum_buffer") is None]
