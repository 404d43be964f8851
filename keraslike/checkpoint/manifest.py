"""What `keraslike.json` holds: all that loading needs and transformers does not keep."""

from importlib.metadata import version
from typing import Any

from keraslike.errors import ArgumentError


def manifest_of(task: Any, reading: dict[str, Any], loss_function: Any, metrics: Any) -> dict[str, Any]:
    """Give the manifest of a model with a task, as plain JSON.

    Args:
        task: the task.
        reading: how the user's data were read (the columns that were chosen).
        loss_function: what the constructor was given.
        metrics: what the constructor was given.
    """
    return {
        "versions": {name: version(name) for name in ("keraslike", "torch", "transformers", "poutyne")},
        "task": {"name": task.name, "state": task.state()},
        "reading": reading,
        "loss_function": _name_of(loss_function),
        "metrics": None if metrics is None else [_name_of(metric) for metric in metrics],
    }


def _name_of(thing: Any) -> Any:
    """Give a name as it is, and the name of anything else as what has to be given again."""
    if thing is None or isinstance(thing, str):
        return thing
    return {"custom": getattr(thing, "__name__", type(thing).__name__)}


def given_again(manifest: dict[str, Any], loss_function: Any, metrics: Any, prepare: Any) -> dict[str, Any]:
    """Give the constructor's loss and metrics for a saved model; what was the user's own has to be given again.

    Raises:
        ArgumentError: a loss, metric or function of the user's own is missing; nothing is imported behind their back.
    """
    saved_loss, saved_metrics = manifest["loss_function"], manifest["metrics"]
    if isinstance(saved_loss, dict) and loss_function is None:
        raise _missing("loss_function", saved_loss["custom"])
    if metrics is None and any(isinstance(metric, dict) for metric in saved_metrics or []):
        raise _missing("metrics", ", ".join(m["custom"] for m in saved_metrics if isinstance(m, dict)))
    if manifest["reading"]["has_prepare"] and prepare is None:
        raise _missing("prepare", "the function that maps rows")
    return {
        "loss_function": saved_loss if loss_function is None else loss_function,
        "metrics": saved_metrics if metrics is None else metrics,
    }


def _missing(argument: str, what: str) -> ArgumentError:
    return ArgumentError(
        f"the model was saved with something of your own as {argument} ({what}), whose code is not in the directory.",
        "the same object again.",
        f"write load(directory, {argument}=...).",
    )
