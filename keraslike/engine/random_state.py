"""Who may draw from the global random state: the network and its initialisation, nobody else.

The random state means torch's (on the CPU and the accelerators), numpy's and Python's.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from poutyne import set_seeds

State = tuple[Any, ...]
Drawn = Literal["nothing", "torch", "everything"]


def get_torch_state() -> State:
    """Read torch's random state, on the CPU and the accelerators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    return torch.get_rng_state(), cuda, mps


def set_torch_state(state: State) -> None:
    """Put back what `get_torch_state` gave."""
    cpu, cuda, mps = state
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
    if mps is not None:
        torch.mps.set_rng_state(mps)


def get_state() -> State:
    """Read the whole random state."""
    return *get_torch_state(), np.random.get_state(), random.getstate()


def set_state(state: State) -> None:
    """Put a random state back, as `get_state` gave it."""
    *of_torch, numpy_state, python_state = state
    set_torch_state(tuple(of_torch))
    np.random.set_state(numpy_state)
    random.setstate(python_state)


def drawn_since(state: State) -> Drawn:
    """Tell from which random states somebody has drawn since `get_state` gave this one.

    Example:
        >>> before = get_state()
        >>> drawn_since(before), int(torch.rand(1).shape[0]), drawn_since(before)
        ('nothing', 1, 'torch')
    """
    now = get_state()
    *of_torch, numpy_then, python_then = state
    *of_torch_now, numpy_now, python_now = now
    is_numpy_kept = all(np.array_equal(a, b) for a, b in zip(numpy_then, numpy_now, strict=True))
    if not is_numpy_kept or python_then != python_now:
        return "everything"
    return "nothing" if _tensors(of_torch) == _tensors(of_torch_now) else "torch"


def _tensors(state: Sequence[Any]) -> list[list[int]]:
    """Give the bytes of torch's states, one list per generator."""
    found = [part for parts in state if parts is not None for part in (parts if isinstance(parts, list) else [parts])]
    return [part.tolist() for part in found]


def draw_seed() -> int:
    """Draw a seed from torch's generator, so that `torch.manual_seed` governs runs without a seed of their own."""
    return int(torch.randint(2**31, ()))


@contextmanager
def kept() -> Iterator[None]:
    """Put the random state back at the end: what happens inside leaves no trace in it."""
    state = get_state()
    try:
        yield
    finally:
        set_state(state)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start from `seed`, and put the caller's random state back at the end."""
    with kept():
        set_seeds(seed)
        yield


class Aside:
    """A second random state, in force while the user's own iterators are advanced.

    A `DataLoader` draws from the global state whenever it is iterated; without this the network's dropout would depend
    on the kind of container that the data came in. It starts as a copy of the state at hand.
    """

    def __init__(self) -> None:
        self._state = get_state()

    @contextmanager
    def _in_force(self) -> Iterator[None]:
        with kept():
            set_state(self._state)
            try:
                yield
            finally:
                self._state = get_state()

    def iterate(self, source: Iterable[Any]) -> Iterator[Any]:
        """Iterate over a user's source, each item drawn under the second state."""
        with self._in_force():
            iterator = iter(source)
        while True:
            with self._in_force():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
