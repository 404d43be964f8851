"""Batches whose order is not ours: the user's loaders, streams and generators."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import length_hint
from typing import Any

import torch
from torch.utils.data import DataLoader, default_collate

from keraslike.data.arrow import Decode, decoder
from keraslike.data.features import FeatureBatch
from keraslike.data.labels import Labels
from keraslike.data.rows import Rows, SourceColumns, columns_of
from keraslike.data.streams import is_stream, stream
from keraslike.data.tables import with_dicts
from keraslike.data.values import plain_list
from keraslike.errors import DataError
from keraslike.tasks.feed import Feed

BUFFER = 10_000
"""Rows of a stream that are held to be shuffled."""


class LoaderBatches:
    """A user's DataLoader, its own order and batches kept, each batch made one of the task's.

    Args:
        loader: a DataLoader of rows, of columns as torch puts them together, or of padded tensors, with
            `sample_weight` among them where the examples have weights.
        feed: reads the rows.
        has_target: False for predicting: labels are passed over.
        learning_seed: of a training, for what varies; its columns are remembered for later readings. None: the task's
            own seed for measuring.
        epochs_before: epochs that the model has behind it.

    Raises:
        DataError: the loader has no batch.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        feed: Feed,
        *,
        has_target: bool = True,
        learning_seed: int | None = None,
        epochs_before: int = 0,
    ) -> None:
        if length_hint(loader, 1) == 0:
            raise _no_batch()
        self.loader = loader
        self.feed = feed
        self.has_target = has_target
        self.learning_seed = learning_seed
        self.epoch = epochs_before
        self._drawn = 0  # features, in this pass
        self._decoders = _decoders_of(getattr(loader, "dataset", None))

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]  # asked for by the loop only where the loader has a length

    def __iter__(self) -> Iterator[Any]:
        is_empty = True
        self.epoch, self._drawn = self.epoch + 1, 0
        for data in self.loader:
            is_empty = False
            yield self._batch(data)
        if is_empty:
            raise _no_batch()

    def _batch(self, data: Any) -> Any:
        """Make a batch of what the loader yielded: raw rows by column, or tensors with `input_ids`."""
        if isinstance(data, Mapping) and "input_ids" in data:
            return self._tensor_batch(data)
        data = with_dicts(data, self.feed.column_names)
        if getattr(self.loader, "collate_fn", None) is default_collate:
            data = self._uncollated(data)
        x, y = data if _is_x_and_y(data, self.feed.task.reads_texts) else (data, None)
        x, y = list(x) if isinstance(x, tuple) else x, y if self.has_target else None
        rows = self.feed.read(x, y, has_target=self.has_target)
        if self.learning_seed is not None:
            self.feed.remember(rows)
        features = self.feed.encode_batch(rows, self._of_epoch(), self._drawn)
        self._drawn += len(features)
        return FeatureBatch(features, self.feed.task.collate, source=rows)

    def _of_epoch(self) -> tuple[int, int] | None:
        """Give what the variation of features is drawn by: (seed, epoch); None where nothing varies, in predict."""
        if self.learning_seed is not None:
            return self.learning_seed, self.epoch
        return (self.feed.task.measuring_seed, 1) if self.has_target else None

    def _uncollated(self, data: Any) -> Any:
        """Take apart what torch's own `collate_fn` put together: columns become rows again, ids of classes names."""
        if isinstance(data, Mapping):
            columns = {name: _by_row(column) for name, column in data.items()}
            return {name: self._names(name, column) for name, column in columns.items()}
        if not isinstance(data, (tuple, list)) or isinstance(data[0], str):
            return data
        columns_given = [_by_row(column) for column in data]
        is_labelled_pair = not self.has_target and len(columns_given) == 3
        return [_Row(row) for row in zip(*columns_given[: 2 if is_labelled_pair else None], strict=True)]

    def _tensor_batch(self, data: Mapping[str, Any]) -> tuple[Any, ...]:
        target = self.feed.columns.get("target", "labels")
        names = [target] if isinstance(target, str) else []
        key = next((name for name in (*names, "labels", "label", "target") if name in data), None)
        if key is None and self.has_target:
            raise DataError("a batch of the loader has no labels.", "a column named labels.", f"it has {list(data)}.")
        known = getattr(getattr(self.feed.task, "tokenizer", None), "model_input_names", None)
        others = {name: value for name, value in data.items() if name not in (key, "sample_weight")}
        inputs = {
            name: value
            for name, value in others.items()
            if known is None or name in known or name.startswith("decoder_")
        }
        if key is None or not self.has_target:
            return inputs, None
        values, weight = data[key], data.get("sample_weight")
        labels: Labels | None = getattr(self.feed.task, "labels", None)
        if labels is not None and torch.is_tensor(values) and values.ndim == 1:
            column = next((name for name in (*names, key, "label", "labels") if name in self._decoders), key)
            values = torch.from_numpy(labels.encode(self.feed.task.own_labels(self._names(column, values))))
        return (inputs, values) if weight is None else (inputs, values, weight)

    def _names(self, column: str, values: Any) -> Any:
        """Give the names of a `ClassLabel` column's ids; any other column as it is.

        `DataCollatorWithPadding` calls a column `label` `labels`.
        """
        decode = self._decoders.get(column)
        if decode is None:
            return values.tolist() if torch.is_tensor(values) else values
        return [value if isinstance(value, str) else decode(value) for value in plain_list(values)]


class Remembering:
    """Batches of a loader, whose features are kept, their rows numbered on from batch to batch.

    Attributes:
        features: those of the batches so far; none where the loader gives tensors.
    """

    def __init__(self, batches: LoaderBatches) -> None:
        self.batches = batches
        self.features: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        rows = 0
        for batch in self.batches:
            if isinstance(batch, FeatureBatch):
                self.features += [{**feature, "row": rows + feature["row"]} for feature in batch.features]
                rows = self.features[-1]["row"] + 1
            yield batch


class StreamBatches:
    """Rows that come one after the other, encoded a batch at a time.

    A `datasets.IterableDataset` is shuffled in a buffer by (seed, epoch). A generator's rows are taken as they come,
    without a buffer, since none of them comes twice; each epoch goes on where the one before stopped.

    Args:
        source: an `IterableDataset`, a generator, or an iterable without a length.
        feed: reads the rows, and remembers their columns.
        batch_size: rows per batch; the last one of a pass may be smaller.
        seed: shuffles a stream; None keeps its order.
        vary_seed: of what varies.
        epochs_before: epochs that the model has behind it; the orders go on from there.
    """

    def __init__(
        self, source: Any, feed: Feed, batch_size: int, seed: int | None, vary_seed: int = 0, epochs_before: int = 0
    ) -> None:
        self.source, self.feed, self.batch_size, self.seed, self.vary_seed = source, feed, batch_size, seed, vary_seed
        self.epoch = epochs_before
        self._drawn = 0  # rows, since the source's first

    def __iter__(self) -> Iterator[FeatureBatch]:
        self.epoch += 1
        found: SourceColumns = {}
        rows = self._rows(found)
        self._drawn = 0 if is_stream(self.source) else self._drawn
        while chunk := list(islice(rows, self.batch_size)):
            if is_stream(self.source) and self.feed.task.reads_texts:
                known = Rows(columns_of(chunk), named=False, source_columns=found)
            else:
                known = self.feed.read(chunk)
            self.feed.remember(known)
            places = range(self._drawn, self._drawn + len(chunk))
            self._drawn += len(chunk)
            is_in_order = not is_stream(self.source) or self.seed is None
            encoded = self.feed.encode_batch(known, (self.vary_seed, self.epoch), places.start)
            yield FeatureBatch(encoded, self.feed.task.collate, places if is_in_order else None)

    def _rows(self, found: SourceColumns) -> Iterator[Any]:
        """Give the rows of one pass: those of a stream with our column names, those of a generator as they come."""
        if not is_stream(self.source):
            return iter(self.source)
        chosen: dict[str, Any] = {name: self.feed.columns.get(name) for name in ("text", "target")}
        order: dict[str, Any] = {"seed": self.seed, "epoch": self.epoch, "buffer": BUFFER}
        if not self.feed.task.reads_texts:
            return stream(self.source, is_renamed=False, **order)
        return stream(self.source, prepare=self.feed.prepare, on_columns=found.update, **chosen, **order)


class _Row(tuple[Any, ...]):
    """A row that was taken out of columns, told from a column by its type."""

    __slots__ = ()


def is_loader(x: Any) -> bool:
    """Tell whether the user gave batches with an order of their own."""
    return isinstance(x, DataLoader)


def rows_of_loader(feed: Feed, loader: Any) -> Rows | None:
    """Read the finite data set behind a loader, for its labels; None where there is none."""
    dataset = getattr(loader, "dataset", None)
    if dataset is None or is_stream(dataset) or not hasattr(dataset, "__len__"):
        return None
    rows = feed.read(dataset, learns=True)
    feed.task.check_training(rows)
    feed.remember(rows)
    return rows


def _no_batch() -> DataError:
    return DataError("the loader gave no batch.", "at least one row.", "check its dataset, and drop_last=.")


def _is_x_and_y(data: Any, has_one_text: bool) -> bool:
    """Tell (x, y) from two rows, as a `collate_fn` of the user's may give them.

    A tuple is x and y. A list is rows where both of its parts can be: tuples of two or three that begin with the same
    kind of value, or lists of strings where a row is more than one text.
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2 or isinstance(data[0], (str, Mapping, _Row)):
        return False
    first, second = data
    if isinstance(data, tuple) or type(first) is not type(second) or not isinstance(first, (tuple, list)):
        return True
    if isinstance(first, tuple):
        return len(first) not in (2, 3) or type(first[0]) is not type(second[0])
    return has_one_text or not all(isinstance(value, str) for value in (*first, *second))


def _by_row(column: Any) -> Any:
    """Give a column by row; torch turns equally long lists into a list with one column for each of their places."""
    is_places = isinstance(column, (list, tuple)) and len(column) > 0 and not isinstance(column[0], str)
    return [list(row) for row in zip(*column, strict=True)] if is_places else column


def _decoders_of(dataset: Any) -> dict[str, Decode]:
    """Give what makes names of the ids in a data set's `ClassLabel` columns; a transform of its own yields values."""
    features = getattr(dataset, "features", None)
    if not isinstance(features, Mapping) or (getattr(dataset, "format", None) or {}).get("type") == "custom":
        return {}
    found = {name: decoder(feature) for name, feature in features.items()}
    return {name: decode for name, decode in found.items() if decode is not None}
