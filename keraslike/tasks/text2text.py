"""From text to text by an encoder and a decoder (T5, BART, Marian): translation, summaries, corrections."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from keraslike.calling import did_you_mean
from keraslike.data.encoding import Feature, Features, pad_flat
from keraslike.data.loader import IGNORED_LABEL, pad_features
from keraslike.data.rows import Rows
from keraslike.data.text_pairs import read_texts_to_texts
from keraslike.data.values import plain
from keraslike.errors import ArgumentError
from keraslike.losses import TokenCrossEntropy
from keraslike.losses.base import Loss
from keraslike.tasks import pretrained
from keraslike.tasks.cuts import Cuts
from keraslike.tasks.decoding import end_to_add, first_token
from keraslike.tasks.option_checks import as_text, as_whole
from keraslike.tasks.transformer import TransformerTask

CHUNK = 1_000
"""Rows that go to the tokenizer at once."""

NEW_TOKENS = 128
"""How many tokens are written at most where neither the user nor the checkpoint says; a trained model stops earlier."""

OF_TASK = {
    "max_length": "the task's max_new_tokens= says how many tokens.",
    "max_new_tokens": "the task has max_new_tokens= of its own.",
    "num_beams": "the task has num_beams= of its own.",
    "num_return_sequences": "one text is written for each row.",
    "return_dict_in_generate": "the texts alone are read.",
}
"""What `generate` takes, but not from a task, and why."""


class Text2Text(TransformerTask):
    """A text for each text, by a network with an encoder and a decoder.

    The decoder learns each token of the target from those before it. `predict` writes: greedily, or along several
    beams. Validation and evaluate write too, for BLEU and chrF, which takes longer than the loss: `metrics=[]` does
    without.

    Args:
        prefix: what stands before every source text, such as "translate English to German: " for T5.
        max_target_length: the tokens that targets are cut at; None: the model's limit.
        max_new_tokens: how many tokens are written at most; None: `max_target_length`, else what the checkpoint says,
            else 128.
        num_beams: how many beams are followed; 1 is greedy, None what the checkpoint says.
        generation: further arguments of transformers' `generate`, such as {"no_repeat_ngram_size": 3}.

    Raises:
        ArgumentError: a number is below 1, or `generation` holds what `generate` does not take.

    Example:
        >>> Text2Text(prefix="summarize: ", num_beams=4).state()["num_beams"]
        4
    """

    name: ClassVar[str] = "text2text"
    auto_class: ClassVar[str] = "AutoModelForSeq2SeqLM"
    head: ClassVar[str] = "ForConditionalGeneration"

    def __init__(
        self,
        prefix: str = "",
        max_target_length: int | None = None,
        max_new_tokens: int | None = None,
        num_beams: int | None = 1,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.prefix = as_text("prefix", prefix, 'prefix="summarize: ".')
        counts = {"max_target_length": max_target_length, "max_new_tokens": max_new_tokens, "num_beams": num_beams}
        own = {name: None if count is None else as_whole(name, count, 1) for name, count in counts.items()}
        self.max_target_length = own["max_target_length"]
        self.max_new_tokens = own["max_new_tokens"]
        self.num_beams = own["num_beams"]
        if generation:
            check_generation(generation, OF_TASK)
        self.generation = {name: plain(value) for name, value in (generation or {}).items()}
        self._target_limit: int | None = None
        self._start: int | None = None
        self._end: int | None = None

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read rows of a source text and, to learn from, a target text; as in `read_texts_to_texts`.

        Raises:
            DataError: a text is missing or no str, or no column holds them.
        """
        names = ("text", "target", "prepare", "labelled")
        return read_texts_to_texts(x, y, **{name: options[name] for name in names if name in options})

    def strata(self, rows: Rows) -> None:
        """Give None: texts are no classes."""

    @property
    def loss(self) -> Loss:
        """Cross-entropy of the target's tokens."""
        return TokenCrossEntropy()

    @property
    def metrics(self) -> list[Any]:
        """BLEU and chrF of what is written."""
        return ["bleu", "chrf"]

    # The network

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        """Load network and tokenizer, and find out what the decoder begins with.

        Raises:
            ArgumentError: the network has no decoder beside its encoder, or does not say what decoding begins with.
            LoadError: the model cannot be found or read.
        """
        is_module = isinstance(source, nn.Module)
        config: Any = getattr(source, "config", None) if is_module else pretrained.load_config(source)
        if not getattr(config, "is_encoder_decoder", False) or (is_module and not hasattr(source, "generate")):
            kind = type(source).__name__ if is_module else f"{config.model_type} model"
            raise ArgumentError(
                f"the network is a {kind}, which has no encoder and decoder that write a text.",
                "a model such as t5-small, facebook/bart-base or Helsinki-NLP/opus-mt-en-de.",
                'take one of these, or task="text-generation" for GPT-2 and its kin.',
            )
        network = super().build(source, tokenizer=tokenizer, max_length=max_length)
        self._start = first_token(network)
        self._end = end_to_add(network, self.tokenizer)
        return network

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        of_decoder = getattr(config, "max_decoder_position_embeddings", None)
        limit = min((n for n in (pretrained.token_limit(config, self.tokenizer), of_decoder) if n), default=None)
        for name in ("max_target_length", "max_new_tokens"):
            wanted = getattr(self, name)
            if wanted is not None and limit is not None and wanted > limit:
                raise ArgumentError(f"{name}={wanted} does not fit this model.", f"1 to {limit} tokens.", "lower it.")
        self._target_limit = self.max_target_length or limit

    # From rows to tensors

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize one row; `encode_rows` does the same for many at once."""
        return list(self._tokenized([row], *self._cuts()))

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all rows, unpadded; note how many sources and targets had to be cut."""
        cuts = self._cuts()
        features = Features(self._encode_all(rows, *cuts))
        self.notes += filter(None, (cut.note(rows.part) for cut in cuts))
        return features

    def _cuts(self) -> tuple[Cuts, Cuts]:
        return Cuts(self.max_length, "texts"), Cuts(self._target_limit, "targets")

    def _encode_all(self, rows: Rows, *cuts: Cuts) -> Iterator[Feature]:
        for start in range(0, len(rows), CHUNK):
            chunk = [rows[index] for index in range(start, min(start + CHUNK, len(rows)))]
            for offset, feature in enumerate(self._tokenized(chunk, *cuts)):
                yield {**feature, "row": start + offset}

    def _tokenized(self, chunk: Sequence[Mapping[str, Any]], *cuts: Cuts) -> Iterator[Feature]:
        sources = self._within(cuts[0], text=[self.prefix + row["text"] for row in chunk])
        if "target" not in chunk[0]:
            yield from sources
            return
        targets = self._within(cuts[1], text_target=[row["target"] for row in chunk])
        for source, target in zip(sources, targets, strict=True):
            ids = self._ended(target["input_ids"])
            yield {**source, "target": ids, "length": len(source["input_ids"]) + len(ids)}

    def _ended(self, ids: list[int]) -> list[int]:
        """Give a target's tokens, within the limit, with the end behind them where the tokenizer writes none."""
        if self._end is None:
            return ids
        return [*ids[: None if self._target_limit is None else self._target_limit - 1], self._end]

    def _within(self, cuts: Cuts, **texts: list[str]) -> Iterator[dict[str, Any]]:
        """Tokenize texts, the long ones cut; their last special token stays."""
        (side, values), encoded = *texts.items(), self.tokenizer(**texts, truncation=False, verbose=False)
        for index, ids in enumerate(encoded["input_ids"]):
            if not cuts.has(len(ids)):
                yield {name: encoded[name][index] for name in encoded}
                continue
            one: dict[str, Any] = {side: values[index], "truncation": True, "max_length": cuts.limit}
            yield dict(self.tokenizer(**one, verbose=False))

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad to the longest: `input_ids` `(batch, tokens)`, `decoder_input_ids` and targets `(batch, target tokens)`.

        The decoder sees the target one place later, behind its first token.
        """
        sources = [{key: f[key] for key in f if key not in ("row", "target", "length")} for f in features]
        ids = {"pad_token_id": self.tokenizer.pad_token_id, "pad_token_type_id": self.tokenizer.pad_token_type_id}
        inputs = pad_features(sources, **ids)
        if "target" not in features[0]:
            return inputs, None
        targets = pad_flat([np.asarray(feature["target"]) for feature in features], IGNORED_LABEL)
        if self._start is None:  # mBART: the language's token, which ends the target, comes first
            first = np.take_along_axis(targets, (targets != IGNORED_LABEL).sum(1, keepdims=True) - 1, axis=1)
        else:
            first = np.full((len(targets), 1), self._start)
        shifted = np.concatenate([first, targets[:, :-1]], axis=1)
        shifted[shifted == IGNORED_LABEL] = self.tokenizer.pad_token_id
        return {**inputs, "decoder_input_ids": torch.from_numpy(shifted)}, torch.from_numpy(targets)

    # From outputs to answers

    def predict_batch(self, network: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """Write a text for each source: token ids `(batch, max_new_tokens + 1)`, padded behind the end."""
        module: Any = getattr(network, "wrapped", network)
        most = self._most(module)
        wants: dict[str, Any] = {"do_sample": False, "max_new_tokens": most, **self.generation}
        if self.num_beams is not None:
            wants["num_beams"] = self.num_beams
        sources = {name: tensor for name, tensor in inputs.items() if not name.startswith("decoder_")}
        with pretrained.quiet(), torch.no_grad():
            ids: Tensor = module.generate(**sources, **wants)
        padding = max(most + 1 - ids.shape[1], 0)
        return nn.functional.pad(ids, (0, padding), value=self.tokenizer.pad_token_id)

    @property
    def draws(self) -> bool:
        """Whether the texts are drawn, as `do_sample` in `generation` says."""
        return bool(self.generation.get("do_sample"))

    def _most(self, network: Any) -> int:
        """Give how many tokens are written at most."""
        if self.max_new_tokens is not None or self.max_target_length is not None:
            return self.max_new_tokens or self.max_target_length or 0
        says = network.generation_config
        most: int = says.max_new_tokens or says.max_length or NEW_TOKENS
        return most if self._target_limit is None else min(most, self._target_limit)

    def decode(self, outputs: Any, features: Sequence[Feature]) -> list[str]:
        """Give the texts that were written, without special tokens."""
        return list(self.tokenizer.batch_decode(list(outputs), skip_special_tokens=True))


def check_generation(given: Any, refused: Mapping[str, str]) -> None:
    """Refuse arguments that `generate` does not take: it would say so only after the first epoch.

    Raises:
        ArgumentError: it is no dict, or holds such an argument, or one that is refused.

    Example:
        >>> check_generation({"no_repeat_ngram_size": 3}, {})
    """
    from transformers import GenerationConfig, GenerationMixin

    if not isinstance(given, Mapping):
        raise ArgumentError(f"generation={given!r:.60} is no dict.", "a dict.", 'generation={"length_penalty": 0.8}.')
    known = [*vars(GenerationConfig()), *inspect.signature(GenerationMixin.generate).parameters]
    for name in given:
        if name in refused:
            raise ArgumentError(f"generation has {name!r}, but {refused[name]}", "none of that.", "leave it out.")
        if name not in known:
            do = did_you_mean(str(name), known, "leave it out.")
            raise ArgumentError(f"generation has {name!r}, which generate does not take.", "an argument of it.", do)
