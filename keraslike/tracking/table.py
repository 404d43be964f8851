"""The epochs as a text table of at most 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from tqdm.utils import disp_len

from keraslike.tracking.figures import duration, figures_of, number

_COLUMNS = 80
_ROWS = 20
_GAP = "  "


def text_table(rows: Sequence[Mapping[str, Any]], columns: int = _COLUMNS) -> str:
    """Give a table with a line per epoch; of more than 20 epochs the first and the last ten.

    Columns that have no room are named below it. The losses come first, so that they always have.

    Example:
        >>> print(text_table([{"epoch": 1, "time": 75.0, "loss": 0.5, "f1": 0.8, "val_loss": 0.25}]))
        epoch    loss  val_loss      f1   time
            1  0.5000    0.2500  0.8000  01:15
    """
    names = list(dict.fromkeys(name for row in rows for name in figures_of(row)))
    names.sort(key=lambda name: name not in {"loss", "val_loss"})
    table = [["epoch", *(str(row.get("epoch", "")) for row in rows)]]
    table += [[name, *(_cell(row.get(name)) for row in rows)] for name in names]
    if any("time" in row for row in rows):
        table.append(["time", *(duration(row["time"]) if "time" in row else "" for row in rows)])
    shown, hidden = _fit(table, columns)
    lines = [_GAP.join(cells).rstrip() for cells in zip(*map(_align, shown), strict=True)]
    if len(rows) > _ROWS:
        half = _ROWS // 2
        lines = [*lines[: half + 1], f"... {len(rows) - _ROWS} epochs ...", *lines[-half:]]
    if hidden:
        lines.append(_shorten(f"Not shown: {', '.join(column[0] for column in hidden)}", columns))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return "" if value is None else number(float(value))


def _fit(table: list[list[str]], columns: int) -> tuple[list[list[str]], list[list[str]]]:
    """Part the columns of a table into those with room and those without; the first ones have."""
    shown: list[list[str]] = []
    hidden: list[list[str]] = []
    room = columns + len(_GAP)
    for column in table:
        width = max(map(disp_len, column)) + len(_GAP)
        (shown if width <= room else hidden).append(column)
        room -= width if width <= room else 0
    return shown, hidden


def _align(column: list[str]) -> list[str]:
    width = max(map(disp_len, column))
    return [" " * (width - disp_len(cell)) + cell for cell in column]


def _shorten(line: str, columns: int) -> str:
    return line if len(line) <= columns else f"{line[: columns - 3]}..."
