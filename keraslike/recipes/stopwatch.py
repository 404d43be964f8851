"""Times the steps of a probe, and draws a line through them."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from poutyne import Callback

from keraslike.engine.run import Run
from keraslike.recipes.coming import Numbers

WARM_UP = 2
"""The first two steps of a probe are dropped: libraries, caches and the optimizer's moments come into being."""


@dataclass
class Readings:
    """What was read after each step.

    Attributes:
        cpu: CPU seconds of each step, of all threads of the process.
        wall: seconds on the clock.
        sizes: examples.
        sent: tokens that the layers were given; 0 where there are none.
        real: tokens that are no padding.
    """

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    real: list[float] = field(default_factory=list)

    @property
    def amounts(self) -> list[float]:
        """What the time of a step grows with: its tokens, or its examples where there are none."""
        return self.sent if any(self.sent) else self.sizes


class Stopwatch(Callback):
    """Reads the clocks after each step, from one step's end to the next: loading the batch counts.

    Args:
        run: what is timed; its history counts the tokens. It is ended when there was enough.
        seconds: after so many seconds no further step is begun.
        at_least: steps that are taken however long they last, those of the warm-up counted.
        on_warm: called once the warm-up is over.
    """

    def __init__(
        self, run: Run, seconds: float, at_least: int, on_warm: Any = None, *, is_on_accelerator: bool
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.run, self.seconds, self.at_least, self.on_warm = run, seconds, at_least, on_warm
        self.is_on_accelerator = is_on_accelerator
        self.all = Readings()
        self._batches, self._size = 0, 0
        self._last = self._tokens = (0.0, 0.0)
        self.spent = 0.0

    @property
    def readings(self) -> Readings:
        """Those of the steps after the warm-up; of all, where there were no others."""
        start = WARM_UP if len(self.all.cpu) > WARM_UP else max(len(self.all.cpu) - 1, 0)
        return Readings(*(values[start:] for values in vars(self.all).values()))

    def on_epoch_begin(self, epoch_number: int, logs: Any) -> None:
        """Start, at the first epoch."""
        if not self.all.cpu:
            self._last = self._now()

    def on_train_batch_end(self, batch_number: int, logs: Any) -> None:
        """Read, where the batch was the last of a step."""
        self._batches += 1
        self._size += logs["size"]
        if self._batches % self.run.batches_per_step == 0 or batch_number == self.run.steps_per_epoch:
            self._batches = 0
            self._read()

    def on_valid_begin(self, logs: Any) -> None:
        """Start, at a validation."""
        self._last = self._now()

    def on_valid_batch_end(self, batch_number: int, logs: Any) -> None:
        """Read after each batch that is measured."""
        self._size = logs["size"]
        self._read()

    def rest(self) -> tuple[float, float]:
        """Give CPU and wall seconds since the last reading."""
        return _less(self._now(), self._last)

    def _read(self) -> None:
        now, history = self._now(), self.run.history
        tokens = (float(history.tokens_sent), float(history.tokens_real))
        times, counts = _less(now, self._last), _less(tokens, self._tokens)
        values = (*times, float(self._size), *counts)
        for column, value in zip(vars(self.all).values(), values, strict=True):
            column.append(value)
        self._tokens, self._size = tokens, 0
        self._after(times[1])
        self._last = self._now()

    def _after(self, seconds: float) -> None:
        steps = len(self.all.cpu)
        self.spent += seconds
        if steps == WARM_UP and self.on_warm is not None:
            self.on_warm()
        if steps >= self.at_least and self.spent > self.seconds:
            self.run.updates = len(self.run.history.learning_rates)

    def _now(self) -> tuple[float, float]:
        if self.is_on_accelerator:
            torch.accelerator.synchronize()
        return time.process_time(), time.perf_counter()


def _less(now: tuple[float, float], before: tuple[float, float]) -> tuple[float, float]:
    return now[0] - before[0], now[1] - before[1]


@dataclass(frozen=True)
class Line:
    """Seconds of a step: what each takes, and what each token (or example) of it takes.

    Example:
        >>> line = Line.through([10, 20, 30], [1.0, 1.5, 2.0])
        >>> round(line.fixed, 6), round(line.each, 6), round(line.total(np.array([10, 100])), 6)
        (0.5, 0.05, 6.5)
    """

    fixed: float
    each: float

    @classmethod
    def through(cls, amounts: Any, seconds: Any) -> "Line":
        """Draw the line that fits best; through the origin, or level, where else one of its numbers were negative."""
        x, y = np.asarray(amounts, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
        if len(x) < 2 or np.ptp(x) == 0:
            return cls(float(y.mean()), 0.0)
        each, fixed = np.polyfit(x, y, 1)
        if each < 0:
            return cls(float(y.mean()), 0.0)
        if fixed < 0:
            return cls(0.0, float((x * y).sum() / (x * x).sum()))
        return cls(float(fixed), float(each))

    def total(self, amounts: Numbers) -> float:
        """Give the seconds of several steps."""
        return float(self.fixed * len(amounts) + self.each * amounts.sum())
