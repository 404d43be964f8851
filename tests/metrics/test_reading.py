"""What logits mean."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch import Tensor

from keraslike.metrics import classes, probabilities, problem_type_of

LOGITS = torch.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0]], dtype=torch.float64)


def test_probabilities() -> None:
    """One label: softmax; several: a sigmoid each; regression: the values."""
    single = probabilities(LOGITS, "single_label_classification")
    multi = probabilities(LOGITS, "multi_label_classification")

    np.testing.assert_allclose(single, softmax(LOGITS.numpy(), 1), rtol=1e-14)
    np.testing.assert_allclose(multi, expit(LOGITS.numpy()), rtol=1e-14)
    assert probabilities(LOGITS, "regression") is LOGITS


def test_classes() -> None:
    """One label: the highest logit's index; several: probabilities above one half; regression: the values."""
    single = classes(LOGITS, "single_label_classification")
    multi = classes(LOGITS, "multi_label_classification")

    assert single.tolist() == [2, 1]
    assert multi.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert single.dtype == multi.dtype == torch.int64
    assert classes(LOGITS, "regression") is LOGITS


@pytest.mark.parametrize(
    ("logits", "targets", "expected"),
    [
        (torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64), "single_label_classification"),
        (torch.zeros(4, 3, 5), torch.zeros(4, 5, dtype=torch.int64), "single_label_classification"),
        (torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.int64), "multi_label_classification"),
        (torch.zeros(4, 1), torch.zeros(4, dtype=torch.bool), "multi_label_classification"),
        (torch.zeros(4, 1), torch.zeros(4), "regression"),
        (torch.zeros(4, 3), torch.zeros(4, 3), "regression"),
    ],
    ids=str,
)
def test_problem_type_from_shapes(logits: Tensor, targets: Tensor, expected: str) -> None:
    """Floats are values; whole numbers are class indices, or labels where there are as many as logits."""
    assert problem_type_of(logits, targets) == expected
