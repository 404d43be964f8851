"""What moves the rate of an optimizer in a run, update by update."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

from torch.optim import Optimizer

Every = Literal["update", "epoch"]


class Scheduler(Protocol):
    """What torch's schedulers have: they set the rates when they are made, and at every step."""

    def step(self) -> None:
        """Set the rates of the next step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Give what changes with the steps."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        ...


class Rates:
    """A schedule in force: a linear warm-up where one stands in front, then a scheduler, per update or per epoch.

    ::

        when it is made   the scheduler sets the rates it begins with; a warm-up sets them to 0
        after an update   the warm-up goes on, up to the rates that the scheduler began with; after it the scheduler
        after an epoch    the scheduler, where it is stepped per epoch and the warm-up is over

    Args:
        optimizer: its groups' rates are moved.
        make: gives the scheduler for it; None leaves the rates where they are, as for plateau annealing.
        warmup: updates of the warm-up in front.
        every: when the scheduler is stepped.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> rates, seen = Rates(optimizer, None, warmup=2), []
        >>> for _ in range(4):
        ...     seen.append(optimizer.param_groups[0]["lr"])
        ...     rates.step()
        >>> seen
        [0.0, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        make: Callable[[Optimizer], Scheduler] | None,
        warmup: int = 0,
        every: Every = "update",
    ) -> None:
        self.optimizer, self.warmup, self.every = optimizer, warmup, every
        self.scheduler = None if make is None else make(optimizer)
        self.updates, self._size = 0, len(optimizer.param_groups)
        for group in optimizer.param_groups if warmup else ():
            group["top_lr"], group["lr"] = group["lr"], 0.0

    def step(self) -> None:
        """Move the rates after an update."""
        self.updates += 1
        if self.updates <= self.warmup:
            for group in (group for group in self.optimizer.param_groups if "top_lr" in group):
                group["lr"] = group["top_lr"] * (self.updates / self.warmup)
        elif self.scheduler is not None and self.every == "update":
            self._step(self.scheduler)

    def end_epoch(self) -> None:
        """Move the rates after an epoch in which an update was taken, where they are moved per epoch."""
        if self.scheduler is not None and self.every == "epoch" and self.updates > self.warmup:
            self._step(self.scheduler)

    def _step(self, scheduler: Scheduler) -> None:
        """Move the rates of the groups that it was made for; those added since keep theirs."""
        groups = self.optimizer.param_groups
        groups[self._size :], added = [], groups[self._size :]
        try:
            scheduler.step()
        finally:
            groups.extend(added)

    def state_dict(self) -> dict[str, Any]:
        """Give what changes in a run, as plain data that JSON can hold; the rates themselves are the optimizer's."""
        inner = None if self.scheduler is None else plain_state(self.scheduler.state_dict())
        return {"updates": self.updates, "scheduler": inner, "momenta": self._momenta()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.updates = state["updates"]
        if self.scheduler is not None:
            self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state["scheduler"]})
        for group, momentum in zip(self.optimizer.param_groups, state["momenta"], strict=False):
            _set_momentum(group, momentum)

    def _momenta(self) -> list[float]:
        """Give the momenta of the groups where the scheduler moves them too, as a cycle does."""
        if not getattr(self.scheduler, "cycle_momentum", False):
            return []
        return [group["betas"][0] if "betas" in group else group["momentum"] for group in self.optimizer.param_groups]


def plain_state(value: Any) -> Any:
    """Give those parts of a scheduler's state that JSON can hold; the others, such as functions, never change.

    Example:
        >>> plain_state({"last_epoch": 3, "lr_lambdas": [print], "_last_lr": [0.1], "milestones": {30: 1}})
        {'last_epoch': 3, '_last_lr': [0.1]}
    """
    return {name: plain for name, part in value.items() if (plain := _plain(part)) is not _NOT_PLAIN}


_NOT_PLAIN = object()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        parts = [_plain(part) for part in value]
        return _NOT_PLAIN if any(part is _NOT_PLAIN for part in parts) else parts
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return plain_state(value)
    return _NOT_PLAIN


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
