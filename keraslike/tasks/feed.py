"""From whatever the user gave to the batches of a task."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from keraslike.data.batches import Batch, FeatureBatch, FeatureBatches, PairBatch
from keraslike.data.dataset import as_dataset
from keraslike.data.encoding import Features
from keraslike.data.labels import Labels
from keraslike.data.rows import Rows, columns_of
from keraslike.data.splits import as_split
from keraslike.data.splitting import split_rows
from keraslike.data.streams import is_stream, shuffled, stream
from keraslike.data.targets import SINGLE_LABEL, kind_of_targets, require_target
from keraslike.errors import ArgumentError, DataError, LabelError
from keraslike.tasks.base import Task

Prepare = Callable[[dict[str, Any]], dict[str, Any]]
BUFFER = 10_000
"""Rows of a stream that are held to be shuffled."""


class Feed:
    """Reads the user's data for a task, always by the columns that were chosen at the first reading.

    Attributes:
        task: the task.
        columns: which of the user's columns became text, text_pair and target.
        prepare: the function that maps the user's rows; it is asked for again after loading.
        has_pairs: whether the training data were pairs of texts; None before there were any.
    """

    def __init__(self, task: Task, columns: Mapping[str, Any] | None = None) -> None:
        self.task = task
        self.columns: dict[str, Any] = dict(columns or {})
        self.prepare: Prepare | None = None
        self.has_pairs: bool | None = None

    # Reading

    def choose(self, text: Any = None, target: Any = None, prepare: Prepare | None = None) -> None:
        """Remember what the user says of the columns; None leaves the choice as it is."""
        if text is not None:
            self.columns["text"] = text
        if target is not None:
            self.columns["target"] = target
        self.prepare = prepare or self.prepare

    @contextmanager
    def unchanged_by_errors(self) -> Iterator[None]:
        """Forget what was chosen inside if it ends in an error, so that a misspelt column is not remembered."""
        before = dict(self.columns), self.prepare, self.has_pairs
        try:
            yield
        except BaseException:
            self.columns, self.prepare, self.has_pairs = before
            raise

    def with_columns(self, text: Any, target: Any) -> "Feed":
        """Give a feed that reads other columns once."""
        if text is None and target is None:
            return self
        chosen = {"text": text, "target": target}
        feed = Feed(self.task, {**self.columns, **{name: value for name, value in chosen.items() if value is not None}})
        feed.prepare, feed.has_pairs = self.prepare, self.has_pairs
        return feed

    def read(self, x: Any, y: Any = None, *, has_target: bool = True) -> Rows:
        """Read finite data into rows with the columns text, text_pair and target.

        Raises:
            DataError: no text, no target, or they do not fit together.
        """
        target = self.columns.get("target") if has_target and y is None else None
        rows = as_dataset(
            x,
            y,
            text=self.columns.get("text"),
            target=target,
            prepare=self.prepare,
            labelled=has_target,
            pairs=None if has_target else self.has_pairs,
        )
        if has_target:
            require_target(rows)
        return rows

    def remember(self, rows: Rows) -> None:
        """Keep the columns of the training data for evaluate, predict and the saved directory."""
        self.has_pairs = "text_pair" in rows.columns
        for name, column in rows.source_columns.items():
            self.columns.setdefault(name, column)

    def state(self) -> dict[str, Any]:
        """Give what a later reading needs, as plain JSON."""
        return {"columns": self.columns, "has_pairs": self.has_pairs, "has_prepare": self.prepare is not None}

    def is_one_pair(self, x: tuple[Any, ...]) -> bool:
        """Tell a single pair of texts from a tuple of two texts, by what the model was trained on."""
        is_pair = len(x) == 2 and all(isinstance(part, str) for part in x)
        return is_pair and bool(self.has_pairs)

    def pair(self, data: Any) -> Rows:
        """Read validation data: `(x, y)`, or anything that holds its own targets."""
        if isinstance(data, tuple) and len(data) == 2:
            return self.read(*data)
        return self.read(data)

    # Batches

    def batches(
        self, rows: Rows, batch_size: int, *, seed: int | None = None, vary_seed: int = 0, has_notes: bool = True
    ) -> FeatureBatches:
        """Encode rows and give them in batches: shuffled by (seed, epoch), or in the order given where seed is None.

        `has_notes=False` is for rows that no fit learns from, or validates on.
        """
        features = self.task.pack(self.task.encode_rows(rows) if has_notes else self.encode_unnoted(rows))
        vary = self.task.vary if self.task.varies else None
        return FeatureBatches(features, self.task.collate, batch_size, seed, vary, vary_seed)

    def encode_unnoted(self, rows: Rows) -> Features:
        """Encode rows, and forget what the task notes: it would be said at the next fit, once for each batch."""
        before = list(self.task.notes)
        features = self.task.encode_rows(rows)
        self.task.notes = before
        return features

    def convert(self, data: Any, *, has_target: bool = True) -> Batch:
        """Make a batch of what a user's loader yielded: raw rows by column, or tensors with `input_ids`."""
        if isinstance(data, Mapping) and "input_ids" in data:
            return self._tensor_batch(data, has_target)
        is_pair = isinstance(data, (tuple, list)) and len(data) == 2 and not isinstance(data[0], (str, Mapping))
        x, y = data if is_pair else (data, None)
        rows = self.read(list(x) if isinstance(x, tuple) else x, y if has_target else None, has_target=has_target)
        return FeatureBatch(self.encode_unnoted(rows), self.task.collate)

    def _tensor_batch(self, data: Mapping[str, Any], has_target: bool) -> PairBatch:
        target = self.columns.get("target", "labels")
        key = next((name for name in (target, "labels", "label", "target") if name in data), None)
        if key is None and has_target:
            raise DataError("a batch of the loader has no labels.", "a column named labels.", f"it has {list(data)}.")
        known = getattr(getattr(self.task, "tokenizer", None), "model_input_names", None)
        inputs = {name: value for name, value in data.items() if name != key and (known is None or name in known)}
        if key is None or not has_target:
            return PairBatch(inputs, None)
        values = data[key]
        labels: Labels | None = getattr(self.task, "labels", None)
        if labels is not None and torch.is_tensor(values) and values.ndim == 1:
            values = torch.from_numpy(labels.encode(values.tolist()))
        return PairBatch(inputs, values)


class LoaderBatches:
    """A user's DataLoader, its own order and batches kept, each batch made one of the task's."""

    def __init__(self, loader: Iterable[Any], feed: Feed, *, has_target: bool = True) -> None:
        self.loader = loader
        self.feed = feed
        self.has_target = has_target

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]  # asked for by the loop only where the loader has a length

    def __iter__(self) -> Iterator[Batch]:
        return (self.feed.convert(data, has_target=self.has_target) for data in self.loader)


class StreamBatches:
    """A stream of rows without a length, encoded a batch at a time, shuffled in a buffer where asked."""

    def __init__(self, source: Any, feed: Feed, batch_size: int, seed: int | None) -> None:
        self.source, self.feed, self.batch_size, self.seed = source, feed, batch_size, seed
        self.epoch = 0

    def __iter__(self) -> Iterator[Batch]:
        self.epoch += 1
        rows = self._rows()
        while chunk := list(islice(rows, self.batch_size)):
            known = Rows(columns_of(chunk), named=False) if is_stream(self.source) else self.feed.read(chunk)
            yield FeatureBatch(self.feed.encode_unnoted(known), self.feed.task.collate)

    def _rows(self) -> Iterator[Any]:
        """Give the rows of one pass: those of a stream with our column names, those of a generator as they come."""
        if not is_stream(self.source):
            rows = iter(self.source)
            return rows if self.seed is None else shuffled(rows, np.random.default_rng((self.seed, self.epoch)), BUFFER)
        chosen: dict[str, Any] = {name: self.feed.columns.get(name) for name in ("text", "target")}
        order: dict[str, Any] = {"seed": self.seed, "epoch": self.epoch, "buffer": BUFFER}
        return stream(self.source, prepare=self.feed.prepare, **chosen, **order)


def is_loader(x: Any) -> bool:
    """Tell whether the user gave batches with an order of their own."""
    return isinstance(x, DataLoader)


def rows_for_fit(
    feed: Feed, x: Any, y: Any, validation_data: Any, validation_split: float | None, seed: int
) -> tuple[Rows, Rows, Rows | None]:
    """Read the data of `fit`: validation rows are given, split off, or found in a DatasetDict.

    Returns:
        The rows to learn the labels from (those that are split off count), to train on, and to validate on (None where
        there are none, or a loader of them).

    Raises:
        ArgumentError: both validation_data and validation_split are given.
    """
    if validation_data is not None and validation_split:
        raise ArgumentError(
            "validation_data and validation_split are both given.", "one of them.", "leave out validation_split."
        )
    if y is None:
        x, found = as_split(x)
        validation_data = found if validation_data is None and not validation_split else validation_data
    rows = feed.read(x, y)
    feed.remember(rows)
    if validation_split:
        targets = rows.column("target")
        is_classes = kind_of_targets(targets).problem_type == SINGLE_LABEL
        train, valid = split_rows(len(rows), validation_split, seed, targets if is_classes else None)
        return rows, rows.take(train), rows.take(valid)
    is_rows = validation_data is not None and not is_loader(validation_data)
    return rows, rows, feed.pair(validation_data) if is_rows else None


def rows_of_loader(feed: Feed, loader: Any) -> Rows | None:
    """Read the finite data set behind a loader, for its labels; None where there is none."""
    dataset = getattr(loader, "dataset", None)
    if dataset is None or is_stream(dataset) or not hasattr(dataset, "__len__"):
        return None
    rows = feed.read(dataset)
    feed.remember(rows)
    return rows


def require_labels(task: Task) -> None:
    """Refuse to learn from data that do not tell their labels beforehand.

    Raises:
        LabelError: the labels are not known.
    """
    if not task.is_ready:
        raise LabelError(
            "the labels cannot be told from a stream or generator before training.",
            "the labels, named at the start.",
            "give Model(..., labels=[...]).",
        )
