"""The largest micro-batch that fits: found by trying, or along a line through the memory of smaller ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoTokenizer

from keraslike import Model
from keraslike.errors import DataError, OutOfMemoryError
from keraslike.recipes import finding_batch_sizes, peak_memory
from keraslike.recipes.finding_batch_sizes import BatchSize, largest_that
from tests.engine.by_hand import OUT_OF_MEMORY

Data = tuple[list[str], list[str]]


def tensors(rows: int = 50, width: int = 4) -> tuple[Tensor, Tensor]:
    return torch.zeros(rows, width), torch.zeros(rows).long()


class Limited(nn.Module):
    """Runs out of memory with more than so many examples at once; keeps how many there were."""

    def __init__(self, most: int, error: Any) -> None:
        super().__init__()
        self.layer, self.most, self.error, self.seen = nn.Linear(4, 2), most, error, []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most:
            raise self.error()
        return self.layer(x)


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch):
    """As if the network were on an accelerator: sizes are tried, and its memory is what this process has."""
    monkeypatch.setattr(finding_batch_sizes, "_reckoned", finding_batch_sizes._tried)


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
@pytest.mark.parametrize("most", [1, 7, 100, 129, 999])
def test_tries_until_it_does_not_fit(most: int, kind: str, accelerated: None):
    """Sizes are doubled, then halved; what is found fits, a fifth is left free, and a fourth more would not fit."""
    network = Limited(most, OUT_OF_MEMORY[kind])
    found = Model(network, "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors(1000))

    assert 0.85 * most <= found.largest_tried <= most
    assert found.micro_batch_size == max(int(0.8 * found.largest_tried), 1)
    assert not found.is_all
    assert not found.is_extrapolated
    assert max(network.seen) <= 2 * most or most == 1


def test_takes_all_where_all_fit(accelerated: None):
    """There are no more examples than the data have."""
    network = Limited(1000, OUT_OF_MEMORY["cpu"])
    found = Model(network, "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors(50))

    assert (found.micro_batch_size, found.is_all, max(network.seen)) == (50, True, 50)
    assert "all examples" in str(found)


@pytest.mark.parametrize("is_tried", [False, True])
def test_refuses_where_one_does_not_fit(is_tried: bool, request: pytest.FixtureRequest):
    """Not even one example: an error in words, as in fit."""
    if is_tried:
        request.getfixturevalue("accelerated")
    with pytest.raises(OutOfMemoryError, match="memory ran out"):
        Model(Limited(0, OUT_OF_MEMORY["cpu"]), "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors())


@pytest.mark.parametrize(("most", "least"), [(most, least) for most in (1, 2, 3, 17, 100) for least in (1, 2)])
def test_search_ends_and_holds(most: int, least: int):
    """Whatever the limit is, the number found fits, and is within an eighth of it."""
    for limit in range(1, 130):
        found = largest_that(lambda size, limit=limit: size <= limit, max(most, least), least)

        assert found <= min(limit, max(most, least))
        assert found >= 0.85 * min(limit, max(most, least)) or limit < least


@pytest.mark.skipif(not peak_memory.STATUS.exists(), reason="there is no high-water mark")
def test_follows_a_line(monkeypatch: pytest.MonkeyPatch):
    """On a CPU a network of known activations is followed to where four fifths of the memory are taken."""
    monkeypatch.setattr(peak_memory.PeakMemory, "available", lambda self: 20_000_000_000)
    network = nn.Sequential(nn.Linear(4, 1_000_000), nn.Tanh(), nn.Linear(1_000_000, 2))
    found = Model(network, "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors(100_000))

    assert found.is_extrapolated
    # Backward holds what tanh gave, the gradient of it, and that of what it was given: 4 MB each.
    assert found.bytes_per_example == pytest.approx(12e6, rel=0.2)
    assert found.micro_batch_size == pytest.approx(0.8 * 20e9 / found.bytes_per_example, rel=0.1)
    assert "Reckoned from up to 64 examples, not tried." in str(found)


@pytest.mark.parametrize(("most", "found"), [(1, 1), (5, 4), (40, 32)])
def test_stops_where_a_limit_comes_first(most: int, found: int):
    """On a CPU too memory may run out, at a limit of a container's: the answer is the largest number that fitted."""
    size = Model(Limited(most, OUT_OF_MEMORY["cpu"]), "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors())

    assert (size.micro_batch_size, size.largest_tried, size.is_extrapolated) == (found, found, False)


@pytest.mark.skipif(not peak_memory.STATUS.exists(), reason="there is no high-water mark")
def test_does_not_dare_much(monkeypatch: pytest.MonkeyPatch):
    """A size that would take more than a fourth of the memory is not tried: on a CPU that kills."""
    monkeypatch.setattr(peak_memory.PeakMemory, "available", lambda self: 500_000_000)
    network = nn.Sequential(nn.Linear(4, 1_000_000), nn.Tanh(), nn.Linear(1_000_000, 2))
    found = Model(network, "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors(1000))

    assert found.largest_tried <= 16
    assert found.micro_batch_size < 60


def test_takes_the_longest_texts(tiny_bert: Path, texts_and_labels: Data):
    """The longest examples go together, so that any others of this number fit, too."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    found = model.find_batch_size(*texts_and_labels)

    longest = max(map(len, AutoTokenizer.from_pretrained(tiny_bert)(texts_and_labels[0])["input_ids"]))

    assert found.length == longest
    assert found.is_all
    assert f"of up to {longest} tokens" in str(found)


def test_batch_norm_sees_two_examples():
    """Of one example there is no variance: the smallest step has two."""
    network = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))

    assert Model(network, "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors()).micro_batch_size == 50


def test_refuses_batches_that_come_as_they_are():
    """Of a loader the longest rows are not known."""
    loader = DataLoader(TensorDataset(*tensors()), batch_size=8)
    with pytest.raises(DataError, match="come as they are"):
        Model(nn.Linear(4, 2), "sgd", "cross_entropy", device="cpu").find_batch_size(loader)


def test_refuses_where_nobody_knows_the_memory(monkeypatch: pytest.MonkeyPatch):
    """Without a figure of the free memory there is nothing to follow the line to."""
    monkeypatch.setattr(peak_memory.PeakMemory, "available", lambda self: None)
    with pytest.raises(DataError, match="nobody says how much memory"):
        Model(nn.Linear(4, 2), "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors())


def test_reckons_activations_where_nothing_measures(monkeypatch: pytest.MonkeyPatch):
    """Without a high-water mark the line goes through what the tensors take."""
    monkeypatch.setattr(peak_memory, "STATUS", Path("/nowhere"))
    monkeypatch.setattr(peak_memory.PeakMemory, "available", lambda self: 1_000_000)
    network = nn.Sequential(nn.Linear(4, 1000), nn.Tanh(), nn.Linear(1000, 2))
    found = Model(network, "sgd", "cross_entropy", device="cpu").find_batch_size(*tensors(10_000))

    assert found.bytes_per_example == pytest.approx(4 * (4 + 1000), rel=1e-6)
    assert found.to_json()["is_extrapolated"]


def test_prints_what_it_rests_on():
    """The text says the number, what an example takes, and what is left free."""
    text = str(BatchSize(96, 50_000_000, 6_000_000_000, 64))

    assert text.splitlines()[1] == "  An example takes 50.0 MB; 6.00 GB were free, of which 20 % are left."
