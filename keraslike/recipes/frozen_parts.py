"""What of a network `freeze=` names: its body, modules, parameters, or a regular expression."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.recipes.layers import body_of, covered, pretrained_parameters

ALL = "all"

ALL_WORDS = (ALL, "everything", "network", "model")
"""What others call a whole network."""


@dataclass(frozen=True)
class Chosen:
    """What is frozen: parameters, and the modules that stay in evaluation mode with them."""

    parameters: list[nn.Parameter] = field(default_factory=list)
    modules: list[nn.Module] = field(default_factory=list)


def choose(network: nn.Module, freeze: Any, fresh: Collection[str]) -> Chosen:
    """Give what "body", names of modules or parameters, and regular expressions stand for.

    Args:
        network: the network.
        freeze: as in `fit`.
        fresh: names of the parameters that no checkpoint held; they learn, in the body too.

    Raises:
        ArgumentError: there is nothing of this name, or it is no name.

    Example:
        >>> choose(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), ["0"], []).modules
        [Linear(in_features=1, out_features=1, bias=True)]
    """
    names = [freeze] if isinstance(freeze, str) else freeze
    if not isinstance(names, Collection) or not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"freeze={freeze!r} is neither a word nor a list of names.",
            '"body", or names of modules or parameters, or regular expressions for the names of parameters.',
            'write freeze="body", or freeze=["embeddings"].',
        )
    body = body_of(network) if "body" in names else None
    named = [name for name in names if body is None or name != "body"]
    found = {id(parameter): parameter for name in named for parameter in _parameters_of(network, name)}
    modules = [module for _, module in covered(network, found)]
    if body is None:
        return Chosen(list(found.values()), modules)
    held = {id(parameter): parameter for parameter in pretrained_parameters(network, body, fresh)}
    return Chosen(list((held | found).values()), [body, *modules])


def _parameters_of(network: nn.Module, name: str) -> list[nn.Parameter]:
    """Give the parameters of a name: of the network, of its body, or a regular expression."""
    body = body_of(network)
    for root in (network,) if body is None else (network, body):
        parameters = dict(root.named_parameters(remove_duplicate=False))
        found = [p for own, p in parameters.items() if own == name or own.startswith(f"{name}.")]
        if found:
            return found
    if name == "body":
        raise _no_body(network)
    own = dict(network.named_parameters(remove_duplicate=False))
    found = [parameter for full, parameter in own.items() if _matches(name, full)]
    if not found:
        known = ["body", *(full for full, _ in network.named_modules() if full), *own]
        children = [child for child, _ in network.named_children()]
        do = did_you_mean(name, known, "look at the names: [name for name, _ in model.network.named_parameters()].")
        raise ArgumentError(
            f"freeze names {name!r}, and no module or parameter is called so.",
            f'"body", or names such as {", ".join([*children, *list(own)[:1]])}.',
            _meant(name, network) or do,
        )
    return found


def _meant(name: str, network: nn.Module) -> str | None:
    """Say what to write for words that others use; None for any other name."""
    body = body_of(network)
    if name in ALL_WORDS:
        return "something has to learn: " + (
            'write freeze="body".' if body is not None else "name the parts to freeze."
        )
    if name != "head" or body is None:
        return None
    inside = {id(parameter): parameter for parameter in body.parameters()}
    head = {id(p): p for p in network.parameters() if id(p) not in inside}
    parts = [own.removeprefix("wrapped.") for own, _ in covered(network, head)]
    return f"write freeze={parts!r}." if parts else None


def _no_body(network: nn.Module) -> ArgumentError:
    parts = [name for name, _ in network.named_children()]
    return ArgumentError(
        f'freeze="body" needs a body, and {type(network).__name__} has none, or several.',
        f"a transformer, or a module with one in it{'; or names of parts: ' + ', '.join(parts) if parts else ''}.",
        f"write freeze=[{parts[0]!r}]." if parts else "leave freeze out.",
    )


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise ArgumentError(
            f"freeze names {pattern!r}, which is no regular expression: {error}.",
            "a name, or a regular expression.",
            f"write {re.escape(pattern)!r}.",
        ) from None
