"""From rows to the batches of a task: weights and row numbers, token budgets, samplers and workers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from keraslike.data.batches import as_batch
from keraslike.data.budget import SortedBatches
from keraslike.data.cutting import WHOLE, Cut
from keraslike.data.encoding import Features
from keraslike.data.rows import Rows
from keraslike.data.weights import as_weights
from keraslike.errors import ArgumentError
from keraslike.tasks.base import Task
from keraslike.tasks.feed import Feed, rows_for_fit
from keraslike.tasks.loaders import LoaderBatches, StreamBatches

TEXTS = ["to be or not to be"[: 2 + 3 * (row % 6)] for row in range(30)]
TARGETS = [float(row) + 0.5 for row in range(30)]  # a target tells its row
WEIGHTS = as_weights([row / 4 for row in range(30)], 30, nn.Linear(1, 1))


class Letters(Task):
    """A token for each letter; every `windows` letters are a feature of their own."""

    name = "letters"

    def __init__(self, windows: int = 100) -> None:
        super().__init__()
        self.windows = windows

    def encode(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        ids = [ord(letter) for letter in row["text"]]
        target = {"target": row["target"]} if "target" in row else {}
        return [{"input_ids": ids[i : i + self.windows], **target} for i in range(0, len(ids), self.windows)]

    def collate(self, features: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Tensor], Any]:
        sequences = [torch.as_tensor(np.asarray(feature["input_ids"])) for feature in features]
        padded = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        return {"input_ids": padded}, torch.tensor([feature["target"] for feature in features])


class Packing(Letters):
    """A task that packs all rows into one feature."""

    def pack(self, features: Features) -> Features:
        ids = [token for feature in features for token in feature["input_ids"]]
        return Features([{"input_ids": ids, "target": 0.0, "row": [feature["row"] for feature in features]}])


def rows_in(part: Any) -> list[int]:
    return [int(target) for target in part.y]


def test_rows_and_weights_of_shuffled_batches():
    """Whatever the order and the cut, each example has its own row's weight, and batches name the user's rows."""
    feed = Feed(Letters())
    batches = feed.batches(feed.read(TEXTS, TARGETS), 8, seed=3, sample_weight=WEIGHTS)

    for batch in batches:
        parts = batch.parts(Cut(price=3))

        assert len(parts) > 1
        assert sorted(batch.rows) == sorted(row for part in parts for row in rows_in(part))
        assert all(part.weight.tolist() == [row / 4 for row in rows_in(part)] for part in parts)
        assert all([batch.rows[place] for place in part.index] == rows_in(part) for part in parts)


def test_rows_after_a_split():
    """validation_split leaves rows their numbers and weights, in both parts."""
    feed = Feed(Letters())
    _, *parts = rows_for_fit(feed, TEXTS, TARGETS, None, 0.3, seed=1)

    seen = []
    for rows in parts:
        for batch in feed.batches(rows, 4, seed=2, sample_weight=WEIGHTS):
            (part,) = batch.parts(WHOLE)
            assert batch.rows == rows_in(part)
            assert part.weight.tolist() == [row / 4 for row in batch.rows]
            seen += batch.rows

    assert sorted(seen) == list(range(30))
    assert [len(rows) for rows in parts] == [21, 9]


def test_rows_of_rows():
    """Rows taken from taken rows, under other names, still know the user's numbers."""
    rows = Rows({"text": list("abcdef")}).take([5, 3, 1]).as_part("validation").take([2, 0])

    assert rows.numbers == [1, 5]
    assert rows.prepared(lambda row: row).numbers == [1, 5]
    assert Rows({"text": ["a"]}).numbers is None


def test_windows_share_the_weight_of_their_row():
    """Every feature of a row has the row's weight."""
    feed = Feed(Letters(windows=5))
    batches = feed.batches(feed.read(TEXTS, TARGETS), 200, sample_weight=WEIGHTS)

    ((part, rows),) = [(*batch.parts(WHOLE), batch.rows) for batch in batches]

    assert part.size == sum(-(-len(text) // 5) for text in TEXTS)
    assert part.weight.tolist() == [row / 4 for row in rows_in(part)] == [row / 4 for row in rows]


def test_weights_of_packed_rows():
    """Weights of rows that become one feature are refused; without weights the feature names its rows."""
    feed = Feed(Packing())
    rows = feed.read(TEXTS, TARGETS)

    with pytest.raises(ArgumentError, match="packs several rows into one feature"):
        feed.batches(rows, 8, sample_weight=WEIGHTS)

    assert [batch.rows for batch in feed.batches(rows, 8)] == [list(range(30))]


def test_budget_sorts_for_measuring():
    """With a token budget all features come longest first, and no batch is larger than the budget."""
    feed = Feed(Letters())

    batches = feed.batches(feed.read(TEXTS, TARGETS), None, budget=40, sample_weight=WEIGHTS)

    assert isinstance(batches, SortedBatches)
    parts = [batch.parts(WHOLE)[0] for batch in batches]
    assert [row for part in parts for row in rows_in(part)] == batches.order.tolist()
    assert batches.order.tolist() == sorted(range(30), key=lambda row: -len(TEXTS[row]))
    assert max(part.sent_tokens for part in parts) <= 40
    assert sum(part.real_tokens for part in parts) == sum(map(len, TEXTS))
    assert all(part.weight.tolist() == [row / 4 for row in rows_in(part)] for part in parts)


@pytest.mark.parametrize("loading", [{"sampler": [4, 2, 4]}, {"sampler": [4, 2, 4], "num_workers": 1}])
def test_sampler_and_workers(loading):
    """A sampler gives the order of the rows, and workers prepare them."""
    feed = Feed(Letters())
    batches = feed.batches(feed.read(TEXTS, TARGETS), 2, seed=3, loading=loading)

    assert [rows_in(batch.parts(WHOLE)[0]) for batch in batches] == [[4, 2], [4]]


def test_loading_that_a_task_does_itself():
    """What the batches of a task settle themselves is refused."""
    feed = Feed(Letters())

    with pytest.raises(ArgumentError, match="dataloader_kwargs has 'collate_fn'"):
        feed.batches(feed.read(TEXTS, TARGETS), 2, loading={"collate_fn": list})


def test_rows_of_a_generator():
    """A generator's rows are numbered as they come, over all passes."""
    rows = ({"text": text, "target": target} for text, target in zip(TEXTS, TARGETS, strict=True))
    batches = StreamBatches(rows, Feed(Letters()), 4, seed=None)
    first, second = (next(iter(batches)) for _ in range(2))

    assert [first.rows, second.rows] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert rows_in(*second.parts(WHOLE)) == second.rows


def test_rows_of_a_loader():
    """A loader does not say which rows it gave."""
    rows = [{"text": text, "target": target} for text, target in zip(TEXTS, TARGETS, strict=True)]

    assert [batch.rows for batch in LoaderBatches(DataLoader(rows, batch_size=20), Feed(Letters()))] == [None, None]


def test_weights_in_padded_batches():
    """Padded batches may hold sample_weight beside their labels; it is no input of the network."""
    padded = {"input_ids": torch.ones(2, 3), "labels": torch.ones(2), "sample_weight": torch.tensor([0.5, 2])}

    (data,) = LoaderBatches(DataLoader([padded], batch_size=None), Feed(Letters()))

    (part,) = as_batch(data).parts(WHOLE)
    assert list(part.x) == ["input_ids"]
    assert part.weight.tolist() == [0.5, 2]
