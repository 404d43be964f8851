"""A network with LoRA as others read it: its matrices merged into its weights, and the adapter as files of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

from torch import nn

from keraslike.recipes.adapting import ADAPTER, bare, lora_layers, lora_of

FOLDER = "adapter"
"""Where the adapter lies in a saved model's directory."""

WEIGHTS = "adapter_model.safetensors"
"""What peft calls the file of an adapter's weights."""


@contextmanager
def merged(network: nn.Module) -> Iterator[None]:
    """Let a network be a plain one inside, without matrices: its layers have the sum of both as their weights.

    The layers with matrices are set aside, not changed, so that they learn on as if nothing had been. A merged copy of
    each of them takes memory meanwhile. A network without LoRA stays as it is.

    Example:
        >>> with merged(nn.Linear(1, 1)):
        ...     pass
    """
    found = [] if lora_of(network) is None else lora_layers(network)
    root = bare(network)
    places = [(root.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], layer) for name, layer in found]
    try:
        for parent, name, layer in places:
            parent.register_module(name, _plain(layer))
        yield
    finally:
        for parent, name, layer in places:
            parent.register_module(name, layer)


def _plain(layer: Any) -> nn.Module:
    """Give a layer of the base's kind whose weight is that of the base with the matrices' product added, by peft."""
    twin = deepcopy(layer)
    twin.merge(adapter_names=[ADAPTER])
    plain: nn.Module = twin.get_base_layer()
    return plain


def save_adapter(network: nn.Module, directory: str) -> None:
    """Write the matrices, and what learned as a whole beside them, so that `peft.PeftModel.from_pretrained` reads them.

    Args:
        network: a network with LoRA; another one writes nothing.
        directory: the saved model's, of which they become a part.
    """
    lora = lora_of(network)
    if lora is None:
        return
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    root: Any = bare(network)
    state = dict(get_peft_model_state_dict(root, adapter_name=ADAPTER, save_embedding_layers=False))
    for name in lora.whole:
        state |= {f"{name}.{key}": tensor for key, tensor in root.get_submodule(name).state_dict().items()}
    folder = os.path.join(directory, FOLDER)
    os.makedirs(folder)
    tensors = {f"base_model.model.{key}": tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    save_file(tensors, os.path.join(folder, WEIGHTS), metadata={"format": "pt"})
    config = copy(lora.config)
    config.modules_to_save, config.inference_mode = lora.whole or None, True
    config.base_model_name_or_path = getattr(getattr(root, "config", None), "_name_or_path", None) or None
    config.save_pretrained(folder)
