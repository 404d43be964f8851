"""The time that a run may take: the one place where time enters a training."""

import time
from collections.abc import Callable


class Clock:
    """Tells how much of the time of a run is over.

    Args:
        seconds: how long the run may take.
        now: gives the time in seconds; None: `time.perf_counter`.

    Example:
        >>> seconds = iter([100.0, 103.0, 112.0])
        >>> clock = Clock(10.0, now=lambda: next(seconds))
        >>> clock.start()
        >>> clock.share, clock.share
        (0.3, 1.0)
    """

    def __init__(self, seconds: float, now: Callable[[], float] | None = None) -> None:
        self.seconds, self._now = seconds, now
        self._began: float | None = None

    def start(self) -> None:
        """Count from now on."""
        self._began = self._read()

    @property
    def share(self) -> float:
        """The share of the time that is over, 0 to 1; 0 before `start`."""
        return 0.0 if self._began is None else min((self._read() - self._began) / self.seconds, 1.0)

    @property
    def is_over(self) -> bool:
        """Whether all of it is over."""
        return self.share >= 1

    def _read(self) -> float:
        return time.perf_counter() if self._now is None else self._now()
