"""Finds the nearest name to a misspelt one, and says so in an error's third line."""

from collections.abc import Iterable
from difflib import get_close_matches


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


def _fold(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
