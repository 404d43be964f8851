"""Which optimizer, and which parameters decay."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import signature
from numbers import Real
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.optim import Optimizer

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.recipes.defaults import Recipe
from keraslike.recipes.groups import part_of

_MADE: WeakKeyDictionary[Optimizer, float | None] = WeakKeyDictionary()
"""The optimizers that were made here, which may be changed, unlike an object of the user's: the decay of their
matrices, or None where all parameters are alike."""


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
    A name, or a dict such as `{"optim": "sgd", "lr": 0.1}`, keeps torch's own defaults (0.01 for SGD, as in Poutyne);
    where the dict names a `weight_decay`, it too leaves biases and norms out.
    Both are `fused` where torch supports it, which changes no result beyond rounding. An object, or None, is given
    back as it is.

    Raises:
        ArgumentError: no optimizer has this name, or it does not take these arguments or this network's parameters.
    """
    if optimizer is None or isinstance(optimizer, Optimizer):
        return optimizer
    if optimizer == "auto":
        groups = parameter_groups(network, recipe.weight_decay)
        return _remembered(_fused(recipe.optimizer, groups, {"lr": recipe.learning_rate}, network), recipe.weight_decay)
    if not isinstance(optimizer, (str, dict)):
        raise ArgumentError(
            f"optimizer should be of type derived from optim.Optimizer, received {type(optimizer)}.",
            'a name such as "adamw", a dict such as {"optim": "sgd", "lr": 0.1}, or a torch optimizer.',
        )
    arguments: dict[str, Any] = {"optim": optimizer} if isinstance(optimizer, str) else dict(optimizer)
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
    decay = arguments.get("weight_decay")
    learning: list[Any] = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = learning if decay is None else parameter_groups(network, decay)
    return _remembered(_fused(names[name], groups, arguments, network), decay)


def _remembered(optimizer: Optimizer, decay: float | None) -> Optimizer:
    _MADE[optimizer] = decay
    return optimizer


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
        return _made(kind, parameters, arguments)
    try:
        return kind(parameters, **arguments, fused=True)  # type: ignore[call-arg]  # not every optimizer has it
    except (TypeError, RuntimeError, ValueError):
        return _made(kind, parameters, arguments)


def _made(kind: type[Optimizer], parameters: list[Any], arguments: dict[str, Any]) -> Optimizer:
    try:
        return kind(parameters, **arguments)
    except (TypeError, ValueError) as error:  # such as Muon's, which learns matrices alone
        raise ArgumentError(
            f"{kind.__name__} cannot be made for this network: {str(error).rstrip('.')}.",
            "arguments in its range, and parameters that it knows.",
            'take another optimizer, such as "adamw", or give an optimizer object over some of the parameters.',
        ) from None


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
        {"params": [p for p in trainable if _decays(p)], "weight_decay": weight_decay},
        {"params": [p for p in trainable if not _decays(p)], "weight_decay": 0.0},
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


def take_in(optimizer: Optimizer, network: nn.Module) -> None:
    """Add the parameters that were frozen when the optimizer was made, and learn now; an object is left as it is."""
    if optimizer not in _MADE:
        return
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for parameter in network.parameters():
        if parameter.requires_grad and id(parameter) not in held:
            _group_for(parameter, optimizer)["params"].append(parameter)


def _group_for(parameter: nn.Parameter, optimizer: Optimizer) -> dict[str, Any]:
    """Give the group that a parameter belongs to, a new one where none of its kind is there."""
    groups, decay = optimizer.param_groups, _MADE[optimizer]
    is_alike = [decay is None or {_decays(p) for p in group["params"]} == {_decays(parameter)} for group in groups]
    if True not in is_alike:
        groups.append({**part_of(groups[0], []), "weight_decay": decay if _decays(parameter) else 0.0})
        return groups[-1]
    return groups[is_alike.index(True)]


def _decays(parameter: torch.Tensor) -> bool:
    return parameter.ndim >= 2


def set_rate_and_decay(optimizer: Optimizer, learning_rate: Any, weight_decay: float | None) -> None:
    """Set rate and decay where the user names them.

    Args:
        optimizer: any torch optimizer; its moments stay.
        learning_rate: the new highest rate of all groups; None leaves them, and so does a dict, which `plan_rates`
            reads.
        weight_decay: the new decay of all parameters but biases and norms; of an optimizer object, of the groups that
            decay. None leaves it.

    Raises:
        ArgumentError: the optimizer knows no decay, or none of the groups of an optimizer object decays.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] or group.get("initial_lr", 0.0)  # an earlier schedule may have ended at 0
    if weight_decay is not None:
        _set_decay(optimizer, weight_decay)
    for group in optimizer.param_groups if isinstance(learning_rate, Real) else ():
        group["lr"] = float(learning_rate)  # numpy's float32 is none that torch's fused steps take
        group.pop("initial_lr", None)
    if isinstance(learning_rate, Real):
        optimizer.defaults["lr"] = float(learning_rate)  # transformers' schedules with a last rate reckon with it


@contextmanager
def decay_kept(optimizer: Optimizer) -> Iterator[None]:
    """Remember at the end the decay of an optimizer that was remembered at the beginning."""
    put_back = decay_putter(optimizer)
    try:
        yield
    finally:
        put_back()


def decay_putter(optimizer: Optimizer) -> Callable[[], None]:
    """Give what puts back the decay of an optimizer that is remembered now."""
    return partial(_MADE.__setitem__, optimizer, _MADE[optimizer]) if optimizer in _MADE else _nothing


def _nothing() -> None:
    """There is nothing to put back: an object of the user's has no decay that is remembered."""


def _set_decay(optimizer: Optimizer, weight_decay: float) -> None:
    groups = optimizer.param_groups
    knows_decay = all("weight_decay" in group for group in groups)
    if not knows_decay and weight_decay:
        raise ArgumentError(
            f"weight_decay={weight_decay!r} is given, and {type(optimizer).__name__} knows no decay.",
            'an optimizer that does, such as "adamw" or "sgd".',
            "leave weight_decay out.",
        )
    if not knows_decay:
        return
    if optimizer in _MADE:
        groups[:] = [part for group in groups for part in _with_decay(group, weight_decay)]
        _MADE[optimizer] = weight_decay
        return
    decaying = [group for group in groups if group["weight_decay"]]
    if weight_decay and not decaying:
        raise ArgumentError(
            f"weight_decay={weight_decay!r} is given, and no parameter group of the {type(optimizer).__name__} decays.",
            "an optimizer object with a group that decays, which is then given this decay.",
            f'give the decay to the optimizer itself, or its name: {{"optim": "{type(optimizer).__name__.lower()}", '
            f'"weight_decay": {weight_decay!r}, ...}}.',
        )
    for group in decaying:
        group["weight_decay"] = weight_decay


def _with_decay(group: dict[str, Any], weight_decay: float) -> list[dict[str, Any]]:
    """Let the matrices of a group decay, and split it where it holds others too."""
    places = [[k for k, p in enumerate(group["params"]) if _decays(p) is decays] for decays in (True, False)]
    parts = [part_of(group, found) for found in places] if all(places) else [group]
    for part in parts:
        part["weight_decay"] = weight_decay if all(map(_decays, part["params"])) else 0.0
    return parts


@contextmanager
def rate_put_back(optimizer: Optimizer) -> Iterator[None]:
    """Put the rates back at the end, so that a later run does not start at the 0 where a schedule ended.

    The momenta that a cycle moves go back too, and what schedules leave in the groups is taken out.
    """
    moved = ("lr", "betas", "momentum")
    befores = [dict(group) for group in optimizer.param_groups]
    try:
        yield
    finally:
        for group, before in zip(optimizer.param_groups, befores, strict=False):  # a callback may have added groups
            group.update({name: before[name] for name in moved if name in before})
            for name in set(group) - set(before):
                del group[name]
