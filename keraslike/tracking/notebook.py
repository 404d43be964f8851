"""A screen that is a notebook: one output, updated, that holds the whole run."""

import sys
from typing import Any

from keraslike.tracking.logfile import LogFile

_COLUMNS = 100
_LINES = 40


class Notebook(LogFile):
    """The lines of a run in one output of a cell; without a run, lines are printed.

    The output is plain text, which needs no widget and looks the same in every front end and in a saved notebook.
    """

    interval = 0.25  # each update sends the whole text
    is_unicode = True

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._kept: list[str] = []
        self._drawn: str | None = None
        self._handle: Any = None  # IPython's DisplayHandle from the first line of a run to its end

    @property
    def width(self) -> int:
        """The columns that the cells of the usual front ends show without a scroll bar."""
        return _COLUMNS

    def draw(self, line: str) -> None:
        """Show a line in place of the drawn one, opening the output if there is none."""
        self._drawn = line
        self._show()

    def erase(self) -> None:
        """Take the drawn line away."""
        if self._drawn is not None:
            self._drawn = None
            self._show()

    def keep(self, line: str) -> None:
        """Add a line that stays: to the output of the run, or printed where no run is on."""
        if self._handle is None:
            super().keep(line)
            return
        self._drawn = None
        self._kept.append(line)
        self._show()

    def close(self) -> None:
        """End the run: its output is left as it is."""
        self.erase()
        self._kept = []
        self._handle = None

    def _show(self) -> None:
        from IPython.display import display  # only a notebook comes here, and it has IPython

        shown = self._kept[-_LINES:]
        earlier = len(self._kept) - len(shown)
        lines = [*([f"... {earlier} lines before"] if earlier else []), *shown, *([self._drawn] if self._drawn else [])]
        content = {"text/plain": "\n".join(lines)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def is_notebook() -> bool:
    """Say whether this code runs in a notebook's kernel, without importing IPython where nobody did."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
