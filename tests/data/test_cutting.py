"""Cutting a batch: exact, stable, a pure function of lengths, price and limit."""

import random
from itertools import combinations, pairwise

import numpy as np
import pytest

from keraslike.data.cutting import WHOLE, Cut, cheapest_ends, price_of_part, runs


def cost(parts, price):
    """What is sent: every part as many tokens as examples times the longest, and a price for each part."""
    return sum(len(part) * max(part) + price for part in parts)


def set_partitions(items):
    """Every way to put items into parts, in any order whatever."""
    if not items:
        yield []
        return
    first, *others = items
    for parts in set_partitions(others):
        yield [[first], *parts]
        for place in range(len(parts)):
            yield [*parts[:place], [first, *parts[place]], *parts[place + 1 :]]


def compositions(lengths):
    """Every way to cut a list into contiguous parts."""
    size = len(lengths)
    for count in range(size):
        for inner in combinations(range(1, size), count):
            bounds = [0, *inner, size]
            yield [lengths[start:end] for start, end in pairwise(bounds)]


def parts_of(lengths, ends):
    return [lengths[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("limit", [None, 1, 2, 3, 5, 20])
@pytest.mark.parametrize("seed", range(8))
def test_cheapest_of_all_cuts(seed, limit):
    """No contiguous cut of sorted lengths is cheaper, with equal lengths among them, under any limit."""
    chance = random.Random(seed)
    size = chance.randint(1, 10)
    lengths = sorted(chance.randint(1, 12) for _ in range(size))
    price = chance.choice([0, 1, 3, 7, 20, 0.5])

    parts = parts_of(lengths, cheapest_ends(lengths, price, limit))

    allowed = [cut for cut in compositions(lengths) if limit is None or max(map(len, cut)) <= limit]
    assert [length for part in parts for length in part] == lengths
    assert limit is None or max(map(len, parts)) <= limit
    assert cost(parts, price) == min(cost(cut, price) for cut in allowed)


@pytest.mark.parametrize("limit", [None, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_sorting_loses_nothing(seed, limit):
    """No way at all to put the examples into parts is cheaper than cutting the sorted ones."""
    chance = random.Random(seed)
    lengths = sorted(chance.randint(1, 9) for _ in range(7))

    found = cost(parts_of(lengths, cheapest_ends(lengths, 5, limit)), 5)

    assert found == min(
        cost(parts, 5) for parts in set_partitions(lengths) if limit is None or max(map(len, parts)) <= limit
    )


@pytest.mark.parametrize("limit", [None, 7, 64])
@pytest.mark.parametrize("price", [29.0, 87.0, 185.0])
def test_large_batches(price, limit):
    """A search over every earlier cut, written without short cuts, finds the same cost for 200 ragged lengths."""
    lengths = sorted(np.random.default_rng(3).lognormal(3.3, 0.9, 200).astype(int).clip(4, 256).tolist())

    costs = [0.0]
    for end in range(1, 201):
        starts = range(0 if limit is None else max(0, end - limit), end)
        costs.append(min(costs[start] + (end - start) * lengths[end - 1] + price for start in starts))
    assert cost(parts_of(lengths, cheapest_ends(lengths, price, limit)), price) == costs[-1]


def test_equal_lengths_stay_together():
    """Examples of one length are never parted, however low the price."""
    assert cheapest_ends([4, 4, 4, 9, 9], price=0) == [3, 5]
    assert cheapest_ends([7] * 100, price=0) == [100]


def test_ties_make_fewer_parts():
    """Where one more part saves just what it costs, there is none."""
    assert cheapest_ends([2, 5], price=3) == [2]
    assert cheapest_ends([2, 5], price=2) == [1, 2]


# The places in the batch


def test_whole_batch_keeps_its_order():
    """A batch that stays whole is not sorted, so that it has the bits of a hand-written loop."""
    assert runs(3, [3, 1, 2], WHOLE) == [range(3)]
    assert runs(3, [3, 1, 2], Cut(price=100)) == [range(3)]


@pytest.mark.parametrize(
    ("cut", "sizes"),
    [
        (Cut(size=3), [3, 3, 1]),
        (Cut(size=7), [7]),
        (Cut(size=9), [7]),
        (Cut(limit=4), [4, 3]),
        (Cut(size=5, limit=3), [3, 3, 1]),
        (Cut(size=2, limit=3), [2, 2, 2, 1]),
    ],
)
def test_numbers_of_examples(cut, sizes):
    """A size or a limit cuts in the order given, the smaller of the two counts, and the last part may be shorter."""
    parts = runs(7, [9, 1, 9, 1, 9, 1, 9], cut)

    assert [len(part) for part in parts] == sizes
    assert [place for part in parts for place in part] == list(range(7))


def test_sorted_parts_come_longest_first():
    """With a price the parts hold neighbours in length; the longest comes first; ties stay in the order given."""
    assert runs(6, [2, 30, 2, 31, 2, 30], Cut(price=4)) == [[1, 5, 3], [0, 2, 4]]


def test_limit_within_a_price():
    """A limit holds inside the parts that a price makes."""
    parts = runs(8, [5] * 4 + [50] * 4, Cut(price=10, limit=2))

    assert sorted(place for part in parts for place in part) == list(range(8))
    assert all(len(part) <= 2 for part in parts)


def test_price_without_lengths():
    """Where lengths are not known a price has no meaning, and a limit still holds."""
    assert runs(5, None, Cut(price=1)) == [range(5)]
    assert runs(5, None, Cut(price=1, limit=3)) == [range(3), range(3, 5)]


def test_same_lengths_same_cut():
    """A cut is a pure function of the lengths."""
    lengths = np.random.default_rng(0).integers(4, 128, 32).tolist()

    assert runs(32, lengths, Cut(price=87)) == runs(32, list(lengths), Cut(price=87))


# Prices


@pytest.mark.parametrize(("parameters", "price"), [(100_000, 185), (800_000, 87), (10_800_000, 29)])
def test_measured_prices(parameters, price):
    """The measured bodies have the measured prices."""
    assert price_of_part("cpu", parameters) == price


def test_prices_between():
    """Between two measured bodies the price is interpolated in logarithms, rounded to a whole token."""
    middle = (0.1e6 * 0.8e6) ** 0.5

    assert price_of_part("cpu", int(middle)) == round((185 * 87) ** 0.5)


@pytest.mark.parametrize(("parameters", "price"), [(0, 185), (1, 185), (99_999, 185), (10**8, 29), (10**12, 29)])
def test_prices_outside(parameters, price):
    """Outside of what was measured the nearest price holds."""
    assert price_of_part("cpu", parameters) == price


def test_device_without_a_price():
    """Where nothing was measured nothing is cut to save padding."""
    assert price_of_part("quantum", 10**6) is None
