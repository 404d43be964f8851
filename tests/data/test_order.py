"""The order of the rows, a pure function of (seed, epoch)."""

import numpy as np
import pytest
import torch

from keraslike.data.order import order


@pytest.mark.parametrize(("rows", "seed", "epoch"), [(10, 0, 1), (1000, 42, 3), (7, 2**31 - 1, 100)])
def test_is_what_the_documentation_says(rows, seed, epoch):
    """It is numpy's permutation for the generator of (seed, epoch), so that anybody can write it by hand."""
    assert np.array_equal(order(rows, seed, epoch), np.random.default_rng((seed, epoch)).permutation(rows))


def test_every_row_once():
    """Each row comes once."""
    assert sorted(order(100, 1, 1)) == list(range(100))


def test_differs_by_epoch_and_seed():
    """Another epoch and another seed give other orders, also where their sum is the same."""
    orders = [tuple(order(50, seed, epoch)) for seed, epoch in ((1, 1), (1, 2), (2, 1), (2, 2))]

    assert len(set(orders)) == 4


def test_draws_from_no_global_state():
    """It neither reads nor moves the global random states."""
    np.random.seed(0)
    first, before = order(20, 1, 1), torch.get_rng_state()
    np.random.seed(1)

    assert np.array_equal(order(20, 1, 1), first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows):
    """No rows have an order too."""
    assert order(rows, 0, 1).tolist() == list(range(rows))
