"""Metrics of rows: what the task has decoded held against the user's own targets, after the last batch."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from keraslike.metrics.result import with_scalars

RowFunction = Callable[[Sequence[Any], Sequence[Any]], Any]

RowCheck = Callable[[Sequence[Any], Sequence[Any] | None], None]

ROW_METRICS: dict[str, RowFunction] = {}
"""Every metric of rows by its name."""

_CHECKS: list[tuple[RowFunction, RowCheck]] = []


class RowMetric:
    """A function `(predictions, references)` of all rows of a validation or evaluation.

    It is not computed while training: decoding, or generating, costs a pass of its own there.

    Args:
        name: the name in logs.
        function: called once with what `predict` would give for every row, and with the user's own targets. It gives a
            number, or a dict of numbers by name.

    Example:
        >>> metric = RowMetric("same", lambda predictions, references: float(predictions == references))
        >>> metric.values(["a"], ["a"])
        {'same': 1.0}
    """

    def __init__(self, name: str, function: RowFunction) -> None:
        self.name = name
        self.function = function

    def check(self, references: Sequence[Any], answers: Sequence[Any] | None = None) -> None:
        """Refuse what it cannot compare, before anything is learned or measured; by default nothing is.

        Args:
            references: as in `values`.
            answers: made-up predictions of the task's form, one for each row; None where that is not known.

        Raises:
            DataError: they are such.
            MissingDependencyError: the metric needs a package that is not installed.
        """
        for function, check in _CHECKS:
            if function is self.function:
                check(references, answers)

    def values(self, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
        """Give the numbers by name.

        Args:
            predictions: one for each row.
            references: as many, in the same order.

        Raises:
            ArgumentError: the function gives no number.
        """
        value, named = with_scalars(self.function(predictions, references), self.name)
        return named or {self.name: value}


def row_metric(name: str, check: RowCheck | None = None) -> Callable[[RowFunction], RowFunction]:
    """Make a function `(predictions, references)` known by a name.

    Args:
        name: the name.
        check: called before the first step with what `RowMetric.check` gets; it raises an error for what the function
            cannot compare.
    """

    def register(function: RowFunction) -> RowFunction:
        ROW_METRICS[name] = function
        if check is not None:
            _CHECKS.append((function, check))
        return function

    return register


def is_of_rows(function: Any) -> bool:
    """Say whether a function names `predictions` and `references`, and nothing else that it cannot do without.

    Example:
        >>> is_of_rows(lambda predictions, references: 0.0), is_of_rows(lambda predictions, labels: 0.0)
        (True, False)
    """
    inner = function.func if isinstance(function, partial) else function
    if not callable(inner) or isinstance(inner, type):
        return False
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    required = {
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    return required == {"predictions", "references"}
