"""The steps that a run will take, as far as they are known before it begins.

The order of the data is a pure function of (seed, epoch), and how a batch is cut is one of the lengths in it. So the
tokens of every coming step are known without sending one through the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from keraslike.data.batches import Indices, OwnBatches, PairBatch, TensorBatches
from keraslike.data.budget import all_lengths
from keraslike.data.cutting import runs
from keraslike.data.features import FeatureBatches, lengths_of
from keraslike.data.nested import take
from keraslike.engine.run import Run

Numbers = npt.NDArray[np.float64]
Group = list[Indices]
"""The places of the examples that one optimizer step learns from, batch by batch."""


class Steps(NamedTuple):
    """The optimizer steps of one epoch.

    Args:
        sizes: examples of each step, shape `(steps,)`.
        sent: tokens that the layers are given; 0 where there are none.
        real: tokens that are no padding.
        largest: tokens of the largest part that goes through at once; examples where there are no tokens.
        groups: what each step learns from.
    """

    sizes: Numbers
    sent: Numbers
    real: Numbers
    largest: Numbers
    groups: list[Group]


class Coming:
    """The coming steps of a run over data that keraslike makes batches of.

    Args:
        run: the run; its batches are `FeatureBatches` or `TensorBatches`.

    Example:
        >>> from keraslike.data.cutting import Cut
        >>> from keraslike.engine.step import Cutting
        >>> batches = TensorBatches((torch.zeros(5, 2), torch.zeros(5)), batch_size=2, seed=0)
        >>> run = Run(batches, None, None, None, Cutting(Cut(), None, print, print), 1, steps_per_epoch=3)
        >>> Coming(run).epoch(1).sizes.tolist()
        [2.0, 2.0, 1.0]
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.batches: Any = run.batches
        features = getattr(self.batches, "features", None)
        found = None if features is None else all_lengths(features)
        self.lengths = None if found is None else found.tolist()
        has_width = features is not None and "width" in features[0]
        self.widths = [int(feature["width"]) for feature in features or ()] if has_width else None
        free = run.cutting.padding_free
        self.worth = None if free is None else free.worth

    @staticmethod
    def is_known(run: Run) -> bool:
        """Tell whether the batches are keraslike's own, which can be counted without being made."""
        is_plain = isinstance(run.batches, TensorBatches) and run.batches.is_labelled
        return isinstance(run.batches, FeatureBatches) or is_plain

    def epoch(self, epoch: int) -> Steps:
        """Give the steps of one epoch, the epochs counted as the run counts them."""
        groups = list(self._groups(epoch))
        rows = np.array([self._measured(group) for group in groups], dtype=np.float64).reshape(-1, 4)
        sizes, sent, real, largest = rows.T
        return Steps(sizes, sent, real, largest, groups)

    def longest(self, count: int) -> Indices:
        """Give the places of the `count` longest examples; of the first ones where they have no lengths."""
        if self.lengths is None:
            return np.arange(min(count, self.batches.examples))
        return np.argsort(-np.asarray(self.lengths), kind="stable")[:count]

    def _groups(self, epoch: int) -> Iterator[Group]:
        self.batches.set_epoch(self.run.epochs_before + epoch - self.run.initial_epoch + 1)
        places, size = self.batches.places(), self.batches.batch_size
        keys = [places[start : start + size] for start in range(0, len(places), size)]
        steps = len(keys) if self.run.steps_per_epoch is None else self.run.steps_per_epoch
        keys = [keys[number % len(keys)] for number in range(steps)]
        per_step = self.run.batches_per_step
        return (keys[start : start + per_step] for start in range(0, len(keys), per_step))

    def _measured(self, group: Group) -> tuple[float, float, float, float]:
        """Give what `Steps` holds of one step."""
        size = sum(len(places) for places in group)
        if self.lengths is None:
            most = self.run.cutting.cut.most
            largest = max(len(places) for places in group)
            return size, 0, 0, largest if most is None else min(largest, most)
        sent, real, largest = 0, 0, 0
        for places in group:
            parts = self._tokens(places.tolist())
            sent, real = sent + sum(parts), real + sum(self.lengths[place] for place in places)
            largest = max(largest, *parts)
        return size, sent, real, largest

    def _tokens(self, places: Sequence[int]) -> list[int]:
        """Give the tokens that the layers are given, of each part of a batch."""
        assert self.lengths is not None
        lengths, cut = [self.lengths[place] for place in places], self.run.cutting.cut
        if self.widths is None:
            parts = runs(len(places), lengths, cut)
        else:
            parts = runs(len(places), [self.widths[place] for place in places], replace(cut, price=0.0))
        return [tokens_of([lengths[place] for place in part], self.worth) for part in parts]


def tokens_of(lengths: Sequence[int], worth: float | None = None) -> int:
    """Give the tokens that the layers are given of a part: padded, unless they are to see no padding.

    Args:
        lengths: of its examples.
        worth: tokens of padding in a part from which on the layers see none, as in `PaddingFree`; None: they see it.

    Example:
        >>> tokens_of([9, 2, 1]), tokens_of([9, 2, 1], worth=10.0), tokens_of([9, 2, 1], worth=99.0)
        (27, 12, 27)
    """
    padded, real = len(lengths) * max(lengths), sum(lengths)
    return real if worth is not None and padded - real > worth else padded


def amount_of(batch: Any) -> int:
    """Give the padded tokens of a batch that goes through whole, or its examples where they have no lengths.

    Example:
        >>> from types import SimpleNamespace
        >>> amount_of(SimpleNamespace(features=[{"input_ids": [1, 2]}, {"input_ids": [1]}], size=2))
        4
    """
    lengths = lengths_of(getattr(batch, "features", []))
    return int(batch.size) if lengths is None else tokens_of(lengths)


class ChosenBatches(OwnBatches):
    """Some batches of a data set, one after the other.

    Args:
        source: makes the batches: `FeatureBatches` or `TensorBatches`.
        keys: the places of the examples of each batch.

    Example:
        >>> source = TensorBatches((torch.arange(5), torch.zeros(5)), batch_size=2, seed=None)
        >>> [batch.x.tolist() for batch in ChosenBatches(source, [np.array([4, 0]), np.array([1])])]
        [[4, 0], [1]]
    """

    def __init__(self, source: Any, keys: Sequence[Indices]) -> None:
        super().__init__(source.examples, source.batch_size, None)
        self.source, self.keys = source, keys

    def __len__(self) -> int:
        return len(self.keys)

    def set_epoch(self, epoch: int) -> None:
        """As in `OwnBatches`."""
        self.source.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        return (self._batch(places) for places in self.keys)

    def _batch(self, places: Indices) -> Any:
        if isinstance(self.source, FeatureBatches):
            return self.source.batch(places)
        x, y, *weights = take(self.source.data, torch.from_numpy(places))
        return PairBatch(x, y, weights[0] if weights else None, len(places), places)
