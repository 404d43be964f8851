"""Losses, metrics and times as one line of text that fits the screen."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from tqdm.std import Bar, tqdm
from tqdm.utils import disp_len, disp_trim

_COUNTERS = frozenset({"epoch", "batch", "size", "time"})
_GAP = "  "

# What goes first where the line is too narrow: the higher rank. A metric's rank follows from its place, see `rank`.
_NEVER = 0
_LOSS = 1
_TIME_LEFT = 3
_FIRST_METRIC = 4
_RATE_IN_PASSING = 6
_AFTER_METRICS = 10_000


@dataclass(frozen=True)
class Piece:
    """A part of a line that is shown whole or not at all; the piece with the highest rank goes first."""

    text: str
    rank: int = _NEVER
    is_figure: bool = False


def number(value: float) -> str:
    """Give a number with four significant digits, always four, so that a line that is drawn again does not jump.

    Example:
        >>> [number(value) for value in (0.5, 81.25, 1234.0, 0.00002, float("nan"))]
        ['0.5000', '81.25', '1234', '2.000e-05', 'nan']
    """
    return f"{value:#.4g}".rstrip(".")


def duration(seconds: float) -> str:
    """Give a time in seconds below a minute, and as a clock shows it from there.

    Example:
        >>> duration(1.25), duration(75), duration(3725)
        ('1.2s', '01:15', '1:02:05')
    """
    return f"{seconds:.1f}s" if seconds < 59.95 else str(tqdm.format_interval(round(seconds)))


def rate(examples: int, seconds: float) -> str:
    """Give the examples per second, or "" if it is not known how many there were.

    Example:
        >>> rate(2000, 1.6), rate(1, 4.0), rate(0, 4.0)
        ('1,250 examples/s', '0.2 examples/s', '')
    """
    if not examples or seconds <= 0:
        return ""
    speed = examples / seconds
    return f"{speed:,.0f} examples/s" if speed >= 10 else f"{speed:.1f} examples/s"


def figures_of(logs: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Give the losses and metrics among the logs: what is one number and no counter. It reads every value.

    Args:
        logs: logs of a batch, an epoch or an evaluation.
        prefix: what to leave out where a name begins with it, such as "test_".

    Example:
        >>> figures_of({"epoch": 1, "time": 2.5, "loss": 0.5, "confusion": [[1, 0], [0, 1]]})
        {'loss': 0.5}
    """
    named = ((name, value) for name, value in logs.items() if name not in _COUNTERS)
    return {name.removeprefix(prefix): float(value) for name, value in named if isinstance(value, Real)}


def result_line(
    label: str, figures: Mapping[str, float], seconds: float, speed: str = "", width: int | None = None
) -> str:
    """Give the line that stays when an epoch or an evaluation is over.

    Args:
        label: what is over, such as "Epoch 1/3".
        figures: losses and metrics by name.
        seconds: how long it took.
        speed: what `rate` gave.
        width: columns that the line may take, None for as many as it needs. Where they are too few, the speed goes
            first, then the time, then metrics from the last to the first (training before validation), and the line
            says how many. The losses go last.

    Example:
        >>> figures = {"loss": 0.5, "f1": 0.75, "val_loss": 0.25, "val_f1": 0.8}
        >>> print(result_line("Epoch 1/3", figures, 2.5, "99 examples/s"))
        Epoch 1/3  loss 0.5000  f1 0.7500  val_loss 0.2500  val_f1 0.8000  2.5s  99 examples/s
        >>> print(result_line("Epoch 1/3", figures, 2.5, "99 examples/s", width=60))
        Epoch 1/3  loss 0.5000  val_loss 0.2500  val_f1 0.8000  +1
    """
    end = [Piece(duration(seconds), _AFTER_METRICS), Piece(speed, _AFTER_METRICS + 1)]
    return join([Piece(label), *_figure_pieces(figures), *end], width)


def passing_line(
    label: str,
    figures: Mapping[str, float],
    steps: int,
    of_steps: int | None,
    seconds: float,
    speed: str = "",
    width: int | None = None,
    is_unicode: bool = True,
) -> str:
    """Give the line of a pass over the data that is not over yet; arguments as in `result_line`.

    Args:
        label: what is going on, such as "Epoch 1/3".
        figures: losses and metrics by name.
        steps: batches so far.
        of_steps: batches in all; without it there is neither bar nor time left.
        seconds: how long it took so far.
        speed: what `rate` gave.
        width: columns that the line may take; the bar takes what the rest leaves.
        is_unicode: whether the screen can show block characters.

    Example:
        >>> print(passing_line("Epoch 1/3", {"loss": 0.5}, 30, 120, 4.0, "240 examples/s", width=80, is_unicode=False))
        Epoch 1/3  [####5             ]  30/120  loss 0.5000  00:12 left  240 examples/s
        >>> print(passing_line("Epoch 1/3", {"loss": 0.5}, 30, None, 4.0, "240 examples/s", width=50))
        Epoch 1/3  30 steps  loss 0.5000  240 examples/s
    """
    pieces = [Piece(f"{steps}/{of_steps}" if of_steps else f"{steps} steps"), *_figure_pieces(figures)]
    if of_steps and steps:
        left = max(of_steps - steps, 0) * seconds / steps
        pieces.append(Piece(f"{tqdm.format_interval(left)} left", _TIME_LEFT))
    pieces.append(Piece(speed, _RATE_IN_PASSING))
    line = join([Piece(label), *pieces], width)
    bar = _bar(steps, of_steps, width, disp_len(line), is_unicode)
    return join([Piece(label), Piece(bar), *pieces], width) if bar else line


def join(pieces: Iterable[Piece], width: int | None = None) -> str:
    """Put pieces into one line, without those that do not fit; "+2" at its end counts the figures left out."""
    kept = [piece for piece in pieces if piece.text]
    hidden = 0
    line = _write(kept, hidden)
    if width is None:
        return line
    while disp_len(line) > width and any(piece.rank for piece in kept):
        dropped = max(kept, key=lambda piece: piece.rank)
        kept.remove(dropped)
        hidden += dropped.is_figure
        line = _write(kept, hidden)
    return str(disp_trim(line, max(width, 0)))


def _write(pieces: Iterable[Piece], hidden: int) -> str:
    return _GAP.join([*(piece.text for piece in pieces), *([f"+{hidden}"] if hidden else [])])


def _figure_pieces(figures: Mapping[str, float]) -> list[Piece]:
    """Give each figure its rank: losses, then metric by metric, what validation says before what training says."""
    metrics = list(dict.fromkeys(base for name in figures if (base := name.removeprefix("val_")) != "loss"))
    pieces = []
    for name, value in figures.items():
        base = name.removeprefix("val_")
        is_validation = name != base
        if base == "loss":
            rank = _LOSS + is_validation
        else:
            rank = _FIRST_METRIC + 3 * metrics.index(base) + (not is_validation)
        pieces.append(Piece(f"{name} {number(value)}", rank, is_figure=True))
    return pieces


def _bar(steps: int, of_steps: int | None, width: int | None, taken: int, is_unicode: bool) -> str:
    """Give a bar of at most 20 columns where the rest of the line leaves room for ten, or ""."""
    spare = (width if width is not None else math.inf) - taken - len(_GAP)
    if not of_steps or spare < 10:
        return ""
    columns = int(min(spare, 20))
    share = min(steps / of_steps, 1.0)
    return f"{Bar(share, columns, Bar.UTF)}" if is_unicode else f"[{Bar(share, columns - 2, Bar.ASCII)}]"
