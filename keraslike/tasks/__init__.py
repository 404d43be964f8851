"""What a network is for: one file per task, each one class behind a name."""

from keraslike.tasks.audio_classification import AudioClassification
from keraslike.tasks.base import Task
from keraslike.tasks.fill_mask import FillMask
from keraslike.tasks.glue import GlueTask
from keraslike.tasks.image_classification import ImageClassification
from keraslike.tasks.labelled import LabelledTask
from keraslike.tasks.language import LanguageTask
from keraslike.tasks.media import MediaClassification
from keraslike.tasks.multiple_choice import MultipleChoice
from keraslike.tasks.naming import TASKS, as_task, task_from_state
from keraslike.tasks.question_answering import QuestionAnswering
from keraslike.tasks.sentence_ordering import SentenceOrdering
from keraslike.tasks.text2text import Text2Text
from keraslike.tasks.text_classification import TextClassification
from keraslike.tasks.text_generation import TextGeneration
from keraslike.tasks.token_classification import TokenClassification
from keraslike.tasks.transformer import TransformerTask

__all__ = [
    "TASKS",
    "AudioClassification",
    "FillMask",
    "GlueTask",
    "ImageClassification",
    "LabelledTask",
    "LanguageTask",
    "MediaClassification",
    "MultipleChoice",
    "QuestionAnswering",
    "SentenceOrdering",
    "Task",
    "Text2Text",
    "TextClassification",
    "TextGeneration",
    "TokenClassification",
    "TransformerTask",
    "as_task",
    "task_from_state",
]
