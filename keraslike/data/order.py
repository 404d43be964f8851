"""The order of the examples, a pure function of (seed, epoch)."""

from collections.abc import Callable, Iterable, Iterator, Sized
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from keraslike.errors import DataError

Order = Callable[[int, int, int], npt.NDArray[np.int64]]
"""(rows, seed, epoch) -> a permutation of the rows: `order`, or that of another tool."""


def order(rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Give the order in which the rows are learned from in one epoch.

    It depends on nothing else, so a run can be repeated, resumed in the middle of an epoch, or written by hand.

    Args:
        rows: how many rows there are.
        seed: the seed of the run, as in `History.seed`.
        epoch: which epoch of the model's life it is, counted from 1.

    Returns:
        A permutation of `0 .. rows - 1`, shape `(rows,)`.

    Example:
        >>> sorted(order(5, seed=0, epoch=1).tolist())
        [0, 1, 2, 3, 4]
        >>> bool((order(99, seed=0, epoch=1) == order(99, seed=0, epoch=2)).all())
        False

    Source:
        numpy's `SeedSequence` mixes the two numbers into independent streams.
    """
    return np.random.default_rng((seed, epoch)).permutation(rows)


def sampled(sampler: Iterable[Any], rows: int) -> npt.NDArray[np.int64]:
    """Give the places that a user's sampler draws for one epoch.

    Raises:
        DataError: it gives what is no index of the rows.

    Example:
        >>> sampled([2, 0, 2], rows=3).tolist()
        [2, 0, 2]
    """
    try:
        places = np.fromiter((index(place) for place in sampler), np.int64)
    except TypeError as error:
        raise DataError(
            f"the sampler gives what is no index: {error}.",
            f"whole numbers from 0 to {rows - 1}, one at a time.",
            "sampler=WeightedRandomSampler(weights, num_samples=len(x)), for example.",
        ) from None
    wrong = places[(places < 0) | (places >= rows)]
    if len(wrong):
        raise DataError(
            f"the sampler gave the index {wrong[0]}, and there are {rows} rows to train on.",
            f"indices from 0 to {rows - 1}.",
            "make the sampler for these rows; those that validation_split takes away do not count.",
        )
    return places


class EpochOrder(Sampler[int]):
    """The same order for a `DataLoader`: its sampler, which the loop tells the epoch.

    Example:
        >>> sampler = EpochOrder(range(5), seed=0)
        >>> list(sampler) == order(5, seed=0, epoch=1).tolist()
        True
    """

    def __init__(self, rows: Sized, seed: int) -> None:
        self.rows, self.seed, self.epoch = rows, seed, 1
        self.order_of: Order = order

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order_of(len(self.rows), self.seed, self.epoch).tolist())

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; epochs of a model's life are counted from 1."""
        self.epoch = epoch
