"""What the parts of a batch gave is put together as if the batch had gone through at once."""

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from keraslike.engine.joining import detached, in_order, joined


class Pair(NamedTuple):
    """Two columns by name."""

    left: Any
    right: Any


LEFT = torch.arange(15.0).reshape(5, 3)
RIGHT = torch.arange(5) * 7
SPLITS = [[5], [2, 3], [1, 3, 1]]
ORDER = np.array([3, 0, 4, 1, 2])

CONTAINERS = {
    "tensor": lambda left, right: left,
    "tuple": lambda left, right: (left, right),
    "list": lambda left, right: [left, right],
    "nested": lambda left, right: {"a": (left, [right]), "b": right},
    "named tuple": Pair,
    "ordered dict": lambda left, right: OrderedDict(left=left, right=right),
    "transformers": lambda left, right: SequenceClassifierOutput(logits=left, hidden_states=(right,)),
}


def is_same(data, expected):
    """Tell whether two containers have the same classes, keys and bits."""
    if isinstance(expected, torch.Tensor):
        return torch.equal(data, expected)
    if isinstance(expected, dict):
        pairs = zip(data.values(), expected.values(), strict=True)
        return data.keys() == expected.keys() and all(is_same(*pair) for pair in pairs)
    return type(data) is type(expected) and all(is_same(*pair) for pair in zip(data, expected, strict=True))


@pytest.mark.parametrize("sizes", SPLITS, ids=str)
@pytest.mark.parametrize("kind", CONTAINERS)
def test_in_the_batchs_order(kind, sizes):
    """Parts that stand in order are put one behind the other, in every container."""
    make = CONTAINERS[kind]
    parts = [make(left, right) for left, right in zip(LEFT.split(sizes), RIGHT.split(sizes), strict=True)]

    whole = joined(parts, [None] * len(parts), 0)

    assert is_same(whole, make(LEFT, RIGHT))


@pytest.mark.parametrize("sizes", SPLITS, ids=str)
@pytest.mark.parametrize("kind", CONTAINERS)
def test_put_back(kind, sizes):
    """Parts of sorted examples come back in the order of the batch."""
    make = CONTAINERS[kind]
    places = np.split(ORDER, np.cumsum(sizes)[:-1])
    parts = [make(LEFT[torch.from_numpy(place)], RIGHT[torch.from_numpy(place)]) for place in places]

    whole = joined(parts, places, 0)

    assert is_same(whole, make(LEFT, RIGHT))


def test_class_of_transformers():
    """Outputs of transformers keep their class, so that their fields are attributes still."""
    parts = [SequenceClassifierOutput(logits=part) for part in LEFT.split(2)]

    whole = joined(parts, [None] * 3, 0)

    assert type(whole) is SequenceClassifierOutput
    assert torch.equal(whole.logits, LEFT)
    assert type(detached(whole)) is SequenceClassifierOutput


def test_numbers_of_a_part():
    """What has no examples, such as a loss or a word, is the last part's."""
    parts = [(LEFT[:2], torch.tensor(1.0), "a", None), (LEFT[2:], torch.tensor(2.0), "b", None)]

    whole = joined(parts, [np.array([0, 1]), np.array([2, 3, 4])], 0)

    assert torch.equal(whole[0], LEFT)
    assert (whole[1].item(), whole[2], whole[3]) == (2.0, "b", None)


def test_what_is_no_row_stays():
    """Tensors of another length than the batch are no rows, and are not sorted."""
    other = torch.arange(4)

    given = in_order({"rows": RIGHT, "other": other}, [ORDER])

    assert torch.equal(given["rows"], RIGHT[torch.from_numpy(np.argsort(ORDER))])
    assert torch.equal(given["other"], other)


def test_no_places():
    """Without places nothing is moved, or copied."""
    assert in_order(LEFT, [None]) is LEFT
    assert joined([LEFT], [None], 0) is LEFT


@pytest.mark.parametrize(("fill", "dtype", "filled"), [(-100, torch.int64, -100), (0, torch.int64, 0)])
def test_padded_to_the_widest(fill, dtype, filled):
    """Whole numbers of parts with fewer tokens are filled up behind, by what was said."""
    parts = [torch.ones(2, 2, dtype=dtype), torch.ones(1, 4, dtype=dtype), torch.ones(1, 3, dtype=dtype)]

    whole = joined(parts, [None] * 3, fill)

    expected = [[1, 1, filled, filled], [1, 1, filled, filled], [1, 1, 1, 1], [1, 1, 1, filled]]
    assert whole.tolist() == expected


def test_logits_padded_by_zero():
    """Numbers with a point are filled up by 0, in each of the dimensions in which the parts differ."""
    parts = [torch.ones(1, 2, 3), torch.ones(2, 3, 1)]

    whole = joined(parts, [None] * 2, -100)

    expected = torch.zeros(3, 3, 3)
    expected[:1, :2, :3], expected[1:, :3, :1] = 1, 1
    assert torch.equal(whole, expected)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_without_a_graph(kind):
    """Outputs that are kept hold no graph, and are the same otherwise."""
    layer = nn.Linear(3, 3)
    outputs = CONTAINERS[kind](layer(LEFT), layer(LEFT).sum(1))

    given = detached(outputs)

    with torch.no_grad():
        assert is_same(given, CONTAINERS[kind](layer(LEFT), layer(LEFT).sum(1)))
    assert not any(tensor.requires_grad for tensor in tensors(given))
    assert any(tensor.requires_grad for tensor in tensors(outputs))


def tensors(data):
    if isinstance(data, torch.Tensor):
        return [data]
    values = data.values() if isinstance(data, dict) else data
    return [tensor for value in values for tensor in tensors(value)]


def test_what_is_no_tensor_has_no_graph():
    """Anything else is left as it is."""
    assert detached({"a": None, "b": "word"}) == {"a": None, "b": "word"}
