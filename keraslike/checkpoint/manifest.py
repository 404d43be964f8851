"""What `keraslike.json` holds: all that loading needs and transformers does not keep."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from keraslike.errors import ArgumentError

LISTS = ("metrics", "batch_metrics", "epoch_metrics")


def manifest_of(
    task: Any, reading: dict[str, Any], given: Mapping[str, Any], micro_batch_limit: int | None
) -> dict[str, Any]:
    """Give the manifest of a model with a task, as plain JSON.

    Args:
        task: the task.
        reading: how the user's data were read (the columns that were chosen).
        given: what the constructor was given as optimizer, loss_function, metrics, batch_metrics, epoch_metrics,
            precision and gradient_checkpointing.
        micro_batch_limit: what an out-of-memory has left behind.
    """
    optimizer = given["optimizer"]
    return {
        "versions": {name: version(name) for name in ("keraslike", "torch", "transformers", "poutyne")},
        "task": {"name": task.name, "state": task.state()},
        "reading": reading,
        "optimizer": optimizer if isinstance(optimizer, (str, dict)) or optimizer is None else "auto",
        "loss_function": _name_of(given["loss_function"]),
        "precision": str(given["precision"]),
        "gradient_checkpointing": bool(given["gradient_checkpointing"]),
        "micro_batch_limit": micro_batch_limit,
        **{name: None if given[name] is None else [_name_of(metric) for metric in given[name]] for name in LISTS},
    }


def _name_of(thing: Any) -> Any:
    """Give a name as it is, and the name of anything else as what has to be given again."""
    if thing is None or isinstance(thing, str):
        return thing
    return {"custom": getattr(thing, "__name__", type(thing).__name__)}


def given_again(manifest: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
    """Give the constructor's arguments for a saved model; what was the user's own has to be given again.

    Args:
        manifest: what `manifest_of` gave.
        again: loss_function, metrics, batch_metrics, epoch_metrics and prepare, None where they are not given.

    Raises:
        ArgumentError: a loss, metric or function of the user's own is missing; nothing is imported behind their back.
    """
    if manifest["reading"]["has_prepare"] and again["prepare"] is None:
        raise _missing("prepare", "the function that maps rows")
    arguments: dict[str, Any] = {"optimizer": manifest["optimizer"]}
    arguments |= {name: manifest[name] for name in ("precision", "gradient_checkpointing") if name in manifest}
    for name in ("loss_function", *LISTS):
        saved = manifest[name]
        own = [part["custom"] for part in (saved if isinstance(saved, list) else [saved]) if isinstance(part, dict)]
        if own and again[name] is None:
            raise _missing(name, ", ".join(own))
        arguments[name] = saved if again[name] is None else again[name]
    return arguments


def _missing(argument: str, what: str) -> ArgumentError:
    return ArgumentError(
        f"the model was saved with something of your own as {argument} ({what}), whose code is not in the directory.",
        "the same object again.",
        f"write load(directory, {argument}=...).",
    )
