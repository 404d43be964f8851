"""Mistakes in what a task is told, in a task of the user's own, and in a network without the head that it needs."""

import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import nn

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError

OF_MODEL = ("device", "labels", "loss_function", "max_length", "metrics", "optimizer", "precision", "tokenizer")
"""What `Model` is told, not the task."""

OF_HEADS = {
    "AutoModelForAudioClassification": ("ForAudioClassification",),
    "AutoModelForImageClassification": ("ForImageClassification",),
    "AutoModelForMaskedLM": ("ForMaskedLM",),
    "AutoModelForMultipleChoice": ("ForMultipleChoice",),
    "AutoModelForQuestionAnswering": ("ForQuestionAnswering",),
    "AutoModelForSeq2SeqLM": ("ForConditionalGeneration",),
    "AutoModelForSequenceClassification": ("ForSequenceClassification",),
    "AutoModelForTokenClassification": ("ForTokenClassification",),
}
"""How the classes that an Auto class gives end, of those heads that are told by their names."""

TASKS_OF_HEADS = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMultipleChoice": "multiple-choice",
    "AutoModelForMaskedLM": "fill-mask (encoders such as BERT)",
    "AutoModelForCausalLM": "text-generation (decoders such as GPT-2)",
    "AutoModelForSeq2SeqLM": "text2text (both, such as T5)",
    "AutoModelForImageClassification": "image-classification",
    "AutoModelForAudioClassification": "audio-classification",
}
"""The tasks by the classes that load their networks."""


def check_options(kind: type, given: Collection[str]) -> None:
    """Refuse options that the constructor of a task does not have.

    Args:
        kind: the class of the task.
        given: the names of the options.

    Raises:
        ArgumentError: there is no such option; with the nearest name, or the place where it is said.
    """
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]  # mypy fears a subclass's other constructor; that one is meant
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [name for name in parameters if name != "self"]
    for name in given:
        if name in known:
            continue
        do = did_you_mean(name, known, f"leave {name} out.")
        if name in OF_MODEL:
            do = f"tell it the model: Model(..., task={kind.__name__}(...), {name}=...)."
        raise ArgumentError(
            f"{kind.__name__}() has no option {name!r}.", f"one of {', '.join(known)}." if known else "no options.", do
        )


def check_made(task: Any) -> None:
    """Refuse a task whose constructor has not called that of its base.

    Raises:
        ArgumentError: it has not.
    """
    if "notes" not in vars(task):
        kind = type(task).__name__
        raise ArgumentError(
            f"the constructor of {kind} has not called that of its base, so that parts of the task are missing.",
            f"super().__init__() in {kind}.__init__.",
            "write super().__init__() as its first line.",
        )


def check_encoded(task: Any, encoded: Any) -> None:
    """Refuse what `encode` gave where it is no list of features.

    Raises:
        ArgumentError: it is one dict, or something else.
    """
    kind = f"{type(task).__name__}.encode"
    if isinstance(encoded, Mapping):
        raise ArgumentError(
            f"{kind} gave a dict for a row.", "a list of features: a row may be several.", "write return [feature]."
        )
    if isinstance(encoded, str) or not isinstance(encoded, Iterable):
        raise ArgumentError(
            f"{kind} gave {encoded!r:.60} for a row, a {type(encoded).__name__}.",
            "a list of features, each a dict such as {'input_ids': [...], 'target': 1}.",
            "write return [feature].",
        )


def check_built(task: Any, network: Any) -> None:
    """Refuse what `build` gave where it is no module.

    Raises:
        ArgumentError: it is None, or something else.
    """
    if not isinstance(network, nn.Module):
        raise ArgumentError(
            f"{type(task).__name__}.build gave {network!r:.60}.",
            "the network, a torch.nn.Module.",
            "write return network.",
        )


def auto_class_of(task: Any) -> Any:
    """Give transformers' Auto class that loads the network of a task.

    Raises:
        ArgumentError: the task of the user's own names none, or one that there is not, or no head.
    """
    import transformers

    kind = type(task).__name__
    name = getattr(task, "auto_class", None)
    if not isinstance(name, str) or getattr(task, "head", None) is None:
        missing = "head" if isinstance(name, str) else "auto_class"
        raise ArgumentError(
            f"the task {kind} does not say which head its network has: it has no {missing}.",
            "auto_class, the name of an Auto class of transformers, and head, how the names of its classes end.",
            f'write in {kind}: auto_class = "AutoModelForTokenClassification" and head = "ForTokenClassification".',
        )
    if not hasattr(transformers, name):
        known = [name for name in dir(transformers) if name.startswith("AutoModel")]
        raise ArgumentError(
            f"the task {kind} names the Auto class {name!r}, which transformers has not.",
            "such as 'AutoModelForTokenClassification'.",
            did_you_mean(name, known),
        )
    return getattr(transformers, name)


def check_kind(task: Any, source: Any, config: Any) -> None:
    """Refuse a model of a kind for which transformers has no head for the task, before anything else of it is read.

    Args:
        task: the task.
        source: the model's name or directory.
        config: its configuration.

    Raises:
        ArgumentError: it is one; with the tasks for which its kind has a head.
    """
    import transformers

    if _has_kind(auto_class_of(task), config):
        return
    listed = ", ".join(name for auto, name in TASKS_OF_HEADS.items() if _has_kind(getattr(transformers, auto), config))
    raise ArgumentError(
        f"{str(source)!r} is a {config.model_type!r} model, which has no head for {task.name!r}.",
        f"a model that {task.auto_class} can load.",
        f"give another model{f', or a task that this one has a head for: {listed}' if listed else ''}.",
    )


def check_head(task: Any, network: Any, endings: str | tuple[str, ...]) -> None:
    """Refuse a module of transformers that is a body without a head, or has the head of another task.

    Args:
        task: the task, with its `auto_class`.
        network: the module; one of a class of the user's own is taken as it is.
        endings: how the names of the classes end whose heads answer.

    Raises:
        ArgumentError: it cannot answer.
    """
    import transformers

    name = type(network).__name__
    if not type(network).__module__.startswith("transformers.") or name.endswith(endings):
        return
    if name in _classes(auto_class_of(task)):
        return
    others = [ending for auto, endings in OF_HEADS.items() if auto != task.auto_class for ending in endings]
    if name in _classes(transformers.AutoModel):
        raise _headless(f"the network is a {name}, which is a body without a head.", task)
    if name.endswith(tuple(others)):
        raise _headless(f"the network is a {name}, which has the head of another task.", task)


def missing_logits(task: Any, outputs: Mapping[str, Any], wanted: str = "logits") -> ArgumentError:
    """Give the error for a network whose outputs hold no logits."""
    return _headless(f"the network gives {', '.join(outputs)}, but no {wanted}: it is a body without a head.", task)


def _headless(what: str, task: Any) -> ArgumentError:
    auto = getattr(task, "auto_class", "AutoModelForSequenceClassification")
    return ArgumentError(
        what,
        f"a network with a head for {task.name!r}.",
        f"give its name or directory instead, or load it with {auto}.from_pretrained(...).",
    )


def _has_kind(auto_class: Any, config: Any) -> bool:
    return type(config) in auto_class._model_mapping  # noqa: SLF001  # nothing public tells before the loading


def _classes(auto_class: Any) -> set[str]:
    """Give the names of the classes that an Auto class loads, without importing them."""
    names: Any = auto_class._model_mapping._model_mapping.values()  # noqa: SLF001  # no public list of the classes
    return {name for found in names for name in ([found] if isinstance(found, str) else found)}
