"""The order of the examples, a pure function of (seed, epoch)."""

from collections.abc import Iterator, Sized

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


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


class EpochOrder(Sampler[int]):
    """The same order for a `DataLoader`: its sampler, which the loop tells the epoch.

    Example:
        >>> sampler = EpochOrder(range(5), seed=0)
        >>> list(sampler) == order(5, seed=0, epoch=1).tolist()
        True
    """

    def __init__(self, rows: Sized, seed: int) -> None:
        self.rows, self.seed, self.epoch = rows, seed, 1

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(order(len(self.rows), self.seed, self.epoch).tolist())

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; epochs of a model's life are counted from 1."""
        self.epoch = epoch
