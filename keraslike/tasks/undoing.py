"""A refused call leaves the objects behind it as they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unchanged_by_errors(*objects: Any) -> Iterator[None]:
    """Give objects back their attributes if what is done inside ends in an error.

    Lists and dicts are remembered with what they hold; any other object that was changed in place stays changed.

    Example:
        >>> from types import SimpleNamespace
        >>> choice = SimpleNamespace(columns={"text": "review"})
        >>> try:
        ...     with unchanged_by_errors(choice):
        ...         choice.columns["text"] = "misspelt"
        ...         raise ValueError
        ... except ValueError:
        ...     print(choice.columns)
        {'text': 'review'}
    """
    before = [{name: _held(value) for name, value in vars(thing).items()} for thing in objects]
    try:
        yield
    except BaseException:
        for thing, attributes in zip(objects, before, strict=True):
            vars(thing).clear()
            vars(thing).update(attributes)
        raise


def _held(value: Any) -> Any:
    return value.copy() if type(value) in (list, dict) else value
