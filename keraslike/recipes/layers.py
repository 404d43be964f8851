"""Where a parameter lies: in the body or in the head, and how far below the top."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torch import nn

from keraslike.errors import ArgumentError

EARLY, LATE = re.compile("embed"), re.compile("final|project_out")
"""Names beside the layers that tell more than the order of definition: BART defines the norm of its embeddings behind
its layers, OPT its last norm before them."""

LISTS = (nn.ModuleList, nn.Sequential)


@dataclass(frozen=True)
class Depths:
    """How far below the top the parameters of a network lie.

    Attributes:
        layers: how many layers there are; of encoder and decoder, those of the longer.
        below: steps from the top, by the `id` of a parameter. What comes after the layers, and the head, has 0, the
            last layer 1, the first one `layers`, and what stands before them one more.
        before: the `id` of each parameter that stands before the layers.
    """

    layers: int
    below: dict[int, int]
    before: frozenset[int]


def body_of(network: nn.Module) -> nn.Module | None:
    """Give the body of a transformer, its `base_model`, also where the transformer is part of a larger module.

    Returns:
        None where there is none, or several side by side.

    Example:
        >>> body_of(nn.Linear(1, 1)) is None
        True
    """
    own = getattr(network, "base_model", None)
    if not isinstance(own, nn.Module):
        found = [body for child in network.children() if (body := body_of(child)) is not None]
        return found[0] if len(found) == 1 else None
    while isinstance(inner := getattr(own, "base_model", own), nn.Module) and inner is not own:
        own = inner  # peft's models call what they adapt their base_model, head included
    return own


def pretrained_parameters(network: nn.Module, body: nn.Module, fresh: Collection[str]) -> list[nn.Parameter]:
    """Give the parameters of the body that the checkpoint held.

    Args:
        network: the network.
        body: its body.
        fresh: names of the network's parameters that no checkpoint held, such as those of a new pooler.
    """
    drawn = drawn_parameters(network, fresh)
    return [parameter for parameter in body.parameters() if id(parameter) not in drawn]


def drawn_parameters(network: nn.Module, fresh: Collection[str]) -> set[int]:
    """Give the `id` of each parameter of these names, also where the network is part of a larger one, as peft's."""
    ends = tuple(f".{name}" for name in fresh)
    named = network.named_parameters(remove_duplicate=False)
    return {id(parameter) for name, parameter in named if f".{name}".endswith(ends)}


def is_frozen(module: nn.Module) -> bool:
    """Tell whether no parameter of a module learns, so that a body in evaluation mode gives the same features again.

    Example:
        >>> is_frozen(nn.Linear(1, 1).requires_grad_(False)), is_frozen(nn.Linear(1, 1))
        (True, False)
    """
    return not any(parameter.requires_grad for parameter in module.parameters())


def covered(module: nn.Module, found: Collection[int], name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Give the largest modules of which all parameters are among some, with their names.

    Args:
        module: where to look.
        found: the `id` of each of these parameters.
        name: the module's own.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
        >>> [name for name, _ in covered(network, {id(p) for p in network[1].parameters()})]
        ['1']
    """
    own = [id(parameter) in found for parameter in module.parameters()]
    if own and all(own):
        yield name, module
    elif any(own):
        for child, part in module.named_children():
            yield from covered(part, found, f"{name}.{child}" if name else child)


def depths_of(network: nn.Module, wanted_by: str) -> Depths:
    """Find out how far below the top each parameter of a network lies.

    The layers are the largest `ModuleList` (by parameters) of the body, or of the network where it has no body;
    encoder and decoder have one each. Stages, which hold lists of layers of their own, as those of Swin or ConvNext,
    are put one after the other; what stands in a stage beside its layers counts with the nearest of them.

    Args:
        network: the network.
        wanted_by: what the user wrote, for the error.

    Raises:
        ArgumentError: there is no `ModuleList`.

    Example:
        >>> layers = nn.ModuleList([nn.Linear(2, 2, bias=False) for _ in range(3)])
        >>> list(depths_of(nn.Sequential(layers, nn.LayerNorm(2)), "layer_decay=0.9").below.values())
        [3, 2, 1, 0, 0]
    """
    body = body_of(network) or network
    children = dict(body.named_children())
    parts = [children[name] for name in ("encoder", "decoder") if name in children and _has_layers(children[name])]
    stacks = [_Stack(part, body) for part in (parts if len(parts) == 2 else [body]) if _has_layers(part)]
    if not stacks:
        raise ArgumentError(
            f"{wanted_by} needs a stack of layers, and {type(body).__name__} has no ModuleList.",
            "a network, or its base_model, that holds its layers in a torch.nn.ModuleList.",
            "give an optimizer object with parameter groups of your own.",
        )
    below: dict[int, int] = {}
    before: set[int] = set()
    for stack in stacks:
        for key, steps in stack.below().items():
            below[key] = max(steps, below.get(key, 0))
        before |= stack.before
    layers = max(stack.top for stack in stacks) - 1
    first = min(stack.first for stack in stacks)
    beside = [p for place, p in enumerate(body.parameters()) if place < first and id(p) not in below]
    before |= {id(parameter) for parameter in beside}
    return Depths(layers, below | {id(parameter): layers + 1 for parameter in beside}, frozenset(before))


class _Stack:
    """The layers of a body, or of its encoder or decoder, and what stands before and after them."""

    def __init__(self, part: nn.Module, body: nn.Module) -> None:
        self.part, self.stages = part, _stages(max(_lists(part), key=_size))
        self.top = sum(len(layers) for _, layers in self.stages) + 1
        self.place = {id(parameter): place for place, parameter in enumerate(body.parameters())}
        inside = (self.place[id(p)] for stage, _ in self.stages for p in stage.parameters())
        self.first = min(inside)
        self.before: set[int] = set()

    def below(self) -> dict[int, int]:
        """Give the steps from the top by the `id` of each parameter of the part."""
        found: dict[int, int] = {}
        depth = 0
        for stage, layers in self.stages:
            own = {id(p): depth + k for k, layer in enumerate(layers, 1) for p in layer.parameters()}
            first = min(self.place[key] for key in own)
            for key in map(id, stage.parameters()):
                nearest = depth + (1 if self.place[key] < first else len(layers))
                found[key] = max(self.top - own.get(key, nearest), found.get(key, 0))
            depth += len(layers)
        tables = {id(p) for m in self.part.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
        for name, parameter in self.part.named_parameters():
            if id(parameter) not in found:
                is_first = self.place[id(parameter)] < self.first and not LATE.search(name)
                if is_first or id(parameter) in tables or EARLY.search(name):
                    self.before.add(id(parameter))
                found[id(parameter)] = self.top if id(parameter) in self.before else 0
        return found


def _stages(found: nn.Module) -> list[tuple[nn.Module, list[nn.Module]]]:
    """Give each element of a list with the layers in it: itself, or those of a stage."""
    elements = _learning(found)
    inner = [_inner(element) for element in elements]
    are_lists = all(isinstance(element, nn.ModuleList) for element in elements)
    if not are_lists and (None in inner or _are_alike(elements)):
        return [(element, [element]) for element in elements]
    return [(stage, _learning(layers)) for stage, layers in zip(elements, inner, strict=True) if layers is not None]


def _inner(module: nn.Module) -> nn.Module | None:
    """Give the list of layers that a stage holds: its largest, of one kind, unlike the parts of one layer of T5."""
    if isinstance(module, nn.ModuleList):
        return module
    lists = [found for found in module.modules() if isinstance(found, LISTS) and found is not module and _size(found)]
    largest = max(lists, key=_size, default=None)
    return largest if largest is not None and len({type(layer) for layer in largest.children()}) == 1 else None


def _are_alike(modules: list[nn.Module]) -> bool:
    """Tell layers from stages, each of which is wider or longer than the one before."""
    return len({tuple(parameter.shape for parameter in module.parameters()) for module in modules}) == 1


def _lists(module: nn.Module) -> Iterator[nn.ModuleList]:
    """Give the lists of layers in a module that are not part of another list."""
    if isinstance(module, nn.ModuleList):
        if _learning(module):
            yield module
        return
    for child in module.children():
        yield from _lists(child)


def _learning(found: nn.Module) -> list[nn.Module]:
    """Give the elements of a list that have parameters: activations are no layers."""
    return [element for element in found.children() if _size(element)]


def _has_layers(module: nn.Module) -> bool:
    return next(_lists(module), None) is not None


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
