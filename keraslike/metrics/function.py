"""`FunctionMetric`: a function of the user's own as a metric that is exact over the epoch."""

import math
import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor

from keraslike.calling import OUTPUT_NAMES, TARGET_NAMES, Call, called_by_name
from keraslike.metrics.arrays import WithEvalPrediction, as_arrays, wants_arrays
from keraslike.metrics.base import Metric, as_tensor
from keraslike.metrics.padding import in_float64, joined, kept
from keraslike.metrics.reading import (
    SINGLE_LABEL,
    Reading,
    class_last,
    classes,
    is_counted,
    probabilities,
    problem_type_of,
)
from keraslike.metrics.result import with_scalars
from keraslike.metrics.shown import name_in_logs

_CLASSES = frozenset({"y_pred", "predictions"})
_SCORES = frozenset({"y_score", "y_proba"})
_OF_ROWS = _CLASSES | _SCORES | TARGET_NAMES
_COUNTED = "counted rows"  # no parameter has this name

Part = dict[str, Any]


class FunctionMetric(Metric[Part]):
    """A function of the user's own, called once with what it names of the whole epoch.

    It may name `y_pred` (classes, zeros and ones for several labels, the values in regression), `y_score` or `y_proba`
    (probabilities), `y_true`, `targets` or `labels`, `logits`, `outputs` (what the network gave), and any of the
    network's inputs, such as `input_ids`. Only these are kept. Parameters of other names, two of them, get classes and
    targets. It gets tensors on the CPU, floating ones but inputs in float64:

    * where it names only predictions, probabilities and targets: one row per label, those of -100 left out, of shape
      `(rows,)` or `(rows, columns)`;
    * where it names logits, outputs or inputs too: everything in its own shape `(examples, ...)`, where narrower
      batches are padded on the right, targets with -100 and all else with 0.

    It gets NumPy's arrays instead where a parameter is annotated with `np.ndarray`, or it is a function of NumPy's or
    scipy's; and where it fails with a TypeError or AttributeError on tensors, it is called once more with arrays.

    It gives one number; or `(number, {"name": number})`, where those named may be `(sum, count)` and are given by
    `scalars`; or such a dict alone, whose first entry is the metric's value too.

    Args:
        function: the function, a `partial` of it, or an object that can be called.
        problem_type: as in `Metric`.

    Attributes:
        is_of_trainer: whether the function was written for Hugging Face's Trainer, so that it cannot know which names
            are taken here: its own name then goes before these.

    Raises:
        ArgumentError: if the function's parameters cannot be filled, or it gives no number.

    Example:
        >>> import torch
        >>> def errors(y_pred, y_true):
        ...     return (y_pred != y_true).sum()
        >>> metric = FunctionMetric(errors)
        >>> metric(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        1.0
        >>> def longest(input_ids):
        ...     return input_ids.shape[1]
        >>> metric = FunctionMetric(longest)
        >>> metric(torch.zeros(1, 2), torch.tensor([0]), {"input_ids": torch.tensor([[5, 6, 7]])})
        3.0
    """

    def __init__(self, function: Callable[..., Any], problem_type: str | None = None) -> None:
        self._call = called_by_name(function, has_inputs=True, more=_SCORES)
        self.name = str(name_in_logs(function))
        super().__init__(problem_type)
        self.function = function
        self.is_of_trainer = isinstance(function, WithEvalPrediction)
        self.takes_inputs = self._call.takes_inputs
        self._names = self._call.names or ("y_pred", "y_true")
        self._is_of_rows = set(self._names) <= _OF_ROWS
        self._find = Call(dict, [name for name in self._names if name not in _CLASSES | _SCORES])
        self._find.__name__ = self.name
        self._scalars: dict[str, float] = {}
        self._wants_arrays = wants_arrays(function)

    def part(self, reading: Reading) -> Part:
        """Keep what the function names of the rows, and which of them count."""
        targets = dict.fromkeys(TARGET_NAMES, reading.targets)
        named = {**targets, **self._predictions(reading.logits, reading.problem_type)}
        part: dict[str, Any] = kept({_COUNTED: is_counted(reading), **{name: named[name] for name in self._names}})
        return part

    def value(self, parts: list[Part]) -> float:
        """Call the function; NaN where no row counts."""
        return self._result(parts)[0]

    def compute(self) -> float:
        """Call the function on the epoch; as in `Metric`."""
        value, self._scalars = self._result(self._parts)
        return value

    def scalars(self) -> dict[str, float]:
        """Give what the function named beside its value; as in `Metric`."""
        return dict(self._scalars)

    def _add(self, y_pred: Any, y_true: Any, inputs: Any) -> Part:
        if self._is_of_rows:
            return super()._add(y_pred, y_true, inputs)
        if isinstance(inputs, tuple) and len(inputs) == 1:
            (inputs,) = inputs
        found = self._find(y_pred, y_true, inputs)
        if not (_CLASSES | _SCORES).isdisjoint(self._names):
            logits, targets = as_tensor(y_pred, "logits"), as_tensor(y_true, "labels")
            problem_type = self.problem_type or problem_type_of(logits, targets)
            logits = class_last(logits, targets) if problem_type == SINGLE_LABEL else logits
            found.update(self._predictions(logits, problem_type))
        return self._keep(kept(found))

    def _predictions(self, logits: Tensor, problem_type: str) -> dict[str, Tensor]:
        named = _CLASSES.intersection(self._names)
        predictions = dict.fromkeys(named, classes(logits, problem_type)) if named else {}
        scored = _SCORES.intersection(self._names)
        return {**predictions, **(dict.fromkeys(scored, probabilities(logits, problem_type)) if scored else {})}

    def _result(self, parts: list[Part]) -> tuple[float, dict[str, float]]:
        if not parts:
            return math.nan, {}
        given = {name: joined([part[name] for part in parts], name) for name in parts[0]}
        counted = given.pop(_COUNTED, None)
        if counted is not None and not counted.any():
            return math.nan, {}
        if counted is not None:
            given = {name: value[counted] for name, value in given.items()}
        given = {name: in_float64(value) if name in _NOT_INPUTS else value for name, value in given.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return with_scalars(self._called(given), self.name)

    def _called(self, given: dict[str, Any]) -> Any:
        """Call the function with tensors or arrays, as it wants them."""
        if self._wants_arrays:
            return self._with(as_arrays(given))
        try:
            return self._with(given)
        except (TypeError, AttributeError) as error:
            try:
                result = self._with(as_arrays(given))
            except (
                TypeError,
                AttributeError,
                ValueError,
                RuntimeError,
            ):  # not arrays, then: the first failure is the one to show
                raise error from None
            self._wants_arrays = True
            return result

    def _with(self, given: dict[str, Any]) -> Any:
        return self.function(**given) if self._call.names else self.function(*given.values())


_NOT_INPUTS = _OF_ROWS | OUTPUT_NAMES
