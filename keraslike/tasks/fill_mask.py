"""Masked language modelling: words are hidden, and the network says what they were."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from keraslike.data.encoding import Feature, Features
from keraslike.data.loader import IGNORED_LABEL
from keraslike.data.packing import pack_rows
from keraslike.data.words import NO_WORD, number_words
from keraslike.errors import ArgumentError, DataError
from keraslike.losses import MaskedCrossEntropy
from keraslike.losses.base import Loss
from keraslike.tasks.language import LanguageTask
from keraslike.tasks.option_checks import as_bool, as_share, as_whole

MASKS = ("[MASK]", "<mask>")
"""What a user may write for the mask, beside the tokenizer's own."""


class FillMask(LanguageTask):
    """The words behind the masks of a text, learned from plain texts by hiding words of them.

    All texts are joined, a separator between them, and cut into blocks. In each epoch other words are drawn, each with
    the same chance; the loss counts their tokens alone. Validation and `evaluate` hide the same words every time.

    `predict` takes texts with a mask, as the tokenizer writes it, `[MASK]` or `<mask>`. For each it gives a list, the
    best first, of dicts with the filled `text`, the `token` and its `score`, a probability; for a text with several
    masks a list of such lists, each filled alone, the other masks left: as transformers' pipeline does.

    Args:
        share: the share of the words that are hidden.
        whole_words: whether all tokens of a word are hidden together. A word is a run of characters without spaces,
            whatever the tokenizer makes of it. False: each token is drawn by itself.
        block_size: as in `LanguageTask`.
        top_k: how many answers `predict` gives for a mask.
        mask_replace_prob: the share of the hidden tokens that the network sees as the mask token.
        random_replace_prob: the share that it sees as any other token; the rest it sees as they are.
        sample_by: as in `LanguageTask`.

    Raises:
        ArgumentError: a share is none, or there is nothing to give.

    Example:
        >>> FillMask(share=0.2).state()["share"]
        0.2

    Source:
        J. Devlin et al., BERT, 2019, section 3.1 (15 %, of which 80, 10 and 10 %); Y. Liu et al., RoBERTa, 2019
        (masks drawn anew, blocks over the borders of documents).
    """

    name: ClassVar[str] = "fill-mask"
    auto_class: ClassVar[str] = "AutoModelForMaskedLM"
    head: ClassVar[str] = "ForMaskedLM"
    token_columns: ClassVar[Sequence[str]] = ("input_ids", "words")

    def __init__(
        self,
        share: float = 0.15,
        whole_words: bool = True,
        block_size: int | None = None,
        top_k: int = 5,
        mask_replace_prob: float = 0.8,
        random_replace_prob: float = 0.1,
        sample_by: str = "line",
    ) -> None:
        super().__init__(block_size, sample_by)
        self.share = as_share("share", share)
        self.whole_words = as_bool("whole_words", whole_words)
        self.top_k = as_whole("top_k", top_k, 1, "{name}={value!r} gives no answer.")
        self.mask_replace_prob = as_share("mask_replace_prob", mask_replace_prob)
        self.random_replace_prob = as_share("random_replace_prob", random_replace_prob)
        if not share or mask_replace_prob + random_replace_prob > 1 + 1e-9:
            raise ArgumentError(
                f"share={share}, mask_replace_prob={mask_replace_prob} and random_replace_prob={random_replace_prob} "
                "do not fit together.",
                "a share above 0, and two probabilities of at most 1 together.",
                "leave them out: 0.15, 0.8 and 0.1.",
            )

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        vars(self).pop("_ordinary", None)
        if self.tokenizer.mask_token is None:
            raise ArgumentError(
                "the tokenizer has no mask token.",
                "a model that was made for filling masks, such as BERT or RoBERTa.",
                'take task="text-generation" for models such as GPT-2.',
            )
        if self.whole_words and not self.tokenizer.is_fast:
            raise ArgumentError(
                f"{type(self.tokenizer).__name__} does not tell where its tokens stand in a text.",
                "a fast tokenizer, by which whole words are found.",
                "write FillMask(whole_words=False).",
            )

    @property
    def loss(self) -> Loss:
        """Cross-entropy over the hidden tokens."""
        return MaskedCrossEntropy()

    # Learning

    def _encode_texts(self, texts: Sequence[str]) -> Iterator[Feature]:
        options = {"add_special_tokens": False, "truncation": False, "verbose": False}
        encoded = self.tokenizer(list(texts), return_offsets_mapping=self.whole_words, **options)
        separator = self._frame[1][-1:]
        special = np.array(self.tokenizer.all_special_ids)
        for index, text in enumerate(texts):
            ids = np.array([*encoded["input_ids"][index], *separator], dtype=np.int64)
            words = np.arange(len(ids))
            if self.whole_words:
                behind = [(len(text), len(text))] * len(separator)
                words = number_words(text, [*encoded["offset_mapping"][index], *behind])
            yield {"input_ids": ids, "words": np.where(np.isin(ids, special), NO_WORD, words)}

    @property
    def _room(self) -> int:
        return self.block - sum(map(len, self._frame))

    def pack(self, features: Features) -> Features:
        """Join texts to learn from, and cut them into blocks, each in the special tokens of a single text."""
        if "text" in features.columns:
            return features
        return Features(map(self._framed, pack_rows(_numbered_on(features), self._room, self.token_columns)))

    def _framed(self, block: Feature) -> Feature:
        before, behind = self._frame
        behind = [] if len(behind) == 1 and block["input_ids"][-1] == behind[0] else behind
        words = np.asarray(block["words"])
        own = np.full(len(words), NO_WORD)
        own[words != NO_WORD] = np.unique(words[words != NO_WORD], return_inverse=True)[1]  # from 0 in each block
        return {
            "input_ids": np.concatenate([before, block["input_ids"], behind]).astype(np.int64),
            "words": np.concatenate([[NO_WORD] * len(before), own, [NO_WORD] * len(behind)]).astype(np.int64),
            "row": block["row"],
        }

    def vary(self, feature: Feature, generator: np.random.Generator) -> Feature:
        """Draw the words to hide, and what the network sees in their place."""
        ids, words = np.asarray(feature["input_ids"]), np.asarray(feature["words"])
        is_drawn = generator.random(int(words.max(initial=NO_WORD)) + 1) < self.share
        is_hidden = np.zeros(len(ids), dtype=bool)
        is_hidden[words != NO_WORD] = is_drawn[words[words != NO_WORD]]
        fate, others = generator.random(len(ids)), generator.choice(self._ordinary, len(ids))
        is_masked = is_hidden & (fate < self.mask_replace_prob)
        is_other = is_hidden & ~is_masked & (fate < self.mask_replace_prob + self.random_replace_prob)
        seen = np.where(is_masked, self.tokenizer.mask_token_id, np.where(is_other, others, ids))
        return {**feature, "input_ids": seen, "target": np.where(is_hidden, ids, IGNORED_LABEL)}

    @cached_property
    def _ordinary(self) -> npt.NDArray[np.int64]:
        """The ids of all tokens that are not special."""
        return np.setdiff1d(list(self.tokenizer.get_vocab().values()), self.tokenizer.all_special_ids)

    # Predicting

    def _encode_prompt(self, text: str, place: str) -> Feature:
        own = text
        for mask in MASKS:
            own = own.replace(mask, self.tokenizer.mask_token)
        ids = np.array(self.tokenizer(own, truncation=False, verbose=False)["input_ids"])
        masks = int((ids == self.tokenizer.mask_token_id).sum())
        if not masks:
            raise DataError(
                f"{place} has no mask: {text!r:.80}.",
                f"a text with {self.tokenizer.mask_token} in it.",
                "put it where a word is asked for.",
            )
        if self.max_length is not None and len(ids) > self.max_length:
            raise DataError(
                f"{place} has {len(ids):,} tokens: {text!r:.80}.",
                f"at most {self.max_length:,}, which the model reads at once.",
                "give the part of it around the mask.",
            )
        return {"input_ids": ids, "text": text}

    def predict_batch(self, network: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """Give ids and probabilities of the best tokens at the masks, `(batch, masks, top_k, 2)`, float64.

        Texts with fewer masks than the batch's most have zeros behind them.
        """
        logits = self.read_outputs(network(inputs))
        places = inputs["input_ids"] == self.tokenizer.mask_token_id
        scores, ids = logits[places].float().softmax(-1).topk(min(self.top_k, logits.shape[-1]))
        counts = places.sum(1)
        found = scores.new_zeros((len(places), int(counts.max()), ids.shape[1], 2), dtype=torch.float64)
        is_there = torch.arange(found.shape[1], device=counts.device) < counts[:, None]
        found[is_there] = torch.stack([ids.double(), scores.double()], -1)
        return found

    def decode(self, outputs: Sequence[Tensor], features: Sequence[Feature]) -> list[Any]:
        """Give the answers of each text: a list of dicts for one mask, a list of such lists for several."""
        return [
            self._answers(np.asarray(feature["input_ids"]), output)
            for output, feature in zip(outputs, features, strict=True)
        ]

    def _answers(self, ids: npt.NDArray[Any], output: Tensor) -> list[Any]:
        places = np.flatnonzero(ids == self.tokenizer.mask_token_id).tolist()
        found = [
            [self._answer(ids, place, int(token), score, len(places) == 1) for token, score in best]
            for place, best in zip(places, output[: len(places)].tolist(), strict=True)
        ]
        return found[0] if len(found) == 1 else found

    def _answer(self, ids: npt.NDArray[Any], place: int, token: int, score: float, is_only: bool) -> Mapping[str, Any]:
        filled = [*ids[:place].tolist(), token, *ids[place + 1 :].tolist()]
        if not is_only:  # the other masks stay
            special = {*self.tokenizer.all_special_ids} - {self.tokenizer.mask_token_id}
            filled = [token for token in filled if token not in special]
        text = self.tokenizer.decode(filled, skip_special_tokens=is_only)
        return {"text": text, "token": self.tokenizer.decode([token]), "score": score}


def _numbered_on(features: Features) -> list[Feature]:
    """Number the words of all texts on from text to text, so that no two words have one number."""
    numbered: list[Feature] = []
    before = 0
    for feature in features:
        words = np.asarray(feature["words"])
        numbered.append({**feature, "words": np.where(words == NO_WORD, NO_WORD, words + before)})
        before += int(words.max(initial=NO_WORD)) + 1
    return numbered
