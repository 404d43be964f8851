"""Which optimizer, and which parameters decay."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.recipes.defaults import Recipe


def _names() -> dict[str, type[Optimizer]]:
    """Every optimizer of torch by its lower-case name."""
    return {
        name.lower(): kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
    }


def make_optimizer(optimizer: Any, network: nn.Module, recipe: Recipe) -> Any:
    """Give the optimizer that a name, a dict, "auto" or an object means for this network.

    "auto" is AdamW with the recipe's rate and decay; biases and the parameters of normalisation layers do not decay.
    A name, or a dict such as `{"optim": "sgd", "lr": 0.1}`, keeps torch's own defaults (0.01 for SGD, as in Poutyne).
    Both are `fused` where torch supports it, which changes no result beyond rounding. An object, or None, is given
    back as it is.

    Raises:
        ArgumentError: no optimizer has this name, or it does not take these arguments.
    """
    if optimizer is None or isinstance(optimizer, Optimizer):
        return optimizer
    if optimizer == "auto":
        groups = parameter_groups(network, recipe.weight_decay)
        return _fused(torch.optim.AdamW, groups, {"lr": recipe.learning_rate}, network)
    if not isinstance(optimizer, (str, dict)):
        raise ArgumentError(
            f"optimizer should be of type derived from optim.Optimizer, received {type(optimizer)}.",
            'a name such as "adamw", a dict such as {"optim": "sgd", "lr": 0.1}, or a torch optimizer.',
        )
    arguments = {"optim": optimizer} if isinstance(optimizer, str) else dict(optimizer)
    if "optim" not in arguments:
        raise ArgumentError(f"the optimizer {optimizer} has no name.", 'a key "optim".', 'write {"optim": "sgd", ...}.')
    name = str(arguments.pop("optim")).lower()
    names = _names()
    if name not in names:
        raise ArgumentError(
            f"there is no optimizer {name!r}.", f"one of {', '.join(sorted(names))}.", did_you_mean(name, names)
        )
    _check_arguments(names[name], arguments)
    if name == "sgd":
        arguments.setdefault("lr", 1e-2)
    return _fused(names[name], [p for p in network.parameters() if p.requires_grad], arguments, network)


def _check_arguments(kind: type[Optimizer], arguments: dict[str, Any]) -> None:
    known = [name for name in signature(kind).parameters if name != "params"]
    for name in arguments:
        if name not in known:
            raise ArgumentError(
                f"the optimizer {kind.__name__} has no argument {name!r}.",
                f"one of {', '.join(known)}.",
                did_you_mean(name, known),
            )


def _fused(kind: type[Optimizer], parameters: list[Any], arguments: dict[str, Any], network: nn.Module) -> Optimizer:
    """Make an optimizer, fused where its kind and the network allow it and the user has not said otherwise."""
    if {"fused", "foreach"} & set(arguments) or not _can_be_fused(network):
        return kind(parameters, **arguments)
    try:
        return kind(parameters, **arguments, fused=True)  # type: ignore[call-arg]  # not every optimizer has it
    except (TypeError, RuntimeError, ValueError):
        return kind(parameters, **arguments)


def _can_be_fused(network: nn.Module) -> bool:
    """Tell whether torch's fused steps know this network's parameters; torch itself looks only at the first step."""
    has_sparse = any(getattr(module, "sparse", False) for module in network.modules())
    return not has_sparse and all(parameter.is_floating_point() for parameter in network.parameters())


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the trainable parameters: matrices decay; biases and everything in normalisation layers do not.

    Returns:
        Two groups for a torch optimizer; an empty one is left out.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        >>> [(len(group["params"]), group["weight_decay"]) for group in parameter_groups(network, 0.01)]
        [(1, 0.01), (3, 0.0)]

    Source:
        A parameter with fewer than two dimensions is a bias or belongs to a norm, in every architecture
        (nanoGPT's rule); it gives the same groups as transformers' list of layer types.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def check_steps(optimizer: Optimizer) -> None:
    """Refuse an optimizer whose step runs the network itself, again and again.

    Raises:
        ArgumentError: it is LBFGS.
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ArgumentError(
            "the optimizer LBFGS runs the network several times in one step, which fit does not do.",
            "an optimizer that takes one gradient per step.",
            'write optimizer="adamw", or optimizer={"optim": "sgd", "lr": 0.1, "momentum": 0.9}.',
        )


def set_rate_and_decay(optimizer: Optimizer, learning_rate: float | None, weight_decay: float | None) -> None:
    """Set rate and decay for a run where the user names them.

    Args:
        optimizer: any torch optimizer; its moments stay.
        learning_rate: the new highest rate of all groups; None leaves them.
        weight_decay: the new decay of the groups that decay; None leaves it.
    """
    for group in optimizer.param_groups:
        if learning_rate is not None:
            group["lr"] = float(learning_rate)  # numpy's float32 is none that torch's fused steps take
            group.pop("initial_lr", None)
        if weight_decay is not None and group.get("weight_decay"):
            group["weight_decay"] = weight_decay


@contextmanager
def rate_put_back(optimizer: Optimizer) -> Iterator[None]:
    """Put the rates back at the end, so that a later run does not start at the 0 where a schedule ended."""
    rates = [group["lr"] for group in optimizer.param_groups]
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
            group.pop("initial_lr", None)
