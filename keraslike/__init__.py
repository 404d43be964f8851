"""Three lines from raw texts to a fine-tuned transformer: fit, evaluate, predict over PyTorch.

Names are imported when they are first used, so `import keraslike` itself costs next to nothing.

Example:
    >>> import keraslike
    >>> "Model" in dir(keraslike)
    True
"""

import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keraslike import errors
    from keraslike.bundle import Experiment, ModelBundle
    from keraslike.callbacks import AnnealOnPlateau
    from keraslike.data.loader import TransformerCollator
    from keraslike.engine.forward import ModelWrapper
    from keraslike.losses.model import model_loss
    from keraslike.metrics.wrapper import MetricWrapper
    from keraslike.model import Model, load
    from keraslike.recipes import EvaluateOptions, FitOptions
    from keraslike.tasks import (
        AudioClassification,
        FillMask,
        ImageClassification,
        LabelledTask,
        MultipleChoice,
        QuestionAnswering,
        SentenceOrdering,
        Task,
        Text2Text,
        TextClassification,
        TextGeneration,
        TokenClassification,
        TransformerTask,
    )
    from keraslike.tracking.history import History
    from keraslike.tracking.progress import Progress

__version__ = "0.1.0"

__all__ = [
    "AnnealOnPlateau",
    "AudioClassification",
    "EvaluateOptions",
    "Experiment",
    "FillMask",
    "FitOptions",
    "History",
    "ImageClassification",
    "LabelledTask",
    "MetricWrapper",
    "Model",
    "ModelBundle",
    "ModelWrapper",
    "MultipleChoice",
    "Progress",
    "QuestionAnswering",
    "SentenceOrdering",
    "Task",
    "Text2Text",
    "TextClassification",
    "TextGeneration",
    "TokenClassification",
    "TransformerCollator",
    "TransformerTask",
    "__version__",
    "errors",
    "load",
    "model_loss",
]

_HOMES = {
    "AnnealOnPlateau": "keraslike.callbacks",
    "AudioClassification": "keraslike.tasks",
    "EvaluateOptions": "keraslike.recipes",
    "Experiment": "keraslike.bundle",
    "FillMask": "keraslike.tasks",
    "FitOptions": "keraslike.recipes",
    "History": "keraslike.tracking.history",
    "ImageClassification": "keraslike.tasks",
    "LabelledTask": "keraslike.tasks",
    "MetricWrapper": "keraslike.metrics.wrapper",
    "Model": "keraslike.model",
    "ModelBundle": "keraslike.bundle",
    "ModelWrapper": "keraslike.engine.forward",
    "MultipleChoice": "keraslike.tasks",
    "Progress": "keraslike.tracking.progress",
    "QuestionAnswering": "keraslike.tasks",
    "SentenceOrdering": "keraslike.tasks",
    "Task": "keraslike.tasks",
    "Text2Text": "keraslike.tasks",
    "TextClassification": "keraslike.tasks",
    "TextGeneration": "keraslike.tasks",
    "TokenClassification": "keraslike.tasks",
    "TransformerCollator": "keraslike.data.loader",
    "TransformerTask": "keraslike.tasks",
    "load": "keraslike.model",
    "model_loss": "keraslike.losses.model",
}

if "IPython" in sys.modules:  # the libraries below us import tqdm.auto, which complains where ipywidgets is missing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tqdm.auto  # noqa: F401  # so that the complaint is made here, once and unheard

if not TYPE_CHECKING:  # a type checker that sees __getattr__ would accept any name

    def __getattr__(name: str) -> object:
        """Import what is asked for, and keep it here so that it is asked for once."""
        if name == "errors":
            return import_module("keraslike.errors")
        if name not in _HOMES:
            raise AttributeError(f"module 'keraslike' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
