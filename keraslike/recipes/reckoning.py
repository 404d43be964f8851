"""Adds up what the coming steps of a run cost."""

from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

import numpy as np

from keraslike.engine.run import Run
from keraslike.recipes.coming import Coming, Numbers
from keraslike.recipes.stopwatch import Line

COUNTED = 20_000
"""So many coming steps are counted one by one; the epochs beyond them are taken for their mean."""


ENDLESS = 1_000
"""Data without a length are counted in pieces of so many steps."""


class Spent(NamedTuple):
    """CPU and wall seconds."""

    cpu: float
    wall: float


class Costs(NamedTuple):
    """What steps cost.

    Args:
        cpu: CPU seconds by amount (tokens, or examples).
        wall: seconds on the clock, likewise.
        amount: the mean amount of the steps that were tried.
        sent: their mean number of tokens.
        real: their mean number of tokens that are no padding.
    """

    cpu: Line
    wall: Line
    amount: float
    sent: float
    real: float


class Reckoning:
    """What a run takes in all.

    Args:
        run: the run.
        costs: what its steps cost, by the first epoch for which that holds.
        validation: what one validation takes.
        later: what each after the first one takes; None: as much.

    Attributes:
        is_guessed: whether the coming steps are not known, and taken for the mean of those that were tried.
        updates: optimizer steps.
        passes: passes over the data; a part of the last one counts as such.
        spent: CPU and wall seconds of the optimizer steps.
        validations: how often the validation data are measured.
        sent: tokens, as in `Costs`.
        real: tokens, as in `Costs`.
    """

    def __init__(self, run: Run, costs: Mapping[int, Costs], validation: Spent, later: Spent | None = None) -> None:
        self.run, self.costs, self.validation, self.later = run, costs, validation, later or validation
        self.coming = Coming(run) if Coming.is_known(run) else None
        self.is_guessed = self.coming is None
        self.updates, self.validations, self.passes = 0, 0, 0.0
        self.sent = self.real = self._summed = 0.0
        self.spent = Spent(0.0, 0.0)
        for epoch in count(run.initial_epoch):
            if run.updates is None and run.clock is None and epoch > (run.epochs or 0):
                break
            if not self._add(epoch):
                break

    @property
    def total(self) -> Spent:
        """CPU and wall seconds of the steps and the validations."""
        first = min(self.validations, 1)
        values = zip(self.spent, self.validation, self.later, strict=True)
        return Spent(*(steps + first * one + (self.validations - first) * later for steps, one, later in values))

    def _add(self, epoch: int) -> bool:
        """Add an epoch, and tell whether another one may follow."""
        costs = self.costs[max(first for first in self.costs if first <= epoch)]
        amounts, sent, real = self._steps(epoch, costs)
        steps = self._steps_left(amounts, costs.wall)
        self._count_validations(steps)
        self.updates += steps
        self.passes += steps / len(amounts)
        cpu, wall = (line.total(amounts[:steps]) for line in (costs.cpu, costs.wall))
        self.spent = Spent(self.spent.cpu + cpu, self.spent.wall + wall)
        totals = (float(values[:steps].sum()) for values in (amounts, sent, real))
        self._summed, self.sent, self.real = map(sum, zip((self._summed, self.sent, self.real), totals, strict=True))
        return steps == len(amounts) and self.updates != self.run.updates

    def _steps(self, epoch: int, costs: Costs) -> tuple[Numbers, Numbers, Numbers]:
        """Give the amounts of the steps of an epoch, their tokens, and those that are no padding."""
        if self.coming is not None and self.updates < COUNTED:
            steps = self.coming.epoch(epoch)
            if steps.sent.any():
                return steps.sent, steps.sent, steps.real
            return steps.sizes, np.full(len(steps.sizes), costs.sent), np.full(len(steps.sizes), costs.real)
        batches = self.run.steps_per_epoch
        per_epoch = ENDLESS if batches is None else -(-batches // self.run.batches_per_step)
        means = (costs.amount, costs.sent, costs.real)
        if self.coming is not None:
            means = (self._summed / self.updates, self.sent / self.updates, self.real / self.updates)
        amounts, sent, real = (np.full(per_epoch, mean) for mean in means)
        return amounts, sent, real

    def _steps_left(self, amounts: Numbers, wall: Line) -> int:
        """Give how many of an epoch's steps the run takes."""
        steps = len(amounts)
        if self.run.updates is not None:
            steps = min(steps, self.run.updates - self.updates)
        if self.run.clock is not None:
            ends = np.cumsum(wall.fixed + wall.each * amounts) + self.total.wall
            steps = min(steps, int(np.searchsorted(ends, self.run.clock.seconds)) + 1)  # the last one is finished
        return steps

    def _count_validations(self, steps: int) -> None:
        """Count the validations of an epoch: those inside it, and the one at its end unless nothing came since."""
        if self.run.valid_batches is None:
            return
        every, last = self.run.validate_every, self.updates + steps
        inside = 0 if every is None else last // every - self.updates // every
        self.validations += inside + (every is None or last % every != 0)
