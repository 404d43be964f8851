"""What a function may give as a metric: one number, and further numbers by name."""

import math
from collections.abc import Mapping
from typing import Any

from keraslike.errors import ArgumentError


def one_number(result: Any, name: str) -> float:
    """Give the number that a function gave; of scipy's results the statistic.

    Raises:
        ArgumentError: if it is no single number.

    Example:
        >>> from scipy.stats import kendalltau
        >>> one_number(kendalltau([1, 2, 3], [3, 2, 1]), "kendalltau")
        -1.0
    """
    result = getattr(result, "statistic", result)
    try:
        return float(result.item() if hasattr(result, "item") else result)
    except (TypeError, ValueError, RuntimeError):
        shape = f" of shape {tuple(result.shape)}" if hasattr(result, "shape") else ""
        raise ArgumentError(
            f"The metric {name!r} gives a {type(result).__name__}{shape}.",
            "one number; or (number, {'name': number, ...}).",
            "ask for one of its parts.",
        ) from None


def with_scalars(result: Any, name: str) -> tuple[float, dict[str, float]]:
    """Give a function's number, and the further numbers that it gave by name.

    Args:
        result: a number; `(number, {"name": ...})`; or a dict alone, whose first entry is the number too. What is
            named is a number or `(sum, count)`.
        name: the metric's, for messages.

    Raises:
        ArgumentError: as in `one_number`.

    Example:
        >>> with_scalars((0.5, {"rows": 4, "mean": (3.0, 2)}), "share")
        (0.5, {'rows': 4.0, 'mean': 1.5})
    """
    named: Mapping[Any, Any] = {}
    if isinstance(result, Mapping) and result:
        named = result
    elif isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        result, named = result
    scalars = {str(key): _divided(value, f"{name}: {key}") for key, value in named.items()}
    return next(iter(scalars.values())) if result is named else one_number(result, name), scalars


def _divided(value: Any, name: str) -> float:
    if hasattr(value, "statistic") or not (isinstance(value, tuple) and len(value) == 2):
        return one_number(value, name)
    total, count = (one_number(part, name) for part in value)
    return total / count if count else math.nan
