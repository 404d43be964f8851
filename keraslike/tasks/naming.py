"""The tasks by name; a new task is one file and one line here."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.tasks.audio_classification import AudioClassification
from keraslike.tasks.base import Task
from keraslike.tasks.fill_mask import FillMask
from keraslike.tasks.glue import PARTS, GlueTask
from keraslike.tasks.image_classification import ImageClassification
from keraslike.tasks.labelled import LabelledTask
from keraslike.tasks.mistakes import check_made
from keraslike.tasks.multiple_choice import MultipleChoice
from keraslike.tasks.option_checks import as_labels
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

OTHER_NAMES = {
    "causal-lm": "text-generation",
    "classification": "text-classification",
    "extractive-qa": "question-answering",
    "image": "image-classification",
    "language-modeling": "text-generation",
    "masked-lm": "fill-mask",
    "mlm": "fill-mask",
    "multi-label-classification": "text-classification",
    "named-entity-recognition": "token-classification",
    "ner": "token-classification",
    "nli": "text-classification",
    "pos": "token-classification",
    "pos-tagging": "token-classification",
    "qa": "question-answering",
    "regression": "text-classification",
    "sentiment": "text-classification",
    "sentiment-analysis": "text-classification",
    "seq2seq": "text2text",
    "sequence-classification": "text-classification",
    "summarization": "text2text",
    "summarisation": "text2text",
    "swag": "multiple-choice",
    "tagging": "token-classification",
    "text2text-generation": "text2text",
    "translation": "text2text",
    "zero-shot": "text-classification",
    "zero-shot-classification": "text-classification",
}
"""What transformers' pipelines and others call a task, by our name for it."""


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
    given = as_labels(labels)
    if not isinstance(found, LabelledTask):
        there_is = "there is no task that takes them" if found is None else f"the task {found.name!r} takes none"
        taking = ", ".join(repr(name) for name, kind in TASKS.items() if issubclass(kind, LabelledTask))
        raise ArgumentError(
            f"labels are given, but {there_is}.", f"a task with labels: {taking}.", "give that task, or no labels."
        )
    if isinstance(found, GlueTask):
        raise ArgumentError(
            f"labels are given, but {found.name} has its own.", f"{list(found.about.labels)}.", "leave out labels=."
        )
    found.labels = given
    return found


def _find_task(task: Any) -> Task | None:
    if isinstance(task, type) and issubclass(task, Task):
        task = task()
    if isinstance(task, Task):
        check_made(task)
    if task is None or isinstance(task, Task):
        return deepcopy(task)
    if isinstance(task, str) and task in GLUE:
        return GlueTask(GLUE[task])
    if not isinstance(task, str) or task not in TASKS:
        names = [*TASKS, *GLUE]
        meant = meant_task(str(task))
        raise ArgumentError(
            f"there is no task {task!r}.",
            f"one of {', '.join(names)}, or an object of a class derived from keraslike.Task.",
            did_you_mean(str(task), names) if meant is None else f"write task={meant!r}.",
        )
    return TASKS[task]()


def _class_of(given: Any, name: str, known: type[Task] | None) -> type[Task] | None:
    """Give the class of a saved task: the user's own, or ours that is `known` by its name."""
    if given is None or (isinstance(given, str) and given == name):
        return known
    kind = given if isinstance(given, type) else type(given)
    is_own = issubclass(kind, Task) and kind not in (*TASKS.values(), GlueTask)
    if (issubclass(kind, Task) and kind is known) or (is_own and (known is None or issubclass(kind, known))):
        return kind
    shown = given if isinstance(given, str) else kind.__name__
    raise ArgumentError(
        f"the model was saved with the task {name!r}, and task={shown} is another.",
        "no task=, which only the class of a task of your own needs." if known else "the class of that task.",
        "leave out task=." if known else "write load(directory, task=MyTask).",
    )


def meant_task(name: str) -> str | None:
    """Give our name of the task that we, or other libraries, call so; None where nobody does.

    Example:
        >>> meant_task("sentiment-analysis"), meant_task("bert-base-uncased")
        ('text-classification', None)
    """
    word = name.lower().replace("_", "-").replace(" ", "-")
    word = "translation" if word.startswith("translation-") else word
    return word if word in TASKS or word in GLUE else OTHER_NAMES.get(word)


def task_from_state(name: str, state: dict[str, Any], given: Any = None) -> Task:
    """Make a saved task again; one of the user's own has to be given, since its code is not in the directory.

    Args:
        name: the name under which it was saved.
        state: what its `state` gave.
        given: the class of the user's own task, or None.

    Raises:
        ArgumentError: the task is not one of ours, and its class is not given; or it is another than the saved one.
    """
    known = GlueTask if name in GLUE else TASKS.get(name)
    kind = _class_of(given, name, known)
    if kind is None:
        raise ArgumentError(
            f"the model was saved with a task of your own, {name!r}, whose code is not in the directory.",
            "its class.",
            "write load(directory, task=MyTask).",
        )
    task: Task = kind.from_state(state)
    return task
