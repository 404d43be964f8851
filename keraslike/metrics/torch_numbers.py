"""`TorchNumbers`: an object of torchmetrics with a name for each of its numbers, told before the first batch."""

import copy
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
import torchmetrics
from torch import Tensor, nn

from keraslike.errors import ArgumentError
from keraslike.metrics.shown import name_in_logs

ROWS = 4
"""How many made-up rows a copy of a metric is asked about."""

_ASKED = tuple(f"torchmetrics.{room}." for room in ("classification", "regression", "wrappers", "aggregation"))
_SIZES = ("num_classes", "num_labels", "num_outputs")

UNKNOWN: Any = object()
"""The answer of a metric that takes no made-up rows, or that is the user's own: it is held to one number."""


class TorchNumbers(nn.Module):
    """An object of torchmetrics, fed with outputs and targets as they are, and held to the numbers that it has told.

    Args:
        metric: the object.
        names: its name, or that of each of its numbers, in their order.

    Attributes:
        __name__: these names.

    Example:
        >>> metric = TorchNumbers(torchmetrics.MeanSquaredError(num_outputs=2), ["width", "height"])
        >>> metric(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]]))
        [tensor(0.), tensor(4.)]
    """

    def __init__(self, metric: Any, names: str | list[str]) -> None:
        super().__init__()
        self.metric = metric
        self.__name__: str | list[str] = names

    def forward(self, y_pred: Any, y_true: Any) -> Any:
        """Add a batch, and give the batch's own value, or values in the order of the names."""
        return self._numbers(self.metric(y_pred, y_true))

    def update(self, y_pred: Any, y_true: Any) -> None:
        """Add a batch."""
        self.metric.update(y_pred, y_true)

    def compute(self) -> Any:
        """Give the value over every batch since `reset`, or the values in the order of the names.

        Raises:
            ArgumentError: there are not as many as names.
        """
        return self._numbers(self.metric.compute())

    def reset(self) -> None:
        """Forget every batch."""
        self.metric.reset()

    def _numbers(self, found: Any) -> Any:
        parts = _parts(found, self.metric)
        names = self.__name__
        _check_names(parts, [names] if isinstance(names, str) else names, self.metric)
        return next(iter(parts.values())) if isinstance(names, str) else list(parts.values())


def names_of(metric: Any, name: Any = None) -> str | list[str]:
    """Give the name of a metric, or of each of its numbers where a copy of it gives several for made-up rows.

    Several are named by their place behind the metric's name, `multiclass_f1_score_0`, or by their own names where
    they come in a dict.

    Args:
        metric: an object of torchmetrics. It stays as it is.
        name: what the user calls it, or each of its numbers.

    Raises:
        ArgumentError: it gives something else than numbers, such as a matrix or a curve; or more or fewer than names.

    Example:
        >>> from torchmetrics.classification import MulticlassRecall
        >>> names_of(MulticlassRecall(3)), names_of(MulticlassRecall(2, average=None), "recall")
        ('multiclass_recall', ['recall_0', 'recall_1'])
    """
    found = _asked(metric)
    parts = {} if found is UNKNOWN else _parts(found, metric)
    if isinstance(name, list | tuple):
        _check_names(parts or name, name, metric)
        return list(name)
    own = str(name_in_logs(metric) if name is None else name)
    if not isinstance(found, Mapping) and len(parts) < 2:
        return own
    is_named = isinstance(found, Mapping) and name is None
    return [part if is_named else f"{own}_{part}" for part in parts]


def gives_one_number(metric: Any) -> bool:
    """Tell whether a metric is known to give one number.

    Example:
        >>> gives_one_number(torchmetrics.MeanSquaredError()), gives_one_number(torchmetrics.text.BLEUScore())
        (True, False)
    """
    found = _asked(metric)
    return found is not UNKNOWN and not isinstance(found, Mapping) and len(_parts(found, metric)) == 1


def members_of(metric: Any) -> list[Any]:
    """Give the members of a collection of torchmetrics, each with its key; anything else as it is, alone.

    Example:
        >>> members_of(torchmetrics.MetricCollection({"mse": torchmetrics.MeanSquaredError()}))
        [('mse', MeanSquaredError())]
    """
    name, inner = metric if isinstance(metric, tuple) and len(metric) == 2 else (None, metric)
    if not isinstance(inner, torchmetrics.MetricCollection):
        return [metric]
    if not isinstance(name, str | None):
        raise ArgumentError(
            f"a MetricCollection is given the names {name!r}.",
            "a collection, whose members have names of their own; or (name, collection), for a name before theirs.",
            "MetricCollection({'mine': ...}) names them.",
        )
    return [(key if name is None else f"{name}_{key}", member) for key, member in inner.items()]


def _parts(found: Any, metric: Any) -> dict[str, Any]:
    """Give each number by what tells it from the others: its key, its place, or "0" where it is alone."""
    if isinstance(found, Mapping):
        parts = {str(key): value for key, value in found.items()}
    else:
        values = list(found) if isinstance(found, Tensor) and found.dim() == 1 else [found]
        parts = {str(place): value for place, value in enumerate(values)}
    for value in parts.values():
        if not isinstance(value, int | float) and getattr(value, "ndim", None) != 0:
            _refuse(value, metric)
    return parts


def _check_names(parts: Collection[str], names: Collection[str], metric: Any) -> None:
    if len(parts) == len(names):
        return
    kind = type(metric).__name__
    raise ArgumentError(
        f"the metric {kind} gives {len(parts)} numbers.",
        f"as many as it has names here: {', '.join(map(repr, names))}.",
        f"metrics=[([{next(iter(parts), '')!r}, ...], {kind}(...))] with a name for each; or leave it out.",
    )


def _refuse(value: Any, metric: Any) -> None:
    name, shape = type(metric).__name__, f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
    raise ArgumentError(
        f"the metric {name} gives a {type(value).__name__}{shape}.",
        "one number, a row of numbers, or a dict of them.",
        "leave it out of metrics, and call it on what predict(x) gives, with a task predict_logits(x).",
    )


def _asked(metric: Any) -> Any:
    """Give what a copy of one of torchmetrics' own says of made-up rows, in the first form that it takes."""
    if not type(metric).__module__.startswith(_ASKED) or getattr(metric, "multioutput", "") == "raw_values":
        return UNKNOWN  # the latter gives a number for each column, which the data alone can tell
    sizes = (getattr(part, name, None) for part in metric.modules() for name in _SIZES)
    for y_pred, y_true in _made_up(next((size for size in sizes if isinstance(size, int)), 1)):
        asked = copy.deepcopy(metric).cpu()
        asked.reset()
        with warnings.catch_warnings(), suppress(Exception):  # of any kind: it says no more than "not this form"
            warnings.simplefilter("ignore")
            asked.update(y_pred, y_true)
            return asked.compute()
    return UNKNOWN


def _made_up(size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give few rows of probabilities with several labels, values, and a class for each."""
    y_pred = torch.linspace(0.1, 0.9, ROWS * size).reshape(ROWS, size).squeeze(1)
    labels = (torch.arange(ROWS * size) % 2).reshape(y_pred.shape)
    yield from ((y_pred, labels), (y_pred, labels.float()))
    yield y_pred, torch.arange(ROWS) % size
