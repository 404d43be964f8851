"""Rows become blocks of one size, in order, nothing lost."""

import numpy as np
import pytest

from keraslike.data.packing import pack_rows

ROWS = [{"input_ids": np.arange(10 * row, 10 * row + size), "row": row} for row, size in enumerate([3, 1, 7, 2])]


@pytest.mark.parametrize("size", [1, 2, 5, 13, 100])
def test_blocks_are_the_joined_rows(size: int):
    """All blocks but the last have the size; put together they are all rows, one after the other."""
    blocks = [block["input_ids"].tolist() for block in pack_rows(ROWS, size)]

    assert [token for block in blocks for token in block] == [0, 1, 2, 10, *range(20, 27), 30, 31]
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert 0 < len(blocks[-1]) <= size


def test_blocks_name_their_rows():
    """A block names every row that it has a token of."""
    rows = [block["row"].tolist() for block in pack_rows(ROWS, 4)]

    assert rows == [[0, 1], [2], [2, 3], [3]]


def test_further_columns_go_along():
    """What there is for each token stays at its token."""
    features = [{**row, "words": row["input_ids"] % 10, "other": 3} for row in ROWS]

    blocks = list(pack_rows(features, 4, ("input_ids", "words")))

    assert all((block["words"] == block["input_ids"] % 10).all() for block in blocks)
    assert set(blocks[0]) == {"input_ids", "words", "row"}


def test_no_rows():
    """Of nothing comes nothing."""
    assert list(pack_rows([], 4)) == []
