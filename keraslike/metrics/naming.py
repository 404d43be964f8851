"""`get_metrics`: what the user lists in `metrics=[...]`, as Poutyne takes it."""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torchmetrics

from keraslike.calling import nearest
from keraslike.errors import ArgumentError
from keraslike.losses.naming import LOSSES, as_loss, is_poutynes_name
from keraslike.metrics.arrays import WithEvalPrediction, wants_arrays, wants_eval_prediction, with_arrays
from keraslike.metrics.base import REGISTRY, Metric
from keraslike.metrics.function import FunctionMetric
from keraslike.metrics.library import LibraryMetric
from keraslike.metrics.reserved import check_names
from keraslike.metrics.rows import ROW_METRICS, RowMetric, is_of_rows
from keraslike.metrics.scikit import (
    is_library_function,
    library_function,
    library_names,
    library_scorer,
    scorer_names,
)
from keraslike.metrics.shown import name_in_logs
from keraslike.metrics.torch_metric import KNOWN, LISTED, TorchMetric
from keraslike.metrics.torch_numbers import members_of
from keraslike.metrics.torch_object import as_torch_object

Named = tuple[str | list[str], Any]

OTHER_NAMES = {
    "auc": "roc_auc",
    "categorical_accuracy": "accuracy",
    "cosine_similarity": "CosineSimilarity",
    "hamming": "hamming_loss",
    "kappa": "cohen_kappa_score",
    "mape": "mean_absolute_percentage_error",
    "matthews_correlation": "matthews_corrcoef",
    "mcc": "matthews_corrcoef",
    "meanabsoluteerror": "mae",
    "meansquarederror": "mse",
    "msle": "mean_squared_log_error",
    "pr_auc": "average_precision",
    "rmse": "root_mean_squared_error",
    "rootmeansquarederror": "root_mean_squared_error",
    "seqeval": "entity_f1",
    "sparse_categorical_accuracy": "accuracy",
    "sparse_top_k_categorical_accuracy": "top_5_accuracy",
    "subset_accuracy": "accuracy",
    "top_k_categorical_accuracy": "top_5_accuracy",
}
"""What Keras, Hugging Face and papers call a metric, by our name for it."""

MOST_SHOWN = 10
"""Names that a message lists."""


def get_metrics(
    metrics: Iterable[Any] | str | Callable[..., Any] | None, problem_type: str | None = None
) -> list[Named]:
    """Give (name, metric) for each of the user's metrics, for Poutyne's `epoch_metrics`.

    Args:
        metrics: names, looked for in this order: `REGISTRY`, `ROW_METRICS`, scikit-learn's scorers, its and scipy's
            functions, keraslike's losses, the listed classes of torchmetrics; in any case where no name is spelled so.
            Or such functions and scorers themselves (or a `partial`); classes or objects of keraslike's, Poutyne's or
            torchmetrics' metrics, collections too, whose members stand one by one; Hugging Face's `compute_metrics`;
            other functions, called once with what they name of the epoch, as `FunctionMetric` tells; or `(name,
            metric)`. One alone needs no list.
        problem_type: what the logits mean, as in `Metric`; usually the loss's.

    Raises:
        ArgumentError: if a name is unknown or that of something else in the history, or a metric does not suit the
            problem.

    Example:
        >>> get_metrics(["accuracy", ("kappa", "cohen_kappa_score")], "single_label_classification")
        [('accuracy', Accuracy()), ('kappa', LibraryMetric())]
    """
    if metrics is None:
        return []
    if isinstance(metrics, str) or callable(metrics) or not isinstance(metrics, Iterable):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        _refuse_dict(metrics)
    found = [_named(one, problem_type) for metric in metrics for one in members_of(metric)]
    check_names(name for name, _ in found)
    return found


def metric_names() -> list[str]:
    """Give every name that stands for a metric, ours first."""
    own = [*REGISTRY, *ROW_METRICS, *scorer_names(), *library_names(), *LOSSES, *LISTED]
    return list(dict.fromkeys(own))


def _named(metric: Any, problem_type: str | None) -> Named:
    if isinstance(metric, tuple) and len(metric) == 2:
        name, metric = metric
        if isinstance(metric, torchmetrics.Metric):
            return as_torch_object(metric, problem_type, name)
        metric = _named(metric, problem_type)[1]
        return name, _renamed(metric, name) if isinstance(metric, RowMetric) else metric
    if isinstance(metric, str):
        return metric, _by_name(metric, problem_type)
    if is_library_function(metric):
        metric = LibraryMetric(metric, problem_type)
        return metric.name, metric
    return _object(metric, problem_type)


def _renamed(metric: RowMetric, name: Any) -> RowMetric:
    """Give a metric of rows, which names its values itself, under a name of the user's."""
    metric = copy.copy(metric)
    metric.name = str(name)
    return metric


def _refuse_dict(metrics: Mapping[Any, Any]) -> None:
    """Answer Keras' dict of metrics by output with the line that was meant."""

    def written(one: Any) -> str:
        return repr(one) if isinstance(one, str) else str(name_in_logs(one))

    pairs = [
        ", ".join(map(written, one)) if isinstance(one, (list, tuple)) else f"({str(name)!r}, {written(one)})"
        for name, one in metrics.items()
    ]
    raise ArgumentError(
        f"metrics is a dict, with {', '.join(map(repr, metrics)) or 'nothing in it'}.",
        "a list of metrics; one under a name of your own is a tuple (name, metric).",
        f"write metrics=[{', '.join(pairs)}].",
    )


def _by_name(name: str, problem_type: str | None) -> Any:
    found = _exactly(name, problem_type)
    if found is not None:
        return found
    known = {**{choice.lower(): choice for choice in reversed(metric_names())}, **OTHER_NAMES}
    if (other := known.get(name.lower())) is not None:
        return _exactly(other, problem_type)
    if is_poutynes_name(name):
        raise ArgumentError(
            f"{name!r} is one of Poutyne's metrics, some of which are in percent.",
            f"one of {', '.join(REGISTRY)}, or a name of scikit-learn's.",
            f"batch_metrics=[{name!r}] or epoch_metrics=[{name!r}], which take Poutyne's.",
        )
    near = nearest(name, [*reversed(metric_names()), *OTHER_NAMES])
    shown = list(dict.fromkeys([*([] if near is None else [near]), *REGISTRY]))[:MOST_SHOWN]
    raise ArgumentError(
        f"There is no metric named {name!r}.",
        f"one of {', '.join(shown)}, ... (keraslike.metrics.metric_names() gives all), or a metric itself.",
        "metrics=['accuracy'], for example." if near is None else f"did you mean {near!r}?",
    )


def _exactly(name: str, problem_type: str | None) -> Any:
    """Give the metric that is spelled so, ours first; None if there is none."""
    if name in REGISTRY:
        return REGISTRY[name](problem_type)
    if name in ROW_METRICS:
        return RowMetric(name, ROW_METRICS[name])
    function = library_scorer(name) or library_function(name)
    if function is not None:
        return LibraryMetric(function, problem_type, name)
    if name in LOSSES:
        return as_loss(name)
    return TorchMetric(name, problem_type) if name in LISTED else None


def _object(metric: Any, problem_type: str | None) -> Named:
    if isinstance(metric, RowMetric):
        return metric.name, metric
    if is_of_rows(metric):
        name = str(name_in_logs(metric))
        return name, RowMetric(name, with_arrays(metric) if wants_arrays(metric) else metric)
    if isinstance(metric, type):
        metric = _instance(metric)
    if not callable(metric):
        raise ArgumentError(
            f"A metric was given as {metric!r}, a {type(metric).__name__}.",
            "a name, a function such as (y_pred, y_true), a metric object, or (name, metric).",
            "metrics=['accuracy'], for example.",
        )
    if isinstance(metric, Metric) and metric.problem_type is None:
        metric.refuse(problem_type)
        metric.problem_type = problem_type
    if isinstance(metric, torchmetrics.Metric):
        return as_torch_object(metric, problem_type)
    if hasattr(metric, "update"):
        return name_in_logs(metric), metric
    function = WithEvalPrediction(metric) if wants_eval_prediction(metric) else metric
    return name_in_logs(function), FunctionMetric(function, problem_type)


def _instance(metric: type) -> Any:
    try:
        return metric()
    except (TypeError, ValueError) as error:
        if metric.__module__.startswith("torchmetrics.") and metric.__name__ in KNOWN:
            return TorchMetric(metric.__name__)
        raise ArgumentError(
            f"The metric {metric.__name__} cannot be made without arguments: {error}",
            "a metric object where its class needs arguments.",
            f"metrics=[{metric.__name__}(...)] with them.",
        ) from None
