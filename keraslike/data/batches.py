"""Batches: what one optimizer step learns from, whole or cut into micro-batches.

A batch offers `size` (examples) and `parts(micro_batch_size)`, which gives the pairs `(x, y)` that go through the
network one after the other. `TensorBatches` and `FeatureBatches` are finite, sized iterables of batches with an order
of their own; whatever else the user iterates over yields pairs, and `as_batch` makes a batch of each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from poutyne import get_batch_size

from keraslike.data.order import order
from keraslike.errors import ArgumentError, DataError

Pair = tuple[Any, Any]


class Batch(Protocol):
    """What one optimizer step (or one part of it) learns from."""

    @property
    def size(self) -> int:
        """How many examples it holds."""
        ...

    def parts(self, micro_batch_size: int | None) -> list[Pair]:
        """Give the batch as pairs `(x, y)` of at most `micro_batch_size` examples; None: one pair."""
        ...


class PairBatch:
    """A batch that came as a pair of tensors, arrays, or tuples, lists and dicts of them."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x = x
        self.y = y
        self.size: int = get_batch_size(x, y)

    def parts(self, micro_batch_size: int | None) -> list[Pair]:
        """Cut along the first dimension, in the order given."""
        if micro_batch_size is None or micro_batch_size >= self.size:
            return [(self.x, self.y)]
        bounds = [slice(start, start + micro_batch_size) for start in range(0, self.size, micro_batch_size)]
        return [(take(self.x, part), take(self.y, part)) for part in bounds]


class FeatureBatch:
    """A batch of features that a task has encoded; every micro-batch is padded to its own longest feature."""

    def __init__(self, features: Sequence[Mapping[str, Any]], collate: Callable[[Any], Pair]) -> None:
        self.features = features
        self.collate = collate
        self.size = len(features)

    def __iter__(self) -> Iterator[Any]:
        """Unpack as `x, y = batch`: the whole batch, padded together."""
        return iter(self.collate(self.features))

    def parts(self, micro_batch_size: int | None) -> list[Pair]:
        """Cut in the order given, then pad."""
        size = micro_batch_size or self.size
        return [self.collate(self.features[start : start + size]) for start in range(0, self.size, size)]


def as_batch(data: Any) -> Batch:
    """Give a batch, as it is or made of a pair `(x, y)` that a generator or DataLoader yielded."""
    if isinstance(data, (PairBatch, FeatureBatch)):
        return data
    if isinstance(data, (tuple, list)) and len(data) == 2:
        return PairBatch(*data)
    raise DataError(
        f"the generator yielded a {type(data).__name__}, not a pair.",
        "pairs (x, y): the network's inputs and the targets.",
        "use collate_fn=TransformerCollator(y_keys='labels') for dicts of tensors, or give Model a task.",
    )


def take(data: Any, index: Any) -> Any:
    """Give the rows at `index` (a slice or an index tensor) of tensors, arrays, or containers of them."""
    if isinstance(data, Mapping):
        return {key: take(value, index) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        raise ArgumentError(
            f"a batch of type {type(data).__name__} cannot be cut into micro-batches.",
            "tensors, arrays, or tuples, lists and dicts of them.",
            "set micro_batch_size=None.",
        )
    if isinstance(data, (tuple, list)):
        return type(data)(take(value, index) for value in data)
    return data[index]


class OwnBatches:
    """What both kinds of our own batches share: their order, shuffled by (seed, epoch) or as given."""

    def __init__(self, rows: int, batch_size: int, seed: int | None) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 1

    def __len__(self) -> int:
        return (self.rows + self.batch_size - 1) // self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; epochs of a model's life are counted from 1."""
        self.epoch = epoch

    def _indices(self) -> Iterator[Any]:
        rows = np.arange(self.rows) if self.seed is None else order(self.rows, self.seed, self.epoch)
        for start in range(0, self.rows, self.batch_size):
            yield rows[start : start + self.batch_size]


class TensorBatches(OwnBatches):
    """Tensors in memory, sliced a batch at a time.

    Args:
        data: tensors, or tuples, lists and dicts of them, with the same first dimension.
        batch_size: examples per batch; the last one may be smaller.
        seed: shuffles by (seed, epoch); None keeps the order given.

    Example:
        >>> batches = TensorBatches((torch.zeros(5, 2), torch.zeros(5)), batch_size=2, seed=None)
        >>> [tuple(x.shape) for x, y in batches]
        [(2, 2), (2, 2), (1, 2)]
    """

    def __init__(self, data: Any, batch_size: int, seed: int | None) -> None:
        super().__init__(count_rows(data), batch_size, seed)
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        for indices in self._indices():
            ordered = self.seed is None
            yield take(
                self.data, slice(indices[0], indices[0] + len(indices)) if ordered else torch.from_numpy(indices)
            )


class FeatureBatches(OwnBatches):
    """The features of a task, a batch of them at a time.

    Args:
        features: what `Task.encode_rows` gave, one dict per feature.
        collate: makes the padded `(inputs, targets)` of some features.
        batch_size: features per batch.
        seed: shuffles by (seed, epoch); None keeps the order given.
        vary: changes a feature anew in every epoch, with a generator of its own, before its length is read.
        vary_seed: the seed of those generators; they are fed (vary_seed, epoch, index of the feature).
    """

    def __init__(
        self,
        features: Sequence[Mapping[str, Any]],
        collate: Callable[[Any], Pair],
        batch_size: int,
        seed: int | None = None,
        vary: Callable[[Mapping[str, Any], np.random.Generator], Mapping[str, Any]] | None = None,
        vary_seed: int = 0,
    ) -> None:
        super().__init__(len(features), batch_size, seed)
        self.features = features
        self.collate = collate
        self.vary = vary
        self.vary_seed = vary_seed

    def __iter__(self) -> Iterator[FeatureBatch]:
        for indices in self._indices():
            yield FeatureBatch([self._feature(int(index)) for index in indices], self.collate)

    def _feature(self, index: int) -> Mapping[str, Any]:
        feature = self.features[index]
        if self.vary is None:
            return feature
        return self.vary(feature, np.random.default_rng((self.vary_seed, self.epoch, index)))


def count_rows(data: Any) -> int:
    """Give the common first dimension of tensors, or of containers of them.

    Raises:
        DataError: the lengths differ.
    """
    lengths = sorted(set(_lengths(data)))
    if len(lengths) != 1:
        raise DataError(
            f"the inputs and targets have different numbers of rows: {lengths}.",
            "the same first dimension everywhere.",
            "check that x and y come from the same rows, in the same order.",
        )
    return lengths[0]


def _lengths(data: Any) -> Iterator[int]:
    if isinstance(data, Mapping):
        for value in data.values():
            yield from _lengths(value)
    elif isinstance(data, (tuple, list)):
        for value in data:
            yield from _lengths(value)
    else:
        yield len(data)
