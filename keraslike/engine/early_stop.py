"""When a training that gets no better ends, and which of its validations was the best."""

import math
from collections.abc import Mapping
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.tracking.figures import number


class EarlyStop:
    """Counts the validations since the last one that was better.

    The best one is the one with the best value, however small its lead; `min_delta` decides only for how long the
    training goes on. A value that is not finite is never better.

    Args:
        monitor: the name of the value, such as "val_loss".
        patience: so many validations in a row that are not better end the training.
        is_higher_better: whether a higher value is a better one.
        min_delta: only what is better by more than this starts the count anew.

    Attributes:
        best: the row of the best validation; None: there is none yet.
        waited: validations since the last one that was better.

    Example:
        >>> stop = EarlyStop("val_loss", patience=2)
        >>> [stop.look({"epoch": epoch, "val_loss": loss}) for epoch, loss in enumerate([0.5, 0.4, 0.6, 0.4], start=1)]
        [True, True, False, False]
        >>> stop.is_over, stop.best
        (True, {'epoch': 2, 'val_loss': 0.4})
    """

    def __init__(
        self, monitor: str, patience: int = 3, *, is_higher_better: bool = False, min_delta: float = 0.0
    ) -> None:
        self.monitor, self.patience, self.is_higher_better = monitor, patience, is_higher_better
        self.min_delta = min_delta
        self.best: dict[str, Any] | None = None
        self.waited = 0
        self._reference: float | None = None

    def look(self, row: Mapping[str, Any]) -> bool:
        """Count a validation.

        Returns:
            whether it is the best one so far.

        Raises:
            ArgumentError: it has no value of this name.
        """
        if self.monitor not in row:
            refuse_monitor(self.monitor, [name for name in row if name.startswith("val_")])
        value = float(row[self.monitor])
        if self._leads(value, self._reference, self.min_delta):
            self._reference, self.waited = value, 0
        else:
            self.waited += 1
        is_best = self._leads(value, None if self.best is None else self.best[self.monitor])
        if is_best:
            self.best = dict(row)
        return is_best

    @property
    def is_over(self) -> bool:
        """Whether the training ends."""
        return self.waited >= self.patience

    @property
    def reason(self) -> str:
        """Why it ended."""
        times = "the last validation" if self.patience == 1 else f"{self.patience} validations in a row"
        return f"{self.monitor} did not get better in {times}"

    def told(self, *, by_updates: bool, is_last: bool) -> str:
        """Say in one line which validation was the best, and what became of its weights.

        Args:
            by_updates: whether the validation is named by its update, not by its epoch alone.
            is_last: whether the weights have not changed since.
        """
        begin = f"Stopped: {self.reason}. " if self.is_over else ""
        if self.best is None:
            return f"{begin}{self.monitor} was never a finite number, so the weights are the last ones."
        update, epoch = self.best["update"], self.best["epoch"]
        where = f"update {update} (epoch {epoch})" if by_updates else f"epoch {epoch}"
        value, what = number(self.best[self.monitor]), "the last weights" if is_last else "whose weights are put back"
        return f"{begin}The best {self.monitor} was {value} after {where}, {what}."

    def _leads(self, value: float, other: float | None, by: float = 0.0) -> bool:
        if not math.isfinite(value) or other is None:
            return math.isfinite(value)
        return value > other + by if self.is_higher_better else value < other - by


def refuse_monitor(monitor: str, known: list[str]) -> None:
    """Refuse a name that no validation has.

    Raises:
        ArgumentError: always.
    """
    raise ArgumentError(
        f"early_stop watches {monitor!r}, which no validation of this run has.",
        f"one of {', '.join(known)}.",
        did_you_mean(monitor, known) or f"write early_stop=dict(monitor={known[0]!r})." if known else None,
    )
