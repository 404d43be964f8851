"""The course of losses and metrics over the epochs: as text, and as a figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from keraslike.errors import ArgumentError, DataError, MissingDependencyError
from keraslike.tracking.figures import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKS = "*o"
_BOTH = "#"


@dataclass(frozen=True)
class Series:
    """One number per epoch; nan where there is none."""

    name: str
    values: list[float]


def text_curve(epochs: Sequence[int], series: Sequence[Series], columns: int = 60, rows: int = 8) -> str:
    """Give a picture of up to two series, in characters that every terminal has; "" for fewer than two epochs.

    Args:
        epochs: the epochs' numbers, at least as many as values.
        series: what to draw: the first with "*", the second with "o", "#" where they meet.
        columns: width of the picture without its scale of ten columns. Of more epochs than columns, some are drawn.
        rows: its height.

    Example:
        >>> print(text_curve([1, 2, 3], [Series("loss", [0.9, 0.5, 0.1])], columns=9, rows=3))
            0.9000 |*
                   |    *
            0.1000 |        *
                    1       3
                    * loss  by epoch
    """
    finite = [value for one in series for value in one.values if math.isfinite(value)]
    if len(epochs) < 2 or not finite:
        return ""
    low, high = min(finite), max(finite)
    grid = [[" "] * columns for _ in range(rows)]
    for mark, one in zip(_MARKS, series, strict=False):
        _draw(grid, one.values, mark, low, high)
    scale = {0: number(high), rows - 1: number(low)}
    lines = [f"{scale.get(row, ''):>10} |{''.join(cells)}".rstrip() for row, cells in enumerate(grid)]
    legend = "  ".join(f"{mark} {one.name}" for mark, one in zip(_MARKS, series, strict=False))
    first, last = str(epochs[0]), str(epochs[-1])
    return "\n".join([*lines, f"{'':12}{first}{last:>{columns - len(first)}}", f"{'':12}{legend}  by epoch"])


def _draw(grid: list[list[str]], values: Sequence[float], mark: str, low: float, high: float) -> None:
    rows, columns = len(grid), len(grid[0])
    span = (high - low) or 1.0
    for index, value in enumerate(values):
        if math.isfinite(value):
            row = round((high - value) / span * (rows - 1))
            column = round(index * (columns - 1) / (len(values) - 1))
            grid[row][column] = mark if grid[row][column] in {" ", mark} else _BOTH


def draw_figure(epochs: Sequence[int], series: Sequence[Series]) -> "Figure":
    """Give a matplotlib figure with a panel for each name; `val_name` is drawn beside `name`.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        DataError: there is nothing to draw.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "history.plot needs matplotlib, which is not installed.", do='pip install "keraslike[plot]"'
        ) from None
    names = list(dict.fromkeys(one.name.removeprefix("val_") for one in series))
    if not names:
        raise DataError("The history has no epochs to plot.", "at least one epoch.", "call fit first.")

    class Picture(Figure):
        """A figure without pyplot: no window, nothing to close, and a notebook shows it all the same."""

        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    figure = Picture(figsize=(4 * len(names), 3), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for one in series:
            if one.name.removeprefix("val_") == name:
                panel.plot(epochs, one.values, marker=".", label=one.name)
        panel.set_xlabel("epoch")
        panel.set_ylabel(name)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend()
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that the path's ending says.

    Raises:
        ArgumentError: there is no such format.
    """
    endings = sorted(figure.canvas.get_supported_filetypes())
    if path.suffix.lstrip(".").lower() not in endings:
        raise ArgumentError(
            f"{path.name!r} does not end like a picture's name.",
            f"one of {', '.join(f'.{ending}' for ending in endings)}.",
            f'history.plot("{path.with_suffix(".png")}")',
        )
    figure.savefig(path)
