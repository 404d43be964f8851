"""Rows of a CSV file, interleaved rounds that go on where they were stopped, and tables of ratios."""

import csv
import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]


class Results:
    """The rows of a benchmark, in a CSV file where one is given, else in memory.

    Args:
        path: the file; rows that are in it are not made again.
        key: the columns that tell a run from another.
    """

    def __init__(self, path: Path | None, key: Sequence[str]) -> None:
        self.path, self.key, self.rows = path, tuple(key), []
        if path is not None and path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                self.rows: list[Row] = list(csv.DictReader(file))

    def has(self, row: Row) -> bool:
        """Tell whether a run stands in the file."""
        wanted = [str(row[name]) for name in self.key]
        return any([str(known[name]) for name in self.key] == wanted for known in self.rows)

    def add(self, row: Row) -> None:
        """Add a run, and write it down at once; every row of a file has the same columns."""
        self.rows.append(row)
        print("  ".join(f"{name}={shown(value)}" for name, value in row.items()), file=sys.stderr, flush=True)
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


def interleaved(names: Sequence[str], rounds: int) -> list[tuple[int, str]]:
    """Give (round, name) of all runs: every round has all names, and each round another of them first."""
    turned = [[*names[count % len(names) :], *names[: count % len(names)]] for count in range(rounds)]
    return [(count, name) for count, row in enumerate(turned) for name in row]


def ratios(rows: Sequence[Row], column: str, to: str) -> dict[str, list[float]]:
    """Divide each run by that of `to` in the same round.

    Returns:
        The ratios of each name, one per round that has both.
    """
    base = {row["round"]: float(row[column]) for row in rows if row["who"] == to}
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["round"] in base:
            found.setdefault(row["who"], []).append(float(row[column]) / base[row["round"]])
    return found


def spread(values: Sequence[float]) -> str:
    """Give the median, and from where to where the values reach."""
    if not values:
        return ""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def middle(rows: Sequence[Row], who: str, column: str) -> float:
    """Give the median of one name's column; not a number where it has none."""
    values = [float(row[column]) for row in rows if row["who"] == who and str(row[column])]
    return median(values) if values else float("nan")


def markdown(heads: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Lay out a table."""
    rows = [list(heads), ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(shown(cell) for cell in row)} |" for row in rows)


def shown(value: Any) -> str:
    """Write a number with four digits, anything else as it is; what is missing is left empty."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"  # noqa: PLR0124  # NaN is not equal to itself
    return str(value)


def in_own_process(script: str, arguments: Sequence[Any]) -> Row:
    """Run a command of this folder in a process of its own; the last line that it prints is a JSON object."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def parser(description: str | None, rounds: int = 7) -> ArgumentParser:
    """Give what every benchmark of rounds understands."""
    options = ArgumentParser(description=(description or "").partition("\n")[0])
    options.add_argument("--out", type=Path, help="CSV file, a row per run; runs that are in it are skipped")
    options.add_argument("--rounds", type=int, default=rounds, help="interleaved rounds (%(default)s)")
    options.add_argument("--only", nargs="+", metavar="WHO", help="these alone; default: everyone that is installed")
    options.add_argument("--table", action="store_true", help="print the table of --out, and run nothing")
    options.add_argument("--memory-of", metavar="WHO", help="print one's peak memory; used by the command itself")
    return options


def single_threaded() -> None:
    """Compute with one thread, so that CPU time means work and two cores do not quarrel."""
    import torch

    torch.set_num_threads(1)
