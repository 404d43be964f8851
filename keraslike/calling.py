"""Reads signatures, and finds the nearest name to a misspelt one."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import signature
from typing import Any


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
    return [name for name in signature(function).parameters if name not in ("self", "options")]


def _fold(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
