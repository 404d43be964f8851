"""Says what there is to remark at the end of an epoch: one calm line, once."""

from collections.abc import Callable, Mapping
from typing import Any

from poutyne import Callback


class Remarks(Callback):
    """Asks after each epoch whether there is something to say, until there was.

    Args:
        remark: gives a line for a row of the history, or None.
        say: prints it.

    Example:
        >>> remarks = Remarks(lambda row: "It stands still." if row["loss"] > 9 else None, print)
        >>> for epoch, loss in enumerate([10.0, 10.0, 5.0], start=1):
        ...     remarks.on_epoch_end(epoch, {"loss": loss})
        It stands still.
    """

    def __init__(self, remark: Callable[[Mapping[str, Any]], str | None], say: Callable[[str], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped_calls_exclude does not reach super()
        self.remark, self.say = remark, say
        self.is_said = False

    def on_epoch_end(self, epoch_number: int, logs: Mapping[str, Any]) -> None:
        """Say the line, if there is one and none was said before."""
        line = None if self.is_said else self.remark(logs)
        if line is not None:
            self.is_said = True
            self.say(line)
