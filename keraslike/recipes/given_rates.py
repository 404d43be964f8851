"""A schedule as a list of rates, one per update, such as those of an earlier run."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from keraslike.errors import ArgumentError


class GivenRates:
    """Gives the first group one rate after the other, and the other groups in proportion to their own rates.

    Where the rates are used up, the last one stays.

    Example:
        >>> import torch
        >>> groups = [{"params": [torch.zeros(1)], "lr": 0.5}, {"params": [torch.zeros(1)], "lr": 0.25}]
        >>> optimizer = torch.optim.SGD(groups)
        >>> rates = GivenRates([1.0, 3.0], optimizer)
        >>> rates.step()
        >>> [group["lr"] for group in optimizer.param_groups]
        [3.0, 1.5]
    """

    def __init__(self, rates: Sequence[float], optimizer: Optimizer) -> None:
        self.rates, self.optimizer, self.place = rates, optimizer, 0
        first = optimizer.param_groups[0]["lr"]
        self.shares = [group["lr"] / first if first else 1.0 for group in optimizer.param_groups]
        self._set()

    def step(self) -> None:
        """Go on to the next rate."""
        self.place += 1
        self._set()

    def state_dict(self) -> dict[str, Any]:
        """Give the place among the rates."""
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place among the rates."""
        self.place = state["place"]

    def _set(self) -> None:
        rate = self.rates[min(self.place, len(self.rates) - 1)]
        for group, share in zip(self.optimizer.param_groups, self.shares, strict=True):
            group["lr"] = rate * share


def as_rates(schedule: Any) -> list[float] | None:
    """Give the rates, where a schedule is a list of them; None where it is none.

    Raises:
        ArgumentError: it is a list of something else.
    """
    if isinstance(schedule, (np.ndarray, Tensor)):
        schedule = schedule.tolist()
    if not isinstance(schedule, Sequence) or isinstance(schedule, str):
        return None
    if not schedule or not all(_is_rate(rate) for rate in schedule):
        has_rates = hasattr(schedule, "learning_rates")
        raise ArgumentError(
            f"schedule= is a {type(schedule).__name__}, but not one of rates.",
            "one rate of at least 0 for every optimizer step.",
            "write schedule=history.learning_rates." if has_rates else "write schedule=[1e-3, 1e-4, ...].",
        )
    return [float(rate) for rate in schedule]


def as_long_as_its_rates(options: dict[str, Any], epochs: int | None) -> dict[str, Any]:
    """Give the options of a run; one with a list of rates takes as many steps as there are, if nothing else is said.

    Example:
        >>> as_long_as_its_rates({"schedule": [0.1, 0.2]}, epochs=None)["updates"]
        2
    """
    rates = as_rates(options.get("schedule"))
    is_said = epochs is not None or any(options.get(name) is not None for name in ("updates", "minutes"))
    return options if rates is None or is_said else {**options, "updates": len(rates)}


def check_count(rates: Sequence[float], updates: int | None) -> None:
    """Refuse rates that are not as many as the run's optimizer steps, where these are known.

    Raises:
        ArgumentError: they are more or fewer.
    """
    if updates is not None and updates != len(rates):
        raise ArgumentError(
            f"schedule= holds {len(rates)} rates, but this run takes {updates} optimizer steps.",
            "one rate for every optimizer step.",
            f"write updates={len(rates)}, or give the epochs and the batch_size that the rates come from.",
        )


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= float(value) < math.inf
