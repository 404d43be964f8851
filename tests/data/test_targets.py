"""What kind of problem targets pose."""

from typing import Any

import numpy as np
import pytest

from keraslike.data.rows import Rows
from keraslike.data.targets import (
    MULTI_LABEL,
    REGRESSION,
    SINGLE_LABEL,
    is_multi_hot,
    kind_of_targets,
    read_targets,
    require_target,
)
from keraslike.errors import DataError


@pytest.mark.parametrize(
    ("targets", "problem_type", "width"),
    [
        (["a", "b"], SINGLE_LABEL, 1),
        ([0, 5], SINGLE_LABEL, 1),
        ([True, False], SINGLE_LABEL, 1),
        ([1.0, 2.0], SINGLE_LABEL, 1),
        ([1.0, 2.5], REGRESSION, 1),
        ([1, 2.5], REGRESSION, 1),
        ([["a"], ["b", "c"]], MULTI_LABEL, None),
        ([["a", "b"], ["b", "c"]], MULTI_LABEL, None),
        ([[3], [1, 2]], MULTI_LABEL, None),
        ([[3, 1], [1, 2]], MULTI_LABEL, None),
        ([[], []], MULTI_LABEL, None),
        ([[0, 1], [1, 1]], MULTI_LABEL, 2),
        ([[True, False, True]], MULTI_LABEL, 3),
        ([[0.5, 1.0]], REGRESSION, 2),
        ([[0.0, 1.0]], REGRESSION, 2),
        ([[2.5], [1.0]], REGRESSION, 1),
    ],
    ids=str,
)
def test_kind_of_targets(targets: list[Any], problem_type: str, width: int | None) -> None:
    """Words, whole numbers and bools are classes; fractions regression; two dimensions several."""
    assert kind_of_targets(targets) == (problem_type, width)


def test_lists_and_single_labels_do_not_mix() -> None:
    """The error shows both rows."""
    with pytest.raises(DataError, match=r"target 0 is 'a' but target 2 .* is \['b'\]"):
        kind_of_targets(["a", "a", ["b"]])


def test_rows_with_targets_are_let_through() -> None:
    """Only rows without targets are refused."""
    require_target(Rows({"text": ["a"], "target": [1]}))

    with pytest.raises(DataError, match="there are 1 texts but no labels"):
        require_target(Rows({"text": ["a"]}))


def test_no_rows_are_not_multi_hot() -> None:
    """Without rows nothing can be told."""
    assert not is_multi_hot([])


def test_arrays_of_two_dimensions() -> None:
    """One row, one list of plain numbers."""
    assert read_targets(np.array([[1, 0], [0, 1]])) == [[1, 0], [0, 1]]
