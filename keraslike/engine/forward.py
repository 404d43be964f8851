"""Hands a transformer its dict of inputs, unpacked, where a training loop calls `network(x)`."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from keraslike.errors import ArgumentError

# What makes a module's parameters, buffers and keys. The wrapper holds the transformer's own dicts, so both are one
# tree and no key gets a prefix. An overridden state_dict or hooks that rename keys break nesting and FSDP.
SHARED = ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set")


class ModelWrapper(nn.Module):
    """A transformer that takes the dict of its inputs as one argument, as Poutyne and `Sequential` pass it.

    Parameters, buffers and the keys of `state_dict` are those of the transformer itself, also where the wrapper is part
    of a larger module; other attributes, such as `config` or `generate`, are the transformer's too.

    Args:
        transformer: a model of transformers, or any module that is called with keywords. It is not copied.

    Attributes:
        wrapped: the transformer. (`transformer` gives it too, but for a model that has a part of this name, such as
            GPT-2: there it is that part.)

    Raises:
        ArgumentError: `transformer` is no module.

    Example:
        >>> import torch
        >>> from transformers import BertConfig, BertModel
        >>> config = BertConfig(
        ...     vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        ... )
        >>> network = ModelWrapper(BertModel(config))
        >>> network({"input_ids": torch.tensor([[2, 5, 3]])})["last_hidden_state"].shape
        torch.Size([1, 3, 8])
        >>> network.config.vocab_size
        9
    """

    wrapped: nn.Module

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        if not isinstance(transformer, nn.Module):
            raise ArgumentError(
                f"ModelWrapper was given {transformer!r}, a {type(transformer).__name__}.",
                "a model of transformers, or another torch.nn.Module.",
                "load it first: ModelWrapper(AutoModelForSequenceClassification.from_pretrained(...)).",
            )
        _join(self, transformer.wrapped if isinstance(transformer, ModelWrapper) else transformer)

    def __getattr__(self, name: str) -> Any:
        wrapped = vars(self).get("wrapped")
        if wrapped is None:  # while it is being made, copied or unpickled
            raise AttributeError(name)
        if name == "transformer" and name not in self._modules:
            return wrapped
        return getattr(wrapped, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.wrapped!r})"

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        """Give the transformer's outputs for a dict of inputs, or any other Mapping such as a `BatchEncoding`.

        The loss of the transformer's own head, if labels are among the inputs, is the last of the outputs instead of
        the first: Poutyne reads the number of examples from the first one. `outputs.loss` and `outputs["loss"]` are as
        always.

        Raises:
            ArgumentError: `inputs` is a tensor or anything else that is no Mapping.
        """
        if not isinstance(inputs, Mapping):
            raise ArgumentError(
                f"ModelWrapper was given {_described(inputs)} as inputs.",
                "a dict of the transformer's inputs, such as {'input_ids': ..., 'attention_mask': ...}.",
                "pass what the tokenizer returns, or batch rows by DataLoader(..., collate_fn=TransformerCollator()).",
            )
        outputs = self.wrapped(**inputs)
        if isinstance(outputs, OrderedDict) and "loss" in outputs:
            outputs.move_to_end("loss")
        return outputs

    def train(self, mode: bool = True) -> Self:
        """Set training mode (or, by False, evaluation mode) here and in the transformer."""
        self.wrapped.train(mode)
        self.training = mode
        return self

    def save_pretrained(self, save_directory: Any, **options: Any) -> None:
        """Save a directory that `from_pretrained` reads, as the transformer's own `save_pretrained` does.

        Of tensors that are tied to each other one is written; they are tied again when they are read.
        """
        self.wrapped.save_pretrained(save_directory, **options)  # type: ignore[operator]  # any module may be wrapped

    def _replicate_for_data_parallel(self) -> Any:
        """Give DataParallel a shallow copy that runs a copy of the transformer, not the transformer itself."""
        replica = super()._replicate_for_data_parallel()  # type: ignore[no-untyped-call]  # torch's, without types
        _join(replica, self.wrapped._replicate_for_data_parallel())  # noqa: SLF001  # torch's hook for containers
        return replica


def _join(wrapper: ModelWrapper, transformer: nn.Module) -> None:
    """Let both be one tree; set in the usual way, the transformer would become a part, and its keys get a prefix."""
    shared = {name: vars(transformer)[name] for name in SHARED}
    vars(wrapper).update(shared, wrapped=transformer, training=transformer.training)


def _described(inputs: object) -> str:
    shape = f" of shape {tuple(inputs.shape)}" if isinstance(inputs, Tensor) else ""
    return f"a {type(inputs).__name__}{shape}"
