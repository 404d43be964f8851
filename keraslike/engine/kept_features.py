"""The features of rows, by key: kept in memory as far as it is affordable."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Row = tuple[Tensor, ...]


class Form(NamedTuple):
    """What a body gives.

    Args:
        kind: the class of its outputs, a dataclass of transformers'.
        fields: the names of what is kept of them.
    """

    kind: type
    fields: tuple[str, ...]


class Features(Protocol):
    """Where features are kept."""

    form: Form | None

    def find(self, keys: Sequence[bytes]) -> list[Row | None]:
        """Give the features of rows; None for those that are not known."""
        ...

    def keep(self, keys: Sequence[bytes], rows: Sequence[Row]) -> None:
        """Keep the features of the rows of one call."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class InMemory:
    """Features in memory.

    What does not fit is not kept, and nothing that is kept gives way to it: in each epoch each row comes once, so that
    it would be of no more use.

    Args:
        places: devices with the bytes that may be taken of each; the first that has room is used.
        on_full: called once, with the bytes that are held, when there is no more room.

    Attributes:
        form: what the body gives; None: not known yet.

    Example:
        >>> features = InMemory([(torch.device("cpu"), 8)], lambda held: print(held, "bytes are full"))
        >>> features.keep([b"1", b"2"], [(torch.zeros(1),), (torch.ones(1),)])
        >>> features.keep([b"3"], [(torch.zeros(1),)])
        8 bytes are full
        >>> features.find([b"2", b"3"])
        [(tensor([1.]),), None]
    """

    def __init__(self, places: Sequence[tuple[torch.device, int]], on_full: Callable[[int], None]) -> None:
        self.form: Form | None = None
        self._room = dict(places)
        self._on_full, self._is_full = on_full, False
        self._known: dict[bytes, Row] = {}
        self._held = 0

    def find(self, keys: Sequence[bytes]) -> list[Row | None]:
        """As in `Features`."""
        return [self._known.get(key) for key in keys]

    def keep(self, keys: Sequence[bytes], rows: Sequence[Row]) -> None:
        """As in `Features`."""
        size = sum(bytes_of(row) for row in rows)
        device = next((device for device, room in self._room.items() if room >= size), None)
        if device is not None:
            self._room[device] -= size
            self._held += size
            moved = [tuple(tensor.to(device) for tensor in row) for row in rows]
            self._known.update(zip(keys, moved, strict=True))
        elif not self._is_full:
            self._is_full = True
            self._on_full(self._held)

    def close(self) -> None:
        """Forget everything."""
        self._known.clear()


def bytes_of(row: Row) -> int:
    """Give the bytes that the features of a row take."""
    return sum(math.prod(tensor.shape) * tensor.element_size() for tensor in row)
