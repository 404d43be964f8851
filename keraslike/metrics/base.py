"""`Metric`: a value that is exact over an epoch, whatever its batches; `REGISTRY` knows every one by name."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import poutyne
import torch
from torch import Tensor

from keraslike.errors import ArgumentError
from keraslike.metrics.reading import REGRESSION, Reading, read

Part = TypeVar("Part")

REGISTRY: dict[str, type["Metric[Any]"]] = {}
"""Every metric by its names."""


class Metric(poutyne.Metric, Generic[Part]):
    """A metric that turns a batch into a part, joins the parts, and computes once.

    It works in Poutyne as an epoch metric and as a batch metric: a batch shows its own value, the epoch the exact one
    of all its batches. A value over nothing is NaN.

    A new metric says its `name`, and how it makes, joins and values its parts; `@registered` makes it known by name.

    Args:
        problem_type: what the logits mean, in Hugging Face's words (`single_label_classification`,
            `multi_label_classification`, `regression`); None: told from the shapes and dtypes of each batch.

    Raises:
        ArgumentError: if the metric compares classes and the problem is regression.
    """

    name: str
    """The name in logs and, under `@registered`, for `metrics=[...]`."""
    aliases: tuple[str, ...] = ()
    """Other names for the same metric."""
    is_of_classes = False
    """Whether it compares classes, so that it has no meaning for values."""

    def __init__(self, problem_type: str | None = None) -> None:
        super().__init__()
        self._refuse_values(problem_type)
        self.problem_type = problem_type
        self.__name__ = self.name
        self.reset()

    @abstractmethod
    def part(self, reading: Reading) -> Part:
        """Give what is kept of a batch, without waiting for its device."""

    @abstractmethod
    def value(self, parts: list[Part]) -> float:
        """Give the metric of the parts put together; there is at least one."""

    def forward(self, y_pred: Any, y_true: Any) -> float:
        """Add a batch, and give the batch's own value; as in `update`."""
        return self.value([self._add(y_pred, y_true)])

    def update(self, y_pred: Any, y_true: Any) -> None:
        """Add a batch of logits (values in regression) and targets, tensors or arrays.

        Raises:
            DataError: if their shapes do not fit.
            ArgumentError: if the metric compares classes and the targets are values.
        """
        self._add(y_pred, y_true)

    def compute(self) -> float:
        """Give the value over every batch since `reset`."""
        return self.value(self._parts) if self._parts else float("nan")

    def reset(self) -> None:
        """Forget every batch."""
        self._parts: list[Part] = []

    def join(self, parts: list[Part]) -> list[Part]:
        """Give the parts in less room, where that can be done; as they are by default."""
        return parts

    def _add(self, y_pred: Any, y_true: Any) -> Part:
        reading = read(_tensor(y_pred), _tensor(y_true), self.problem_type)
        self._refuse_values(reading.problem_type)
        part = self.part(reading)
        self._parts.append(part)
        self._parts = self.join(self._parts)
        return part

    def _refuse_values(self, problem_type: str | None) -> None:
        if self.is_of_classes and problem_type == REGRESSION:
            raise ArgumentError(
                f"The metric {self.name!r} compares classes, but the targets are values (floats).",
                "a metric of values, such as 'r2', 'pearson' or 'mae'; or integer targets.",
                f"if the targets are labels after all: {type(self).__name__}('multi_label_classification').",
            )


MetricClass = TypeVar("MetricClass", bound=type[Metric[Any]])


def registered(metric: MetricClass) -> MetricClass:
    """Make a metric known by its name and its aliases."""
    REGISTRY.update(dict.fromkeys((metric.name, *metric.aliases), metric))
    return metric


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(value).detach()
