"""What a tokenizer must do for lists of words: tell the word of a piece, and keep the spaces between words."""

import os
from typing import Any

from keraslike.errors import ArgumentError

JOINED = (
    "The tokenizer leaves out the spaces between listed words; some keep them if they are loaded with "
    "AutoTokenizer.from_pretrained(..., add_prefix_space=True)."
)


def require_words(tokenizer: Any) -> None:
    """Refuse a tokenizer that does not tell which word a piece comes from.

    Raises:
        ArgumentError: it does not.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ArgumentError(
            f"the tokenizer is a {type(tokenizer).__name__}, which does not tell the word of a piece.",
            "a fast tokenizer (tokenizer.is_fast is True).",
            "take a model whose tokenizer has a tokenizer.json.",
        )


def joins_words(tokenizer: Any) -> bool:
    """Tell whether the words of a list get other pieces than they have in a text, as if no space stood before them.

    RoBERTa's and GPT-2's tokenizers do so unless they are loaded with `add_prefix_space=True`; transformers 5 no longer
    says so.
    """
    in_text = tokenizer("a a", add_special_tokens=False)["input_ids"]
    listed = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(in_text[-1:] != listed[-1:])


def with_spaces(source: Any, tokenizer: Any) -> Any:
    """Give the tokenizer of a name or directory so that it keeps spaces; without a source the one given."""
    if not isinstance(source, (str, os.PathLike)):
        return tokenizer
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source, add_prefix_space=True)


def require_room(tokenizer: Any, max_length: int | None, stride: int | None) -> None:
    """Refuse windows that hold no more pieces than they have in common.

    Args:
        tokenizer: says how many special tokens a window has.
        max_length: tokens in a window; None: no limit.
        stride: pieces that a window has in common with the one before; None: to be chosen.

    Raises:
        ArgumentError: the windows would not get on.
    """
    room = None if max_length is None else max_length - tokenizer.num_special_tokens_to_add()
    if room is not None and room <= (stride or 0):
        raise ArgumentError(
            f"max_length={max_length} leaves room for {max(room, 0)} pieces of words in a window, and stride={stride}.",
            "more pieces in a window than it has in common with the one before.",
            "give a larger max_length, or a smaller stride.",
        )
