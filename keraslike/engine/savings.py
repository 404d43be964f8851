"""Memory saved at the price of time: activations that are computed again in the backward instead of kept."""

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import nn

from keraslike.engine.forward import ModelWrapper
from keraslike.errors import ArgumentError


def is_wanted(gradient_checkpointing: Any) -> bool:
    """Give the argument of that name as a bool.

    Raises:
        ArgumentError: it is none.

    Example:
        >>> is_wanted(True)
        True
    """
    if not isinstance(gradient_checkpointing, (bool, np.bool_)):
        raise ArgumentError(
            f"gradient_checkpointing={gradient_checkpointing!r} was given.",
            "True or False.",
            "write gradient_checkpointing=True.",
        )
    return bool(gradient_checkpointing)


def checkpoint_gradients(network: nn.Module) -> None:
    """Let a network keep only its layers' inputs in the forward, and compute the layers again in the backward.

    The weights after a step are the same to the last bit, with dropout too: the second computation draws what the first
    one drew. In evaluation mode nothing changes. A decoder keeps no cache while it trains; its config, and what
    `generate` does, stay as they are.

    Args:
        network: a model of transformers, also in a `ModelWrapper` or as a part of a larger module. It is changed in
            place; twice is as good as once.

    Raises:
        ArgumentError: there is no model of transformers in it, or one that cannot do this.

    Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016; `torch.utils.checkpoint`.

    Example:
        >>> from transformers import BertConfig, BertModel
        >>> config = BertConfig(
        ...     vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        ... )
        >>> network = BertModel(config)
        >>> checkpoint_gradients(network)
        >>> network.is_activation_checkpointing
        True
    """
    transformers = list(_transformers_in(network))
    able = [transformer for transformer in transformers if transformer.supports_gradient_checkpointing]
    if not transformers or len(able) < len(transformers):
        names = [type(transformer).__name__ for transformer in transformers if transformer not in able]
        raise ArgumentError(
            f"gradient_checkpointing=True was given for {(names or [type(network).__name__])[0]}, which cannot do it.",
            "a model of transformers that supports it, such as BERT, RoBERTa or Llama.",
            "leave it out and set micro_batch_size=, or call torch.utils.checkpoint.checkpoint in your forward.",
        )
    for transformer in able:
        _enable(transformer)


def _transformers_in(module: nn.Module) -> Iterator[Any]:
    """Give the outermost models of transformers in a module; a wrapper's own is none of its parts."""
    module = module.wrapped if isinstance(module, ModelWrapper) else module
    if hasattr(module, "supports_gradient_checkpointing"):
        yield module
        return
    for child in module.children():
        yield from _transformers_in(child)


def _enable(transformer: Any) -> None:
    # transformers 5.23 renamed the method and warns of the old name, which alone is there in 5.3
    enable = getattr(transformer, "activation_checkpointing_enable", None) or transformer.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    # It lets the embeddings' outputs ask for gradients, which only the reentrant kind needs: with frozen layers at the
    # bottom the backward would run through all of them, and the hook that does it cannot be pickled.
    if hasattr(transformer, "_require_grads_hook"):
        transformer.disable_input_require_grads()
    for module in transformer.modules():  # an encoder inside has a config, and a cache, of its own
        is_model = hasattr(module, "supports_gradient_checkpointing")
        takes_cache = is_model and "use_cache" in inspect.signature(module.forward).parameters
        if takes_cache and _without_cache not in module._forward_pre_hooks.values():  # noqa: SLF001  # the one list
            module.register_forward_pre_hook(_without_cache, with_kwargs=True)


def _without_cache(
    transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Ask for no cache in training, before the layers warn that they keep none; the config is saved as it was."""
    return (args, {**kwargs, "use_cache": False}) if transformer.training else (args, kwargs)
