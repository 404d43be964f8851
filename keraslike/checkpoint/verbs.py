"""`model.save(directory)`: one directory that transformers, keraslike and `cat` read."""

import os
from importlib.metadata import version
from typing import Any, Protocol

from keraslike.checkpoint.directory import write_directory
from keraslike.errors import ArgumentError


class _Saved(Protocol):
    """What is asked of the model that is saved."""

    network: Any
    task: Any
    _feed: Any
    _given: dict[str, Any]


class SavingVerbs:
    """Saves a model with a task."""

    def save(self: _Saved, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write weights (safetensors), configuration with the user's labels, tokenizer, and `keraslike.json`.

        The directory is read by `keraslike.load(directory)`, by transformers' `from_pretrained` and `pipeline`, and by
        people. It is written beside its place and moved there when it is complete.

        Args:
            directory: where; it must not exist, or be empty.
            overwrite: replace a directory that keraslike wrote before.

        Raises:
            ArgumentError: something stands there already, or the model has no task.
            NotFittedError: the network is not built yet.
        """
        network, task = self.network, self.task
        if task is None or not hasattr(network, "save_pretrained"):
            raise ArgumentError(
                "only a transformer with a task is saved as a directory.",
                "a model made with task=.",
                "write model.save_weights(file) for the weights of any network.",
            )
        task.describe(network)

        def write(draft: str) -> None:
            network.save_pretrained(draft)
            task.save(draft)

        write_directory(directory, _manifest(self), write, overwrite=overwrite)


def _manifest(model: _Saved) -> dict[str, Any]:
    """Give what `keraslike.json` holds: everything that load needs and transformers does not keep."""
    feed, given = model._feed, model._given
    return {
        "versions": {name: version(name) for name in ("keraslike", "torch", "transformers", "poutyne")},
        "task": {"name": model.task.name, "state": model.task.state()},
        "max_length": model.task.max_length,
        "columns": feed.columns,
        "has_pairs": feed.has_pairs,
        "has_prepare": feed.prepare is not None,
        "loss_function": _name_of(given["loss_function"]),
        "metrics": None if given["metrics"] is None else [_name_of(metric) for metric in given["metrics"]],
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
    if manifest["has_prepare"] and prepare is None:
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
