"""Batches of features: what a task has encoded, padded when it goes through the network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from keraslike.data.batches import Indices, OwnBatches, Pair, Part
from keraslike.data.cutting import Cut, Run, runs
from keraslike.data.encoding import Feature, is_nested
from keraslike.data.loading import InWorkers, Loading
from keraslike.data.rows import Rows
from keraslike.data.weights import Weights
from keraslike.errors import ArgumentError

Collate = Callable[[Any], Pair]
Vary = Callable[[Feature, np.random.Generator], Mapping[str, Any]]


class FeatureBatch:
    """A batch of features that a task has encoded; every micro-batch is padded to its own longest feature.

    Args:
        features: one dict per feature.
        collate: makes the padded `(inputs, targets)` of some features.
        rows_of: the number in the user's data of each row that the features' `row` counts; None: not known.
        weights: the sample weight of each feature, shape `(features,)`.
        places: the number of each feature among all of them; None: not known.
        source: the rows that the features' `row` counts; None: not known.

    Attributes:
        made: parts that a worker has made ahead, and how it cut them.

    Example:
        >>> features = [{"input_ids": [1] * length, "row": row} for row, length in enumerate([9, 2, 9, 1])]
        >>> batch = FeatureBatch(features, lambda features: (len(features), None))
        >>> [(part.x, part.index.tolist(), part.sent_tokens) for part in batch.parts(Cut(price=3))]
        [(2, [0, 2], 18), (2, [3, 1], 4)]
    """

    def __init__(
        self,
        features: Sequence[Feature],
        collate: Collate,
        rows_of: Sequence[int] | None = None,
        weights: Weights | None = None,
        *,
        places: Indices | None = None,
        source: Rows | None = None,
    ) -> None:
        self.features = features if isinstance(features, list) else list(features)
        self.collate = collate
        self.rows_of = rows_of
        self.weights = weights
        self.size = len(self.features)
        self.places = places
        self.source = source
        self.made: tuple[Cut, list[Part]] | None = None

    @property
    def rows(self) -> Sequence[int] | None:
        """As in `Batch`; a feature that was packed of several rows names them all."""
        if self.rows_of is None or "row" not in self.features[0]:
            return None
        return [int(self.rows_of[row]) for feature in self.features for row in np.atleast_1d(feature["row"])]

    def __iter__(self) -> Iterator[Any]:
        """Unpack as `x, y = batch`: the whole batch, padded together."""
        return iter(self.collate(self.features))

    def parts(self, cut: Cut) -> list[Part]:
        """Cut, then pad; a price sorts by length. Features with a `width` go through with those of their own alone."""
        if self.made is not None and self.made[0] == cut:
            return self.made[1]
        lengths = lengths_of(self.features)
        widths = [int(feature["width"]) for feature in self.features] if "width" in self.features[0] else None
        if widths is None:
            return [self._part(run, lengths) for run in runs(self.size, lengths, cut)]
        return [self._part(run, lengths) for run in runs(self.size, widths, replace(cut, price=0.0))]

    def _part(self, run: Run, lengths: list[int] | None) -> Part:
        x, y = _pair(self.collate([self.features[place] for place in run]))
        places = np.asarray(run, dtype=np.int64)
        part = Part(x, y, len(run), index=None if isinstance(run, range) else places)
        if self.weights is not None:
            part.weight = torch.from_numpy(self.weights[places])
        if lengths is not None:
            sent = [lengths[place] for place in run]
            part.real_tokens, part.sent_tokens = sum(sent), len(run) * max(sent)
        return part


def _pair(made: Any) -> Pair:
    """Give what `collate` made, which is easily forgotten to be two."""
    if isinstance(made, (tuple, list)) and len(made) == 2:
        return made[0], made[1]
    raise ArgumentError(
        f"collate gave a {type(made).__name__}.",
        "a pair: the dict of the network's inputs, and the targets, or None where there are none.",
        "write return inputs, targets.",
    )


def lengths_of(features: Sequence[Feature]) -> list[int] | None:
    """Give the tokens of each feature: what it says under `length`, or how many `input_ids` it has.

    None where neither is there, or the ids are no flat sequence.

    Example:
        >>> lengths_of([{"input_ids": [1, 2]}, {"input_ids": [1]}]), lengths_of([{"pixels": 3}])
        ([2, 1], None)
    """
    if features and "length" in features[0]:
        return [int(feature["length"]) for feature in features]
    if not features or "input_ids" not in features[0] or is_nested(features[0]["input_ids"]):
        return None
    return [len(feature["input_ids"]) for feature in features]


class FeatureBatches(OwnBatches):
    """The features of a task, a batch of them at a time.

    Args:
        features: what `Task.encode_rows` gave, one dict per feature.
        collate: makes the padded `(inputs, targets)` of some features.
        batch_size: features per batch.
        seed: as in `OwnBatches`.
        vary: changes a feature anew in every epoch, with a generator of its own, before its length is read.
        vary_seed: the seed of those generators; they are fed (vary_seed, epoch, index of the feature).
        loading: the user's arguments of a `DataLoader`: its sampler and `drop_last`, and with `num_workers` the batches
            are cut and padded in as many processes, as `cut` says when the pass begins; what is then asked for
            otherwise is cut again.
        rows_of: the number in the user's data of each row that the features' `row` counts; None: not known.
        weights: the sample weight of each feature, shape `(features,)`.
        source: as in `FeatureBatch`.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        collate: Collate,
        batch_size: int,
        seed: int | None = None,
        vary: Vary | None = None,
        vary_seed: int = 0,
        *,
        loading: Loading | None = None,
        rows_of: Sequence[int] | None = None,
        weights: Weights | None = None,
        source: Rows | None = None,
    ) -> None:
        self.loading = dict(loading or {})
        order: Loading = {name: self.loading.pop(name) for name in ("sampler", "drop_last") if name in self.loading}
        super().__init__(len(features), batch_size, seed, **order)
        self.features = features
        self.collate = collate
        self.vary = vary
        self.vary_seed = vary_seed
        self.rows_of = rows_of
        self.weights = weights
        self.source = source

    def __iter__(self) -> Iterator[FeatureBatch]:
        places = self.places()
        keys = [places[start : start + self.batch_size] for start in range(0, len(places), self.batch_size)]
        if not self.loading.get("num_workers"):
            return (self.batch(key) for key in keys)
        made = InWorkers(self._made, keys, self.loading)
        return (self._remade(key, *parts) for key, parts in zip(keys, made, strict=True))

    def batch(self, places: Indices) -> FeatureBatch:
        """Give the batch of the features at `places`."""
        return self._batch_of([self._feature(int(place)) for place in places], places)

    def _batch_of(self, features: list[Feature], places: Indices) -> FeatureBatch:
        weights = None if self.weights is None else self.weights[places]
        return FeatureBatch(features, self.collate, self.rows_of, weights, places=places, source=self.source)

    def _made(self, places: Indices) -> tuple[list[Feature], Cut, list[Part]]:
        """Make a batch in a worker; what comes back has no tokenizer in it."""
        batch = self.batch(places)
        return batch.features, self.cut, batch.parts(self.cut)

    def _remade(self, places: Indices, features: list[Feature], cut: Cut, parts: list[Part]) -> FeatureBatch:
        batch = self._batch_of(features, places)
        batch.made = (cut, parts)
        return batch

    def _feature(self, index: int) -> Feature:
        if self.vary is None:
            return self.features[index]
        return varied(self.features, index, self.vary, (self.vary_seed, self.epoch))


def varied(
    features: Sequence[Feature], index: int, vary: Vary, seed_and_epoch: tuple[int, int], first: int = 0
) -> Feature:
    """Give a feature as it is in one epoch, changed by a generator of its own; `first` features came before these."""
    return vary(features[index], np.random.default_rng((*seed_and_epoch, first + index)))
