"""`RateCurve`: the loss over the learning rate, and the rate that it suggests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keraslike.errors import MissingDependencyError
from keraslike.tracking.curves import Series, save_figure, text_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTHING = 0.98
"""The weight of what came before in the running mean of the losses, which is corrected for its beginning."""


@dataclass(frozen=True)
class RateCurve:
    """What a range test of learning rates has found.

    Attributes:
        rates: of each update, rising.
        losses: the training loss of each update, before it was taken.
        smoothed: their running mean.
        suggestion: a rate to train with.
        stopped: why the test ended; None: it came to the highest rate.

    Example:
        >>> curve = RateCurve([1e-4, 1e-3, 1e-2, 1e-1], [1.0, 0.8, 0.4, 3.0], [1.0, 0.9, 0.7, 1.3], 1e-3)
        >>> print(str(curve).splitlines()[0])
        Learning rates from 1.0e-04 to 1.0e-01 in 4 updates: 1.0e-03 is suggested.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float
    stopped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain numbers and lists."""
        return {name: list(value) if isinstance(value, list) else value for name, value in vars(self).items()}

    def plot(self, path: str | Path | None = None) -> "Figure":
        """Draw the loss over the rate, with a line at the suggestion.

        Args:
            path: a file to write, as in `History.plot`. None writes nothing.

        Returns:
            The figure, which a notebook shows by itself.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            ArgumentError: the file's ending is that of no picture.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingDependencyError(
                "plot needs matplotlib, which is not installed.", do='pip install "keraslike[plot]"'
            ) from None
        figure = Figure(figsize=(5, 3), layout="constrained")
        panel = figure.subplots()
        panel.plot(self.rates, self.losses, linewidth=0.5, color="tab:gray", label="loss")
        panel.plot(self.rates, self.smoothed, label="smoothed")
        panel.axvline(self.suggestion, linestyle="--", color="tab:red", label=f"{self.suggestion:.1e}")
        panel.set_xscale("log")
        panel.set_xlabel("learning rate")
        panel.set_ylabel("loss")
        panel.legend()
        if path is not None:
            save_figure(figure, Path(path))
        return figure

    def __str__(self) -> str:
        first = (
            f"Learning rates from {self.rates[0]:.1e} to {self.rates[-1]:.1e} in {len(self.rates)} updates: "
            f"{self.suggestion:.1e} is suggested."
        )
        numbers = list(range(1, len(self.rates) + 1))
        curve = text_curve(numbers, [Series("loss, smoothed", self.smoothed)]).replace("by epoch", "by update")
        return "\n\n".join(part for part in (first, self.stopped and f"Ended: {self.stopped}", curve) if part)


def smooth(losses: Sequence[float], weight: float = SMOOTHING) -> list[float]:
    """Give the running mean of losses; the first ones are not drawn towards 0.

    Example:
        >>> [round(value, 3) for value in smooth([2.0, 1.0, 1.0], weight=0.5)]
        [2.0, 1.333, 1.143]

    Source:
        Kingma and Ba, Adam, 2015, section 3 (the correction of the beginning); fastai's `Recorder`.
    """
    mean, found = 0.0, []
    for number, loss in enumerate(losses, start=1):
        mean = weight * mean + (1 - weight) * loss
        found.append(mean / (1 - weight**number))
    return found


def valley(rates: Sequence[float], smoothed: Sequence[float]) -> float:
    """Give the rate in the middle of the longest descent: two thirds down its middle third, as fastai does.

    The longest descent is the longest rising run of places at which the loss falls, gaps allowed.

    Args:
        rates: rising.
        smoothed: the loss at each.

    Example:
        >>> valley([1, 2, 3, 4, 5, 6, 7], [9, 8, 7, 6, 5, 4, 9])
        3

    Source:
        fastai 2.7, `fastai.callback.schedule.valley`, after ESRI's "maximum interval learning rate"; read, not copied.
    """
    lengths = [1] * len(smoothed)
    for place, loss in enumerate(smoothed):
        lengths[place] = 1 + max((lengths[k] for k in range(place) if smoothed[k] > loss), default=0)
    end = lengths.index(max(lengths))
    start = end - lengths[end] + 1
    return rates[start + (end - start) // 2]


def steepest(rates: Sequence[float], smoothed: Sequence[float]) -> float:
    """Give the rate where the loss falls most steeply, over the logarithm of the rate.

    Example:
        >>> steepest([1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.2, 0.3])
        0.01
    """
    logs = [math.log(rate) for rate in rates]
    slopes = [
        (after - before) / (high - low)
        for before, after, low, high in zip(smoothed, smoothed[1:], logs, logs[1:], strict=False)
    ]
    return rates[slopes.index(min(slopes))]


def tenth_of_minimum(rates: Sequence[float], smoothed: Sequence[float]) -> float:
    """Give a tenth of the rate at which the loss was least.

    Example:
        >>> tenth_of_minimum([0.001, 0.01, 0.1], [1.0, 0.5, 0.9])
        0.001
    """
    return rates[list(smoothed).index(min(smoothed))] / 10
