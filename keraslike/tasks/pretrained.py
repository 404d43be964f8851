"""Loads configurations, tokenizers and weights by transformers, calmly, and says in one line what is new or missing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from keraslike.calling import nearest_directory
from keraslike.data.values import plain
from keraslike.errors import ArgumentError, LoadError

WELL_KNOWN = (
    "albert-base-v2",
    "bert-base-cased",
    "bert-base-multilingual-cased",
    "bert-base-uncased",
    "distilbert-base-cased",
    "distilbert-base-uncased",
    "distilroberta-base",
    "google/electra-small-discriminator",
    "gpt2",
    "microsoft/deberta-v3-base",
    "roberta-base",
    "answerdotai/ModernBERT-base",
    "sentence-transformers/all-MiniLM-L6-v2",
    "xlm-roberta-base",
)
"""Names that a misspelt one is compared with; any other name is looked for all the same."""

UNLIMITED = 100_000
"""Tokenizers say "no limit" with a number beyond this one."""


@dataclass
class Loaded:
    """A network, and the names of its parameters that the checkpoint did not hold (a fresh head)."""

    network: nn.Module
    fresh: list[str] = field(default_factory=list)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' warnings and progress bars, and put both back at the end."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging

    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    has_hub_bars = not are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
        if not has_hub_bars:  # transformers has switched those of the hub on, too
            disable_progress_bars()


@contextmanager
def _told(source: Any) -> Iterator[None]:
    """Turn what transformers raises for an unreadable source into one short error."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (OSError, ValueError, SafetensorError) as error:
        if isinstance(error, LoadError):
            raise
        raise _load_error(str(source), error) from None


def _load_error(source: str, error: Exception) -> LoadError:
    if os.path.isdir(source):
        if not os.path.isfile(os.path.join(source, "config.json")):
            return LoadError(
                f"the directory {source!r} holds no model: it has no config.json.",
                "a directory written by model.save(...) or save_pretrained(...).",
                "check the path; checkpoints often lie one directory deeper.",
            )
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return LoadError(
            f"the model in {source!r} cannot be read: {reason}",
            "config.json, the tokenizer's files, and weights as .safetensors (keraslike reads no pickle).",
            "save it again with save_pretrained(...) of a current transformers.",
        )
    match = nearest_directory(source, WELL_KNOWN)
    return LoadError(
        f"there is no model {source!r}: no such directory here, and the Hugging Face hub has none or is out of reach.",
        "a local directory, or a model's name on the hub.",
        f"did you mean {match!r}?"
        if match not in (None, source)
        else "check spelling and connection (HF_HUB_OFFLINE=1 forbids looking), or name a local directory.",
    )


def load_config(source: Any) -> Any:
    """Read a model's configuration.

    Raises:
        LoadError: the name or directory is misspelt, unreachable or unreadable.
    """
    from transformers import AutoConfig

    with _told(source):
        return AutoConfig.from_pretrained(source)


def load_tokenizer(source: Any) -> Any:
    """Read a model's tokenizer (a name or directory), or give the tokenizer back that was given.

    Raises:
        LoadError: there is none.
    """
    from transformers import AutoTokenizer

    if not isinstance(source, (str, os.PathLike)):
        return source
    with _told(source):
        tokenizer = AutoTokenizer.from_pretrained(source)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes an empty one where no file is
        raise LoadError(
            f"{str(source)!r} holds no tokenizer, only the names of its special tokens.",
            "the tokenizer's files beside the weights, such as tokenizer.json.",
            "give Model(..., tokenizer=NAME) of the model that this one was made from.",
        )
    return tokenizer


def load_network(auto_class: Any, source: Any, **config: Any) -> Loaded:
    """Read a network with a head of the size wanted, in float32: half-wide weights would lose most small steps.

    Args:
        auto_class: one of transformers' Auto classes.
        source: a name or a directory.
        config: values that replace the configuration's, such as `num_labels`.

    Raises:
        LoadError: the source cannot be read, or weights of the body are missing (named in the error). A missing pooler
            is no error: many checkpoints come without one; it counts as part of the fresh head.
    """
    with _told(source):
        network, info = auto_class.from_pretrained(
            source,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            dtype=torch.float32,
            **config,
        )
    mismatched = [key[0] for key in info["mismatched_keys"]]
    fresh = sorted({*info["missing_keys"], *mismatched})
    prefix = f"{network.base_model_prefix}."
    lost = [key for key in fresh if key.startswith(prefix) and "pooler" not in key]
    if lost:
        named = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise LoadError(
            f"the checkpoint {str(source)!r} lacks weights of the body: {named}.",
            f"all weights of a {type(network).__name__} but its head.",
            "use a checkpoint of this architecture, or save it again.",
        )
    return Loaded(network, fresh)


def has_own_head(config: Any, suffix: str | tuple[str, ...]) -> bool:
    """Tell from a configuration whether the checkpoint was trained for this kind of task.

    `config.num_labels` tells nothing: it is 2 where nobody has set it.
    """
    return any(architecture.endswith(suffix) for architecture in config.architectures or [])


def with_fresh_head(auto_class: Any, loaded: Loaded) -> Loaded:
    """Give the same body with a head drawn anew from the global random state."""
    network: Any = loaded.network
    fresh = auto_class.from_config(network.config)
    fresh.base_model.load_state_dict(network.base_model.state_dict())
    prefix = f"{network.base_model_prefix}."
    return Loaded(fresh, [key for key in fresh.state_dict() if not key.startswith(prefix)])


def token_limit(config: Any, tokenizer: Any) -> int | None:
    """Give the largest number of tokens that a model takes, or None where nothing limits it.

    RoBERTa and its kin number their positions from `pad_token_id + 1`, so they take fewer than their table holds.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet"):
        positions -= config.pad_token_id + 1
    limits = [positions, tokenizer.model_max_length]
    return min((limit for limit in limits if limit is not None and 0 < limit < UNLIMITED), default=None)  # XLNet's: -1


SEES_PADDING = ("canine", "convbert", "fnet", "nystromformer", "yoso")
"""Types of models that mix padding into their answers, mask or not: measured, up to 0.6 in a logit."""


def padding_notes(network: Any) -> list[str]:
    """Say of a body that sees padding what comes of it: no batch size, and no way to cut, is without a trace.

    Example:
        >>> from types import SimpleNamespace
        >>> padding_notes(SimpleNamespace(config=SimpleNamespace(model_type="bert")))
        []
    """
    name = getattr(getattr(network, "config", None), "model_type", None)
    if name not in SEES_PADDING:
        return []
    return [f"The answers of {name} depend on padding, so on batch_size and micro_batch_size, however little."]


def refuse_answers_at_end(network: Any) -> None:
    """Refuse a head that reads more of a text than its first token, as XLNet's does: behind shorter texts is padding.

    Raises:
        ArgumentError: it is one.
    """
    kinds = {getattr(module, "summary_type", "first") for module in network.modules()} - {"first"}
    if kinds:
        raise ArgumentError(
            f"the head of {type(network).__name__} does not read each answer at the first token "
            f"(summary_type={min(map(str, kinds))!r}) but where padding may stand: it would depend on the other "
            "texts of a batch.",
            "a model that answers at its first token, such as bert-base-uncased or roberta-base.",
            'load this one with another head, from_pretrained(..., summary_type="first"), and give tokenizer= too.',
        )


def choose_max_length(wanted: int | None, config: Any, tokenizer: Any) -> int | None:
    """Give the number of tokens to cut at: the model's limit, or fewer where the user says so.

    Raises:
        ArgumentError: more tokens are wanted than the model takes, or none.
    """
    limit = token_limit(config, tokenizer)
    if wanted is None:
        return limit
    wanted = plain(wanted)
    is_count = isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1
    if not is_count or (limit is not None and wanted > limit):
        raise ArgumentError(
            f"max_length={wanted!r} does not fit this model.",
            f"1 to {limit or 'any number of'} tokens.",
            "leave it out.",
        )
    return wanted


def ensure_pad_token(tokenizer: Any, config: Any) -> None:
    """Let tokenizers without a padding token (GPT-2, Llama) pad with their end token; the mask hides it."""
    if not hasattr(tokenizer, "pad_token"):
        return  # a processor of images or sounds
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
