"""Rates of their own for body and head, and for every layer: parameter groups that last as long as a run."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from numbers import Real
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.recipes.layers import body_of, depths_of, drawn_parameters, pretrained_parameters

PARTS = ("body", "head")

Group = dict[str, Any]


@dataclass(frozen=True)
class PartRates:
    """At which rate each parameter learns.

    Attributes:
        of_part: the rates of "body" and "head", where they are given.
        body: the `id` of each parameter of the body; the others are the head's.
        layer_decay: what the rate is multiplied by for each step below the top.
        below: steps below the top by the `id` of a parameter.
    """

    of_part: dict[str, float] = field(default_factory=dict)
    body: frozenset[int] = frozenset()
    layer_decay: float = 1.0
    below: dict[int, int] = field(default_factory=dict)

    def of(self, parameter: Tensor, rate: float) -> float:
        """Give the rate of a parameter, from that of the group that it stands in."""
        part = "body" if id(parameter) in self.body else "head"
        return self.of_part.get(part, rate) * self.layer_decay ** self.below.get(id(parameter), 0)


def plan_rates(
    network: nn.Module, learning_rate: Any = None, layer_decay: Any = None, fresh: Collection[str] = ()
) -> PartRates | None:
    """Find out at which rate each parameter learns; None where they all learn at that of their group.

    Args:
        network: the network.
        learning_rate: a dict of rates for "body" and "head", of which one may be left out; a number, or None, tells
            nothing here.
        layer_decay: what the rate is multiplied by from each layer to the one below it; None: they are alike.
        fresh: names of the parameters that no checkpoint held; in the body, too, they learn as the head does.

    Raises:
        ArgumentError: a rate or a part is none, or the network has no body, or no layers.

    Example:
        >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])
        >>> rates = plan_rates(nn.Sequential(layers, nn.Linear(2, 1)), layer_decay=0.5)
        >>> [rates.of(layer.weight, 1.0) for layer in layers]
        [0.25, 0.5]

    Source:
        The rate of depth d is rate * layer_decay ** (top - d), as BEiT's own fine-tuning has it (Bao et al. 2021,
        arXiv:2106.08254; ELECTRA's code starts one step lower).
    """
    of_part = _rates_of_parts(learning_rate) if isinstance(learning_rate, Mapping) else {}
    if layer_decay is not None:
        _check_decay(layer_decay)
    if not of_part and layer_decay is None:
        return None
    body = _required_body(network, f"learning_rate={learning_rate!r}") if of_part else None
    known = () if body is None else pretrained_parameters(network, body, fresh)
    below = {} if layer_decay is None else depths_of(network, f"layer_decay={layer_decay!r}").below
    below = below | dict.fromkeys(drawn_parameters(network, fresh), 0)
    return PartRates(of_part, frozenset(map(id, known)), 1.0 if layer_decay is None else float(layer_decay), below)


def _rates_of_parts(given: Mapping[Any, Any]) -> dict[str, float]:
    for name, rate in given.items():
        if name not in PARTS:
            do = did_you_mean(str(name), PARTS, 'write learning_rate={"body": 2e-5, "head": 1e-3}.')
            raise ArgumentError(f"learning_rate has a part {name!r}.", '"body" and "head".', do)
        if not _is_rate(rate):
            raise ArgumentError(f"learning_rate[{name!r}]={rate!r} is no size.", "a finite number of at least 0.")
    if not given:
        raise ArgumentError("learning_rate is an empty dict.", 'a rate for "body", for "head", or for both.')
    return {name: float(rate) for name, rate in given.items()}


def _is_rate(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return isfinite(value) and float(value) >= 0


def _check_decay(value: Any) -> None:
    if not _is_rate(value) or not 0 < value <= 1:
        raise ArgumentError(
            f"layer_decay={value!r} is no factor between one layer's rate and the next.",
            "a float above 0 and at most 1.",
            "write layer_decay=0.9, or leave it out.",
        )


def _required_body(network: nn.Module, wanted_by: str) -> nn.Module:
    body = body_of(network)
    if body is None:
        raise ArgumentError(
            f"{wanted_by} needs a body, and {type(network).__name__} has none, or several.",
            "a transformer, or a module with one transformer, or anything with a `base_model`, in it.",
            "give an optimizer object with parameter groups of your own.",
        )
    return body


@contextmanager
def regrouped(optimizer: Optimizer, rates: PartRates | None) -> Iterator[None]:
    """Split the groups of an optimizer by rate for a run, and put them back at the end.

    What a group says beside its rate (decay, betas) goes on to its parts; moments belong to parameters, and stay. Where
    a group is split, the part with the highest rate is the first: `history.learning_rates` are its rates. Groups that
    stay whole keep their order, so that a state saved now can be loaded later. For the run the highest rate is the
    optimizer's own, which schedules with a last rate reckon with. At the end the groups are those of before, with their
    rates of before; what else a run has changed in them, such as a counter, is kept, and so are groups added in it.

    Args:
        optimizer: any torch optimizer.
        rates: from `plan_rates`; None leaves the groups as they are.
    """
    if rates is None:
        yield
        return
    before, own_rate = list(optimizer.param_groups), optimizer.defaults.get("lr")
    parts = [_split(group, rates) for group in before]
    listed = [part for of_one in parts for part in of_one]
    if len(listed) > len(before):
        listed.sort(key=lambda part: -part["lr"])
    optimizer.param_groups[:] = listed
    optimizer.defaults["lr"] = max(part["lr"] for part in listed)
    try:
        yield
    finally:
        for group, of_one in zip(before, parts, strict=True):
            group.update({name: value for name, value in of_one[0].items() if name not in _OWN})
        optimizer.param_groups[:] = [*before, *optimizer.param_groups[len(listed) :]]
        optimizer.defaults["lr"] = own_rate


_OWN = ("params", "param_names", "lr", "initial_lr")


def _split(group: Group, rates: PartRates) -> list[Group]:
    """Give a group's parts, each with one rate."""
    found: dict[float, list[int]] = {}
    for place, parameter in enumerate(group["params"]):
        found.setdefault(rates.of(parameter, float(group["lr"])), []).append(place)
    parts = [{**part_of(group, places), "lr": rate} for rate, places in found.items()]
    for part in parts:
        part.pop("initial_lr", None)  # of an earlier schedule
    return parts or [group]


def part_of(group: Group, places: list[int]) -> Group:
    """Give a copy of a parameter group with some of its parameters, by their places in it."""
    part = dict(group)
    for name in ("params", "param_names"):
        if name in part:
            part[name] = [part[name][place] for place in places]
    return part
