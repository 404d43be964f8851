"""Class weights in the user's words, against scikit-learn's."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from keraslike.errors import ArgumentError
from keraslike.losses.class_weight import class_weights

CLASSES = torch.tensor([0, 2, 2, 1, 2, 0, 2])
YES_NO = torch.tensor([[1, 0], [1, 1], [1, 0], [0, 0]])


def test_balanced_is_scikit_learns() -> None:
    """Rows / (classes x rows of the class)."""
    weights = class_weights("balanced", CLASSES, ["a", "b", "c"], 3)

    expected = compute_class_weight("balanced", classes=np.arange(3), y=CLASSES.numpy())
    torch.testing.assert_close(weights, torch.tensor(expected), rtol=1e-15, atol=0)


def test_targets_without_a_label_do_not_count() -> None:
    """Labels of -100 are no class."""
    ignored = torch.cat([CLASSES, torch.tensor([-100, -100])])

    assert torch.equal(class_weights("balanced", ignored, None, 3), class_weights("balanced", CLASSES, None, 3))


def test_balanced_several_labels() -> None:
    """Where a row has several labels, each weighs the rows without it over the rows with it."""
    weights = class_weights("balanced", YES_NO, ["x", "y"], 2, "multi_label_classification")

    assert weights.tolist() == pytest.approx([1 / 3, 3])


@pytest.mark.parametrize("targets", [torch.tensor([0, 0, 2]), torch.tensor([[1, 0, 1], [1, 0, 0], [0, 0, 0]])], ids=str)
def test_a_class_without_a_row_weighs_one(targets: torch.Tensor) -> None:
    """Its weight changes nothing, and the others weigh as if it were not there, as in scikit-learn."""
    kind = "multi_label_classification" if targets.dim() > 1 else "single_label_classification"

    weights = class_weights("balanced", targets, ["a", "b", "c"], 3, kind)

    assert weights.tolist() == ([0.5, 1, 2] if targets.dim() > 1 else [0.75, 1, 1.5])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"c": 5}, [1, 1, 5]),
        ({"a": 0.5, "b": np.float32(2), "c": 0}, [0.5, 2, 0]),
        ([1, 2, 3], [1, 2, 3]),
        ((1, 2, 3), [1, 2, 3]),
        (np.array([1.0, 2, 3]), [1, 2, 3]),
        (torch.tensor([1.0, 2, 3]), [1, 2, 3]),
    ],
    ids=["some", "all", "list", "tuple", "array", "tensor"],
)
def test_weights_of_the_users_own(value: Any, expected: list[float]) -> None:
    """A dict by the user's own labels, or a row of weights in their order."""
    assert class_weights(value, CLASSES, ["a", "b", "c"], 3).tolist() == expected


def test_labels_may_be_numbers() -> None:
    """Without labels the classes' numbers are their names."""
    assert class_weights({2: 3.0}, CLASSES, None, 3).tolist() == [1, 1, 3]


@pytest.mark.parametrize(
    ("value", "said", "answer"),
    [
        ("balnced", "given as 'balnced'", "did you mean 'balanced'?"),
        ({"spma": 2}, "names 'spma', which is none of the labels", "did you mean 'spam'?"),
        ([1.0], "given as 1 weights, but there are 2 labels", "one weight per label"),
        (3, "given as a int, but there are 2 labels", "one weight per label"),
        ({"spam": -1}, "gives 'spam' the weight -1", "0 or more"),
        ({"spam": float("nan")}, "gives 'spam' the weight nan", "finite"),
        ({"spam": "much"}, "gives 'spam' the weight 'much'", "finite"),
        ({"spam": "1"}, "gives 'spam' the weight '1'", "finite"),
    ],
)
def test_what_is_refused(value: Any, said: str, answer: str) -> None:
    """Each mistake is answered with what was found and what is expected."""
    with pytest.raises(ArgumentError, match=said) as error:
        class_weights(value, torch.tensor([0, 0]), ["ham", "spam"], 2)

    assert answer in str(error.value)


def test_numbers_have_no_classes() -> None:
    """A regression has nothing to weigh."""
    with pytest.raises(ArgumentError, match="targets are numbers"):
        class_weights("balanced", torch.ones(3), None, 1, "regression")
