"""The range test: the learning rate rises from update to update until the loss diverges.

Source:
    Smith, Cyclical Learning Rates for Training Neural Networks, 2017 (arXiv:1506.01186), section 3.3; fastai's
    `lr_find` for the exponential rise, the smoothing and the end at four times the least loss.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any

from poutyne import Callback, CallbackList
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from keraslike.engine.run import Run
from keraslike.errors import ArgumentError, DataError, NonFiniteError
from keraslike.recipes.forecasting import Go, freezing_of
from keraslike.recipes.rate_curve import SMOOTHING, RateCurve, smooth, valley
from keraslike.tracking.history import History

DIVERGED = 4.0
"""The loss has diverged where its running mean is so many times its least."""

FEWEST = 10
"""Of fewer updates there is no curve."""


class RangeTest:
    """A probe that trains with rising rates.

    Args:
        low: the first rate.
        high: the last one.
        updates: how many there are.

    Attributes:
        found: the curve, once there is one.

    Raises:
        ArgumentError: the rates do not rise, or there are too few updates.
    """

    def __init__(self, low: float, high: float, updates: int) -> None:
        if not (_is_number(low) and _is_number(high) and 0 < low < high < math.inf):
            raise ArgumentError(
                f"low={low!r} and high={high!r} are no range of learning rates.",
                "two finite numbers above 0, the lower one first.",
                "write low=1e-7, high=10.0.",
            )
        if updates < FEWEST:
            raise ArgumentError(f"updates={updates} give no curve.", f"{FEWEST} or more.", "write updates=100.")
        self.low, self.high, self.updates = low, high, updates
        self.found: RateCurve | None = None

    def look(self) -> None:
        """Nothing is to be seen before."""

    def start(self) -> None:
        """The time does not matter."""

    def __call__(self, model: Any, run: Run, go: Go, _copies: int) -> None:
        """Train by the run's own batches, from epoch to epoch where one is not enough.

        Raises:
            DataError: the data have too few batches.
            NonFiniteError: the loss is not finite from the start.
        """
        none: Any = {"valid_batches": None, "clock": None, "validate_every": None, "early_stop": None, "epochs": None}
        own = replace(run, **none, updates=self.updates, history=History(), schedule=self.schedule)
        watch = _Losses(own, self.rate)
        own.callbacks = CallbackList([*freezing_of(run), watch])
        try:
            go(own)
        except NonFiniteError:
            watch.end("the loss or a gradient was not finite")
        except DataError:
            if not watch.losses:
                raise
        self.found = self._curve(own, watch)

    def schedule(self, optimizer: Optimizer) -> LambdaLR:
        """Make the rates rise by the same factor from update to update; groups keep their ratios."""
        highest = max(float(group["lr"]) for group in optimizer.param_groups)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = group["lr"] / highest if highest else 1.0
        return LambdaLR(optimizer, self.rate)

    def rate(self, update: int) -> float:
        """Give the rate of an update, counted from 0; the first one is `low`, the last one `high`."""
        share = update / (self.updates - 1)
        return self.low * math.pow(self.high / self.low, share)

    def _curve(self, run: Run, watch: "_Losses") -> RateCurve:
        losses = watch.losses
        if not losses or not math.isfinite(losses[0]):
            raise NonFiniteError(
                f"the loss is not finite from the start, at a learning rate of {self.low:g}.",
                "a finite loss before anything was learned.",
                "look at the data for NaN or huge values, and at the loss function.",
            )
        if len(losses) < FEWEST:
            raise DataError(
                f"the range test ended after {len(losses)} updates: {watch.stopped or 'the data ran out'}.",
                f"{FEWEST} updates or more before that.",
                f"write low={self.low / 100:g}." if watch.stopped else "give more data, or a list for a generator.",
            )
        rates, smoothed = watch.rates, smooth(losses)
        return RateCurve(rates, losses, smoothed, suggestion_of(rates, smoothed), watch.stopped)


def suggestion_of(rates: list[float], smoothed: list[float]) -> float:
    """Suggest a rate: the valley of the curve, its first tenth and its last five updates left out, as fastai does."""
    start = len(rates) // 10
    end = len(rates) - 5 if len(rates) - 5 > start + 1 else len(rates)
    return valley(rates[start:end], smoothed[start:end])


class _Losses(Callback):
    """Keeps the mean loss of each step, and ends the run where it diverges."""

    def __init__(self, run: Run, rate: Callable[[int], float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.run, self.rate = run, rate
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.stopped: str | None = None
        self._pairs: list[tuple[float, int]] = []
        self._mean, self._least, self._rate = 0.0, math.inf, 0.0

    def on_train_batch_begin(self, batch_number: int, logs: Any) -> None:
        """Note the rate that a step begins with: a step that is skipped leaves it to the next one."""
        self._rate = self.rate(len(self.run.history.learning_rates))

    def on_train_batch_end(self, batch_number: int, logs: Any) -> None:
        """Look at the loss of a step, where the batch was its last one."""
        self._pairs.append((float(logs["loss"]), int(logs["size"])))
        if len(self._pairs) == self.run.batches_per_step or batch_number == self.run.steps_per_epoch:
            pairs, self._pairs = self._pairs, []
            self._look(sum(loss * size for loss, size in pairs) / sum(size for _, size in pairs))

    def _look(self, loss: float) -> None:
        if not math.isfinite(loss):
            if not self.losses:
                self.losses.append(loss)
            self.end("the loss was not finite")
            return
        self.losses.append(loss)
        self.rates.append(self._rate)
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        smoothed = self._mean / (1 - SMOOTHING ** len(self.losses))
        self._least = min(self._least, smoothed)
        if smoothed > DIVERGED * self._least:
            self.end(f"the loss was over {DIVERGED:g} times its least")

    def end(self, reason: str) -> None:
        """End the run with this step."""
        self.stopped = self.stopped or reason
        self.run.updates = len(self.run.history.learning_rates)


def _is_number(rate: Any) -> bool:
    return isinstance(rate, Real) and not isinstance(rate, bool)
