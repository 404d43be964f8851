"""Token classification: one label for each word, as in named entities and parts of speech."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from keraslike.calling import did_you_mean
from keraslike.data.encoding import Feature, Features, pad_flat
from keraslike.data.loader import IGNORED_LABEL, pad_features
from keraslike.data.rows import Rows
from keraslike.data.tagged_words import has_label, is_one_row, mixed_labels, read_tagged_words
from keraslike.data.word_windows import Window, word_windows
from keraslike.errors import DataError, LabelError
from keraslike.losses.base import Loss
from keraslike.losses.token_cross_entropy import TokenCrossEntropy
from keraslike.metrics.entities import are_entity_tags
from keraslike.metrics.reading import classes, probabilities
from keraslike.tasks.labelled import SINGLE, LabelledTask
from keraslike.tasks.option_checks import as_bool, as_whole
from keraslike.tasks.word_tokenizer import JOINED, joins_words, require_room, require_words, with_spaces

Reader = Callable[[Tensor, str], Tensor]

CHUNK = 1_000
"""Rows that go to the tokenizer at once; what it holds in memory is bounded by it."""

OUTSIDE = "O"
"""The label of words that belong to no entity."""

SHARE = 4
"""Without a stride, windows overlap by this part of what they hold. Chosen by reasoning, not measured."""

NO_STRIDE = "{name}={value!r} is {kind}, no number of pieces."

OWN = frozenset({"words", "size", "target", "row"})
"""What a feature holds beside the network's inputs."""


class TokenClassification(LabelledTask):
    """One label for each word of a list of words.

    A row is a list of words, its target a list of as many labels. The tokenizer cuts words into pieces; the first piece
    of a word stands for it. Rows longer than the model's limit go through in overlapping windows, and each word counts
    in one of them, where it has most context. A word whose label is None or -100 has none: it takes no part in loss and
    metrics. `predict` gives one label per word: a word that has no piece (an empty
    string, a control character) gets "O" where that is a label, else the commonest label of the training data.

    Args:
        label_all_pieces: whether all pieces of a word are trained to give its label, and count in the loss and the
            accuracy; the answer is the first one's.
        stride: how many pieces a window has in common with the one before; None: a quarter of what a window holds.
        labels: the labels, where they are to be known before the data are; else they are learned from the data.

    Raises:
        ArgumentError: the stride is no number of pieces.

    Example:
        >>> TokenClassification(labels=["O", "B-PER", "I-PER"]).metrics
        ['entity_f1', 'entity_precision', 'entity_recall', 'accuracy']
    """

    name: ClassVar[str] = "token-classification"
    ignores_padding: ClassVar[bool] = True
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    head: ClassVar[str] = "ForTokenClassification"

    def __init__(
        self, label_all_pieces: bool = False, stride: int | None = None, labels: Sequence[Any] | None = None
    ) -> None:
        super().__init__(SINGLE, labels)
        self.label_all_pieces = as_bool("label_all_pieces", label_all_pieces)
        self.stride = None if stride is None else as_whole("stride", stride, 0, NO_STRIDE, "an int, 0 or more.")
        self.commonest: Any = None
        self._long = (0, 0)

    # What the data tell

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read words and labels; as in `data.tagged_words.read_tagged_words`."""
        names = ("text", "target", "prepare", "labelled")
        return read_tagged_words(x, y, **{name: options[name] for name in names if name in options})

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single row, such as a list of words, from a container of rows; see `data.tagged_words.is_one_row`."""
        return is_one_row(x)

    def strata(self, rows: Rows) -> None:
        """Give no classes: rows have many labels each."""

    def learn(self, rows: Rows, labels: Sequence[Any] | None = None) -> None:
        """Learn the labels, and the commonest of them, from training rows, or hold the rows against what is known.

        Raises:
            DataError: there is no word.
            LabelError: the labels are of several kinds, or there is one that the model does not know.
        """
        counts: Counter[Any] = Counter()
        kinds: dict[bool, tuple[int, Any]] = {}
        for row, target in enumerate(rows.column("target")):
            own = [label for label in target if has_label(label)]
            counts.update(own)
            for label in own:
                kinds.setdefault(isinstance(label, str), (row, label))
        if not counts:
            raise DataError("no row has a word with a label.", "words and labels in each row.", "check how x was made.")
        if len(kinds) > 1:
            raise mixed_labels(*kinds.values())
        self.learn_labels(list(counts))
        self.commonest = max(sorted(counts), key=lambda label: counts[label])

    @property
    def summary(self) -> str:
        """The first labels, so that a wrong column shows."""
        return self.shown_labels

    @property
    def loss(self) -> Loss:
        """Cross-entropy of the words that count, as transformers' token heads compute it."""
        return TokenCrossEntropy()

    @property
    def metrics(self) -> list[Any]:
        """Entity F1, precision and recall where the labels are tags such as B-PER; the accuracy of words always."""
        entities = ["entity_f1", "entity_precision", "entity_recall"]
        return [*(entities if self.labels is not None and are_entity_tags(self.labels.names) else []), "accuracy"]

    @property
    def label_without_pieces(self) -> Any:
        """What a word gets that the tokenizer has no piece for."""
        names = self.known_labels.names
        usual = names[0] if self.commonest is None else self.commonest
        return OUTSIDE if OUTSIDE in names else usual

    # From rows to tensors

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        require_words(self.tokenizer)
        if joins_words(self.tokenizer):
            super()._keep_tokenizer(with_spaces(source, self.tokenizer), config, max_length)
            self.notes += [JOINED] if joins_words(self.tokenizer) else []
        require_room(self.tokenizer, self.max_length, self.stride)

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize one row; `encode_rows` does the same for many at once."""
        targets = [row["target"]] if "target" in row else None
        return [feature for _, feature in self._encode_chunk([row["words"]], targets, 0)]

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all rows, unpadded; note how many are in several windows."""
        self._long = (0, 0)
        features = Features(self._encode_all(rows))
        count, longest = self._long
        if count:
            share = f"{count:,} of {len(rows):,} {f'{rows.part} rows'.strip()} ({100 * count / len(rows):.1f} %)"
            self.notes.append(f"{share} are longer than {self.max_length:,} tokens ({longest:,} at most): in windows.")
        return features

    def check_features(self, features: Sequence[Feature]) -> None:
        """Refuse features in which no word counts; as in `Task`."""
        if all((feature["target"] == IGNORED_LABEL).all() for feature in features):
            raise DataError(
                "no row has a word with a label that counts.",
                "words and labels in each row; a word of which the tokenizer makes no piece does not count.",
                "check how x and its labels were made.",
            )

    def _encode_all(self, rows: Rows) -> Iterator[Feature]:
        words = rows.column("words")
        targets = rows.column("target") if "target" in rows.columns else None
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            chunk = self._encode_chunk(words[part], None if targets is None else targets[part], start)
            yield from ({**feature, "row": start + place} for place, feature in chunk)

    def _encode_chunk(
        self, words: Sequence[list[str]], targets: Sequence[list[Any]] | None, start: int
    ) -> Iterator[tuple[int, Feature]]:
        """Give the features of some rows, each with the place of its row among them."""
        encoded = self.tokenizer(list(words), is_split_into_words=True, truncation=False, verbose=False)
        ids = None if targets is None else self._label_ids(words, targets, start)
        for place, own in enumerate(words):
            columns = {name: np.asarray(values[place], dtype=np.int64) for name, values in encoded.items()}
            word_of = [-1 if word is None else word for word in encoded.word_ids(place)]
            if not word_of:  # a tokenizer without special tokens, and no piece: a network takes no empty row
                columns, word_of = {name: np.array([self._stands_for_nothing[name]]) for name in columns}, [-1]
            windows = word_windows(word_of, self.max_length, self._overlap)
            if len(windows) > 1:
                self._long = (self._long[0] + 1, max(self._long[1], len(word_of)))
            for window in windows:
                inputs = {name: column[window.places] for name, column in columns.items()}
                known = {} if ids is None else {"target": self._target(window, ids[place])}
                yield place, {**inputs, "words": window.firsts, "size": len(own), **known}

    @property
    def _overlap(self) -> int:
        if self.stride is not None or self.max_length is None:
            return self.stride or 0
        return int(self.max_length - self.tokenizer.num_special_tokens_to_add()) // SHARE

    @property
    def _stands_for_nothing(self) -> dict[str, int]:
        return {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": 0, "attention_mask": 1}

    def _target(self, window: Window, ids: Any) -> Any:
        """Give the id of the label of each token that counts, -100 for the others."""
        words = window.words if self.label_all_pieces else window.firsts
        target = np.full(len(words), IGNORED_LABEL)
        target[words >= 0] = ids[words[words >= 0]]
        return target

    def _label_ids(self, words: Sequence[list[str]], targets: Sequence[list[Any]], start: int) -> list[Any]:
        """Give the ids of the labels of some rows, an array each; -100 for words without a label.

        Raises:
            LabelError: a label is unknown; row and word are named.
        """
        flat = [label for target in targets for label in target]
        ids, has = np.full(len(flat), IGNORED_LABEL), np.array([has_label(label) for label in flat], dtype=bool)
        try:
            ids[has] = self.known_labels.encode(label for label in flat if has_label(label))
        except LabelError:
            raise self._unknown(words, targets, start) from None
        return np.split(ids, np.cumsum([len(target) for target in targets])[:-1])

    def _unknown(self, words: Sequence[list[str]], targets: Sequence[list[Any]], start: int) -> LabelError:
        names = self.known_labels.names
        rows = enumerate(zip(words, targets, strict=True), start)
        each = ((row, word, label) for row, pair in rows for word, label in zip(*pair, strict=True))
        row, word, label = next(found for found in each if has_label(found[2]) and found[2] not in names)
        return LabelError(
            f"row {row} (counted from 0) has the unknown label {label!r} for its word {word!r}.",
            f"one of {', '.join(map(repr, names[:10]))}"
            + (f" and {len(names) - 10} more." if len(names) > 10 else "."),
            did_you_mean(str(label), map(str, names), "correct it, or name all labels: Model(..., labels=[...])."),
        )

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad to the longest: inputs `(batch, tokens)`, and class indices `(batch, tokens)`, -100 where none counts."""
        inputs = [{key: value for key, value in feature.items() if key not in OWN} for feature in features]
        padded = pad_features(
            inputs, pad_token_id=self.tokenizer.pad_token_id, pad_token_type_id=self.tokenizer.pad_token_type_id
        )
        if "target" not in features[0]:
            return padded, None
        return padded, torch.from_numpy(pad_flat([feature["target"] for feature in features], IGNORED_LABEL))

    # From outputs to answers

    def decode(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """Give a list of the user's own labels for each row, one per word."""
        blank = np.asarray(self.known_labels.names.index(self.label_without_pieces))
        ids = self._by_word(outputs, features, blank, classes)
        return [self.known_labels.decode(row) for row in ids]

    def probabilities(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """Give the probability of each label, an array `(words, labels)` for each row."""
        sure = np.eye(len(self.known_labels), dtype=np.float32)
        blank = sure[self.known_labels.names.index(self.label_without_pieces)]
        return self._by_word(outputs, features, blank, probabilities)

    def _by_word(self, outputs: Any, features: Sequence[Feature], blank: Any, read: Reader) -> list[Any]:
        """Give what `read` makes of the logits of each word, by row; `blank` for a word without a piece."""
        rows: dict[int, Any] = {}
        for logits, feature in zip(outputs, features, strict=True):
            words = np.asarray(feature["words"])
            places = np.flatnonzero(words >= 0)
            row = rows.setdefault(feature["row"], np.repeat(blank[None], feature["size"], axis=0))
            row[words[places]] = read(logits[torch.from_numpy(places)], SINGLE).numpy()
        return list(rows.values())

    def references(self, rows: Rows) -> Sequence[Any]:
        """Give the user's own labels, None for each word without one."""
        return [[label if has_label(label) else None for label in row] for row in rows.column("target")]

    def state(self) -> dict[str, Any]:
        """Give the options, the labels, the length of windows, and the commonest label."""
        return {**super().state(), "commonest": self.commonest}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        task = super().from_state({name: value for name, value in state.items() if name != "commonest"})
        task.commonest = state["commonest"]
        return task
