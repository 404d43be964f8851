"""Which token a decoder begins with, and which one ends what it writes."""

from typing import Any

import numpy as np
import torch

from keraslike.errors import ArgumentError

NEVER_AN_ID = 10**9
"""Stands in for a token, to see where a model puts it."""


def first_token(network: Any) -> int | None:
    """Give the token that decoding begins with; None where it is the last token of the target, as in mBART.

    Raises:
        ArgumentError: the configuration does not say.
    """
    probe = torch.tensor([[NEVER_AN_ID, NEVER_AN_ID + 1]])
    first = network.config.decoder_start_token_id
    if hasattr(network, "prepare_decoder_input_ids_from_labels") and network.config.pad_token_id is not None:
        try:
            first = int(network.prepare_decoder_input_ids_from_labels(labels=probe)[0, 0])
        except (ValueError, TypeError):  # there is none
            first = None
    if first is None:
        raise ArgumentError(
            "the network's configuration does not say with which token decoding begins.",
            "its decoder_start_token_id.",
            "set network.config.decoder_start_token_id, often tokenizer.cls_token_id, bos_token_id or pad_token_id.",
        )
    return None if first == NEVER_AN_ID + 1 else first


def end_to_add(network: Any, tokenizer: Any) -> int | None:
    """Give the token that ends what is written, where the tokenizer does not put it behind a target itself."""
    says = getattr(network, "generation_config", None)
    found = getattr(says, "eos_token_id", None)
    ends = [tokenizer.eos_token_id] if found is None else np.ravel(found).tolist()
    if ends == [None] or not {*ends}.isdisjoint(tokenizer(text_target="a", verbose=False)["input_ids"]):
        return None
    return int(ends[0])
