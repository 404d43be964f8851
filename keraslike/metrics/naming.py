"""`get_metrics`: what the user lists in `metrics=[...]`, as Poutyne takes it."""

from collections.abc import Callable, Iterable
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.losses.naming import LOSSES, as_loss, is_poutynes_name
from keraslike.metrics.base import REGISTRY, Metric
from keraslike.metrics.function import FunctionMetric
from keraslike.metrics.library import LibraryMetric, is_library_function, library_function, library_names
from keraslike.metrics.rows import ROW_METRICS, RowMetric, is_of_rows
from keraslike.metrics.shown import name_in_logs

Named = tuple[str | list[str], Any]


def get_metrics(
    metrics: Iterable[Any] | str | Callable[..., Any] | None, problem_type: str | None = None
) -> list[Named]:
    """Give (name, metric) for each of the user's metrics, for Poutyne's `epoch_metrics`.

    Args:
        metrics: names of `REGISTRY`, of scikit-learn's or scipy's functions, or of keraslike's losses; such functions
            themselves (or a `partial`); classes or objects of keraslike's, Poutyne's or torchmetrics' metrics; other
            functions, called once with what they name of the epoch, as `FunctionMetric` tells; or `(name, metric)`.
            One alone needs no list.
        problem_type: what the logits mean, as in `Metric`; usually the loss's.

    Raises:
        ArgumentError: if a name is unknown, or a metric does not suit the problem.

    Example:
        >>> get_metrics(["accuracy", ("kappa", "cohen_kappa_score")], "single_label_classification")
        [('accuracy', Accuracy()), ('kappa', LibraryMetric())]
    """
    listed = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics or []
    return [_named(metric, problem_type) for metric in listed]


def _named(metric: Any, problem_type: str | None) -> Named:
    if isinstance(metric, tuple):
        name, metric = metric
        return name, _named(metric, problem_type)[1]
    if isinstance(metric, str):
        return metric, _by_name(metric, problem_type)
    if is_library_function(metric):
        metric = LibraryMetric(metric, problem_type)
        return metric.name, metric
    return _object(metric, problem_type)


def _by_name(name: str, problem_type: str | None) -> Any:
    if name in REGISTRY:
        return REGISTRY[name](problem_type)
    if name in ROW_METRICS:
        return RowMetric(name, ROW_METRICS[name])
    if (function := library_function(name)) is not None:
        return LibraryMetric(function, problem_type)
    if name in LOSSES:
        return as_loss(name)
    if is_poutynes_name(name):
        raise ArgumentError(
            f"{name!r} is one of Poutyne's metrics, some of which are in percent.",
            f"one of {', '.join(REGISTRY)}, or a name of scikit-learn's.",
            f"batch_metrics=[{name!r}] or epoch_metrics=[{name!r}], which take Poutyne's.",
        )
    raise ArgumentError(
        f"There is no metric named {name!r}.",
        f"one of {', '.join([*REGISTRY, *ROW_METRICS])}, a function of sklearn.metrics by name, or a metric itself.",
        did_you_mean(name, [*library_names(), *LOSSES, *REGISTRY, *ROW_METRICS], "metrics=['accuracy'], for example."),
    )


def _object(metric: Any, problem_type: str | None) -> Named:
    if isinstance(metric, RowMetric):
        return metric.name, metric
    if is_of_rows(metric):
        return name_in_logs(metric), RowMetric(str(name_in_logs(metric)), metric)
    if isinstance(metric, type):
        metric = _instance(metric)
    if not callable(metric):
        raise ArgumentError(
            f"A metric was given as {metric!r}, a {type(metric).__name__}.",
            "a name, a function such as (y_pred, y_true), a metric object, or (name, metric).",
            "metrics=['accuracy'], for example.",
        )
    if isinstance(metric, Metric) and metric.problem_type is None:
        metric.problem_type = problem_type
    names = name_in_logs(metric)
    return names, metric if hasattr(metric, "update") else FunctionMetric(metric, problem_type)


def _instance(metric: type) -> Any:
    try:
        return metric()
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"The metric {metric.__name__} cannot be made without arguments: {error}",
            "a metric object where its class needs arguments.",
            f"metrics=[{metric.__name__}(...)] with them.",
        ) from None
