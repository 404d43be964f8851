"""Who sees what goes in and out of a body, padding too: a head, a hook, a compiler, who asks for hidden states."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn
from torch.nn.modules import module as of_torch
from torch.nn.utils.parametrize import is_parametrized

from keraslike.engine.forward import ModelWrapper

PLAIN = frozenset(
    {
        *(nn.Dropout, nn.Identity, nn.LayerNorm, nn.Linear),
        *(nn.ELU, nn.GELU, nn.LeakyReLU, nn.Mish, nn.ReLU, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh),
        *(nn.ModuleDict, nn.ModuleList, nn.ParameterDict, nn.Sequential),
    }
)
"""Layers of torch's that see one token at a time, and what holds them."""

OF_PEFT = ("peft.tuners.lora.", "peft.utils.other.ModulesToSaveWrapper")
"""How the names of peft's classes begin that hold other layers, which are looked at themselves."""

QUIET = frozenset({"keraslike.engine.padding_free", "transformers.utils.output_capturing"})
"""Whose hooks are no onlooker's: our own, and those that transformers leaves behind from the first call that asks for
hidden states or attentions; they do nothing in a call that does not ask."""

ASKED = ("output_attentions", "output_hidden_states")


def is_plain_head(network: nn.Module, body: nn.Module) -> bool:
    """Tell whether what stands around a body is transformers' own, so that its class says what it reads.

    Within it there are transformers' own parts, torch's layers that see one token at a time, and LoRA's beside them.
    Nobody else's layer is, nor one that lets tokens see each other: transformers hands many heads the whole sequence,
    and what stands at padding with it.

    Args:
        network: the network, wrapped or not.
        body: its body, which is not looked at.

    Example:
        >>> is_plain_head(nn.Linear(1, 1), nn.Linear(1, 1))
        False
    """
    head: nn.Module = network.wrapped if type(network) is ModelWrapper else network
    is_own = type(head).__module__.startswith("transformers.")
    return is_own and all(_is_plain(module) for module in _around(head, body))


def _around(module: nn.Module, body: nn.Module) -> Iterator[nn.Module]:
    """Give a module and its parts but the body, and but those that compute weights."""
    if module is body:
        return
    yield module
    for name, part in module.named_children():
        if name != "parametrizations":
            yield from _around(part, body)


def _is_plain(module: nn.Module) -> bool:
    from transformers.modeling_layers import GradientCheckpointingLayer

    kind = type(module).__mro__[1 if is_parametrized(module) else 0]
    if "forward" in vars(module):
        return False
    if kind.__module__.startswith("transformers."):
        reads_the_first = getattr(module, "summary_type", "first") == "first"
        return reads_the_first and not isinstance(module, GradientCheckpointingLayer)  # a layer with attention
    if f"{kind.__module__}.{kind.__name__}".startswith(OF_PEFT):
        return True
    return kind in PLAIN and (not isinstance(module, nn.LayerNorm) or len(module.normalized_shape) == 1)


def is_hooked(module: nn.Module) -> bool:
    """Tell whether somebody looks at what goes in or out, who expects a padded batch, and each call of the module.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> hook = layer.register_forward_hook(print)
        >>> is_hooked(layer), hook.remove(), is_hooked(layer)
        (True, None, False)
    """
    kinds = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)  # noqa: SLF001  # torch tells of them nowhere else
    if not any(kinds):
        return False
    return any(getattr(hook, "__module__", None) not in QUIET for hooks in kinds for hook in hooks.values())


def is_hooked_everywhere() -> bool:
    """Tell whether somebody looks at what goes in or out of any module at all.

    Example:
        >>> is_hooked_everywhere()
        False
    """
    sides = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")
    return any(getattr(of_torch, f"_global_{side}") for side in sides)


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module is compiled in place: hooks and a `forward` that come and go would break its graph.

    Example:
        >>> is_compiled(nn.Linear(1, 1))
        False
    """
    return module._compiled_call_impl is not None  # noqa: SLF001  # torch tells of it nowhere else


def is_asked_for_more(body: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Tell whether a call of a body, or its configuration, asks for hidden states or attentions.

    Args:
        body: the body.
        inputs: what it is given by name; what stands there goes before the configuration.

    Example:
        >>> is_asked_for_more(nn.Linear(1, 1), {}), is_asked_for_more(nn.Linear(1, 1), {"output_attentions": True})
        (False, True)
    """
    config = getattr(body, "config", None)
    return any(inputs.get(name, getattr(config, name, False)) for name in ASKED)
