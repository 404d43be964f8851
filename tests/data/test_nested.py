"""Rows of containers: taken, split, counted."""

import numpy as np
import pytest
import torch

from keraslike.data.nested import count_rows, split, take
from keraslike.errors import ArgumentError, DataError

X, Y = torch.arange(14.0).reshape(7, 2), torch.arange(7)

CONTAINERS = pytest.mark.parametrize(
    "data",
    [X, {"a": X, "b": Y}, (X, Y), [X, {"deep": (Y,)}], X.numpy()],
    ids=["tensor", "dict", "tuple", "nested", "numpy"],
)


def leaves_of(data):
    if isinstance(data, dict):
        return [leaf for value in data.values() for leaf in leaves_of(value)]
    if isinstance(data, (tuple, list)):
        return [leaf for value in data for leaf in leaves_of(value)]
    return [np.asarray(data)]


@CONTAINERS
@pytest.mark.parametrize("index", [slice(2, 5), torch.tensor([6, 0, 3])], ids=["slice", "places"])
def test_rows_are_taken(data, index):
    """Rows come from every tensor or array; the containers keep their kind."""
    taken = take(data, index)

    assert type(taken) is type(data)
    for found, whole in zip(leaves_of(taken), leaves_of(data), strict=True):
        assert np.array_equal(found, whole[index if isinstance(index, slice) else index.numpy()])


@CONTAINERS
@pytest.mark.parametrize("size", [1, 3, 7, 9])
def test_split(data, size):
    """Splitting gives runs of rows, the last one shorter, in containers of the same kind."""
    parts = split(data, size)

    assert {type(part) for part in parts} == {type(data)}
    assert [count_rows(part) for part in parts] == [min(size, 7 - start) for start in range(0, 7, size)]
    for place, whole in enumerate(leaves_of(data)):
        assert np.array_equal(np.concatenate([leaves_of(part)[place] for part in parts]), whole)


def test_split_gives_views():
    """Parts that start where torch's memory may start are views."""
    data = torch.zeros(64, 8)

    parts = split(data, 16)

    assert [part.data_ptr() - data.data_ptr() for part in parts] == [0, 512, 1024, 1536]


@pytest.mark.parametrize("offset", [0, 1], ids=["odd rows", "odd start"])
def test_split_has_the_bits_of_tensors_of_their_own(offset):
    """Whatever the place of its rows, a part goes through a layer with the bits of a copy of it."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(33, 47)
    data = torch.randn(33 * 300 + offset)[offset:].view(300, 33)

    for part in split(data, 7):
        copy = part.clone()
        results = []
        for rows in (part, copy):
            layer.zero_grad()
            torch.tanh(layer(rows)).square().mean().backward()
            results.append(layer.weight.grad.clone())

        assert part.data_ptr() % 64 == 0
        assert torch.equal(*results)


def test_named_tuples_are_not_cut():
    """A named tuple is not cut, and the error says what helps."""
    with pytest.raises(ArgumentError, match="cannot be cut into micro-batches") as caught:
        take(torch.nn.utils.rnn.pack_padded_sequence(X[:, :, None], torch.full((7,), 2), batch_first=True), slice(2))

    assert caught.value.do == "set micro_batch_size=None."


@pytest.mark.parametrize(
    "data", [(X, Y[:6]), {"a": X, "b": Y[:6]}, [X, (Y, {"c": Y[:6]})]], ids=["tuple", "dict", "nested"]
)
def test_lengths_that_differ(data):
    """Inputs and targets of different lengths are refused, with both lengths."""
    with pytest.raises(DataError, match=r"different numbers of rows: \[6, 7\]"):
        count_rows(data)
