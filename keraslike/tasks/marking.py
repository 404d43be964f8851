"""Lays the pieces of marked sentences out as one text: which token marks, where it stands, what fits."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from keraslike.calling import did_you_mean
from keraslike.data.encoding import Feature
from keraslike.errors import ArgumentError, DataError

Ids = npt.NDArray[Any]

MARKERS: dict[str, tuple[str, ...]] = {
    "cls": ("cls_token", "bos_token"),
    "sep": ("sep_token", "eos_token"),
}
"""The words for markers, and the special tokens that they stand for, the first that a tokenizer has."""


@dataclass(frozen=True)
class Layout:
    """How marked sentences stand in a text.

    Args:
        marker: the id of the token that marks a sentence.
        is_after: whether it stands behind the sentence, where a network reads from left to right.
        prefix: ids that every text begins with.
        suffix: ids that every text ends with.
        limit: tokens that a text may have; None: any number.

    Example:
        >>> layout = Layout(marker=9, is_after=False, prefix=(1,), suffix=(2,), limit=None)
        >>> ids, places = layout.lay([np.array([5, 6]), np.array([7])])
        >>> ids.tolist(), places.tolist()
        ([1, 9, 5, 6, 9, 7, 2], [1, 4])
    """

    marker: int
    is_after: bool
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    limit: int | None

    @property
    def room(self) -> int | None:
        """Tokens that are left for sentences and their markers; None: any number."""
        return None if self.limit is None else self.limit - len(self.prefix) - len(self.suffix)

    def length(self, sentences: int, pieces: int) -> int:
        """Give the tokens of a text of so many sentences and pieces, at most the limit."""
        whole = len(self.prefix) + sentences + pieces + len(self.suffix)
        return whole if self.limit is None else min(whole, self.limit)

    def lay(self, sentences: Sequence[Ids]) -> tuple[Ids, Ids]:
        """Give the ids of a text, shape `(tokens,)`, and the places of its markers, `(sentences,)`."""
        mark = np.array([self.marker])
        marked = [part for ids in sentences for part in ((ids, mark) if self.is_after else (mark, ids))]
        ends = len(self.prefix) + np.cumsum([len(ids) + 1 for ids in sentences])
        places = ends - 1 if self.is_after else ends - [len(ids) + 1 for ids in sentences]
        return np.concatenate([self.prefix, *marked, self.suffix]).astype(np.int64), places

    def leading(self, sentences: Sequence[Ids]) -> list[Ids]:
        """Give the first sentences, as many as fit whole; if not even the first does, as much of it as fits."""
        if self.room is None:
            return list(sentences)
        fits = int((np.cumsum([len(ids) + 1 for ids in sentences]) <= self.room).sum())
        return list(sentences[:fits]) or [sentences[0][: self.room - 1]]

    def shortened(self, sentences: Sequence[Ids]) -> list[Ids]:
        """Give all sentences, the longest ones cut so that all of them fit; the first ones where even that is too much.

        The most pieces that a sentence may have are as many as there is room for.
        """
        lengths = np.array([len(ids) for ids in sentences])
        if self.room is None or lengths.sum() + len(lengths) <= self.room:
            return list(sentences)
        lengths = lengths[: max(self.room // 2, 1)]  # a marker and a piece for each
        room = self.room - len(lengths)
        sizes = range(int(lengths.max()) + 1)
        most = bisect_right(sizes, room, key=lambda size: np.minimum(lengths, size).sum()) - 1
        return [ids[:most] for ids in sentences[: len(lengths)]]


def apart(feature: Feature) -> list[Ids]:
    """Give the pieces of each sentence of a feature: `input_ids` is flat, `pieces` the number of them in each."""
    return np.split(np.asarray(feature["input_ids"]), np.cumsum(feature["pieces"])[:-1])


def left_out(feature: Feature, layout: Layout) -> int:
    """Give how many of a text's sentences are not learned from, or not whole."""
    lengths, kept = list(feature["pieces"]), layout.leading(apart(feature))
    is_first_cut = sum(map(len, kept)) < sum(lengths[: len(kept)])
    return len(lengths) - len(kept) + int(is_first_cut)


def cut_note(features: Sequence[Feature], layout: Layout, part: str) -> str | None:
    """Give the line that says how many texts do not fit, and how much of them is lost; None where all do."""
    cut = [left_out(feature, layout) for feature in features]
    if not any(cut):
        return None
    share = f"{sum(map(bool, cut)):,} of {len(features):,} {f'{part} texts'.strip()}"
    lost = f"sentences lost at their ends, in whole or in part: {sum(cut):,}"
    alone = sum(count > 0 and len(feature["pieces"]) - count < 2 for count, feature in zip(cut, features, strict=True))
    rest = f"; {alone:,} texts keep less than two, which teach no order" if alone else ""
    return f"{share} were cut at {layout.limit:,} tokens ({lost}{rest})."


def check_sentences(texts: Sequence[Sequence[str]]) -> None:
    """Refuse texts to learn from that have one sentence each.

    Raises:
        DataError: no text has two.

    Example:
        >>> check_sentences([["He woke.", "He ate."], ["He ran."]])
    """
    if max(map(len, texts)) < 2:
        raise DataError(
            f"none of the {len(texts):,} texts has two sentences; the first is {texts[0]!r:.80}.",
            "texts of two sentences or more: of one there is no order to learn.",
            "give the sentences of each text, [['He woke.', 'He ate.'], ...], or each text as one str, which is cut.",
        )


def require_two_sentences(features: Sequence[Feature], layout: Layout) -> None:
    """Refuse texts that would all lose every sentence but the first: there would be nothing to put in order.

    Raises:
        DataError: they would.
    """
    has_order = [len(feature["pieces"]) > 1 for feature in features]
    if not any(has_order) or any(len(feature["pieces"]) - left_out(feature, layout) > 1 for feature in features):
        return
    raise DataError(
        f"max_length is {layout.limit:,} tokens, and none of the {len(features):,} texts has two sentences that fit.",
        "room for two sentences or more of most texts.",
        "set a larger max_length, take a model for longer texts, or give shorter sentences.",
    )


def laid_out(feature: Feature, layout: Layout, sentences: Sequence[Ids], order: Ids) -> Feature:
    """Give a feature as one text.

    Args:
        feature: the text, its pieces apart.
        layout: how it is laid out.
        sentences: the pieces of those that are in it, as they stand.
        order: which of the feature's sentences these are, shape `(sentences,)`.

    Returns:
        `input_ids` of the text, the places of its `markers`, its `order`, how many `sentences` it had, its `length`.
    """
    ids, places = layout.lay(sentences)
    known = {"row": feature["row"]} if "row" in feature else {}
    laid = {"input_ids": ids, "markers": places, "order": order, "sentences": len(feature["pieces"])}
    return {**laid, "length": len(ids), **known}


def layout_of(marker: str, tokenizer: Any, config: Any, limit: int | None) -> Layout:
    """Give how sentences are laid out for a network.

    Args:
        marker: the token that marks, one of the vocabulary.
        tokenizer: whose special tokens frame a text.
        config: the network's configuration, or None.
        limit: as in `Layout`.

    Raises:
        ArgumentError: the limit leaves no room.
    """
    mark = int(tokenizer.convert_tokens_to_ids(marker))
    prefix, suffix = frame_of(tokenizer)
    is_after = is_causal(config)
    if is_after and suffix[:1] == (mark,):  # the last sentence's marker ends the text
        suffix = suffix[1:]
    if not is_after and prefix[-1:] == (mark,):  # the first sentence's marker begins it
        prefix = prefix[:-1]
    layout = Layout(mark, is_after, prefix, suffix, limit)
    if layout.room is not None and layout.room < 4:
        raise ArgumentError(
            f"max_length={limit} leaves no room for two sentences beside the special tokens.",
            f"{limit - layout.room + 4} tokens or more." if limit else None,
            "set a larger max_length, or leave it out.",
        )
    return layout


def choose_marker(wanted: str, tokenizer: Any) -> str:
    """Give the token that a word for a marker stands for, or the token itself, which may be a new one.

    Args:
        wanted: "cls" or "sep": the tokenizer's own token for that, or where it has none (GPT-2, Llama) its first or
            last one; else a token.
        tokenizer: the tokenizer.

    Raises:
        ArgumentError: there is no such token, and it is not in brackets, as one that is to be new.
    """
    if wanted in MARKERS:
        both = [*MARKERS[wanted], *(name for names in MARKERS.values() for name in names)]
        found = next((token for name in both if (token := getattr(tokenizer, name, None))), None)
        if found is not None:
            return str(found)
    vocabulary = tokenizer.get_vocab()
    is_bracketed = len(wanted) > 2 and (wanted[0], wanted[-1]) in (("[", "]"), ("<", ">"))
    if wanted in vocabulary or is_bracketed:
        return wanted
    raise ArgumentError(
        f"marker={wanted!r} is no token of this tokenizer.",
        f"'auto', {', '.join(map(repr, MARKERS))}, a token of its vocabulary, or a new one in brackets: '[SENTENCE]'.",
        did_you_mean(wanted, [*MARKERS, "auto", *tokenizer.all_special_tokens]),
    )


def add_token(token: str, tokenizer: Any, network: Any) -> None:
    """Make a token known to the tokenizer and the network, if it is not; its vector is the mean of all the others.

    A drawn one would depend on more than the seed of `fit`, and on what was drawn before it.
    """
    if token in tokenizer.get_vocab():
        return
    from transformers import AddedToken

    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    index = int(tokenizer.convert_tokens_to_ids(token))
    if network.get_input_embeddings().num_embeddings <= index:
        network.resize_token_embeddings(index + 1, mean_resizing=False)
    with torch.no_grad():
        vectors = network.get_input_embeddings().weight
        vectors[index] = vectors[:index].mean(0)


def frame_of(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the special tokens that a tokenizer puts before a text, and those behind it."""
    found = tokenizer("a", return_special_tokens_mask=True)
    ids, mask = found["input_ids"], found["special_tokens_mask"]
    before = next((place for place, is_special in enumerate(mask) if not is_special), 0)
    behind = next((place for place, is_special in enumerate(reversed(mask)) if not is_special), 0)
    return tuple(ids[:before]), tuple(ids[len(ids) - behind :])


def takes_space(tokenizer: Any) -> bool:
    """Tell whether a word behind a space is another token than one at the start: then every sentence gets the space.

    So it is with the bytes of RoBERTa and GPT-2, whose usual tokens begin with the space.
    """
    plain, spaced = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", " a"))
    return plain != spaced and len(plain) == len(spaced)


def is_causal(config: Any) -> bool:
    """Tell whether a network's tokens see only those before them, from its configuration."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = getattr(config, "model_type", None)
    is_told = bool(getattr(config, "is_decoder", False)) and not getattr(config, "is_encoder_decoder", False)
    writes = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return is_told or (writes and kind != "xlnet")  # XLNet predicts in any order: every token sees all others
