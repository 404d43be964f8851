"""Where a run is shown: a terminal, a notebook, a log file, or nowhere."""

import os
import sys
import time
from typing import Literal, TextIO, TypeAlias

from keraslike.errors import ArgumentError
from keraslike.tracking.logfile import LogFile, Nowhere
from keraslike.tracking.notebook import Notebook, is_notebook
from keraslike.tracking.terminal import Terminal

Verbose: TypeAlias = Literal["auto", 0, 1, 2] | bool


class Screen:
    """Shows lines that stay, and at most one that is drawn over and over.

    Args:
        verbose: 0 shows nothing; 1 a live line in a terminal or a notebook, and one line per result elsewhere; 2 one
            line per result everywhere; "auto" (or True) is 1 in a terminal or a notebook and 2 elsewhere. A stream that
            is no terminal never gets a carriage return or an escape code.
        stream: where to write; None is what `sys.stdout` is now, or the cell's output in a notebook.

    Raises:
        ArgumentError: `verbose` is none of these.

    Example:
        >>> Screen(verbose=2).say("37 of 2,000 texts (1.9 %) were cut at 128 tokens.")
        37 of 2,000 texts (1.9 %) were cut at 128 tokens.
        >>> Screen(verbose=0).say("Nobody sees this.")
    """

    def __init__(self, verbose: Verbose = "auto", stream: TextIO | None = None) -> None:
        self._surface = _surface(as_verbose(verbose), stream)
        self._next_drawing = 0.0

    @property
    def width(self) -> int | None:
        """The columns that a line may take now; None: as many as it needs."""
        return self._surface.width

    @property
    def is_unicode(self) -> bool:
        """Whether block characters can be shown."""
        return self._surface.is_unicode

    @property
    def is_due(self) -> bool:
        """Whether it is time to draw again: about ten times a second in a terminal, four times in a notebook."""
        return time.monotonic() >= self._next_drawing and self._surface.interval < float("inf")

    def wait(self, seconds: float) -> None:
        """Draw nothing for so long, so that what is over by then never shows."""
        self._next_drawing = time.monotonic() + seconds

    def say(self, text: str) -> None:
        """Print one calm line that stays, above the live one."""
        self._surface.keep(text)

    def draw(self, line: str) -> None:
        """Show a line in place of the one drawn before, until the next `say` or `close`."""
        self.wait(self._surface.interval)
        self._surface.draw(line)

    def close(self) -> None:
        """End the run: the drawn line goes, and in a notebook the next line starts a new output."""
        self._surface.close()


def as_verbose(verbose: Verbose) -> Literal["auto", 0, 1, 2]:
    """Give `verbose` as "auto", 0, 1 or 2; True, Poutyne's default, is "auto".

    Raises:
        ArgumentError: it is none of these.
    """
    if verbose is True:
        return "auto"
    for choice in ("auto", 0, 1, 2):
        if verbose == choice:
            return choice
    raise ArgumentError(
        f"verbose={verbose!r} is not known.",
        'one of "auto", 0 (silent), 1 (live line), 2 (one line per epoch).',
        'leave it out, or type verbose="auto".',
    )


def _surface(verbose: Literal["auto", 0, 1, 2], stream: TextIO | None) -> LogFile:
    if verbose == 0:
        return Nowhere(None)
    if stream is None and is_notebook():
        return Notebook() if verbose != 2 else LogFile(sys.stdout)
    stream = sys.stdout if stream is None else stream
    if stream is None or not stream.isatty():
        return LogFile(stream)
    terminal = Terminal(stream)
    if verbose == 2 or (verbose == "auto" and os.environ.get("TERM") == "dumb"):
        terminal.interval = float("inf")  # its lines are cut to its width, and none is drawn
    return terminal
