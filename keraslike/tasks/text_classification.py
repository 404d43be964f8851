"""Text classification: classes, pairs of texts, several labels per text, and regression."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from keraslike.data.encoding import Feature, Features
from keraslike.data.labels import Labels
from keraslike.data.loader import pad_features
from keraslike.data.rows import Rows
from keraslike.data.targets import is_multi_hot, kind_of_targets
from keraslike.errors import LabelError
from keraslike.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from keraslike.losses.base import Loss
from keraslike.metrics.reading import classes, probabilities
from keraslike.tasks.labelled import MULTI, REGRESSION, SINGLE, LabelledTask
from keraslike.tasks.option_checks import as_choice
from keraslike.tasks.thresholds import Threshold

CHUNK = 1_000
"""Rows that go to the tokenizer at once; what it holds in memory is bounded by it."""

LOSSES: dict[str, type[Loss]] = {SINGLE: CrossEntropy, MULTI: BinaryCrossEntropy, REGRESSION: MeanSquaredError}
METRICS = {
    SINGLE: ["accuracy", "f1_macro"],
    MULTI: ["f1_micro", "f1_macro"],
    REGRESSION: ["pearson", "spearman", "r2", "mae"],
}


class TextClassification(LabelledTask):
    """One label, several labels, or numbers for each text or pair of texts.

    What the targets are is told from the data: words and whole numbers are classes, lists of them several labels per
    text, fractional numbers a regression, lists of those several targets.

    Args:
        problem_type: overrules the data, in transformers' words: "single_label_classification",
            "multi_label_classification" or "regression".
        labels: the labels, where they are to be known before the data are; else they are learned from the data.
        targets: how many numbers per text, for regression before the data are known.

    Example:
        >>> TextClassification(labels=["ham", "spam"]).outputs
        2
    """

    name: ClassVar[str] = "text-classification"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    head: ClassVar[str | tuple[str, ...]] = "ForSequenceClassification"

    def __init__(
        self, problem_type: str | None = None, labels: Sequence[Any] | None = None, targets: int | None = None
    ) -> None:
        if problem_type is not None:
            as_choice("problem_type", problem_type, LOSSES, "there is no {name} {value!r}.")
        super().__init__(problem_type, labels, targets)
        self._is_told = problem_type is not None
        self.is_multi_hot = False
        self.threshold: Threshold | None = None
        self._cut = (0, 0)

    # What the data tell

    def learn(self, rows: Rows, labels: Sequence[Any] | None = None) -> None:
        """Learn the kind of targets and the labels from training rows, or hold the rows against what is known.

        Raises:
            LabelError: a label, or the number of targets, is not what the model was made for.
        """
        targets = rows.column("target")
        kind, width = kind_of_targets(targets)
        if not self._is_told:
            is_numbers = self.targets is not None and self.labels is None
            self._problem_type = REGRESSION if is_numbers and kind == SINGLE else kind
        self.is_multi_hot = self._problem_type == MULTI and width is not None
        if self._problem_type == REGRESSION:
            self._require_no_labels()
            self._learn_targets(width or 1)
        elif self.is_multi_hot:
            self._learn_columns(width or 1, rows.source_columns.get("target"))
        else:
            self._learn_labels(targets)

    def _learn_columns(self, width: int, names: Any) -> None:
        """Rows of 0 and 1 name no labels: they take the names of their columns, or numbers, unless they were named."""
        if self.labels is None:
            self.labels = Labels(names if isinstance(names, list) else range(width))
        if len(self.labels) != width:
            raise LabelError(f"rows of {width} labels were given, but the model has {len(self.labels)}.", "as many.")

    def _require_no_labels(self) -> None:
        if self.labels is not None:
            raise LabelError(
                "the targets are fractional numbers, but the model gives labels.",
                f"only {list(self.labels.names)[:10]}.",
                "make a new Model for other targets.",
            )

    def _learn_targets(self, targets: int) -> None:
        if self.targets not in (None, targets):
            raise LabelError(
                f"the data have {targets} numbers per text, but the model gives {self.targets}.",
                "as many numbers as the model was made for.",
                "make a new Model for other targets.",
            )
        self.targets = targets

    def _learn_labels(self, targets: Sequence[Any]) -> None:
        flat = [label for labels in targets for label in labels] if self._problem_type == MULTI else targets
        self.learn_labels(flat)

    @property
    def summary(self) -> str:
        """The kind of problem and the first labels, so that a wrong column shows."""
        if self._problem_type == REGRESSION:
            return f"{self.outputs} numbers per text" if self.outputs > 1 else "one number per text"
        return f"{'several of ' if self._problem_type == MULTI else ''}{self.shown_labels}"

    @property
    def loss(self) -> Loss:
        """Cross-entropy for classes, binary cross-entropy for several labels, squared error for numbers."""
        return LOSSES[self._problem_type or SINGLE]()

    @property
    def metrics(self) -> list[Any]:
        """Accuracy and macro F1 for classes, micro and macro F1 for several labels, Pearson, Spearman, R2, MAE."""
        return list(METRICS[self._problem_type or SINGLE])

    # From rows to tensors

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize one row; `encode_rows` does the same for many at once."""
        return list(self._tokenize([row]))

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all rows, unpadded; note how many had to be cut."""
        self._cut = (0, 0)
        features = Features(self._encode_all(rows))
        count, longest = self._cut
        if count:
            share = f"{count:,} of {len(rows):,} {f'{rows.part} texts'.strip()} ({100 * count / len(rows):.1f} %)"
            self.notes.append(f"{share} were cut at {self.max_length:,} tokens; {longest:,} would keep all.")
        return features

    def _encode_all(self, rows: Rows) -> Iterator[Feature]:
        has_ids, has_targets = "input_ids" in rows.columns, "target" in rows.columns
        for start in range(0, len(rows), CHUNK):
            chunk = [rows[index] for index in range(start, min(start + CHUNK, len(rows)))]
            encoded = (self._given_ids(row) for row in chunk) if has_ids else self._tokenize(chunk)
            targets = self._encode_targets([row["target"] for row in chunk]) if has_targets else None
            for offset, feature in enumerate(encoded):
                known = {} if targets is None else {"target": targets[offset]}
                yield {**feature, **known, "row": start + offset}

    def _given_ids(self, row: Mapping[str, Any]) -> Feature:
        return {name: row[name] for name in self.tokenizer.model_input_names if name in row}

    def _tokenize(self, chunk: Sequence[Mapping[str, Any]]) -> Iterator[Feature]:
        texts = [row["text"] for row in chunk]
        pairs = [row["text_pair"] for row in chunk] if "text_pair" in chunk[0] else None
        encoded = self.tokenizer(texts, pairs, truncation=False, verbose=False)
        for index, ids in enumerate(encoded["input_ids"]):
            if self.max_length is None or len(ids) <= self.max_length:
                yield {name: encoded[name][index] for name in encoded}
                continue
            self._cut = (self._cut[0] + 1, max(self._cut[1], len(ids)))
            pair = None if pairs is None else pairs[index]
            yield dict(self.tokenizer(texts[index], pair, truncation=True, max_length=self.max_length, verbose=False))

    def _encode_targets(self, targets: Sequence[Any]) -> Any:
        if self._problem_type == REGRESSION:
            return np.asarray(targets, dtype=np.float32)
        labels = self.known_labels
        if self._problem_type != MULTI:
            return labels.encode(targets)
        can_be_rows = self.is_multi_hot or not any(name in (0, 1) for name in labels.names)
        if can_be_rows and is_multi_hot(targets, len(labels)):
            return np.asarray(targets, dtype=np.float32)
        return labels.encode_many(targets)

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad to the longest: inputs `(batch, tokens)`, targets `(batch,)` or `(batch, labels)` or None."""
        inputs = [{key: value for key, value in f.items() if key not in ("row", "target")} for f in features]
        padded = pad_features(
            inputs, pad_token_id=self.tokenizer.pad_token_id, pad_token_type_id=self.tokenizer.pad_token_type_id
        )
        if "target" not in features[0]:
            return padded, None
        return padded, torch.from_numpy(np.stack([feature["target"] for feature in features]))

    # From outputs to answers

    def decode(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """Give the user's own labels, one per text, or a list of them; numbers for a regression."""
        if self._problem_type == REGRESSION:
            return list(outputs[:, 0].numpy() if outputs.shape[-1] == 1 else outputs.numpy())
        given = self._given(outputs)
        if self.is_multi_hot and self.known_labels == Labels(range(len(self.known_labels))):
            return [[int(value) for value in row] for row in given]
        if self._problem_type == MULTI:
            return [self.known_labels.decode(np.flatnonzero(row)) for row in given]
        return self.known_labels.decode(given)

    def _given(self, outputs: Tensor) -> Any:
        """Give class indices, or zeros and ones, by the threshold where there is one."""
        kind = self._problem_type or SINGLE
        if self.threshold is None:
            return classes(outputs, kind).numpy()
        return self.threshold.given(probabilities(outputs, kind).double().numpy())

    @property
    def positive(self) -> int:
        """The place of the one of two classes that a threshold is about: the second."""
        return 1

    def answers(self, results: list[Any]) -> Any:
        """Give labels as a list, the numbers of a regression as an array `(rows,)` or `(rows, targets)`."""
        return np.asarray(results) if self._problem_type == REGRESSION else results

    def state(self) -> dict[str, Any]:
        """Give problem type, labels, number of targets, whether the targets were rows of 0 and 1, and the threshold."""
        labels = None if self.labels is None else self.labels.to_json()
        known = {"problem_type": self._problem_type, "labels": labels, "targets": self.targets}
        threshold = None if self.threshold is None else self.threshold.to_json()
        return {**known, "max_length": self.max_length, "is_multi_hot": self.is_multi_hot, "threshold": threshold}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        task = cls(state["problem_type"], None, state["targets"])
        task.is_multi_hot = state["is_multi_hot"]
        return task.with_learned(state)

    def with_learned(self, state: Mapping[str, Any]) -> Self:
        """Take up labels, the length that texts are cut at, and the threshold from a state; give the task itself."""
        self.labels = None if state["labels"] is None else Labels.from_json(state["labels"])
        self.max_length, self.threshold = state["max_length"], Threshold.from_json(state.get("threshold"))
        return self
