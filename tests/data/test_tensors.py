"""Numbers for a network without a task."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from keraslike.data.tensors import are_class_indices, as_tensors
from keraslike.errors import DataError

LINEAR = nn.Linear(2, 1)
DOUBLE = nn.Linear(2, 1, dtype=torch.float64)
EMBEDDING = nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 1))

NUMBERS = {
    "list": [[1.5, 2.0], [3.0, 4.0]],
    "tuples in a list": [(1.5, 2.0), (3.0, 4.0)],
    "array": np.array([[1.5, 2.0], [3.0, 4.0]]),
    "float32": np.array([[1.5, 2.0], [3.0, 4.0]], np.float32),
    "objects": np.array([[1.5, 2.0], [3.0, 4.0]], object),
    "tensor": torch.tensor([[1.5, 2.0], [3.0, 4.0]]),
    "double tensor": torch.tensor([[1.5, 2.0], [3.0, 4.0]], dtype=torch.float64),
    "frame": pd.DataFrame({"a": [1.5, 3.0], "b": [2.0, 4.0]}),
    "mixed frame": pd.DataFrame({"a": [1.5, 3.0], "b": [2, 4]}),
    "transposed": np.array([[1.5, 3.0], [2.0, 4.0]]).T,
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("network", [LINEAR, DOUBLE], ids=["float32", "float64"])
def test_numbers(kind, network):
    """Numbers of any kind become tensors; those in float64 take the dtype of the network's parameters."""
    tensor = as_tensors(NUMBERS[kind], network)

    assert torch.equal(tensor.double(), torch.tensor([[1.5, 2.0], [3.0, 4.0]], dtype=torch.float64))
    if kind not in ("float32", "tensor"):
        assert tensor.dtype == network.weight.dtype


@pytest.mark.parametrize("kind", ["array", "float32", "tensor", "list"])
def test_a_network_in_float64_gets_float64(kind):
    """Every fractional input fits a network in float64, which torch would refuse otherwise."""
    assert DOUBLE(as_tensors(NUMBERS[kind], DOUBLE)).dtype == torch.float64


WHOLE = {
    "list": [0, 2, 1],
    "int32": np.array([0, 2, 1], np.int32),
    "uint8": np.array([0, 2, 1], np.uint8),
    "tensor": torch.tensor([0, 2, 1], dtype=torch.int32),
    "series": pd.Series([0, 2, 1]),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_as_targets(kind):
    """Whole numbers stay classes as targets."""
    tensor = as_tensors(WHOLE[kind], LINEAR, is_target=True)

    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [0, 2, 1]


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_as_inputs(kind):
    """As inputs they become fractional, for what most networks compute with..."""
    assert as_tensors(WHOLE[kind], LINEAR).dtype == torch.float32


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_as_ids(kind):
    """...and stay ids where the network begins with an embedding."""
    assert as_tensors(WHOLE[kind], EMBEDDING).dtype == torch.int64


def test_bools():
    """Bools are 0 and 1: classes as targets, numbers as inputs."""
    assert as_tensors([True, False], LINEAR, is_target=True).tolist() == [1, 0]
    assert as_tensors(np.array([True, False]), LINEAR).tolist() == [1.0, 0.0]


def test_containers_stay():
    """Tuples, dicts and lists of arrays are several inputs; a list of numbers is one."""
    several = as_tensors((np.zeros(2), {"ids": [1, 2]}), LINEAR)
    listed = as_tensors([np.zeros(2), torch.zeros(2)], LINEAR)

    assert isinstance(several, tuple)
    assert isinstance(several[1]["ids"], torch.Tensor)
    assert [type(part) for part in listed] == [torch.Tensor, torch.Tensor]


def test_tensors_of_the_right_dtype_are_not_copied():
    """What is right already is the same memory, arrays included."""
    tensor, array = torch.zeros(2), np.zeros(2, np.float32)

    assert as_tensors(tensor, LINEAR) is tensor
    assert as_tensors(array, LINEAR).data_ptr() == array.ctypes.data


def test_no_parameters():
    """A network without parameters gets torch's default."""
    assert as_tensors(np.zeros(2), nn.ReLU()).dtype == torch.get_default_dtype()


@pytest.mark.parametrize("data", [["a film", "a cast"], np.array(["a"]), pd.Series(["a film"]), [{"a": 1}]])
def test_texts(data):
    """Text and objects are refused, and the error names the task that reads texts."""
    with pytest.raises(DataError, match="without a task the data must be numbers") as caught:
        as_tensors(data, LINEAR)

    assert 'task="text-classification"' in caught.value.do


def test_rows_of_different_lengths():
    """Rows of different lengths are no tensor, and the error says so in our words."""
    with pytest.raises(DataError):
        as_tensors([[1.0, 2.0], [3.0]], LINEAR)


def test_negative_strides():
    """A reversed array is read in its order."""
    assert as_tensors(np.arange(3.0)[::-1], LINEAR).tolist() == [2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("targets", "are"),
    [
        (torch.tensor([0, 2, 1]), True),
        (torch.tensor([0, -100]), False),
        (torch.tensor([[0], [1]]), False),
        (torch.tensor([0, 1], dtype=torch.int32), False),
        (torch.tensor([0.0, 1.0]), False),
        (torch.tensor([], dtype=torch.int64), False),
        (torch.zeros(2, dtype=torch.int64, device="meta"), False),
        ((torch.tensor([0]),), False),
    ],
    ids=["classes", "no label", "columns", "int32", "floats", "empty", "elsewhere", "several"],
)
def test_class_indices(targets, are):
    """One class index for each example, on the CPU, none of them negative."""
    assert are_class_indices(targets) is are
