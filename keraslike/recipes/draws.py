"""What other tools draw from the global random state: the one exception to the rule that only the network does.

A `DataLoader` draws one int64 whenever a pass over it begins (the seed of its workers, drawn also where there are
none), and torch's `RandomSampler` another one when the first row is asked for (the seed of its permutation). Dropout
draws from the same state, so whoever wants the masks of another tool has to draw what it draws, when it does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from poutyne import Callback, set_seeds

from keraslike.data.batches import OwnBatches
from keraslike.data.loading import OwnLoader
from keraslike.data.order import EpochOrder
from keraslike.engine.random_state import Aside
from keraslike.engine.run import Run

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Draws:
    """The order of data of another tool, and its stray draws.

    Each pass over the data draws the loader's int64, and then, with `order="drawn"`, the sampler's.

    Attributes:
        order: the permutation of an epoch: by a seed that is "drawn" from the global state, or by the run's "seed" plus
            the epoch, counted from 0.
        is_seeded_again: whether the random state is seeded anew once the network stands.
        is_looking_first: whether the first run begins a pass, and takes its first batch, before its first epoch.
        is_looking_on: whether another pass is begun at the end of every epoch, and no batch of it is taken.
    """

    order: Literal["drawn", "seed"] = "drawn"
    is_seeded_again: bool = False
    is_looking_first: bool = False
    is_looking_on: bool = False


class ToolOrder:
    """The order of an epoch as another tool makes it; called as `data.order.order` is.

    Args:
        draws: the tool's.

    Attributes:
        drawn: the seed of the last permutation; None before there was one.

    Example:
        >>> by_hand = torch.randperm(5, generator=torch.Generator().manual_seed(43))
        >>> ToolOrder(Draws(order="seed"))(5, seed=42, epoch=2).tolist() == by_hand.tolist()
        True
    """

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.drawn: int | None = None

    def __call__(self, rows: int, seed: int, epoch: int) -> Indices:
        """Give a permutation of the rows; a seed that is drawn is drawn now.

        Args:
            rows: how many rows there are.
            seed: the seed of the run.
            epoch: which epoch of the model's life it is, counted from 1.
        """
        self.drawn = drawn_seed() if self.draws.order == "drawn" else seed + epoch - 1
        order: Indices = torch.randperm(rows, generator=torch.Generator().manual_seed(self.drawn)).numpy()
        return order


def drawn_seed() -> int:
    """Draw an int64 from the global state, as `DataLoader` and `RandomSampler` do."""
    return int(torch.empty((), dtype=torch.int64).random_().item())


def follow(draws: Draws | None, run: Run, seed: int) -> None:
    """Let a run draw what another tool draws, and see its data in that tool's order.

    A user's own loader or generator keeps its order and draws for itself: it is no longer set aside.

    Args:
        draws: the tool's; None: nothing is changed.
        run: is changed: its batches, its callbacks, and where its data are advanced.
        seed: the seed of the run.
    """
    if draws is None:
        return
    run.aside = _NotAside()
    order = ToolOrder(draws)
    if isinstance(run.batches, OwnBatches):
        run.batches.order_of, run.batches.on_pass = order, drawn_seed
    elif isinstance(run.batches, OwnLoader):
        run.batches.generator = None  # so that it draws from the global state
        if isinstance(run.batches.sampler, EpochOrder):
            run.batches.sampler.order_of = order
    run.callbacks.append(_Strays(draws, run, seed))


class _NotAside(Aside):
    """The user's iterators advance in the network's own random state."""

    def iterate(self, source: Any) -> Iterator[Any]:
        return iter(source)


class _Strays(Callback):
    """Draws what a tool draws before its first epoch and between its epochs."""

    def __init__(self, draws: Draws, run: Run, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Poutyne is untyped
        is_ours = isinstance(run.batches, (OwnBatches, OwnLoader))
        self.seed = seed if draws.is_seeded_again else None
        self.drawn_first = 1 + _is_shuffled(run.batches) if draws.is_looking_first and run.epochs_before == 0 else 0
        self.drawn_on = int(draws.is_looking_on)
        if not is_ours:  # a pass over the user's own source may be the only one
            self.drawn_first = self.drawn_on = 0

    def on_train_begin(self, logs: Any) -> None:
        if self.seed is not None:
            set_seeds(self.seed)
        for _ in range(self.drawn_first):
            drawn_seed()

    def on_epoch_end(self, epoch_number: int, logs: Any) -> None:
        for _ in range(self.drawn_on):
            drawn_seed()


def _is_shuffled(batches: Any) -> bool:
    if isinstance(batches, OwnBatches):
        return batches.seed is not None and batches.sampler is None
    return isinstance(getattr(batches, "sampler", None), EpochOrder)
