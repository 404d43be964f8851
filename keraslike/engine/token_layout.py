"""Where the tokens of a padded batch are once its texts are one row, and which texts attend together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Group(NamedTuple):
    """Texts that attend together.

    Args:
        shape: texts, and tokens of the longest.
        places: of their tokens in the row, shape `(texts * tokens,)`; padding shows the text's first token.
        mask: where there is a token, shape `(texts, 1, 1, tokens)`; None: all are of one length.
    """

    shape: tuple[int, int]
    places: Tensor
    mask: Tensor | None


class Layout(NamedTuple):
    """Where the tokens of a padded batch are in the row, and in the groups.

    Args:
        tokens: the place in the padded batch of each token of the row, shape `(tokens,)`.
        groups: the groups of attention, each a contiguous run of the row.
        attended: the place in the groups' padded outputs, one behind the other, of each token, shape `(tokens,)`.
    """

    tokens: Tensor
    groups: list[Group]
    attended: Tensor


def lay_out(lengths: Sequence[int], width: int, group_price: float, device: torch.device | str | None = None) -> Layout:
    """Lay out the texts of a batch that is padded on the right, the longest first.

    Args:
        lengths: tokens of each text.
        width: what they are padded to.
        group_price: what one more group costs, in pairs of tokens.
        device: where the batch is; None: on the CPU.

    Example:
        >>> layout = lay_out([1, 3], width=3, group_price=1)
        >>> layout.tokens.tolist(), [group.shape for group in layout.groups]
        ([3, 4, 5, 0], [(1, 3), (1, 1)])
    """
    order = sorted(range(len(lengths)), key=lambda text: -lengths[text])
    ordered = np.array([lengths[text] for text in order])
    starts = np.concatenate([[0], np.cumsum(ordered)])
    tokens = np.concatenate([text * width + np.arange(lengths[text]) for text in order])
    groups, attended, before = [], [], 0
    for first, last in _groups(ordered.tolist(), group_price):
        size, longest = last - first, int(ordered[first])
        within = np.arange(longest) < ordered[first:last, None]
        places = starts[first:last, None] + np.where(within, np.arange(longest), 0)
        mask = None if within.all() else torch.as_tensor(within, device=device)[:, None, None]
        groups.append(Group((size, longest), torch.as_tensor(places.ravel(), device=device), mask))
        attended.append(before + np.flatnonzero(within))
        before += size * longest
    found = (torch.as_tensor(numbers, device=device) for numbers in (tokens, np.concatenate(attended)))
    return Layout(next(found), groups, next(found))


def _groups(lengths: list[int], price: float) -> list[tuple[int, int]]:
    """Cut descending lengths into runs where the sum of (texts x longest squared) + price x runs is least."""
    costs, origins = [0.0], [0]
    for last in range(1, len(lengths) + 1):
        found = [costs[first] + (last - first) * lengths[first] ** 2 for first in range(last)]
        origins.append(min(range(last), key=found.__getitem__))
        costs.append(found[origins[-1]] + price)
    ends, last = [], len(lengths)
    while last:
        ends.append((origins[last], last))
        last = origins[last]
    return ends[::-1]
