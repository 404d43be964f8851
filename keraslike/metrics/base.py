"""`Metric`: a value that is exact over an epoch, whatever its batches; `REGISTRY` knows every one by name."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import poutyne
import torch
from torch import Tensor

from keraslike.errors import DataError
from keraslike.metrics.kinds import EVERY_KIND, OF_CLASSES, OF_VALUES, kind_of, possible_kinds, refuse_kinds
from keraslike.metrics.reading import IGNORED, REGRESSION, Reading, read

Part = TypeVar("Part")

REGISTRY: dict[str, type["Metric[Any]"]] = {}
"""Every metric by its names."""
WAITING = 64
"""How many small parts wait until they are joined."""


class Metric(poutyne.Metric, Generic[Part]):
    """A metric that turns a batch into a part, joins the parts, and computes once.

    It works in Poutyne as an epoch metric and as a batch metric: a batch shows its own value, the epoch the exact one
    of all its batches. A value over nothing is NaN. Of outputs in a dict the `logits` are read, of targets in a dict
    the `labels`.

    A new metric says its `name`, and how it makes, joins and values its parts; `@registered` makes it known by name.

    Args:
        problem_type: what the logits mean, in Hugging Face's words (`single_label_classification`,
            `multi_label_classification`, `regression`); None: told from the shapes and dtypes of each batch.

    Raises:
        ArgumentError: if the metric has no meaning for such a problem.
    """

    name: str
    """The name in logs and, under `@registered`, for `metrics=[...]`."""
    aliases: tuple[str, ...] = ()
    """Other names for the same metric."""
    is_of_classes = False
    """Whether it compares classes, so that it has no meaning for values."""
    is_of_values = False
    """Whether it compares values, so that it has no meaning for classes."""
    takes_inputs = False
    """Whether `update` wants the network's inputs too, as `inputs=`."""

    def __init__(self, problem_type: str | None = None) -> None:
        super().__init__()
        self.refuse(problem_type)
        self.problem_type = problem_type
        self.__name__ = self.name
        self.reset()

    @abstractmethod
    def part(self, reading: Reading) -> Part:
        """Give what is kept of a batch, without waiting for its device."""

    @abstractmethod
    def value(self, parts: list[Part]) -> float:
        """Give the metric of the parts put together; there is at least one."""

    def forward(self, y_pred: Any, y_true: Any, inputs: Any = None) -> float:
        """Add a batch, and give the batch's own value; as in `update`."""
        return self.value([self._add(y_pred, y_true, inputs)])

    def update(self, y_pred: Any, y_true: Any, inputs: Any = None) -> None:
        """Add a batch.

        Args:
            y_pred: logits (values in regression), a tensor or array, or a dict with the key `logits`.
            y_true: targets, a tensor or array, or a dict with the key `labels`.
            inputs: what went into the network; only read where `takes_inputs`.

        Raises:
            DataError: if their shapes do not fit, or a dict lacks its key.
            ArgumentError: if the metric has no meaning for such targets.
        """
        self._add(y_pred, y_true, inputs)

    def compute(self) -> float:
        """Give the value over every batch since `reset`."""
        return self.value(self._parts) if self._parts else float("nan")

    def scalars(self) -> dict[str, float]:
        """Give further values by name, those of the last `compute`; none by default. `reset` leaves them."""
        return {}

    def reset(self) -> None:
        """Forget every batch."""
        self._parts: list[Part] = []

    def join(self, parts: list[Part]) -> list[Part]:
        """Give the parts in less room, where that can be done; as they are by default."""
        return parts

    @property
    def suits(self) -> frozenset[str]:
        """The kinds of targets that it has a meaning for, as `kinds` names them."""
        return OF_CLASSES if self.is_of_classes else OF_VALUES if self.is_of_values else EVERY_KIND

    def refuse(self, problem_type: str | None) -> None:
        """Answer a problem that the metric has no meaning for, before there is any batch.

        Raises:
            ArgumentError: there is none.
        """
        refuse_kinds(self.name, self.suits, possible_kinds(problem_type), self._other_way(problem_type))

    @property
    def waiting(self) -> int:
        """How many parts may wait until they are joined: joining costs as much as a few parts."""
        return WAITING

    def read(self, y_pred: Any, y_true: Any) -> Reading:
        """Bring a batch into rows; as in `update`."""
        logits, targets = as_tensor(y_pred, "logits"), as_tensor(y_true, "labels")
        problem_type, suits = self.problem_type, self.suits
        if problem_type is None and suits <= OF_VALUES and logits.numel() == targets.numel():
            problem_type = REGRESSION  # whole numbers are values too, where nobody says that they are labels
            if targets.dim() > 1 and not targets.is_floating_point():  # scores of tokens, of which few have a target
                counted = targets != IGNORED
                logits, targets = logits.reshape(targets.shape)[counted], targets[counted]
        reading = read(logits, targets, problem_type)
        if suits is not EVERY_KIND:
            refuse_kinds(self.name, suits, {kind_of(reading)}, self._other_way(reading.problem_type))
        return reading

    def _add(self, y_pred: Any, y_true: Any, inputs: Any) -> Part:
        return self._keep(self.part(self.read(y_pred, y_true)))

    def _keep(self, part: Part) -> Part:
        self._parts.append(part)
        if len(self._parts) > self.waiting:
            self._parts = self.join(self._parts)
        return part

    def _other_way(self, problem_type: str | None) -> str | None:
        if problem_type != REGRESSION or not self.is_of_classes:
            return None
        return f"if the targets are labels after all: {type(self).__name__}('multi_label_classification')."


MetricClass = TypeVar("MetricClass", bound=type[Metric[Any]])


def registered(metric: MetricClass) -> MetricClass:
    """Make a metric known by its name and its aliases."""
    REGISTRY.update(dict.fromkeys((metric.name, *metric.aliases), metric))
    return metric


def as_tensor(value: Any, key: str) -> Tensor:
    """Give a tensor without a gradient: of a tensor or an array, or of what a dict holds under the key.

    Raises:
        DataError: if a dict lacks the key.

    Example:
        >>> as_tensor({"logits": [0.0, 1.0]}, "logits")
        tensor([0., 1.])
    """
    if isinstance(value, Tensor):
        return value.detach() if value.requires_grad else value
    if not isinstance(value, Mapping):
        return torch.as_tensor(value).detach()
    if key not in value:
        raise DataError(
            f"a metric was given a dict with {', '.join(map(str, value)) or 'nothing in it'}.",
            f"a tensor, or a dict with the key {key!r}.",
            f"give the {key} that name, or pick the key with MetricWrapper.",
        )
    return as_tensor(value[key], key)
