"""Puts LoRA's small matrices beside the layers of a body, which is frozen: they learn in its place."""

import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from keraslike.calling import did_you_mean
from keraslike.engine.random_state import kept
from keraslike.errors import ArgumentError
from keraslike.recipes.layers import body_of, covered

ADAPTER = "default"
"""The name that peft gives to the only adapter of a network."""

FUSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""Layers of torch's that read the weights of their parts past these, so that a matrix beside one would not be seen."""


@dataclass
class Lora:
    """What was put into a network.

    Attributes:
        config: peft's, as it was put in.
        whole: the names of the modules that learn as a whole beside the matrices: the head, and what was missing.
        is_told: whether the screen has said how many parameters learn.
    """

    config: Any
    whole: list[str]
    is_told: bool = False


def apply_lora(network: nn.Module, config: Any, fresh: Collection[str] = ()) -> None:
    """Put matrices beside the layers of a network, in place, and freeze all else but its head.

    The network stays what it is, a transformer of transformers under its own name. Beside the matrices learns what no
    checkpoint held, and what is outside the body, unless that is a vocabulary. The random state is left as it was: the
    matrices are drawn in `begin_lora`. A network that has them already is left alone.

    Args:
        network: a transformer, wrapped or not, or any module with linear layers.
        config: from `as_lora`; None does nothing.
        fresh: names of the parameters that no checkpoint held.

    Raises:
        ArgumentError: there is no layer for the matrices, or the network has adapters already.
    """
    network = bare(network)
    if config is None or lora_of(network) is not None:
        return
    _refuse_adapters(network)
    _require_named(network, config.modules_to_save or ())
    learning = {id(p): p for p in _learning(network, fresh, config.modules_to_save or ()) if p.requires_grad}
    whole = [name for name, _ in covered(network, learning) if name]
    chosen = _chosen(network, config, whole)
    _inject(network, chosen)
    for parameter in learning.values():
        parameter.requires_grad_(True)
    vars(network)["keraslike_lora"] = Lora(chosen, whole)


def bare(network: nn.Module) -> nn.Module:
    """Give the transformer that a `ModelWrapper` holds, or the module itself."""
    inner: nn.Module = vars(network).get("wrapped", network)
    return inner


def lora_of(network: nn.Module) -> Lora | None:
    """Give what `apply_lora` put into a network; None where it did nothing.

    Example:
        >>> lora_of(nn.Linear(1, 1)) is None
        True
    """
    return vars(bare(network)).get("keraslike_lora")


def lora_layers(network: nn.Module) -> list[tuple[str, Any]]:
    """Give the layers that have matrices beside them, with their names, in the order of the network."""
    from peft.tuners.lora import LoraLayer

    return [(name, module) for name, module in bare(network).named_modules() if isinstance(module, LoraLayer)]


def _refuse_adapters(network: nn.Module) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    if any(isinstance(module, BaseTunerLayer) for module in network.modules()):
        raise ArgumentError(
            f"lora= is given, and this {type(network).__name__} has adapters of peft already.",
            "a network without.",
            "leave lora out, or give network.merge_and_unload().",
        )


# What learns as a whole


def _require_named(network: nn.Module, named: Collection[str]) -> None:
    """Refuse names of `modules_to_save` that no module has: peft would pass over them in silence."""
    names = [name for name, _ in network.named_modules() if name]
    for wanted in named:
        if not any(name.endswith(wanted) for name in names):
            parts = sorted({name.rpartition(".")[2] for name in names})
            raise ArgumentError(
                f"lora has modules_to_save={list(named)}, and no module is called {wanted!r}.",
                f"names of modules, such as {', '.join(parts[:8])}.",
                did_you_mean(wanted, parts),
            )


def _learning(network: nn.Module, fresh: Collection[str], named: Collection[str]) -> Iterator[nn.Parameter]:
    """Give what learns beside them: the head, if it is no vocabulary; what no checkpoint held; what is named."""
    body = body_of(network)
    has_head = body is not None and _vocabulary(network) is None
    inside = {id(parameter) for parameter in body.parameters()} if body is not None else set()
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if name in fresh or (has_head and id(parameter) not in inside):
            yield parameter
    for name, module in network.named_modules():
        if name.endswith(tuple(named)):  # as peft reads modules_to_save
            yield from module.parameters()


def _vocabulary(network: Any) -> nn.Module | None:
    """Give the head of a language model, as wide as the vocabulary; None where the network is none."""
    get = getattr(network, "get_output_embeddings", None)
    head: nn.Module | None = None if get is None else get()
    return head


# Which layers get matrices


def _chosen(network: nn.Module, config: Any, whole: list[str]) -> Any:
    """Give the configuration with the layers that get matrices; those that learn as a whole get none."""
    targets = config.target_modules or _usual(network) or _linear(network, whole)
    if not targets:
        raise ArgumentError(
            f"lora= finds no linear layer in {type(network).__name__}.",
            "a network with a torch.nn.Linear, or the names of layers that peft knows.",
            "leave lora out.",
        )
    excluded = _excluded(config.exclude_modules, [name for name, _ in network.named_modules() if _is_in(name, whole)])
    chosen = replace(config, target_modules=targets, exclude_modules=excluded, modules_to_save=None)
    chosen.inference_mode = False
    return chosen


def _usual(network: nn.Module) -> list[str] | None:
    """Give the layers that peft takes in this architecture; None where it knows none, or they are not there."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    body = body_of(network)
    named = KNOWN.get(str(getattr(getattr(body, "config", None), "model_type", None)))
    if body is None or not isinstance(named, list):
        return None
    names = [name.rpartition(".")[2] for name, _ in body.named_modules()]
    return named if set(named) & set(names) else None


def _linear(network: nn.Module, whole: list[str]) -> list[str]:
    """Give all linear layers of the body, or of a network without one, but those that learn as a whole."""
    body = body_of(network) or network
    inside = {id(module) for module in body.modules()}
    fused = {id(part) for module in network.modules() if isinstance(module, FUSED) for part in module.modules()}
    shared = _shared(network)
    return [
        name
        for name, module in network.named_modules()
        if id(module) in inside - fused
        and _is_linear(module)
        and id(module.weight) not in shared
        and not _is_in(name, whole)
    ]


def _is_in(name: str, parts: list[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (nn.Linear, Conv1D))


def _shared(network: nn.Module) -> set[int]:
    """Give the `id` of each parameter that several modules hold: a matrix beside one of them would part them."""
    owners = [id(parameter) for module in network.modules() for parameter in module.parameters(recurse=False)]
    return {owner for owner in owners if owners.count(owner) > 1}


def _excluded(given: Any, names: list[str]) -> Any:
    """Give the modules that get no matrices, in peft's form: names, or one regular expression."""
    if not isinstance(given, str):
        return sorted({*(given or ()), *names}) or None
    return "|".join([f"(?:{given})", *map(re.escape, names)])


def _inject(network: nn.Module, config: Any) -> None:
    """Let peft put the matrices in; what it warns of is settled here."""
    from peft import inject_adapter_in_model

    try:
        with kept(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set")  # peft sets it right for Conv1D itself
            inject_adapter_in_model(config, network, adapter_name=ADAPTER)
    except ValueError as error:
        names = [name for name, module in network.named_modules() if _is_linear(module)]
        raise ArgumentError(
            f"peft cannot put the matrices of lora= in: {error}",
            f"names of layers such as {', '.join(names[:3])}.",
            "leave target_modules out, or name other layers.",
        ) from None
    shared = _shared(network)
    for name, layer in lora_layers(network):
        if id(layer.get_base_layer().weight) in shared:
            raise ArgumentError(
                f"lora= adapts {name!r}, which shares its weights with another part of the network.",
                "layers with weights of their own.",
                "leave it out of target_modules.",
            )


# The beginning of a run


def begin_lora(network: nn.Module) -> list[str]:
    """Draw the matrices, as long as they have not learned, and say once how many parameters learn.

    They are drawn as peft draws them, from the global random state, behind the head: the weights are those of a network
    that peft was given with the same seed. On the CPU, so that the same seed gives the same matrices on any device.

    Returns:
        the line for the screen, the first time; none later, or without LoRA.
    """
    lora = lora_of(network)
    if lora is None:
        return []
    layers = lora_layers(network)
    if not any(_has_learned(layer) for _, layer in layers):
        for _, layer in layers:
            _draw(layer, lora.config.init_lora_weights)
    if lora.is_told:
        return []
    lora.is_told = True
    return [_told(network, lora, [name for name, _ in layers])]


def _told(network: nn.Module, lora: Lora, layers: list[str]) -> str:
    """Say how many parameters learn, and where."""
    learning, everything = (
        sum(p.numel() for p in network.parameters() if p.requires_grad or counts_frozen)
        for counts_frozen in (False, True)
    )
    kinds = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
    share = f"{learning:,} of {everything:,} parameters learn ({100 * learning / everything:.2f} %)"
    beside = f", and {', '.join(lora.whole)}" if lora.whole else ""
    return f"LoRA: {share}: rank {lora.config.r} beside {len(layers):,} layers ({kinds}){beside}."


def _has_learned(layer: Any) -> bool:
    """Tell whether one of the factors that begin at 0 is no longer 0."""
    zeros = [part.weight for part in layer.lora_B.values()] + list(layer.lora_embedding_A.values())
    return any(bool(factor.any()) for factor in zeros)


@torch.no_grad()
def _draw(layer: Any, start: Any) -> None:
    """Draw the matrices of a layer as peft does when it makes them: first as torch begins them, then by `start`."""
    factors = [matrices[ADAPTER] for matrices in (layer.lora_A, layer.lora_B) if ADAPTER in matrices]
    device = next(layer.parameters()).device
    layer.to("cpu")
    for factor in factors:
        factor.reset_parameters()
    if ADAPTER in layer.lora_embedding_A:
        for factor in (layer.lora_embedding_A[ADAPTER], layer.lora_embedding_B[ADAPTER]):
            torch.randn(factor.shape)
    layer.reset_lora_parameters(ADAPTER, start)
    layer.to(device)
