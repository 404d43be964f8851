"""Functions that want NumPy's arrays, or Hugging Face's `EvalPrediction`, as functions of tensors."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
from torch import Tensor

from keraslike.calling import name_of
from keraslike.metrics.scikit import behind_partials, parameters_of

_EVAL_PREDICTION_NAMES = frozenset({"p", "pred", "preds", "eval_pred", "eval_preds", "eval_prediction"})
_OF_ARRAYS = ("numpy", "scipy", "sklearn")


def as_arrays(value: Any) -> Any:
    """Give tensors as NumPy's arrays, in dicts, tuples and lists too; other things as they are.

    Example:
        >>> import torch
        >>> as_arrays((torch.zeros(1), "text"))
        (array([0.], dtype=float32), 'text')
    """
    if isinstance(value, Tensor):
        return value.numpy(force=True)
    if isinstance(value, Mapping):
        return {key: as_arrays(item) for key, item in value.items()}
    return type(value)(map(as_arrays, value)) if isinstance(value, tuple | list) else value


def wants_arrays(function: Any) -> bool:
    """Tell whether a function asks for NumPy's arrays: a parameter is annotated so, or it is NumPy's or scipy's own.

    Example:
        >>> def spread(y_pred: np.ndarray, y_true: np.ndarray) -> float: ...
        >>> wants_arrays(spread), wants_arrays(np.array_equal), wants_arrays(lambda y_pred, y_true: 0.0)
        (True, True, False)
    """
    module = str(getattr(behind_partials(function), "__module__", None) or "")
    is_of_arrays = module.partition(".")[0] in _OF_ARRAYS
    return is_of_arrays or any("ndarray" in str(kind.annotation).lower() for kind in parameters_of(function).values())


def with_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that gets arrays where it is called with tensors or lists of numbers.

    Example:
        >>> with_arrays(lambda y: type(y).__name__)([1, 2])
        'ndarray'
    """

    @wraps(function)
    def of_arrays(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_array, args), **{name: _array(value) for name, value in kwargs.items()})

    of_arrays.__name__ = name_of(function)
    return of_arrays


def wants_eval_prediction(function: Any) -> bool:
    """Tell Hugging Face's `compute_metrics`: a function of one parameter that is an `EvalPrediction`.

    It is annotated so, or named as in their examples (`eval_pred`, `eval_preds`, `eval_prediction`, `p`, `pred`,
    `preds`), or the function is called `compute_metrics`.

    Example:
        >>> wants_eval_prediction(lambda eval_pred: {}), wants_eval_prediction(lambda logits: 0.0)
        (True, False)
    """
    parameters = [one for one in parameters_of(function).values() if one.default is one.empty]
    if isinstance(function, type) or len(parameters) != 1:
        return False
    (one,) = parameters
    if one.kind not in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD):
        return False
    is_named = one.name in _EVAL_PREDICTION_NAMES or name_of(function) == "compute_metrics"
    return is_named or "EvalPrediction" in str(one.annotation)


class WithEvalPrediction:
    """A function of one `EvalPrediction` as a function of logits and labels.

    Args:
        function: it gets `predictions` and `label_ids` as arrays `(examples, ...)` of the whole epoch, and gives a dict
            of numbers.

    Example:
        >>> import torch
        >>> compute = WithEvalPrediction(lambda p: {"rows": len(p.label_ids)})
        >>> compute(torch.zeros(4, 2), torch.zeros(4))
        {'rows': 4}
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.__name__ = name_of(function)

    def __call__(self, logits: Any, labels: Any) -> Any:
        """Call the function."""
        from transformers import EvalPrediction

        return self.function(EvalPrediction(predictions=as_arrays(logits), label_ids=as_arrays(labels)))


def _array(value: Any) -> Any:
    value = as_arrays(value)
    return np.asarray(value) if isinstance(value, list) else value
