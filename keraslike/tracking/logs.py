"""What a callback reads after each batch: a mapping that turns tensors into plain numbers when they are read."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Self

import numpy as np
import torch


class BatchLogs(MutableMapping[str, Any]):
    """The logs of one batch, as a dict of plain numbers that costs nothing until it is read.

    Reading a tensor of an accelerator waits for it, so a batch that no callback looks at is never waited for. A value
    is worked out once. It is a mapping and no dict subclass: `dict(logs)`, `{**logs}` and `json` would read the raw
    tensors of a subclass.

    Args:
        values: the values by name. Each is a number, a tensor or array with one element, or a function without
            arguments that gives one of these. A tensor must not be changed in place afterwards.

    Example:
        >>> logs = BatchLogs({"batch": 1, "size": 32, "loss": torch.tensor(0.5), "accuracy": lambda: 0.75})
        >>> logs["loss"]
        0.5
        >>> logs == {"batch": 1, "size": 32, "loss": 0.5, "accuracy": 0.75}
        True
        >>> {**logs, "lr": 0.1}
        {'batch': 1, 'size': 32, 'loss': 0.5, 'accuracy': 0.75, 'lr': 0.1}
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values: dict[str, Any] = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        value = self._values[name] = plain(self._values[name])
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values  # the mixin's own would read the value

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self}

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return repr(dict(self))

    def copy(self) -> dict[str, Any]:
        """Give the logs as a plain dict, every value read."""
        return dict(self)


def plain(value: Any) -> Any:
    """Give a value as plain Python: a number, or nested lists of numbers; a function is asked for its value first.

    Example:
        >>> plain(torch.tensor(2.5)), plain(np.float64(0.5)), plain(lambda: torch.tensor([3])), plain("text")
        (2.5, 0.5, 3, 'text')
    """
    if callable(value):
        value = value()
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return value.item() if value.size == 1 else value.tolist()
    return value
