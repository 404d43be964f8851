"""Further named scalars of a loss, each kept as a (sum, count) over the epoch."""

from collections.abc import Collection, Mapping
from typing import Any


class ScalarSums:
    """Sums and counts by name, on the device where they come from.

    Example:
        >>> sums = ScalarSums()
        >>> sums.add({"entropy": (6.0, 4)})
        >>> sums.add({"entropy": (4.0, 1)})
        >>> sums.take(), sums.take()
        ({'entropy': 2.0}, {})
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Any, Any]] = {}

    @property
    def names(self) -> Collection[str]:
        """The names that have been added."""
        return self._sums.keys()

    def add(self, scalars: Mapping[str, tuple[Any, Any]]) -> None:
        """Add the sums and counts of a batch."""
        for name, (total, count) in scalars.items():
            before = self._sums.get(name, (0, 0))
            self._sums[name] = (before[0] + total, before[1] + count)

    def take(self) -> dict[str, float]:
        """Give the means, and forget everything."""
        taken, self._sums = self._sums, {}
        return {name: float(total) / float(count) if count else float("nan") for name, (total, count) in taken.items()}
