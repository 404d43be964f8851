"""Causal language modelling: each token is told from those before it, and `predict` goes on writing."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from keraslike.data.encoding import Feature, Features
from keraslike.data.loader import IGNORED_LABEL
from keraslike.data.packing import ones_like, pack_rows
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import pretrained
from keraslike.tasks.language import LanguageTask
from keraslike.tasks.option_checks import as_above_zero, as_bool, as_share, as_whole

SAMPLING = ("temperature", "top_k", "top_p")


class TextGeneration(LanguageTask):
    """The continuation of a text, learned from plain texts by telling each token from those before it.

    All texts are joined, the tokenizer's end token behind each, and cut into blocks; every token of a block but its
    first is learned. `predict` continues each text until the end token, or `max_new_tokens`: always with the likeliest
    token unless `do_sample` is set. Sampling draws from torch's random state, which `torch.manual_seed` sets.

    Args:
        max_new_tokens: how many tokens `predict` adds at most.
        do_sample: whether tokens are drawn by their probabilities.
        temperature: for sampling: what logits are divided by; below 1 likely tokens become likelier.
        top_k: for sampling: from how many of the likeliest tokens is drawn.
        top_p: for sampling: drawn from the likeliest tokens that have this probability together.
        num_beams: how many continuations are followed at once.
        return_full_text: whether an answer is the whole text, as in transformers' pipeline, or what was added.
        block_size: as in `LanguageTask`.
        sample_by: as in `LanguageTask`.

    Raises:
        ArgumentError: an argument of sampling is given without it, or there is nothing to give.

    Example:
        >>> TextGeneration(do_sample=True, temperature=0.7).state()["temperature"]
        0.7
    """

    name: ClassVar[str] = "text-generation"
    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    head: ClassVar[str] = "ForCausalLM"

    def __init__(
        self,
        max_new_tokens: int = 20,
        do_sample: bool = False,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        num_beams: int = 1,
        return_full_text: bool = True,
        block_size: int | None = None,
        sample_by: str = "line",
    ) -> None:
        super().__init__(block_size, sample_by)
        wrong = "{name}={value!r} gives no text."
        self.max_new_tokens = as_whole("max_new_tokens", max_new_tokens, 1, wrong)
        self.do_sample = as_bool("do_sample", do_sample)
        self.temperature = None if temperature is None else as_above_zero("temperature", temperature)
        self.top_k = None if top_k is None else as_whole("top_k", top_k, 0)
        self.top_p = None if top_p is None else as_share("top_p", top_p)
        self.num_beams = as_whole("num_beams", num_beams, 1, wrong)
        self.return_full_text = as_bool("return_full_text", return_full_text)
        self._check_sampling()

    def _check_sampling(self) -> None:
        given = [name for name in SAMPLING if getattr(self, name) is not None]
        if given and not self.do_sample:
            raise ArgumentError(
                f"{given[0]}={getattr(self, given[0])} is given, but the likeliest token is always taken.",
                f"do_sample=True beside {given[0]}.",
                f"write TextGeneration(do_sample=True, {given[0]}={getattr(self, given[0])}).",
            )

    def size(self, config: Any) -> dict[str, Any]:
        """Let an encoder look back only, or it would see the tokens that it is to tell."""
        return {"is_decoder": True} if getattr(config, "is_decoder", None) is False else {}

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        if self.max_length is not None and self.max_new_tokens >= self.max_length:
            raise ArgumentError(
                f"max_new_tokens={self.max_new_tokens} leaves no room for a text to be continued.",
                f"fewer than {self.max_length}, which the model reads at once.",
                f"write TextGeneration(max_new_tokens={self.max_length // 2}).",
            )

    # Learning

    def _encode_texts(self, texts: Sequence[str]) -> Iterator[Feature]:
        end = [] if self._end is None else [self._end]
        encoded = self.tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        for ids in encoded["input_ids"]:
            yield {"input_ids": np.array([*self._frame[0], *ids, *end], dtype=np.int64)}

    def pack(self, features: Features) -> Features:
        """Join texts to learn from, cut them into blocks, and say what comes after each token."""
        if "text" in features.columns:
            return features
        return Features({**block, "target": _next(block["input_ids"])} for block in pack_rows(features, self.block))

    @property
    def _end(self) -> int | None:
        """The token that ends a text; that of an encoder separates two."""
        end: int | None = self.tokenizer.eos_token_id
        return self.tokenizer.sep_token_id if end is None else end

    # Predicting

    @property
    def draws(self) -> bool:
        """Whether predicting draws from torch's random state: when it samples."""
        return self.do_sample

    def _encode_prompt(self, text: str, place: str) -> Feature:
        ids = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        ids = [*self._frame[0], *ids]
        if not ids:
            raise DataError(f"{place} has no tokens: {text!r:.80}.", "a text of one word or more.")
        if self.max_length is not None:
            ids = ids[-(self.max_length - self.max_new_tokens) :]
        return {"input_ids": np.array(ids), "text": text}

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad blocks on the right, and texts to be continued on the left: what is added stands right behind them."""
        if "text" not in features[0]:
            return super().collate(features)
        width = max(len(feature["input_ids"]) for feature in features)
        inputs = np.full((len(features), width), self.tokenizer.pad_token_id)
        mask = np.zeros_like(inputs)
        for row, seen, feature in zip(inputs, mask, features, strict=True):
            ids = feature["input_ids"]
            row[width - len(ids) :], seen[width - len(ids) :] = ids, ones_like(ids)
        return {"input_ids": torch.from_numpy(inputs), "attention_mask": torch.from_numpy(mask)}, None

    def predict_batch(self, network: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """Give the ids of the tokens that are added, `(batch, new tokens)`, those behind the end padded."""
        generator: Any = getattr(network, "wrapped", network)
        sampling = {name: getattr(self, name) for name in SAMPLING if getattr(self, name) is not None}
        options = {"max_new_tokens": self.max_new_tokens, "do_sample": self.do_sample, "num_beams": self.num_beams}
        ends = {"pad_token_id": self.tokenizer.pad_token_id}
        if generator.generation_config.eos_token_id is None:
            ends["eos_token_id"] = self._end
        with pretrained.quiet():
            whole: Tensor = generator.generate(
                **inputs, **_positions(generator, inputs["input_ids"]), **options, **sampling, **ends
            )
        return whole[:, inputs["input_ids"].shape[1] :]

    def decode(self, outputs: Sequence[Tensor], features: Sequence[Feature]) -> list[str]:
        """Give the continued texts, or what was added to them."""
        added = [self._added(feature, output) for output, feature in zip(outputs, features, strict=True)]
        if not self.return_full_text:
            return added
        return [feature["text"] + text for feature, text in zip(features, added, strict=True)]

    def _added(self, feature: Feature, output: Tensor) -> str:
        """Give the text of the tokens that were added, with the space before them: alone, many tokenizers lose it."""
        start, ids = list(map(int, feature["input_ids"])), output.tolist()
        before, whole = (self.tokenizer.decode(given, skip_special_tokens=True) for given in (start, start + ids))
        if whole.startswith(before):
            return str(whole[len(before) :])
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))


def _positions(network: Any, ids: Tensor) -> dict[str, Tensor]:
    """Give the positions of tokens where a network counts them behind its padding's number, as RoBERTa does.

    Its `forward` counts so by itself, but `generate` would begin at 0, where nothing was learned.
    """
    embeddings: Any = getattr(network.base_model, "embeddings", None)
    count = getattr(embeddings, "create_position_ids_from_input_ids", None)
    return {} if count is None else {"position_ids": count(ids, embeddings.padding_idx)}


def _next(ids: Any) -> Any:
    """Give the token behind each; behind the last of a block there is none."""
    return np.append(ids[1:], IGNORED_LABEL)
