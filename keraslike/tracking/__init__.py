"""What a run leaves: the history, the logs of each batch, and the progress display."""

from keraslike.tracking.history import History
from keraslike.tracking.logs import BatchLogs
from keraslike.tracking.progress import Progress
from keraslike.tracking.screen import Screen

__all__ = ["BatchLogs", "History", "Progress", "Screen"]
