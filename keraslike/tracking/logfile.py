"""A screen that is a file or a pipe: lines are added, nothing is drawn twice."""

from typing import TextIO

from tqdm import tqdm


class LogFile:
    """Lines in a stream that is no terminal.

    Args:
        stream: where the lines go; None (a process without a screen) drops them.
    """

    interval: float = float("inf")  # seconds between two drawings: never
    is_unicode: bool = False

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    @property
    def width(self) -> int | None:
        """The columns that a line may take; None: as many as it needs."""
        return None

    def draw(self, line: str) -> None:
        """Show a line that will be replaced."""

    def erase(self) -> None:
        """Take the drawn line away."""

    def keep(self, line: str) -> None:
        """Add a line that stays, in place of the drawn one."""
        if self.stream is None:
            return
        self.erase()
        encoding = getattr(self.stream, "encoding", None) or "utf-8"  # a StringIO has None
        tqdm.write(line.encode(encoding, "replace").decode(encoding), file=self.stream)  # bars of others stay whole
        self.stream.flush()

    def close(self) -> None:
        """End the run: what comes next starts anew."""
        self.erase()


class Nowhere(LogFile):
    """The screen of `verbose=0`."""

    def keep(self, line: str) -> None:
        """Show nothing."""
