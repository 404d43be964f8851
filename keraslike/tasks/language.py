"""What the tasks share that learn from plain texts: reading, packing, the loss over tokens, perplexity."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from keraslike.data.encoding import Feature, Features, pad_flat
from keraslike.data.loader import IGNORED_LABEL, pad_features
from keraslike.data.packing import BLOCK, ones_like
from keraslike.data.plain_texts import UNITS, read_texts
from keraslike.data.rows import Rows
from keraslike.data.sets import sets_of_lists
from keraslike.errors import ArgumentError, DataError
from keraslike.losses import TokenCrossEntropy
from keraslike.losses.base import Loss
from keraslike.tasks.option_checks import as_choice, as_whole
from keraslike.tasks.transformer import TransformerTask

CHUNK = 1_000
"""Rows that go to the tokenizer at once; what it holds in memory is bounded by it."""


class LanguageTask(TransformerTask):
    """A task that learns from texts alone, packed into blocks; what it has to say is another text.

    The target of a text is the text itself: rows to learn from, or to measure, have both, rows to predict have only
    the text. A feature to predict keeps its text, one to learn from does not.

    Args:
        block_size: tokens of a block, special ones included; None: 128, or the model's limit if that is less.
        sample_by: what a row of a .txt file is: "line", "paragraph" or "document" (the whole file).
    """

    token_columns: ClassVar[Sequence[str]] = ("input_ids",)
    """What `_encode_texts` gives for every token."""

    def __init__(self, block_size: int | None, sample_by: str) -> None:
        super().__init__()
        self.sample_by = as_choice("sample_by", sample_by, UNITS, "there is no {name}={value!r}.")
        wrong = "{name}={value!r} is no number of tokens."
        self.block_size = None if block_size is None else as_whole("block_size", block_size, 1, wrong)
        self._frame: tuple[list[int], list[int]] = ([], [])

    # The network and the tokenizer

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        self._frame = _frame_of(self.tokenizer)
        least = sum(map(len, self._frame)) + 2
        if self.block_size is None or least <= self.block_size <= (self.max_length or self.block_size):
            return
        raise ArgumentError(
            f"block_size={self.block_size} does not fit this model.",
            f"{least} to {self.max_length or 'any number of'} tokens.",
            "leave it out.",
        )

    @property
    def block(self) -> int:
        """How many tokens a block has at most."""
        return self.block_size or min(BLOCK, self.max_length or BLOCK)

    @property
    def loss(self) -> Loss:
        """Cross-entropy over the tokens that count."""
        return TokenCrossEntropy()

    @property
    def metrics(self) -> list[Any]:
        """Perplexity."""
        return ["perplexity"]

    # From texts to features

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read plain texts.

        Args:
            x: a list of texts, a Dataset or another container with a column of texts, or the path of a file; a .txt
                file is read by lines unless `sample_by` says otherwise.
            y: nothing: the texts themselves are learned.
            options: as in `Task.read`.

        Raises:
            ArgumentError: y or `target=` is given.
            DataError: x cannot be read, or does not hold one text in every row.
        """
        if y is not None or options.get("target") is not None:
            raise ArgumentError(
                f"{'y' if y is not None else 'target='} is given, but {self.name!r} learns from the texts alone.",
                "texts without labels.",
                "leave it out; validation_data is a list of texts, too.",
            )
        known: dict[str, Any] = {"text": options.get("text"), "prepare": options.get("prepare")}
        rows = read_texts(x, **known, unit=self.sample_by)
        if not options.get("labelled", True):
            return rows
        return rows.replaced({"text": rows.column("text"), "target": rows.column("text")})

    def sets(self, x: Any) -> Mapping[str, Any]:
        """Give the several sets in a dict whose values are lists of texts, or files."""
        return sets_of_lists(x)

    def strata(self, rows: Rows) -> None:
        """Texts have no classes."""

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize one text, whole; or one to predict, cut to what the model takes."""
        return list(self._encode_texts([row["text"]])) if "target" in row else [self._prompt(row["text"], "the text")]

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all texts; texts of nothing but spaces are left out, and counted in a note."""
        texts = rows.column("text")
        if "target" not in rows.columns:
            return Features(
                {**self._prompt(text, f"row {number} of x"), "row": number} for number, text in enumerate(texts)
            )
        features = Features(self._encode_all(texts))
        if not len(features):
            raise DataError("x holds no words.", "texts of one word or more.", "check how x was made.")
        self._note(rows, features)
        return features

    def _encode_all(self, texts: Sequence[str]) -> Iterator[Feature]:
        for start in range(0, len(texts), CHUNK):
            known = {row: text for row, text in enumerate(texts[start : start + CHUNK], start) if text.strip()}
            encoded = self._encode_texts(list(known.values())) if known else ()
            for row, feature in zip(known, encoded, strict=True):
                if len(feature["input_ids"]):
                    yield {**feature, "row": row}

    def _note(self, rows: Rows, features: Features) -> None:
        tokens, empty = int(features.lengths().sum()), len(rows) - len(features)
        texts = f"{len(features):,} {rows.part} text{'s' * (len(features) > 1)}".replace("  ", " ")
        blocks = -(-tokens // self._room)
        packed = f"{tokens:,} tokens of {texts} are packed into {blocks:,} block{'s' * (blocks > 1)}"
        self.notes.append(f"{packed}{f'; {empty:,} without words are left out' * (empty > 0)}.")

    @property
    def _room(self) -> int:
        """Tokens of the texts that fit into a block."""
        return self.block

    @abstractmethod
    def _encode_texts(self, texts: Sequence[str]) -> Iterator[Feature]:
        """Give the tokens of texts to learn from, whole: arrays under the names `token_columns`."""

    @abstractmethod
    def _encode_prompt(self, text: str, place: str) -> Feature:
        """Give the tokens of a text to predict, no more than the model takes, and the text itself under `text`."""

    def _prompt(self, text: str, place: str) -> Feature:
        if not text.strip():
            raise DataError(f"{place} holds no words: {text!r:.80}.", "a text of one word or more.")
        return self._encode_prompt(text, place)

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad blocks on the right: inputs and targets `(batch, tokens)`.

        Raises:
            DataError: the texts come from a loader or stream, which gives no whole to be packed.
        """
        first = features[0]
        if "text" not in first and np.ndim(first["row"]) == 0:
            raise DataError(
                f"{self.name!r} packs the texts of a whole set, and a DataLoader, stream or generator gives batches.",
                "a list of texts, a Dataset, or the path of a file (which may be larger than memory).",
                "give its dataset in place of the loader.",
            )
        inputs = pad_features(
            [{"input_ids": f["input_ids"], "attention_mask": ones_like(f["input_ids"])} for f in features],
            pad_token_id=self.tokenizer.pad_token_id,
        )
        if "target" not in first:
            return inputs, None
        return inputs, torch.from_numpy(pad_flat([feature["target"] for feature in features], IGNORED_LABEL))


def _frame_of(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Give the special tokens that the tokenizer puts before and behind a text."""
    ids, inner = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    starts = range(len(ids) - len(inner) + 1)
    start = next((start for start in starts if ids[start : start + len(inner)] == inner), 0)
    return ids[:start], ids[start + len(inner) :]
