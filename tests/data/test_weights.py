"""Sample weights: read and checked at the door."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from keraslike.data.weights import as_weights
from keraslike.errors import DataError

NETWORK = nn.Linear(1, 1)


@pytest.mark.parametrize(
    "given",
    [
        [0, 1, 2.5],
        (0, 1, 2.5),
        np.array([0, 1, 2.5]),
        torch.tensor([0, 1, 2.5]),
        pd.Series([0, 1, 2.5], index=[7, 8, 9]),
    ],
    ids=["list", "tuple", "array", "tensor", "series"],
)
def test_any_container(given):
    """Weights may stand in any container of numbers."""
    weights = as_weights(given, 3, NETWORK)

    assert weights.tolist() == [0, 1, 2.5]


@pytest.mark.parametrize(
    ("dtype", "expected"), [(torch.float64, np.float64), (torch.float32, np.float32), (torch.bfloat16, np.float32)]
)
def test_type_of_the_network(dtype, expected):
    """Weights have the type of the network's parameters, float32 at least."""
    weights = as_weights([0.1], 1, nn.Linear(1, 1).to(dtype))

    assert weights.dtype == expected
    assert weights[0] == expected(0.1)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([1, 2], r"shape \(2,\) for 3 rows"),
        ([[1], [2], [3]], r"shape \(3, 1\) for 3 rows"),
        ([1, -0.5, 2], r"row 1 .* the sample weight -0.5"),
        ([1, 1, float("nan")], "row 2 .* the sample weight nan"),
        ([float("inf"), 1, 1], "row 0 .* the sample weight inf"),
        ([0, 0, 0], "all sample weights are 0"),
        (["a", "b", "c"], r"sample_weight is \['a', 'b', 'c'\], a list"),
        ("balanced", "sample_weight is 'balanced', a str"),
        (2, "sample_weight is 2, an int"),
    ],
)
def test_what_are_no_weights(given, what):
    """Weights of a wrong number, negative ones and ones that are no numbers are refused; the row is named."""
    with pytest.raises(DataError, match=what) as caught:
        as_weights(given, 3, NETWORK)

    assert caught.value.expected == "one finite number per row, 0 or more: shape (3,)."
