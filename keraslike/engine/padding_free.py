"""The layers of a transformer see no padding: the texts of a batch go through them as one row of tokens.

Embeddings and head get the padded batch as ever. Between them, in the stack of layers where nearly all time is spent,
only real tokens are left. Attention alone has to know where a text ends: it takes texts of about one length together,
those of another length apart. Under a head that reads nothing at padding the gradient is that of the padded batch,
whatever it was padded to.

Source:
    Zeng et al., Boosting Distributed Training Performance of the Unpadded BERT Model, 2022 (arXiv:2208.08124).
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from keraslike.data.batches import Part
from keraslike.engine.onlookers import is_asked_for_more, is_compiled, is_hooked, is_hooked_everywhere, is_plain_head
from keraslike.engine.token_layout import Group, Layout, lay_out

ENCODERS = {
    "bert": "encoder",
    "camembert": "encoder",
    "distilbert": "transformer",
    "electra": "encoder",
    "roberta": "encoder",
    "xlm-roberta": "encoder",
}
"""Bodies whose layers know positions from the embeddings alone: the type of model, and the stack's attribute."""

HEADS = ("ForMultipleChoice", "ForSequenceClassification")
"""Endings of transformers' heads that read each text's first token alone."""

ATTENTION = "keraslike_padding_free"
"""The name that transformers knows our attention by."""

CHOICE = "_attn_implementation"
"""Where a configuration of transformers keeps the name of the attention in force; there is no public word for it."""

OWN = "sdpa"
"""The attention that the networks have which are listed here."""

GROUP_PRICE = 768_000
"""What one more group of texts costs in attention: so many pairs of tokens times the width of the network.

Measured with MiniLM (384 wide) on a CPU core: 500, 2,000, 8,000 and 30,000 pairs a group took 1.08, 1.07, 1.09 and 1.17
times as long as texts of one length.
"""


class PaddingFree:
    """The body of a transformer, whose layers are to see no padding while this is in force.

    Args:
        body: the module that is given `input_ids` and `attention_mask`.
        encoder: its stack of layers.
        worth: tokens of padding in a batch from which on it is worth it; a batch with fewer goes through as it is.

    Attributes:
        sent: tokens that the layers were given since this came into force, in each call of the body.
    """

    def __init__(self, body: Any, encoder: nn.Module, worth: float) -> None:
        self.body, self.encoder, self.worth = body, encoder, worth
        self.config = body.config
        self.sent: list[int] = []
        self._layout: Layout | None = None
        self._shape, self._is_copy = (0, 0), False
        _register()

    def __deepcopy__(self, known: dict[int, Any]) -> Self:
        """Let a copy of the network that is made inside have its own attention, and hooks that do nothing."""
        if self._is_copy:
            return self
        setattr(copy.deepcopy(self.config, known), CHOICE, OWN)
        twin = type(self).__new__(type(self))
        twin._layout, twin._is_copy = None, True  # noqa: SLF001  # its own class
        return twin

    @classmethod
    def of(cls, network: nn.Module, worth: float, *, ignores_padding: bool = False) -> Self | None:
        """Give it for the body within a network; None where the layers must see the padding.

        That is so with bodies that are not listed, in compiled networks, and under heads that may read what stands at
        padding: any but those of transformers that are listed, since a mean over tokens, a maximum or a recurrent layer
        would.

        Args:
            network: the network, with its head.
            worth: as in `PaddingFree`.
            ignores_padding: whether loss and metrics look at no output at padding, so that any of transformers' heads
                that gives outputs per token will do.
        """
        head: Any = getattr(network, "wrapped", network)
        bodies = [module for module in network.modules() if _is_body(module)]
        is_listed = ignores_padding or type(head).__name__.endswith(HEADS)
        if (
            len(bodies) != 1
            or not is_listed
            or not is_plain_head(network, bodies[0])
            or any(map(is_compiled, head.modules()))
        ):
            return None
        body: Any = bodies[0]
        return cls(body, getattr(body, ENCODERS[body.config.model_type]), worth)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let the layers see no padding in what is sent through inside, and in the backward inside."""
        self.sent = []
        setattr(self.config, CHOICE, ATTENTION)
        hooks = [
            self.body.register_forward_pre_hook(self._enter_body, with_kwargs=True),
            self.encoder.register_forward_pre_hook(self._enter_layers, with_kwargs=True),
            self.encoder.register_forward_hook(self._leave_layers),
            self.body.register_forward_hook(self._leave_body, always_call=True),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            setattr(self.config, CHOICE, OWN)

    def count(self, parts: Sequence[Part]) -> None:
        """Write down what the layers were given, where each part went through the body once."""
        if len(self.sent) == len(parts):
            for part, sent in zip(parts, self.sent, strict=True):
                part.sent_tokens = sent if part.sent_tokens else 0

    def _enter_body(self, body: nn.Module, args: Any, inputs: dict[str, Any]) -> None:
        self._layout = None  # of a call around this one
        mask = inputs.get("attention_mask")
        if self._is_copy or not isinstance(mask, Tensor) or mask.ndim != 2 or self._is_seen(inputs):
            return
        is_token, width = mask.bool(), mask.shape[1]
        lengths = is_token.sum(1)
        is_padded_right = torch.equal(is_token, torch.arange(width, device=mask.device) < lengths[:, None])
        real = int(lengths.sum())
        is_worth_it = mask.numel() - real > self.worth and is_padded_right and int(lengths.min()) > 0
        self.sent.append(real if is_worth_it else mask.numel())
        if is_worth_it:
            self._shape = (mask.shape[0], width)
            self._layout = lay_out(lengths.tolist(), width, GROUP_PRICE / self.config.hidden_size, mask.device)

    def _is_seen(self, inputs: dict[str, Any]) -> bool:
        """Tell whether somebody looks on, since the run was planned, or in this call alone."""
        is_asked = is_asked_for_more(self.body, inputs) or is_hooked_everywhere()
        return is_asked or any(map(is_hooked, self.encoder.modules()))

    def _enter_layers(self, encoder: nn.Module, args: Any, inputs: dict[str, Any]) -> Any:
        if self._layout is None:
            return None
        hidden = args[0] if args else inputs["hidden_states"]
        row = hidden.flatten(0, 1).index_select(0, self._layout.tokens)[None]
        inputs = {**inputs, "layout": self._layout, "attention_mask": None}
        return ((row, *args[1:]), inputs) if args else ((), {**inputs, "hidden_states": row})

    def _leave_layers(self, encoder: nn.Module, args: Any, outputs: Any) -> Any:
        if self._layout is None:
            return None
        row = outputs.last_hidden_state[0]
        padded = row.new_zeros(self._shape[0] * self._shape[1], row.shape[1])
        outputs.last_hidden_state = padded.index_copy(0, self._layout.tokens, row).unflatten(0, self._shape)
        return outputs

    def _leave_body(self, *_: Any) -> None:
        self._layout = None


def _is_body(module: Any) -> bool:
    config: Any = getattr(module, "config", None)
    name = ENCODERS.get(getattr(config, "model_type", None) or "")
    encoder = None if name is None else getattr(module, name, None)
    if not isinstance(encoder, nn.Module) or not hasattr(module, "embeddings"):
        return False
    is_plain = not (getattr(config, "is_decoder", False) or getattr(config, "chunk_size_feed_forward", 0))
    is_plain &= getattr(config, CHOICE) == OWN and not is_asked_for_more(module, {})
    return is_plain and not any(map(is_hooked, encoder.modules()))


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def attend(
    layer: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    layout: Layout | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **further: Any,
) -> tuple[Tensor, None]:
    """Let each token attend to those of its own text, as an attention of transformers.

    Args:
        layer: the layer.
        query: shape `(1, heads, tokens, width)`, as key and value.
        key: see query.
        value: see query.
        mask: where there are tokens, for a batch that goes through as it is.
        layout: where the texts are; None: the batch goes through as it is, with transformers' own attention.
        dropout: the share of weights that are dropped.
        scaling: what the products are multiplied by; None: one over the square root of the width.
        further: for transformers' own attention.

    Returns:
        Shape `(1, tokens, heads, width)`, and None in the place of the weights.
    """
    if layout is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        known: dict[str, Any] = {"dropout": dropout, "scaling": scaling, **further}
        output, _ = sdpa_attention_forward(layer, query, key, value, mask, **known)
        return output, None
    heads, width = query.shape[1], query.shape[3]
    outputs = []
    for group in layout.groups:
        q, k, v = (_of_group(part[0], group) for part in (query, key, value))
        found = scaled_dot_product_attention(q, k, v, attn_mask=group.mask, dropout_p=dropout, scale=scaling)
        outputs.append(found.transpose(1, 2).flatten(0, 1))  # (texts * longest, heads, width)
    attended = torch.cat(outputs).index_select(0, layout.attended)
    return attended.view(1, -1, heads, width), None


def _of_group(row: Tensor, group: Group) -> Tensor:
    """Give the texts of a group side by side, padded: shape `(texts, heads, longest, width)`."""
    texts: Tensor = row.index_select(1, group.places).unflatten(1, group.shape)
    return texts.transpose(0, 1)
