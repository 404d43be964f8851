"""Counts per class where there is nothing to count."""

import numpy as np
import pytest
import torch

from keraslike.metrics import REGISTRY, ClassCounts
from keraslike.metrics.kinds import LABELS

SEVERAL = [name for name, one in REGISTRY.items() if issubclass(one, ClassCounts) and LABELS in one().suits]


@pytest.mark.parametrize("name", SEVERAL)
def test_counts_of_no_rows(name: str) -> None:
    """Of several labels no rows have no value; and they leave that of the others, also one of 0, as it is."""
    found, nothing = torch.full((6, 2), -1.0), torch.zeros((6, 2), dtype=torch.int64)
    metric = REGISTRY[name]("multi_label_classification")

    empty = metric(found[:0], nothing[:0])
    metric.update(found, nothing)
    metric.update(found[:0], nothing[:0])

    assert np.isnan(empty)
    assert metric.compute() == 0
