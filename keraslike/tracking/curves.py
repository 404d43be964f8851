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
    names = list(dict.fromkeys(one.name.removeprefix("val_") for one in series))
    figure = _picture(4.0 * len(names))
    if not names:
        raise DataError("The history has no epochs to plot.", "at least one epoch.", "call fit first.")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for one in series:
            if one.name.removeprefix("val_") == name:
                panel.plot(epochs, one.values, marker=".", label=one.name)
        panel.set_xlabel("epoch")
        panel.set_ylabel(name)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend()
    return figure


def _picture(width: float) -> "Figure":
    """Give an empty figure, so many inches wide."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "history.plot needs matplotlib, which is not installed.", do='pip install "keraslike[plot]"'
        ) from None

    class Picture(Figure):
        """A figure without pyplot: no window, nothing to close, and a notebook shows it all the same."""

        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return Picture(figsize=(max(width, 4.0), 3), layout="constrained")


def rate_series(rates: Sequence[float], group_rates: Sequence[Sequence[float]] = ()) -> list[Series]:
    """Give the rates of the parameter groups by name; groups that always have the same rates are one.

    Args:
        rates: those of the first group, one per optimizer step.
        group_rates: as in `History`.

    Example:
        >>> rate_series([0.1, 0.2], [[], [0.2, 0.4]])
        [Series(name='group 1', values=[0.1, 0.2]), Series(name='group 2', values=[0.1, 0.4])]
    """
    courses: dict[tuple[float, ...], str] = {tuple(rates): "group 1"} if rates else {}
    for place in range(1, max(map(len, group_rates), default=0)):
        course = list(rates)
        for step, of_groups in enumerate(group_rates):
            if of_groups:
                course[step] = of_groups[place] if place < len(of_groups) else math.nan
        courses.setdefault(tuple(course), f"group {place + 1}")
    return [Series(name, list(course)) for course, name in courses.items()]


def draw_rates(series: Sequence[Series]) -> "Figure":
    """Give a matplotlib figure of rates over the optimizer steps.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        DataError: there is nothing to draw.
    """
    figure = _picture(6.0)
    if not series:
        raise DataError("The history has no learning rates to plot.", "at least one optimizer step.", "call fit first.")
    panel = figure.subplots()
    for one in series:
        panel.plot(range(1, len(one.values) + 1), one.values, label=one.name)
    panel.set_xlabel("optimizer step")
    panel.set_ylabel("learning rate")
    panel.locator_params(axis="x", integer=True)
    if len(series) > 1:
        panel.legend(ncols=-(-len(series) // 12))
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
