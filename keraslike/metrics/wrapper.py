"""Lets any metric of (y_pred, y_true) read dicts of outputs and targets."""

from collections.abc import Callable, Mapping
from typing import Any

from poutyne import (
    convert_decomposable_metric_to_object,
    get_metric,
    metric_classes_dict,
    metric_funcs_dict,
)
from torch import Tensor, nn

from keraslike.calling import called_by_name, did_you_mean
from keraslike.errors import ArgumentError, DataError
from keraslike.metrics.shown import name_in_logs


class MetricWrapper(nn.Module):
    """A metric that picks its predictions, and if wanted its targets, out of dicts; for Poutyne's and our `Model`.

    It works among `batch_metrics` and `epoch_metrics`. A metric with a state (of torchmetrics, or a `poutyne.Metric`)
    keeps it: its value is that of the whole epoch. The values of a function are averaged over the examples.

    Args:
        metric: a function or object called as `metric(y_pred, y_true)`, or by the names that it asks for, `logits`,
            `labels` and the network's inputs among them; a metric of torchmetrics or Poutyne, the name of one of
            Poutyne's, or `(name, metric)`.
        pred_key: the output that becomes `y_pred`. Outputs that are no dict are passed as they are.
        y_key: the target that becomes `y_true`; None passes all the targets as they are.

    Attributes:
        __name__: the metric's name in logs: the function's (also behind a `partial`), or the class's in snake case.
        takes_inputs: whether the function names inputs, which our `Model` then gives; in Poutyne they are found among
            targets in a dict.

    Raises:
        ArgumentError: `metric` is an unknown name or cannot be called.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> error = MetricWrapper(partial(torch.nn.functional.l1_loss, reduction="mean"), y_key="labels")
        >>> error.__name__
        'l1_loss'
        >>> error({"logits": torch.tensor([1.0, 2.0])}, {"labels": torch.tensor([1.0, 4.0])})
        tensor(1.)
    """

    __name__: str | list[str]

    def __init__(self, metric: Any, pred_key: str = "logits", y_key: str | None = None) -> None:
        super().__init__()
        names, metric = _named(metric)
        self.__name__ = names
        self._inputs: Any = None
        self._call = None if isinstance(metric, nn.Module) else called_by_name(metric, has_inputs=True)
        self.takes_inputs = self._call is not None and self._call.takes_inputs
        metric = metric if self._call is None else self._by_name
        self.metric: Any = convert_decomposable_metric_to_object(metric, names)
        self.pred_key = pred_key
        self.y_key = y_key

    def forward(self, outputs: Any, targets: Any, inputs: Any = None) -> Any:
        """Give the metric's value for one batch, and add the batch to the state.

        Args:
            outputs: what the network gave.
            targets: the targets.
            inputs: what went into the network; only read where `takes_inputs`.

        Raises:
            DataError: the outputs lack `pred_key`, or the targets `y_key`.
        """
        return self._read_into(self.metric, outputs, targets, inputs)

    def update(self, outputs: Any, targets: Any, inputs: Any = None) -> None:
        """Add one batch to the state; as in `forward`."""
        self._read_into(getattr(self.metric, "update", self.metric), outputs, targets, inputs)

    def compute(self) -> Any:
        """Give the value over all batches since the last `reset`."""
        return self.metric.compute()

    def reset(self) -> None:
        """Forget all batches."""
        self.metric.reset()

    def _read_into(self, add: Callable[[Any, Any], Any], outputs: Any, targets: Any, inputs: Any) -> Any:
        y_pred = _item(outputs, self.pred_key, "outputs", "pred_key") if isinstance(outputs, Mapping) else outputs
        y_true = targets if self.y_key is None else _item(targets, self.y_key, "targets", "y_key")
        self._inputs = inputs
        try:
            return add(y_pred, y_true)
        finally:
            self._inputs = None  # a batch is not held longer than it is read

    def _by_name(self, y_pred: Any, y_true: Any) -> Any:
        assert self._call is not None
        return self._call(y_pred, y_true, self._inputs)


def _named(metric: Any) -> tuple[str | list[str], Any]:
    """Give a metric's name, or its names where it gives several values, and the metric itself."""
    try:
        metric = get_metric(metric)
    except ValueError:
        known = [*metric_funcs_dict, *metric_classes_dict]
        raise ArgumentError(
            f"MetricWrapper does not know a metric named {metric!r}.",
            "a name of one of Poutyne's metrics, such as 'accuracy', or the metric itself.",
            did_you_mean(str(metric), known, "pass the function, such as MetricWrapper(my_metric)."),
        ) from None
    names, metric = metric if isinstance(metric, tuple) else (name_in_logs(metric), metric)
    if not callable(metric):
        raise ArgumentError(
            f"MetricWrapper was given {metric!r}, a {type(metric).__name__}.",
            "a function metric(y_pred, y_true), a metric of torchmetrics or Poutyne, or a name such as 'accuracy'.",
            "pass the function itself, not what it returns.",
        )
    return names, metric


def _item(data: Any, key: str, role: str, argument: str) -> Any:
    if isinstance(data, Mapping) and key in data:
        return data[key]
    if isinstance(data, Mapping):
        names = [str(name) for name in data]
        raise DataError(
            f"the {role} have no {key!r}.",
            f"one of: {', '.join(names)}.",
            did_you_mean(key, names, f"set {argument}= to one of them."),
        )
    shape = f" of shape {tuple(data.shape)}" if isinstance(data, Tensor) else ""
    raise DataError(
        f"the {role} are a {type(data).__name__}{shape}, but {argument}={key!r} asks for a dict of them.",
        f"a dict with the key {key!r}.",
        f"leave {argument}= out, or batch by TransformerCollator(y_keys=[{key!r}]).",
    )
