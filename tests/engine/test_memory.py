"""What is out of memory, how far a batch is halved, and what a step that failed has changed."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from keraslike.engine import memory
from keraslike.engine.memory import Undo, free_memory, halved, is_out_of_memory
from keraslike.engine.random_state import kept
from keraslike.errors import OutOfMemoryError
from tests.engine import by_hand as hand


@pytest.mark.parametrize(
    "error",
    [
        *(make() for make in hand.OUT_OF_MEMORY.values()),
        MemoryError(),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("not enough memory"),
    ],
    ids=str,
)
def test_out_of_memory(error):
    """Every form of it is known."""
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("CUDA out of memory"),
        OutOfMemoryError("memory ran out", "room", "do"),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_other_errors(error):
    """Nothing else is; above all not our own error, which says that nothing can be done."""
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(("largest", "limit"), [(2, 1), (3, 1), (9, 4), (64, 32)])
def test_halved(largest, limit):
    """Half as many go through, rounded down."""
    assert halved(largest, None) == limit


@pytest.mark.parametrize(("largest", "written"), [(1, 1), (9, 4)])
def test_not_halved_where_it_must_not_be_cut(largest, written):
    """The error says why, and which number the user may write."""
    with pytest.raises(OutOfMemoryError, match=rf"with {largest} examples at once.*: it mixes them\.") as caught:
        halved(largest, "it mixes them")

    assert f"micro_batch_size={written} " in caught.value.do


def test_nothing_left_to_halve():
    """A single example is the end."""
    with pytest.raises(OutOfMemoryError, match="a single example"):
        halved(1, None)


@pytest.mark.parametrize(("accelerator", "calls"), [(None, 0), (torch.device("cuda"), 1)])
def test_reserve_is_given_back(accelerator, calls, monkeypatch):
    """The allocator of an accelerator empties its cache; without one there is none."""
    emptied = []
    monkeypatch.setattr(memory.torch.accelerator, "current_accelerator", lambda check_available: accelerator)
    monkeypatch.setattr(memory.torch.accelerator, "empty_cache", lambda: emptied.append(1))

    free_memory()

    assert len(emptied) == calls


# Undo

DRAWS = {"torch": lambda: torch.rand(1), "numpy": np.random.rand, "python": random.random}
DRAWN = {"nothing": [], "torch": ["torch"], "numpy": ["numpy"], "python": ["python"], "all": [*DRAWS]}


def numbers():
    """Draw one number from each generator, and put the state back."""
    with kept():
        return [float(draw()) for draw in DRAWS.values()]


def make_undo(network=None):
    network = nn.Linear(2, 2) if network is None else network
    parameters = list(network.parameters()) or [nn.Parameter(torch.zeros(1))]
    return Undo(network, torch.optim.SGD(parameters, lr=1.0))


@pytest.mark.parametrize("drawn", DRAWN)
@pytest.mark.parametrize("is_first", [True, False])
def test_random_state_put_back(drawn, is_first):
    """In the first step of an epoch and in later ones, whatever the network draws from."""
    undo = make_undo()
    with kept():
        if not is_first:
            undo.mark()
            [DRAWS[name]() for name in DRAWN[drawn]]
            undo.see_draws()
        undo.mark()
        before = numbers()
        [DRAWS[name]() for name in DRAWN[drawn]]

        undo.put_back()

        assert numbers() == before


def test_only_what_is_drawn_from_is_put_back():
    """What the first step has not drawn from is not kept: reading it would cost more than a small step."""
    undo = make_undo()
    with kept():
        undo.mark()
        torch.rand(1)
        undo.see_draws()
        undo.mark()
        np.random.rand()
        moved = numbers()

        undo.put_back()

        assert numbers() == moved


def test_watched_anew():
    """At the next epoch everything is kept again."""
    undo = make_undo()
    with kept():
        undo.mark()
        undo.see_draws()
        undo.watch()
        undo.mark()
        before = numbers()
        np.random.rand()

        undo.put_back()

        assert numbers() == before


class Buffers(nn.Module):
    """A counter, and a row of numbers that grows."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("row", torch.ones(2))


def test_buffers_put_back():
    """In place where they have their shape, by the old tensor where the network has put another there."""
    network = nn.Sequential(Buffers())
    undo = make_undo(network)
    count = network[0].count
    undo.mark()
    network[0].count += 4
    network[0].row = torch.zeros(5)

    undo.put_buffers_back()

    assert network[0].count is count
    assert (network[0].count.item(), network[0].row.tolist()) == (3, [1, 1])
    assert dict(network.named_buffers())["0.row"].tolist() == [1, 1]


@pytest.mark.parametrize(("flag", "count"), [(0.0, 7), (1.0, 3)])
def test_buffers_put_back_by_a_flag(flag, count):
    """A flag that stays on the device decides."""
    network = Buffers()
    undo = make_undo(network)
    undo.mark()
    network.count += 4

    undo.put_buffers_back(where=torch.tensor(flag))

    assert network.count.item() == count
    assert network.count.dtype == torch.int64


def test_parameters_once():
    """Everything that gathers gradients is known once: the network's, frozen too, and what the optimizer holds."""
    network, extra = nn.Linear(2, 2), nn.Parameter(torch.zeros(1))

    undo = Undo(network, torch.optim.SGD([network.weight, extra], lr=1.0))

    assert [id(parameter) for parameter in undo.parameters] == [id(network.weight), id(network.bias), id(extra)]
