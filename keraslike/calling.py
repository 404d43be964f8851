"""Gives a function the arguments it names, and finds the nearest name to a misspelt one."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import Parameter, Signature, signature
from typing import Any

from keraslike.errors import ArgumentError

_PLACES = {"y_pred": 0, "outputs": 0, "predictions": 0, "y_true": 1, "targets": 1}
"""The names by which a loss or a metric may ask for its predictions (0) and its targets (1)."""
_MANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Give the choice most like `name`, whatever its case and its `-` or `_`; None if nothing comes close.

    Example:
        >>> nearest("acuracy", ["accuracy", "f1"])
        'accuracy'
        >>> nearest("text_clasification", ["text-classification"])
        'text-classification'
    """
    folded = {_fold(choice): choice for choice in choices}
    matches = get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def did_you_mean(name: str, choices: Iterable[str], otherwise: str | None = None) -> str | None:
    """Give the sentence "did you mean 'x'?" for the nearest choice, or `otherwise`.

    Example:
        >>> did_you_mean("epoch", ["epochs", "batch_size"])
        "did you mean 'epochs'?"
    """
    match = nearest(name, choices)
    return f"did you mean {match!r}?" if match is not None else otherwise


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """Give the names in a verb's signature that a user can write.

    Example:
        >>> parameters_of(did_you_mean)
        ['name', 'choices', 'otherwise']
    """
    return [name for name in signature(function).parameters if name not in ("self", "options", "misspelt")]


class ByName:
    """A function of `(y_pred, y_true)` that gives another one what it names.

    Args:
        function: a loss or a metric.
        names: those of its parameters that are filled, all of them in the vocabulary of `called_by_name`.
    """

    def __init__(self, function: Callable[..., Any], names: Iterable[str]) -> None:
        self.function = function
        self.names = tuple(names)
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, y_pred: Any, y_true: Any) -> Any:
        """Call the function; as it does."""
        return self.function(**{name: (y_pred, y_true)[_PLACES[name]] for name in self.names})


def called_by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a loss or a metric as a function of `(y_pred, y_true)`; itself, where it takes these two in this order.

    Where all parameters without a default are among `y_pred`, `outputs`, `predictions`, `y_true` and `targets`, they
    are given by name, and only they are filled; else two are given by position. Of an `nn.Module`, `forward` is read.

    Raises:
        ArgumentError: if its parameters can be filled in neither way.

    Example:
        >>> def missing(y_true, y_pred):
        ...     return set(y_true) - set(y_pred)
        >>> called_by_name(missing)([1, 2], [2, 3])
        {3}
    """
    if isinstance(function, type):
        return function
    try:
        found = signature(getattr(function, "forward", function))
    except (TypeError, ValueError):  # written in C
        return function
    fixed = [parameter for parameter in found.parameters.values() if parameter.kind not in _MANY]
    required = [parameter.name for parameter in fixed if parameter.default is Parameter.empty]
    places = [_PLACES.get(parameter.name) for parameter in fixed[:2]]
    takes_two = _takes_two(found)
    if takes_two and places == [0, 1]:
        return function
    if required and _PLACES.keys() >= set(required):
        return ByName(function, required)
    if not takes_two or places[:1] == [1] or places[1:] == [0]:
        raise ArgumentError(
            f"a loss or metric asks for {', '.join(required)}.",
            f"only names among {', '.join(_PLACES)}; or other names, two of them: predictions, then targets.",
            "write def metric(y_pred, y_true): ..., or give the other parameters a default.",
        )
    return function


def _takes_two(found: Signature) -> bool:
    try:
        found.bind(None, None)
    except TypeError:
        return False
    return True


def _fold(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
