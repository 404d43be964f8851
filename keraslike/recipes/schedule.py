"""How the learning rate moves, per optimizer step."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Never

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from keraslike.calling import did_you_mean
from keraslike.data.values import plain
from keraslike.errors import ArgumentError
from keraslike.recipes.given_rates import GivenRates, as_rates, check_count
from keraslike.recipes.rates import Every, Rates
from keraslike.recipes.schedulers import Asked, asked_for
from keraslike.recipes.unfit_schedulers import check_optimizer, refuse_plateau

EVERY = ("update", "epoch")

LENGTHS = {"num_training_steps", "T_max", "total_steps"}
"""The names that schedulers have for the number of their steps."""

Schedule = Callable[[Optimizer], Rates]


def make_schedule(
    schedule: Any,
    warmup: int | float | None,
    updates: int | None,
    *,
    epochs: int | None = None,
    is_warmup_asked: bool = True,
) -> Schedule | None:
    """Give what makes the schedule of a run for an optimizer.

    Args:
        schedule: a name: one of ours ("linear", "cosine", "one_cycle", ...), of transformers' `SchedulerType` and
            functions, or of torch's schedulers; a class, a function of the optimizer or a `functools.partial`; a dict
            of one of these under "name" with its arguments, and `every="epoch"` to step it per epoch; the rates
            themselves, one per optimizer step; a scheduler of the model's own optimizer; None leaves the rate as it is.
        warmup: optimizer steps (int), or share of all steps (float in 0..1, rounded up), until the rate is at its
            highest; None: none.
        updates: optimizer steps of the whole run; None where the data have no length.
        epochs: epochs of the run, for what is stepped per epoch.
        is_warmup_asked: whether the user named this warm-up. Only then does one stand in front of a scheduler that
            knows none.

    Raises:
        ArgumentError: no schedule has this name, an argument does not fit, the warm-up is neither steps nor a share, or
            the length is not known.

    Example:
        >>> import torch
        >>> optimizer, seen = torch.optim.SGD([torch.zeros(1)], lr=1.0), []
        >>> rates = make_schedule("linear", 0.5, 4)(optimizer)
        >>> for _ in range(4):
        ...     seen.append(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        ...     rates.step()
        >>> seen
        [0.0, 0.5, 1.0, 0.5]
    """
    schedule, given, every, own_warmup = _taken_apart(schedule)
    warmup, is_warmup_asked = as_warmup(warmup), is_warmup_asked or own_warmup is not None
    if own_warmup is not None:
        warmup = as_warmup(own_warmup)
    front = warmup if is_warmup_asked else 0
    if is_plateau(schedule) or schedule is None:
        return _warmup_alone(front, updates)
    if isinstance(schedule, LRScheduler):
        refuse_plateau(schedule)
        refuse_warmup(front, "a scheduler object moves the rate from the first step on")
        return partial(_bound, schedule, every)
    if (rates := as_rates(schedule)) is not None:
        refuse_warmup(front, "the rates are given one by one")
        check_count(rates, updates)
        return partial(Rates, make=partial(GivenRates, rates))
    return _planned(asked_for(schedule, given, every), warmup, updates, epochs, is_warmup_asked=is_warmup_asked)


def check_schedule(schedule: Any, *, is_built: bool) -> None:
    """Refuse a schedule that no run could have, before anything is done for it.

    Args:
        schedule: as in `make_schedule`.
        is_built: whether the network, and so the optimizer, exists.

    Raises:
        ArgumentError: it is misspelt, or is bound to an optimizer before the model has one.
    """
    schedule, given, every, _ = _taken_apart(schedule)
    if isinstance(schedule, LRScheduler):
        refuse_plateau(schedule)
        if not is_built:
            kind = type(schedule).__name__
            raise ArgumentError(
                f"a scheduler object ({kind}) was given, which is bound to an optimizer, but the network is not built "
                "yet and has none.",
                "the name of a scheduler, its class, or a dict or partial of its arguments.",
                f'write schedule={{"name": "{kind}", ...}}.',
            )
    elif schedule is not None and not is_plateau(schedule) and as_rates(schedule) is None:
        asked_for(schedule, given, every)


def refuse_rate_beside(schedule: Any, learning_rate: Any) -> None:
    """Refuse a rate beside a scheduler object, or a list of rates, which have their own.

    Raises:
        ArgumentError: both are given.
    """
    name = schedule.get("name") if isinstance(schedule, dict) else schedule
    if learning_rate is not None and isinstance(name, LRScheduler):
        raise ArgumentError(
            f"learning_rate={learning_rate} is given beside a scheduler object ({type(name).__name__}), which has "
            "rates of its own.",
            "one of them.",
            f"leave learning_rate out, or write schedule={type(name).__name__}, or a dict or partial of its arguments.",
        )
    if isinstance(plain(learning_rate), (int, float)) and as_rates(name) is not None:
        raise ArgumentError(
            f"learning_rate={learning_rate} is given beside schedule=, which holds the rates themselves.",
            "one of them.",
            "leave learning_rate out; a dict of rates for body and head says how they stand to each other.",
        )


def is_plateau(schedule: Any) -> bool:
    """Tell whether a schedule watches the validation, instead of counting updates.

    Example:
        >>> is_plateau({"name": "plateau", "patience": 2}), is_plateau("linear")
        (True, False)
    """
    name = schedule.get("name") if isinstance(schedule, dict) else schedule
    return (isinstance(name, str) and name == "plateau") or getattr(name, "moves_the_rate", False) is True


def count_warmup(warmup: int | float, updates: int) -> int:
    """Give the warm-up in optimizer steps; a share leaves at least the last step, or a run of one step would not learn.

    Example:
        >>> count_warmup(0.1, 43), count_warmup(100, 43)
        (5, 100)
    """
    check_warmup(warmup)
    return min(math.ceil(warmup * updates), max(updates - 1, 0)) if isinstance(warmup, float) else warmup


def check_warmup(warmup: Any) -> None:
    """Refuse a warm-up that is none.

    Raises:
        ArgumentError: it is neither a number of optimizer steps nor a share of them.
    """
    is_share = isinstance(warmup, float) and 0 <= warmup <= 1
    if not is_share and (not isinstance(warmup, int) or isinstance(warmup, bool) or warmup < 0):
        raise ArgumentError(
            f"warmup={warmup!r} is neither a number of optimizer steps nor a share of them.",
            "an int of at least 0, or a float from 0 to 1.",
            "write warmup=0.1 for the first tenth.",
        )


def as_warmup(warmup: Any) -> Any:
    """Give a warm-up in Python's own numbers; None is none at all.

    Example:
        >>> as_warmup(None), as_warmup(0.1)
        (0, 0.1)
    """
    return 0 if warmup is None else plain(warmup)


def told_of_warmup(schedule: Any, warmup: Any, updates: int | None) -> list[str]:
    """Give the line that says that a run is over before its warm-up is; none where it is not.

    Args:
        schedule: as in `make_schedule`.
        warmup: as in `make_schedule`.
        updates: optimizer steps of the run; None: nobody knows.

    Example:
        >>> told_of_warmup("linear", 4, 4)
        ['warmup=4, but this run takes 4 optimizer steps: the rate never gets to its highest; warmup=0.1 is a tenth.']
        >>> told_of_warmup("linear", 3, 4)
        []
    """
    name, _, _, own_warmup = _taken_apart(schedule)
    steps = as_warmup(warmup if own_warmup is None else own_warmup)
    has_its_peak = name in ("one_cycle", "OneCycleLR") if isinstance(name, str) else name is OneCycleLR
    if updates is None or has_its_peak or type(steps) is not int or not steps >= updates > 0:
        return []
    takes = f"warmup={steps}, but this run takes {updates} optimizer steps"
    return [f"{takes}: the rate never gets to its highest; warmup=0.1 is a tenth."]


def _taken_apart(schedule: Any) -> tuple[Any, dict[str, Any], Every, Any]:
    """Give what is asked for, its arguments, when it is stepped, and the warm-up that its dict holds, or None."""
    if not isinstance(schedule, dict):
        return schedule, {}, "update", None
    given = dict(schedule)
    if "name" not in given:
        near = did_you_mean("name", given)
        raise ArgumentError(
            f"the schedule {schedule} has no name.",
            'a key "name".',
            near or 'write {"name": "StepLR", "step_size": 2}.',
        )
    name, every, warmup = given.pop("name"), given.pop("every", "update"), given.pop("warmup", None)
    if every not in EVERY:
        raise ArgumentError(
            f"every={every!r} of the schedule is not known.",
            f"one of {', '.join(EVERY)}.",
            did_you_mean(str(every), EVERY),
        )
    if given and (isinstance(name, LRScheduler) or name is None or isinstance(name, (list, tuple))):
        raise ArgumentError(
            f"the schedule takes no arguments, and was given {', '.join(given)}.",
            "arguments beside a name, a class or a partial.",
        )
    return (schedule if is_plateau(schedule) else name), given, every, warmup


def _planned(
    asked: Asked, warmup: int | float, updates: int | None, epochs: int | None, *, is_warmup_asked: bool
) -> Schedule:
    """Fill in what the run knows: its length and its warm-up."""
    per_update = asked.every == "update"
    own = asked.own_warmup if per_update else None
    if own is not None and is_warmup_asked and own in asked.given:
        raise ArgumentError(
            f"the warm-up of the schedule {asked.name} is given twice.", f"warmup=, or {own}.", "leave warmup= out."
        )
    check_warmup(warmup)
    open_names, length = asked.open_names, updates if per_update else epochs
    is_used = is_warmup_asked or (own is not None and own in open_names)
    is_share = is_used and ((isinstance(warmup, float) and warmup > 0) or own == "pct_start")
    if (is_share and updates is None) or (length is None and open_names & LENGTHS):
        _refuse_endless(asked.name)
    warm = count_warmup(warmup, updates or 0) if is_used else 0
    front = warm if own is None else 0
    left = max((length or 0) - (front if per_update else 0), 1)
    filled: dict[str, Any] = dict.fromkeys(open_names & LENGTHS, left)
    if "num_warmup_steps" in open_names:
        filled["num_warmup_steps"] = warm if own is not None else 0
    if own == "pct_start" and is_warmup_asked:
        filled["pct_start"] = _share_until(min(warm, left - 2), left)
    asked.try_out(filled)
    return partial(Rates, make=partial(asked.make, filled), warmup=front, every=asked.every)


def _share_until(peak: int, steps: int) -> float:
    """Give the share with which torch's cycle has its peak at a step: it is at `share * steps - 1`.

    A peak at step 0 would divide by 0 there, so it stands a little before.
    """
    return (peak + 1 if peak > 0 else 1 - 1e-9) / steps


def _warmup_alone(warmup: int | float, updates: int | None) -> Schedule | None:
    """Give a warm-up after which the rate is left to others; None where there is none."""
    check_warmup(warmup)
    if updates is None and isinstance(warmup, float) and warmup:
        raise ArgumentError(
            f"warmup={warmup} is a share of the optimizer steps, and nobody knows how many there are: the data have no "
            "length.",
            "a warm-up in optimizer steps, or the length of the run.",
            "write warmup=100, or give updates= or steps_per_epoch=.",
        )
    warm = count_warmup(warmup, updates or 0)
    return partial(Rates, make=None, warmup=warm) if warm else None


def _bound(scheduler: LRScheduler, every: Every, optimizer: Optimizer) -> Rates:
    """Go on with a scheduler where it stands: the rates may have been put back since its last step."""
    check_optimizer(scheduler, optimizer)
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate
    return Rates(optimizer, lambda _: scheduler, every=every)


def refuse_warmup(warmup: int | float, why: str) -> None:
    """Refuse a warm-up where there can be none; 0 is none.

    Raises:
        ArgumentError: one was asked for.
    """
    check_warmup(warmup)
    if warmup:
        raise ArgumentError(f"warmup={warmup} is given, but {why}.", "no warm-up here.", "leave warmup= out.")


def _refuse_endless(name: str) -> Never:
    raise ArgumentError(
        f"schedule={name!r} needs the number of optimizer steps, and the data have no length.",
        "data with a length, the optimizer steps of the run, or the number of batches in an epoch.",
        "give updates= or steps_per_epoch=, or schedule=None.",
    )
