"""How the learning rate moves, per optimizer step."""

import math
from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError

NAMES = ("linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt", "constant")
"""The schedules of transformers that need no more than a warm-up and a number of steps."""

Schedule = Callable[[Optimizer], LRScheduler]


def make_schedule(name: str | None, warmup: int | float, updates: int | None) -> Schedule | None:
    """Give what makes the schedule of a run for an optimizer.

    Args:
        name: one of `NAMES`, as in transformers' `get_scheduler`; None leaves the rate to others.
        warmup: optimizer steps (int), or share of all steps (float in 0..1, rounded up).
        updates: optimizer steps of the whole run; None where the data have no length.

    Raises:
        ArgumentError: no schedule has this name, the warm-up is neither steps nor a share, or the length is not known.
    """
    if name is None:
        return None
    if name not in NAMES:
        raise ArgumentError(f"there is no schedule {name!r}.", f"one of {', '.join(NAMES)}.", did_you_mean(name, NAMES))
    if updates is None:
        raise ArgumentError(
            f"schedule={name!r} needs the number of optimizer steps, and the data have no length.",
            "data with a length, or the number of batches in an epoch.",
            "give steps_per_epoch=, or schedule=None.",
        )
    from transformers.optimization import get_scheduler

    kind = "constant_with_warmup" if name == "constant" else name
    steps = count_warmup(warmup, updates)
    return partial(_make, get_scheduler, kind, steps, max(updates, 1))


def _make(make: Callable[..., LRScheduler], kind: str, warmup: int, updates: int, optimizer: Optimizer) -> LRScheduler:
    return make(kind, optimizer, num_warmup_steps=warmup, num_training_steps=updates)


def count_warmup(warmup: int | float, updates: int) -> int:
    """Give the warm-up in optimizer steps; a share leaves at least the last step, or a run of one step would not learn.

    Example:
        >>> count_warmup(0.1, 43), count_warmup(100, 43)
        (5, 100)
    """
    if not _is_warmup(warmup):
        raise ArgumentError(
            f"warmup={warmup!r} is neither a number of optimizer steps nor a share of them.",
            "an int of at least 0, or a float from 0 to 1.",
            "write warmup=0.1 for the first tenth.",
        )
    return min(math.ceil(warmup * updates), max(updates - 1, 0)) if isinstance(warmup, float) else warmup


def _is_warmup(warmup: object) -> bool:
    is_share = isinstance(warmup, float) and 0 <= warmup <= 1
    return is_share or (isinstance(warmup, int) and not isinstance(warmup, bool) and warmup >= 0)
