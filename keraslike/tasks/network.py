"""The network of a model: wrapped so that it takes one argument, and with the loss that goes with it."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from keraslike.engine.forward import ModelWrapper
from keraslike.errors import ArgumentError
from keraslike.losses import model_loss
from keraslike.metrics.base import Metric
from keraslike.metrics.function import FunctionMetric
from keraslike.metrics.rows import RowMetric
from keraslike.tasks.base import Task
from keraslike.tasks.naming import meant_task


def is_pretrained(network: Any) -> bool:
    """Tell a transformer of transformers, which takes its inputs by keyword, from any other module."""
    return hasattr(network, "save_pretrained") and hasattr(network, "config")


def as_network(network: Any, optimizer: Any = "auto") -> nn.Module:
    """Give the module for a model without a task.

    Args:
        network: the module.
        optimizer: what was given behind it: the model's name, where the two were swapped.

    Raises:
        ArgumentError: it is a name, which needs a task, or the name of a task, or no module.
    """
    if isinstance(network, nn.Module):
        return network
    task = meant_task(network) if isinstance(network, str) else None
    if task is not None:
        model = optimizer if isinstance(optimizer, str) and optimizer != "auto" else "bert-base-uncased"
        raise ArgumentError(
            f"the network is {network!r}, which is the name of a task.",
            "a model's name or directory first, and the task behind task=.",
            f"write Model({model!r}, task={task!r}).",
        )
    if isinstance(network, str):
        raise ArgumentError(
            f"the network is the name {network!r}, but there is no task that says which head it needs.",
            "a task with a name, or a torch.nn.Module without.",
            f'write Model({network!r}, task="text-classification").',
        )
    raise ArgumentError(f"network should be of type derived from nn.Module, received {type(network)}.")


def wrapped(network: nn.Module, task: Task | None) -> nn.Module:
    """Wrap a transformer, and any network of a task, so that it takes the dict of its inputs as one argument."""
    if isinstance(network, ModelWrapper) or not (task is not None or is_pretrained(network)):
        return network
    return ModelWrapper(network)


def rows_metrics(metrics: Sequence[tuple[Any, Any]], task: Task | None) -> list[RowMetric]:
    """Give those of the metrics that are of rows.

    Raises:
        ArgumentError: there is no task that decodes rows, or it packs several rows into one feature; or another metric
            has no meaning for the task's targets.
    """
    if task is not None:
        _refuse_strange(metrics, task)
    found = [metric for _, metric in metrics if isinstance(metric, RowMetric)]
    if found and task is None:
        raise ArgumentError(
            f"the metric {found[0].name!r} compares decoded rows, but there is no task that decodes them.",
            "a model with a task.",
            'write Model(..., task="text-classification"), for example.',
        )
    if found and task is not None and type(task).pack is not Task.pack:
        raise ArgumentError(
            f"the metric {found[0].name!r} compares decoded rows, and {task.name!r} packs several rows into a feature.",
            "metrics of tokens, such as 'perplexity'.",
            "leave it out, and compare what predict(x) gives by hand.",
        )
    return found


def _refuse_strange(metrics: Sequence[tuple[Any, Any]], task: Task) -> None:
    """Refuse metrics that compare classes, or values, where the targets of a task are something else."""
    for name, metric in metrics:
        if task.compares is None or not isinstance(metric, Metric) or isinstance(metric, FunctionMetric):
            continue
        if task.compares.isdisjoint(metric.suits):
            raise ArgumentError(
                f"the metric {name!r} has no meaning for the targets of {task.name!r}.",
                f"{', '.join(map(repr, task.metrics))}, or a function (predictions, references) of your own.",
                f"metrics=[{task.metrics[0]!r}], or leave metrics out.",
            )


def choose_loss(given: Any, task: Task | None, network: nn.Module, *, has_own_loss: bool = False) -> Any:
    """Give the loss that the user names; for "auto" the task's, or that of a transformer's own head.

    A model that computes its loss itself needs none: None is given.

    Raises:
        ArgumentError: nobody says what the loss of this network is.
    """
    if not (isinstance(given, str) and given == "auto"):
        return given
    if task is not None:
        return task.loss
    if has_own_loss:
        return None
    if is_pretrained(network):
        return model_loss
    raise ArgumentError(
        "no loss function is given, and the network does not say which it needs.",
        'a name such as "cross_entropy" or "mse", a loss object, a function, or None for no training.',
        'write Model(network, "sgd", "cross_entropy").',
    )
