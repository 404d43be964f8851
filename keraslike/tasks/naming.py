"""The tasks by name; a new task is one file and one line here."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data.labels import Labels
from keraslike.errors import ArgumentError
from keraslike.tasks.audio_classification import AudioClassification
from keraslike.tasks.base import Task
from keraslike.tasks.fill_mask import FillMask
from keraslike.tasks.glue import PARTS, GlueTask
from keraslike.tasks.image_classification import ImageClassification
from keraslike.tasks.labelled import LabelledTask
from keraslike.tasks.multiple_choice import MultipleChoice
from keraslike.tasks.question_answering import QuestionAnswering
from keraslike.tasks.sentence_ordering import SentenceOrdering
from keraslike.tasks.text2text import Text2Text
from keraslike.tasks.text_classification import TextClassification
from keraslike.tasks.text_generation import TextGeneration
from keraslike.tasks.token_classification import TokenClassification

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        TextClassification,
        FillMask,
        TextGeneration,
        ImageClassification,
        AudioClassification,
        QuestionAnswering,
        SentenceOrdering,
        TokenClassification,
        Text2Text,
        MultipleChoice,
    )
}

GLUE = {f"{GlueTask.name}/{part}": part for part in PARTS}
"""GLUE's tasks by name: one class, which is told which of them it is."""


def as_task(task: Any, labels: Sequence[Any] | None = None) -> Task | None:
    """Give the task behind a name (with its default options), a class, or an object; None where there is none.

    An object is copied: what one model learns is not another's.

    Args:
        task: a name of `TASKS` or of `GLUE`, a class derived from `Task`, an object of one, or None.
        labels: the labels, where they are known.

    Raises:
        ArgumentError: no task has this name, or labels are given to what takes none.
    """
    found = _find_task(task)
    if labels is None:
        return found
    if isinstance(labels, (str, int)):
        raise ArgumentError(f"labels={labels!r} is no list of labels.", "all labels.", 'write labels=["ham", "spam"].')
    if not isinstance(found, LabelledTask):
        raise ArgumentError("labels are given, but there is no task that takes them.", 'task="text-classification".')
    if isinstance(found, GlueTask):
        raise ArgumentError(
            f"labels are given, but {found.name} has its own.", f"{list(found.about.labels)}.", "leave out labels=."
        )
    found.labels = Labels(labels)
    return found


def _find_task(task: Any) -> Task | None:
    if task is None or isinstance(task, Task):
        return deepcopy(task)
    if isinstance(task, type) and issubclass(task, Task):
        return task()
    if isinstance(task, str) and task in GLUE:
        return GlueTask(GLUE[task])
    if not isinstance(task, str) or task not in TASKS:
        names = [*TASKS, *GLUE]
        raise ArgumentError(
            f"there is no task {task!r}.",
            f"one of {', '.join(names)}, or an object of a class derived from keraslike.Task.",
            did_you_mean(str(task), names),
        )
    return TASKS[task]()


def task_from_state(name: str, state: dict[str, Any], given: Any = None) -> Task:
    """Make a saved task again; one of the user's own has to be given, since its code is not in the directory.

    Args:
        name: the name under which it was saved.
        state: what its `state` gave.
        given: the class of the user's own task, or None.

    Raises:
        ArgumentError: the task is not one of ours, and its class is not given.
    """
    kind = given if given is not None else GlueTask if name in GLUE else TASKS.get(name)
    if kind is None:
        raise ArgumentError(
            f"the model was saved with a task of your own, {name!r}, whose code is not in the directory.",
            "its class.",
            "write load(directory, task=MyTask).",
        )
    task: Task = kind.from_state(state)
    return task
