"""A probe leaves no trace: what training changes is put back, to the last bit."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from keraslike.engine.best_state import BestState
from keraslike.engine.random_state import kept
from keraslike.engine.scalars import ScalarSums
from keraslike.recipes.adapting import lora_of
from keraslike.recipes.optimizer import decay_kept

OWNERS = ("task", "_feed", "_blueprint")
"""The attributes of a model that hold objects which a fit changes too."""


@contextmanager
def all_put_back(model: Any) -> Iterator[int]:
    """Let somebody train a model, and put everything back at the end, also after an error.

    ::

        values       weights, buffers, the optimizer's moments, gradients, the scale of fp16
        choices      learning rates and whatever else the groups hold, what learns, modes, the network's configuration
        notes        histories, sums of loss and metrics, limits, what task, columns and blueprint remember
        randomness   torch's, numpy's and Python's global state

    Args:
        model: a model whose network is built.

    Yields:
        The bytes of the copies of weights and moments, which lie in the CPU's memory while it lasts.

    Example:
        >>> from keraslike import Model
        >>> model = Model(nn.Linear(1, 1), "adamw", "mse", device="cpu")
        >>> before = model.network.weight.item()
        >>> with all_put_back(model):
        ...     _ = model.fit([[1.0]], [[2.0]], verbose=0)
        >>> model.network.weight.item() == before, len(model.history), dict(model.optimizer.state)
        (True, 0, {})
    """
    of_network = (getattr(model.network, "config", None), lora_of(model.network))
    owners = [model, *(vars(model).get(name) for name in OWNERS), *of_network]
    attributes = [(owner, _held(vars(owner))) for owner in owners if owner is not None]
    state, optimizer = BestState(model.network, model.optimizer, model.loss_function), model.optimizer
    state.keep()
    network, scale = _Flags(model.network, optimizer), model.precision.state()
    with kept(), decay_kept(optimizer):
        try:
            _set_books_aside(model)
            yield _copied_bytes(model.network, optimizer)
        finally:
            for owner, before in attributes:
                vars(owner).clear()
                vars(owner).update(before)
            network.put_back()
            state.put_back()
            model.precision.load_state(scale)


@contextmanager
def sources_put_back(sources: Iterable[Any]) -> Iterator[None]:
    """Put back the random states: the global ones, and the generators of the user's loaders and samplers.

    Args:
        sources: the user's data, samplers and generators; what draws from no generator of its own may be among them.

    Example:
        >>> loader = torch.utils.data.DataLoader(range(9), shuffle=True, generator=torch.Generator().manual_seed(0))
        >>> with sources_put_back([loader]):
        ...     first = [int(item) for item in loader]
        >>> [int(item) for item in loader] == first
        True
    """
    generators = [(generator, generator.get_state()) for generator in _generators(sources)]
    with kept():
        try:
            yield
        finally:
            for generator, before in generators:
                generator.set_state(before)


class OptimizerSettings:
    """What of an optimizer is no moment: groups with rates and decay, the rate of its own, hooks of schedules.

    Args:
        optimizer: it is as it should be again after `put_back`.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> settings = OptimizerSettings(optimizer)
        >>> optimizer.param_groups[0]["lr"] = 5.0
        >>> settings.put_back()
        >>> optimizer.param_groups[0]["lr"]
        0.1
    """

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.attributes, self.defaults = optimizer, dict(vars(optimizer)), dict(optimizer.defaults)
        self.groups = list(optimizer.param_groups)
        self.values = [_held(group) for group in self.groups]

    def put_back(self) -> None:
        """Put all of it back; the groups stay the objects that they are."""
        vars(self.optimizer).clear()
        vars(self.optimizer).update(self.attributes)  # a schedule wraps the optimizer's step
        for group, values in zip(self.groups, self.values, strict=True):
            group.clear()
            group.update(values)
        self.optimizer.param_groups[:] = self.groups
        self.optimizer.defaults.clear()
        self.optimizer.defaults.update(self.defaults)  # a given rate stands here too


class _Flags:
    """What of network and optimizer is no tensor of values: gradients, modes, settings, and what learns."""

    def __init__(self, network: nn.Module, optimizer: Any) -> None:
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        own = {id(parameter): parameter for parameter in [*network.parameters(), *held]}
        self.parameters = [(p, p.grad, p.requires_grad) for p in own.values()]
        self.modes = [(module, module.training) for module in network.modules()]
        self.settings = OptimizerSettings(optimizer)

    def put_back(self) -> None:
        """Put all of it back."""
        for parameter, gradient, is_learning in self.parameters:
            parameter.grad = gradient
            parameter.requires_grad_(is_learning)
        for module, is_training in self.modes:
            module.training = is_training
        self.settings.put_back()


def _set_books_aside(model: Any) -> None:
    """Let what is learned be added to sums of its own."""
    loss = model.loss_function
    model.loss_function = copy.deepcopy(loss) if getattr(loss, "keeps_sums", False) else copy.copy(loss)
    if "_sums" in vars(model.loss_function):
        vars(model.loss_function)["_sums"] = [0.0, 0.0]
    model.batch_metrics, model.epoch_metrics = copy.deepcopy((model.batch_metrics, model.epoch_metrics))
    model.scalars, model._scalars_of_metrics = ScalarSums(), {}  # noqa: SLF001  # as the engine's books_aside


def _held(attributes: dict[str, Any]) -> dict[str, Any]:
    """Give attributes, with lists and dicts as they are now, and copies of tensors."""
    return {name: _copied(value) for name, value in attributes.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        return value.detach().clone()
    return value.copy() if type(value) in (list, dict) else value


def _copied_bytes(network: nn.Module, optimizer: Any) -> int:
    tensors = [*network.parameters(), *network.buffers()]
    tensors += [part for state in optimizer.state.values() for part in state.values() if isinstance(part, Tensor)]
    return sum(tensor.nbytes for tensor in tensors)


def _generators(sources: Iterable[Any], depth: int = 3) -> Iterator[torch.Generator]:
    """Give the generators among the sources, and those of loaders, of their samplers and of the samplers in these."""
    for source in sources:
        if isinstance(source, torch.Generator):
            yield source
        elif depth:
            parts = [getattr(source, name, None) for name in ("generator", "sampler", "batch_sampler")]
            yield from _generators(parts, depth - 1)
