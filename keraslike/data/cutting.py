"""How a batch is cut into micro-batches: a pure function of its lengths, of a documented price, and of a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np

Run = Sequence[int]
"""The places of a part's examples in the batch: a `range` where they are contiguous."""

PRICES: dict[str, tuple[tuple[float, float], ...]] = {"cpu": ((0.1e6, 185.0), (0.8e6, 87.0), (10.8e6, 29.0))}
"""What one more part costs, in padded tokens, by kind of device: (parameters of the body, price), as measured."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How batches are cut. The same lengths are always cut alike, so that a seed gives the same bits.

    Args:
        size: at most so many examples a part, in the order given: the user's own `micro_batch_size`.
        price: how many padded tokens one more part costs, for "auto". The examples are sorted by length and cut where
            tokens sent and prices paid are least. None: they are not sorted.
        limit: at most so many examples a part, with or without a price: what an out-of-memory left behind.
        tokens: about so many real tokens a part at most, where the layers see no padding. The examples are sorted by
            length if there are more.

    Example:
        >>> Cut(size=4).most, Cut(size=4, limit=2).most, Cut().most
        (4, 2, None)
    """

    size: int | None = None
    price: float | None = None
    limit: int | None = None
    tokens: int | None = None

    @property
    def most(self) -> int | None:
        """How many examples a part may have; None: all."""
        if self.size is None or self.limit is None:
            return self.limit if self.size is None else self.size
        return min(self.size, self.limit)


WHOLE = Cut()
"""Not cut at all."""


def price_of_part(device_type: str, parameters: int) -> float | None:
    """Give what one more part costs on a kind of device: so many padded tokens.

    Between the measured sizes the price is interpolated log-log, outside it stays that of the nearest. It is rounded to
    whole tokens, so that sums of it are exact and two machines whose logarithms differ in the last bit cut alike.

    Args:
        device_type: as in `torch.device.type`.
        parameters: trainable parameters of the body, embeddings not counted.

    Returns:
        The price in tokens; None where nothing was measured, so that batches are not cut to save padding there.

    Example:
        >>> price_of_part("cpu", 800_000), price_of_part("cpu", 3_000_000), price_of_part("cpu", 10**9)
        (87.0, 50.0, 29.0)
    """
    measured = PRICES.get(device_type)
    if measured is None:
        return None
    sizes, prices = np.log(measured).T
    return float(round(np.exp(np.interp(np.log(max(parameters, 1)), sizes, prices))))


def runs(size: int, lengths: Sequence[int] | None, cut: Cut) -> list[Run]:
    """Give the places of the examples in the batch, part by part.

    Args:
        size: how many examples the batch has.
        lengths: the length of each; None: not known, so that a price has no meaning.
        cut: how to cut.

    Returns:
        A `range` for a part that is a contiguous run in the order given, and for a batch that stays whole; else a list,
        the longest part first: what does not fit into memory shows at once, and its blocks are used again.

    Example:
        >>> runs(3, None, Cut(size=2))
        [range(0, 2), range(2, 3)]
        >>> runs(5, [9, 2, 9, 1, 2], Cut(price=3))
        [[0, 2], [3, 1, 4]]
    """
    most = cut.most
    if lengths is None or (cut.price is None and cut.tokens is None):
        step = most or size
        return [range(start, min(start + step, size)) for start in range(0, size, step)]
    order = sorted(range(size), key=lengths.__getitem__)  # stable: ties stay in the order given
    ordered = [lengths[place] for place in order]
    if cut.price is not None:
        ends = cheapest_ends(ordered, cut.price, most)
    else:
        ends = even_ends(ordered, cut.tokens or sum(ordered), most)
    if len(ends) == 1:
        return [range(size)]
    parts: list[Run] = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return parts[::-1]


def cheapest_ends(lengths: Sequence[int], price: float, limit: int | None = None) -> list[int]:
    """Cut sorted lengths where the sum of (examples x longest) + price x parts is least, exactly.

    ::

        cost of the first j examples  =  least over i < j of  cost of the first i  +  (j - i) x longest  +  price

    Without a limit a part ends only where the length changes. The best i never moves back as j grows (a longer example
    is the dearer the more go with it), so that the search goes on where the last one ended. Of equally cheap cuts the
    one with the earlier i holds.

    Args:
        lengths: in ascending order, one or more.
        price: as in `Cut`, 0 or more.
        limit: as in `Cut`.

    Returns:
        Where each part ends; the last one is `len(lengths)`.

    Example:
        >>> cheapest_ends([1, 2, 2, 9, 9], price=3), cheapest_ends([1, 2, 2, 9, 9], price=99)
        ([3, 5], [5])

    Source:
        F. Yao, Efficient dynamic programming using quadrangle inequalities, STOC 1980 (the best i moves forward).
    """
    size = len(lengths)
    is_limited = limit is not None and limit < size
    if not is_limited and size * lengths[-1] - sum(lengths) <= price:
        return [size]  # one more part costs more than all padding
    ends = list(range(1, size + 1) if is_limited else accumulate(len(list(same)) for _, same in groupby(lengths)))
    places, costs, origins, first = [0, *ends], [0.0], [0], 0
    for number, end in enumerate(ends, start=1):
        longest = lengths[end - 1]
        first = max(first, number - limit) if is_limited and limit is not None else first
        found = [cost - place * longest for cost, place in zip(costs[first:], places[first:], strict=False)]
        least = min(found)
        first += found.index(least)
        origins.append(first)
        costs.append(least + end * longest + price)
    return _followed(origins, places)


def even_ends(lengths: Sequence[int], tokens: int, limit: int | None = None) -> list[int]:
    """Cut lengths into as few parts as `tokens` a part allow, each of about as many tokens.

    Args:
        lengths: one or more.
        tokens: as in `Cut`.
        limit: as in `Cut`.

    Returns:
        As in `cheapest_ends`.

    Example:
        >>> even_ends([1, 1, 2, 4, 4], tokens=6), even_ends([1, 1, 2, 4, 4], tokens=12, limit=2)
        ([4, 5], [2, 4, 5])
    """
    share = sum(lengths) / max(-(-sum(lengths) // tokens), 1)
    ends: list[int] = []
    first, sent = 0, 0
    for place, length in enumerate(lengths):
        is_full = sent + length / 2 > share * (len(ends) + 1) or place - first == limit
        if place > first and is_full:
            ends.append(place)
            first = place
        sent += length
    return [*ends, len(lengths)]


def _followed(origins: list[int], places: list[int]) -> list[int]:
    """Follow the best cuts back from the last example."""
    ends, number = [], len(origins) - 1
    while number:
        ends.append(places[number])
        number = origins[number]
    return ends[::-1]
