"""How long a run is: up to an epoch, for so many optimizer steps, or for so long."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import poutyne
from torch.optim import Optimizer

from keraslike.calling import did_you_mean
from keraslike.data.values import plain
from keraslike.engine.clock import Clock
from keraslike.errors import ArgumentError
from keraslike.recipes.rates import Rates
from keraslike.recipes.schedule import as_warmup, make_schedule

TICKS = 1_000_000
"""A schedule that follows the time is made for so many steps, and asked for that of the share that is over."""

OF_PROGRESS = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant")
"""The schedules whose rate depends on nothing but the share of the run that is over, so that they can follow time."""


class Length(NamedTuple):
    """How long a run is.

    Attributes:
        last_epoch: the number of its last epoch, as far as it is known.
        updates: its optimizer steps, as far as they are known; the schedule is planned over them.
        is_counted: whether these end the run, in the middle of an epoch too.
        clock: measures its time; None: it may take as long as it takes.
    """

    last_epoch: int | None
    updates: int | None
    is_counted: bool = False
    clock: Clock | None = None


def plan_length(
    epochs: int | None, usual_epochs: int, initial_epoch: int, per_epoch: int | None, options: dict[str, Any]
) -> Length:
    """Plan how long a run is.

    Args:
        epochs: the number of the last epoch; None: the user says something else, or nothing.
        usual_epochs: how many epochs there are where the user says nothing.
        initial_epoch: the number of the first epoch.
        per_epoch: optimizer steps in an epoch; None where the data have no length.
        options: the rarer arguments of `fit`, with `updates` and `minutes`.

    Raises:
        ArgumentError: the length is said twice, or the last epoch comes before the first.

    Example:
        >>> plan_length(None, 3, 1, 40, {"updates": 100})
        Length(last_epoch=3, updates=100, is_counted=True, clock=None)
        >>> plan_length(2, 3, 1, 40, {}).updates
        80
    """
    updates, minutes = plain(options.get("updates")), plain(options.get("minutes"))
    _refuse_two({"epochs": epochs, "updates": updates, "minutes": minutes})
    if minutes is not None:
        return Length(None, None, clock=Clock(60 * float(minutes)))
    if updates is not None:
        last_epoch = None if per_epoch is None else initial_epoch - 1 - (-int(updates) // per_epoch)
        return Length(last_epoch, int(updates), is_counted=True)
    last_epoch = initial_epoch + usual_epochs - 1 if epochs is None else int(epochs)
    epochs_to_run = max(last_epoch - initial_epoch + 1, 0)
    return Length(last_epoch, None if per_epoch is None else per_epoch * epochs_to_run)


def _refuse_two(given: dict[str, Any]) -> None:
    said = {name: value for name, value in given.items() if value is not None}
    if len(said) > 1:
        shown = " and ".join(f"{name}={value}" for name, value in said.items())
        raise ArgumentError(
            f"{shown} are given, and each says how long the run is.",
            "epochs=, updates= or minutes=, one of them.",
            f"write {list(said)[-1]}= alone.",
        )


def check_displays(last_epoch: int | None, callbacks: Sequence[Any]) -> None:
    """Refuse Poutyne's displays where the number of epochs is not known: they show it.

    Raises:
        ArgumentError: there is one.
    """
    kinds = (poutyne.ProgressionCallback, poutyne.EpochProgressionCallback)
    if last_epoch is None and any(isinstance(callback, kinds) for callback in callbacks):
        raise ArgumentError(
            "Poutyne's display shows the number of epochs, and nobody knows it.",
            "keraslike's own display, where a run ends by time, or by updates on data without a length.",
            "leave progress_options and ProgressionCallback out.",
        )


def timed_schedule(schedule: Any, warmup: int | float | None, clock: Clock) -> Callable[[Optimizer], Any] | None:
    """Give what makes a schedule whose rate follows the time.

    The rate is that of transformers' own schedule at the share of the time that is over.

    Args:
        schedule: one of `OF_PROGRESS`, or a dict with one of them under "name"; None leaves the rate as it is.
        warmup: the share of the time until the rate is at its highest.
        clock: says which share is over.

    Raises:
        ArgumentError: the schedule, or the warm-up, counts updates, and nobody knows how many there will be.
    """
    if schedule is None:
        return None
    name = schedule.get("name") if isinstance(schedule, dict) and "every" not in schedule else schedule
    if not isinstance(name, str) or name not in OF_PROGRESS:
        raise ArgumentError(
            f"schedule={schedule!r} cannot follow the time that minutes= gives: it counts optimizer steps or epochs.",
            f"one of {', '.join(OF_PROGRESS)}, or None.",
            (did_you_mean(name, OF_PROGRESS) if isinstance(name, str) else None) or "write updates= for minutes=.",
        )
    warmup = as_warmup(warmup)
    if isinstance(warmup, int) and warmup != 0:
        raise ArgumentError(
            f"warmup={warmup} counts optimizer steps, and with minutes= nobody knows how many there will be.",
            "the share of the time, a float from 0 to 1.",
            "write warmup=0.1 for the first tenth.",
        )
    made = make_schedule(schedule, warmup, TICKS)
    return None if made is None else lambda optimizer: _following(clock, made(optimizer))


def _following(clock: Clock, schedule: Rates) -> Rates:
    schedule.scheduler = _Following(clock, schedule.scheduler)
    return schedule


class _Following:
    """Asks a schedule's functions for the step of the share that is over, whichever step they are asked for.

    The clock is read once per step, so that all groups have the rate of the same moment.
    """

    def __init__(self, clock: Clock, scheduler: Any) -> None:
        self.clock, self.scheduler, self.tick = clock, scheduler, 0
        scheduler.lr_lambdas = [self._now(rate_of) for rate_of in scheduler.lr_lambdas]

    def step(self) -> None:
        self.tick = int(self.clock.share * TICKS)
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self.scheduler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state_dict)

    def _now(self, rate_of: Callable[[int], float]) -> Callable[[int], float]:
        return lambda _: rate_of(self.tick)
