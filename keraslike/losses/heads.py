"""Which heads of transformers compute a plain mean, and over what: the closed list that `model_loss` knows.

A head is known by its ending and its type of model: heads of one ending differ between models (BART's `ForCausalLM`
does not shift its labels, ProphetNet's seq2seq head adds n-grams). Every pair below was read in transformers' sources
and runs in a test against the head's own loss.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from keraslike.losses.base import Loss
from keraslike.losses.binary_cross_entropy import BinaryCrossEntropy
from keraslike.losses.cross_entropy import CrossEntropy
from keraslike.losses.mean_squared_error import MeanSquaredError

ENCODERS = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta-v2",
        "distilbert",
        "electra",
        "modernbert",
        "mpnet",
        "roberta",
        "xlm-roberta",
    }
)
DECODERS = frozenset(
    {
        "bloom",
        "falcon",
        "gemma",
        "gpt2",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "llama",
        "mistral",
        "opt",
        "phi",
        "qwen2",
        "qwen3",
    }
)
GENERIC = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Decoders with the token head that transformers shares among models."""
SEQ2SEQ = frozenset(
    {
        "bart",
        "blenderbot",
        "m2m_100",
        "marian",
        "mbart",
        "mt5",
        "pegasus",
        "t5",
    }
)

ENDINGS = {
    "ForSequenceClassification": ENCODERS | DECODERS,
    "ForTokenClassification": ENCODERS | GENERIC,
    "ForMultipleChoice": ENCODERS,
    "ForMaskedLM": ENCODERS,
    "ForCausalLM": DECODERS,
    "LMHeadModel": DECODERS,
    "ForConditionalGeneration": SEQ2SEQ,
    "MTModel": SEQ2SEQ,
}
"""Endings of class names, and the types of model for which the head is a plain mean."""

SEQUENCE, TOKENS, CHOICE, SHIFTED = "sequence", "tokens", "choice", "shifted"
_KINDS = {
    "ForSequenceClassification": SEQUENCE,
    "ForMultipleChoice": CHOICE,
    "ForCausalLM": SHIFTED,
    "LMHeadModel": SHIFTED,
}
_LOSSES: dict[str, Loss] = {
    "single_label_classification": CrossEntropy(),
    "multi_label_classification": BinaryCrossEntropy(),
    "regression": MeanSquaredError(),
}


class Head(NamedTuple):
    """A head that is known: its kind, and the config that says what its labels mean."""

    kind: str
    config: Any

    def pair(self, logits: Tensor | None, labels: Tensor) -> tuple[Loss, Tensor | None, Tensor]:
        """Give the loss that the head computes, and what it computes it of: logits (None stays None) and labels."""
        if self.kind == SEQUENCE:
            kind = self._problem_type(labels)
            logits = logits.reshape(labels.shape) if logits is not None and kind == "regression" else logits
            return _LOSSES[kind], logits, labels.reshape(-1) if kind == "single_label_classification" else labels
        if self.kind == SHIFTED:
            logits = None if logits is None else logits[:, :-1]
            labels = labels[:, 1:]
        if self.kind != CHOICE and logits is not None:
            logits = logits.transpose(1, 2)  # (batch, classes, tokens), as torch has it
        return _LOSSES["single_label_classification"], logits, labels

    def _problem_type(self, labels: Tensor) -> str:
        """Tell what the labels mean as transformers does, which notes it in the config at its first loss."""
        if self.config.problem_type is not None:
            return str(self.config.problem_type)
        if self.config.num_labels == 1:
            return "regression"
        is_class = labels.dtype in (torch.long, torch.int)
        return "single_label_classification" if is_class else "multi_label_classification"


def find_head(network: nn.Module | None) -> Head | str:
    """Give the head of a network, or in words why it is not known.

    Example:
        >>> find_head(nn.Linear(1, 1))
        "Linear's own loss is not one that keraslike can count"
    """
    if network is None:
        return "the network's own loss is not one that keraslike can count"
    network = vars(network).get("wrapped", network)
    name, config = type(network).__name__, getattr(network, "config", None)
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), None)
    if config is None or ending is None or not _is_plain(network, ending):
        return f"{name}'s own loss is not one that keraslike can count"
    if "deberta" in config.model_type and _KINDS.get(ending) == SEQUENCE and config.problem_type is None:
        return f"{name} takes another loss where config.problem_type is not set"
    return Head(_KINDS.get(ending, TOKENS), config)


def _is_plain(network: Any, ending: str) -> bool:
    """Tell whether a head is transformers' own, of a type in the list, and set up as it comes."""
    is_own = type(network).__module__.startswith("transformers.") and not hasattr(network, "_loss_function")
    is_whole = not getattr(network.config, "sparse_prediction", False)  # else ModernBERT gives masked words alone
    return is_own and is_whole and network.config.model_type in ENDINGS[ending]
