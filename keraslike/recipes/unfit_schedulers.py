"""What cannot be stepped as a schedule, and what to write instead."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler

from keraslike.errors import ArgumentError

PLATEAU = 'write schedule="plateau", or schedule={"name": "plateau", "factor": 0.5, "patience": 3}.'
SEVERAL = "write a function: schedule=lambda optimizer: SequentialLR(optimizer, [...], milestones=[...])."

OF_STEPS = (
    "look at these arguments; a function is given the optimizer, and one of the step's number is written "
    'schedule={"name": "LambdaLR", "lr_lambda": function}.'
)
PARTIAL = (
    "write schedule=functools.partial(function, ...) with them; a function of the step's number is "
    'schedule={"name": "LambdaLR", "lr_lambda": function}.'
)

UNFIT = {
    "ReduceLROnPlateau": PLATEAU,
    "reduce_lr_on_plateau": PLATEAU,
    "get_reduce_on_plateau_schedule": PLATEAU,
    "GreedyLR": PLATEAU,
    "greedy": PLATEAU,
    "get_greedy_schedule": PLATEAU,
    "SequentialLR": SEVERAL,
    "ChainedScheduler": "write a function: schedule=lambda optimizer: ChainedScheduler([...]).",
    "LRScheduler": None,
}
"""What has the name of a scheduler and cannot be stepped by itself, or made by name, and what to write."""


def refuse_plateau(scheduler: Any) -> None:
    """Refuse a scheduler whose step needs a measured value.

    Raises:
        ArgumentError: it does.
    """
    kind = type(scheduler).__name__
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) or UNFIT.get(kind) == PLATEAU:
        raise ArgumentError(
            f"{kind} waits for a measured value, which a schedule does not get.",
            "a scheduler that is stepped without a value.",
            PLATEAU,
        )


def check_optimizer(scheduler: Any, optimizer: Optimizer) -> Any:
    """Give a scheduler back that is bound to this optimizer.

    Raises:
        ArgumentError: it is bound to another one.
    """
    bound = getattr(scheduler, "optimizer", optimizer)
    if bound is not optimizer:
        raise ArgumentError(
            f"the scheduler {type(scheduler).__name__} is bound to another optimizer ({type(bound).__name__}) than "
            f"the model's ({type(optimizer).__name__}), so it would move nothing.",
            "a scheduler of model.optimizer, or one that is not bound yet.",
            f"write schedule={type(scheduler).__name__}, or a partial or dict with its arguments.",
        )
    groups = len(getattr(scheduler, "base_lrs", optimizer.param_groups))
    if groups != len(optimizer.param_groups):
        raise ArgumentError(
            f"the scheduler {type(scheduler).__name__} was made for {groups} parameter groups, and in this run the "
            f"optimizer has {len(optimizer.param_groups)}.",
            "a scheduler that is made for the run.",
            f"write schedule={type(scheduler).__name__}, or a partial or dict with its arguments.",
        )
    return scheduler


def try_out(name: str, make: Callable[[Optimizer], Any], given: Mapping[str, Any]) -> None:
    """Let a scheduler take a step on an optimizer of its own.

    Args:
        name: what it is called in messages.
        make: gives the scheduler for an optimizer.
        given: the arguments that the user chose.

    Raises:
        ArgumentError: it cannot take the step.
    """
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    try:
        made = make(optimizer)
    except ArgumentError:  # one value per parameter group, perhaps; the run's own optimizer will tell
        return
    try:
        optimizer.step()
        made.step()
    except ArithmeticError as error:
        raise ArgumentError(
            f"the schedule {name} cannot take a step: {error}.",
            f"arguments that suit it; it was given {dict(given)}.",
            "look at these arguments.",
        ) from error
