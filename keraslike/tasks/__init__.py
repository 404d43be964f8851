"""What a network is for: one file per task, each one class behind a name."""

from keraslike.tasks.base import Task
from keraslike.tasks.labelled import LabelledTask
from keraslike.tasks.naming import TASKS, as_task, task_from_state
from keraslike.tasks.text_classification import TextClassification
from keraslike.tasks.transformer import TransformerTask

__all__ = ["TASKS", "LabelledTask", "Task", "TextClassification", "TransformerTask", "as_task", "task_from_state"]
