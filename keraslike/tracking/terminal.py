"""A screen that is a terminal: one line that is drawn over and over, above it those that stay."""

import os
from typing import Any, TextIO

from tqdm import tqdm

from keraslike.tracking.logfile import LogFile


class Terminal(LogFile):
    """A live line, drawn by tqdm: so it stands below the bars of a loop around it, and lets `tqdm.write` through."""

    interval = 0.1

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.is_unicode = (getattr(stream, "encoding", None) or "").lower().startswith("utf")
        self._line: Any = None  # a tqdm object while something is drawn

    @property
    def width(self) -> int:
        """One column less than the terminal has now, because some wrap when the last one is taken."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns if self.stream else 0
        except (OSError, ValueError, AttributeError):
            columns = 0
        return (columns or 80) - 1  # a pseudo-terminal that nobody gave a size has 0

    def draw(self, line: str) -> None:
        """Show a line in place of the drawn one."""
        if self._line is None:
            self._line = tqdm(file=self.stream, desc=line, bar_format="{desc}", leave=False)
        else:
            self._line.set_description_str(line)

    def erase(self) -> None:
        """Take the drawn line away."""
        if self._line is not None:
            self._line.close()
        self._line = None
