"""Packs the tokens of many rows into blocks of one size."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.data.encoding import Feature

BLOCK = 128
"""Tokens of a block where nobody says how many: small data then make many updates."""


def pack_rows(features: Sequence[Feature], size: int, columns: Sequence[str] = ("input_ids",)) -> Iterator[Feature]:
    """Give blocks of `size` tokens: all rows one after the other, cut wherever a block is full; the last may be short.

    Args:
        features: one for each row, or more, with their `row`.
        size: tokens of a block.
        columns: what there is for every token; all else is left out.

    Returns:
        Features with the `columns`, and under `row` the numbers of all rows that a block holds tokens of.

    Example:
        >>> rows = [{"input_ids": np.arange(5), "row": 0}, {"input_ids": np.arange(2), "row": 1}]
        >>> [(block["input_ids"].tolist(), block["row"].tolist()) for block in pack_rows(rows, size=4)]
        [([0, 1, 2, 3], [0]), ([4, 0, 1], [0, 1])]
    """
    if not features:
        return
    lengths = [len(feature[columns[0]]) for feature in features]
    flat = {name: np.concatenate([feature[name] for feature in features]) for name in columns}
    rows = np.repeat([int(feature["row"]) for feature in features], lengths)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield {**{name: values[part] for name, values in flat.items()}, "row": np.unique(rows[part])}


def ones_like(ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Give the attention mask of a feature without padding, shape `(tokens,)`."""
    return np.ones(len(ids), dtype=np.int64)
