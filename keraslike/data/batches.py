"""Batches: what one optimizer step learns from, whole or cut into micro-batches.

A batch offers `size` (examples), `rows` (their numbers in the user's data) and `parts(cut)`, which gives what goes
through the network one after the other. `TensorBatches` and `FeatureBatches` are finite, sized iterables of batches
with an order of their own; whatever else the user iterates over yields pairs, and `as_batch` makes a batch of each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from poutyne import get_batch_size
from torch import Tensor

from keraslike.data.cutting import WHOLE, Cut, runs
from keraslike.data.nested import count_rows, leaves, split, take
from keraslike.data.order import Order, order, sampled
from keraslike.data.tensors import are_class_indices
from keraslike.errors import DataError

Pair = tuple[Any, Any]
Indices = npt.NDArray[np.int64]

TOGETHER = 64
"""Batches whose rows are gathered at once: the cost of a call is shared by them."""

GATHERED_BYTES = 4 * 2**20
"""No more is gathered at once than this (one batch at least): it stays in a processor's cache."""


@dataclass(slots=True)
class Part:
    """What goes through the network at once.

    Attributes:
        x: the inputs.
        y: the targets; None where there are none.
        size: how many examples it has.
        weight: the sample weights, shape `(size,)`; None: all are 1.
        index: the examples' places in the batch, shape `(size,)`; None: a contiguous run in the batch's order.
        real_tokens: the tokens in it that are no padding; 0 where there are no lengths.
        sent_tokens: all tokens in it; 0 where there are no lengths.
        has_classes: whether it is known that the targets are one class index for each example, none of them negative.
    """

    x: Any
    y: Any
    size: int
    weight: Tensor | None = None
    index: Indices | None = None
    real_tokens: int = 0
    sent_tokens: int = 0
    has_classes: bool = False


class Batch(Protocol):
    """What one optimizer step (or one part of it) learns from."""

    @property
    def size(self) -> int:
        """How many examples it holds."""
        ...

    @property
    def rows(self) -> Sequence[int] | None:
        """The numbers of its rows in the user's data, for messages; None where they are not known."""
        ...

    def parts(self, cut: Cut) -> list[Part]:
        """Give what goes through the network one after the other."""
        ...


class PairBatch:
    """A batch that came as a pair of tensors, arrays, or tuples, lists and dicts of them.

    It is padded already, so that it is cut in its order, by numbers of examples alone.

    Args:
        x: the inputs.
        y: the targets.
        weight: the sample weights, shape `(size,)`.
        size: how many examples there are; None: it is looked up.
        rows: the numbers of its rows in the user's data.
        has_classes: as in `Part`.

    Example:
        >>> batch = PairBatch(torch.zeros(5, 2), torch.zeros(5))
        >>> [part.size for part in batch.parts(Cut(size=2))]
        [2, 2, 1]
    """

    __slots__ = ("_rows", "has_classes", "size", "weight", "x", "y")

    def __init__(
        self,
        x: Any,
        y: Any,
        weight: Tensor | None = None,
        size: int | None = None,
        rows: Indices | None = None,
        *,
        has_classes: bool = False,
    ) -> None:
        self.x = x
        self.y = y
        self.weight = weight
        self.size: int = get_batch_size(x, y) if size is None else size
        self._rows = rows
        self.has_classes = has_classes

    @property
    def rows(self) -> Sequence[int] | None:
        """As in `Batch`."""
        return None if self._rows is None else self._rows.tolist()

    def __iter__(self) -> Iterator[Any]:
        """Unpack as `x, y = batch`."""
        return iter((self.x, self.y))

    def parts(self, cut: Cut) -> list[Part]:
        """Cut along the first dimension, in the order given; a batch that stays whole is not copied."""
        most = cut.most
        if most is None or most >= self.size:
            parts = [Part(self.x, self.y, self.size, self.weight, has_classes=self.has_classes)]
        else:
            given = (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)
            cuts = [slice(run.start, run.stop) for run in runs(self.size, None, cut) if isinstance(run, range)]
            parts = [_part(*take(given, run), size=min(run.stop, self.size) - run.start) for run in cuts]
        if not isinstance(self.x, Tensor) and isinstance(self.x, Mapping):  # the first question is the cheaper one
            for part in parts:
                _count_tokens(part)
        return parts


def _part(x: Any, y: Any, weight: Tensor | None = None, *, size: int) -> Part:
    return Part(x, y, size, weight)


def _count_tokens(part: Part) -> None:
    """Read the tokens of a padded part off its attention mask; on an accelerator that would wait for the device."""
    mask = part.x.get("attention_mask")
    if isinstance(mask, Tensor) and mask.ndim == 2 and mask.device.type == "cpu":
        part.real_tokens, part.sent_tokens = int(mask.count_nonzero()), mask.numel()


def as_batch(data: Any) -> Batch:
    """Give a batch, as it is or made of what a generator or DataLoader yielded: `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        DataError: it is neither, or there are not as many weights as examples.

    Example:
        >>> as_batch((torch.zeros(5, 2), torch.zeros(5))).size
        5
    """
    if type(data) is PairBatch:
        return data
    if isinstance(data, (tuple, list)) and len(data) in (2, 3):
        return PairBatch(*data) if len(data) == 2 else _weighted(*data)
    if hasattr(data, "parts"):
        batch: Batch = data
        return batch
    raise DataError(
        f"the generator yielded a {type(data).__name__}, not a pair.",
        "pairs (x, y): the network's inputs and the targets; or (x, y, sample_weight).",
        "use collate_fn=TransformerCollator(y_keys='labels') for dicts of tensors, or give Model a task.",
    )


def _weighted(x: Any, y: Any, weight: Any) -> PairBatch:
    batch = PairBatch(x, y, None if weight is None else torch.as_tensor(weight))
    if batch.weight is not None and batch.weight.shape != (batch.size,):
        raise DataError(
            f"the generator yielded sample weights of shape {tuple(batch.weight.shape)} for {batch.size} examples.",
            f"one weight per example: shape ({batch.size},).",
            "yield (x, y, sample_weight), the third with one number per row of x.",
        )
    given = batch.weight
    if given is not None and given.is_cpu and not bool((given.isfinite() & (given >= 0)).all()):
        raise DataError("the generator yielded sample weights that are negative or not finite.", "0 or more.")
    return batch


class OwnBatches:
    """What our own batches share: their order, shuffled by (seed, epoch), as given, or a sampler's.

    Args:
        examples: how many examples there are.
        batch_size: examples per batch; the last one may be smaller.
        seed: shuffles by (seed, epoch); None keeps the order given.
        sampler: gives the places of the examples of each pass instead; it is the user's and may draw random numbers,
            so a pass over it belongs beside the random state.
        drop_last: whether a last batch that is smaller is left out.

    Attributes:
        cut: how the batches will be cut, for workers that cut and pad ahead.
        order_of: gives the order of an epoch where there is a seed.
        on_pass: called before each pass, where another tool would draw a random number; None: nothing is called.
    """

    def __init__(
        self,
        examples: int,
        batch_size: int,
        seed: int | None,
        *,
        sampler: Any = None,
        drop_last: bool = False,
    ) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.seed = seed
        self.sampler = sampler
        self.drop_last = drop_last
        self.cut = WHOLE
        self.epoch = 1
        self.order_of: Order = order
        self.on_pass: Callable[[], Any] | None = None

    def __len__(self) -> int:
        drawn = self.examples if self.sampler is None else len(self.sampler)
        return drawn // self.batch_size if self.drop_last else -(-drawn // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; epochs of a model's life are counted from 1."""
        self.epoch = epoch

    def places(self) -> Indices:
        """Give the places of the examples in the order of the next pass."""
        if self.on_pass is not None:
            self.on_pass()
        if self.sampler is not None:
            places = sampled(self.sampler, self.examples)
        else:
            rows, seed = self.examples, self.seed
            places = np.arange(rows) if seed is None else self.order_of(rows, seed, self.epoch)
        return places[: len(places) // self.batch_size * self.batch_size] if self.drop_last else places


class TensorBatches(OwnBatches):
    """Tensors in memory, sliced a batch at a time; the rows of many batches are gathered at once.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`: tensors, or tuples, lists and dicts of them, with the same first
            dimension. It yields a `PairBatch` of each batch.
        batch_size: as in `OwnBatches`.
        seed: as in `OwnBatches`.
        is_labelled: False where `data` is inputs alone, which are yielded as they are.
        sampler: as in `OwnBatches`.
        rows_of: the number of each example's row in the user's data, shape `(examples,)`; None: its place.

    Example:
        >>> batches = TensorBatches((torch.zeros(5, 2), torch.zeros(5)), batch_size=2, seed=None)
        >>> [tuple(x.shape) for x, y in batches]
        [(2, 2), (2, 2), (1, 2)]
    """

    def __init__(
        self,
        data: Any,
        batch_size: int,
        seed: int | None,
        *,
        is_labelled: bool = True,
        sampler: Any = None,
        rows_of: Indices | None = None,
    ) -> None:
        super().__init__(count_rows(data), batch_size, seed, sampler=sampler)
        self.data = data
        self.rows_of = rows_of
        self.is_labelled = is_labelled

    def __iter__(self) -> Iterator[Any]:
        places = self.places()
        is_in_order = self.seed is None and self.sampler is None
        step = self.batch_size * self._together()
        for start in range(0, len(places), step):
            chosen = places[start : start + step]
            gathered = take(self.data, slice(start, start + step) if is_in_order else torch.from_numpy(chosen))
            yield from self._batches(gathered, chosen) if self.is_labelled else split(gathered, self.batch_size)

    def _batches(self, gathered: Any, places: Indices) -> Iterator[PairBatch]:
        """Cut what was gathered into batches, each with the numbers of its rows."""
        size, rows = self.batch_size, places if self.rows_of is None else self.rows_of[places]
        x, y, *weights = (split(column, size) for column in gathered)
        last, has_classes = len(x) - 1, are_class_indices(gathered[1])  # asked once for many batches
        for number, start in enumerate(range(0, len(rows), size)):
            weight = weights[0][number] if weights else None
            examples = size if number < last else len(rows) - start
            own = rows[start : start + size]
            yield PairBatch(x[number], y[number], weight, examples, own, has_classes=has_classes)

    def _together(self) -> int:
        """Give how many batches are gathered at once."""
        row_bytes = sum(leaf.nbytes for leaf in leaves(self.data)) / max(self.examples, 1)
        return max(1, min(TOGETHER, int(GATHERED_BYTES / max(row_bytes * self.batch_size, 1))))
