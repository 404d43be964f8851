"""The way of a batch to the device."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence
from transformers import BatchEncoding

from keraslike.engine import transfer
from keraslike.engine.transfer import changed, look_ahead, moved, pinned, sender

CPU, META = torch.device("cpu"), torch.device("meta")


class Point(NamedTuple):
    x: object
    y: object


@pytest.mark.parametrize(
    "data",
    [
        torch.zeros(2),
        (torch.zeros(2), torch.ones(2)),
        [torch.zeros(2), (torch.ones(2), None)],
        {"input_ids": torch.zeros(2), "more": {"mask": torch.ones(2)}},
        Point(torch.zeros(1), torch.ones(1)),
        torch.nn.Parameter(torch.zeros(1)),
        pack_sequence([torch.zeros(2), torch.zeros(1)]),
        ["text", 3, None],
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("device", [CPU, "cpu", None])
def test_what_is_there_is_not_copied(data, device):
    """What stands on the device already is given back itself, containers included."""
    assert moved(data, device) is data


def test_nested_data_move():
    """Tensors move out of every kind of container, each kept; what is no tensor stays."""
    data = {"a": [torch.zeros(2), "text"], "b": (torch.zeros(1), Point(torch.zeros(3), 7))}

    result = moved(data, META)

    assert result["a"][0].device == result["b"][0].device == result["b"][1].x.device == META
    assert (result["a"][1], result["b"][1].y) == ("text", 7)
    assert isinstance(result["b"][1], Point)


def test_only_some_move():
    """Where one item of a tuple or list moves, the others are kept as they are."""
    there, here = torch.zeros(1, device="meta"), torch.zeros(1)

    result, results = moved((there, here), META), moved([there, here], META)

    assert result[0] is results[0] is there
    assert (type(result), type(results)) == (tuple, list)
    assert result[1].device == results[1].device == META


def test_any_mapping_becomes_a_dict():
    """A `BatchEncoding` is a Mapping and no dict; networks and Poutyne know dicts."""
    ids = torch.tensor([[1, 2]])

    result = moved(BatchEncoding({"input_ids": ids}), CPU)

    assert type(result) is dict
    assert result["input_ids"] is ids


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool", "float16"])
def test_arrays_become_tensors(dtype):
    """A NumPy array becomes a tensor of its own format, and shares its memory."""
    array = np.ones(3, dtype=dtype)

    result = moved(array, CPU)
    array[0] = 0

    assert result.tolist() == array.tolist()
    assert str(result.dtype) == f"torch.{dtype}"


@pytest.mark.parametrize(
    "array",
    [np.arange(3)[::-1], np.broadcast_to(np.float32(1), (3,)), np.arange(3, dtype=">i4"), np.asfortranarray(np.eye(2))],
    ids=["reversed", "read-only", "foreign", "columns"],
)
def test_arrays_that_torch_cannot_share(array):
    """An array whose memory torch cannot share, or should not write to, is copied without a warning."""
    assert moved(array, CPU).tolist() == array.tolist()


def test_arrays_without_numbers_are_left():
    """An array of words or objects is no tensor."""
    words = np.array(["a", "b"])

    assert moved([words], CPU)[0] is words


def test_packed_sequence_keeps_its_lengths():
    """The lengths of packed sequences stay on the CPU, where torch needs them."""
    result = moved(pack_sequence([torch.zeros(2), torch.zeros(1)]), META)

    assert result.data.device == META
    assert result.batch_sizes.device == CPU


class Recorder(Tensor):
    """A tensor that notes how it is moved, and stays."""

    calls: list[tuple[object, ...]]

    def to(self, *args: object, **kwargs: object) -> "Recorder":
        self.calls = [*getattr(self, "calls", []), (*args, kwargs["non_blocking"])]
        return self


def test_no_float64_on_apples_gpus():
    """Apple's GPUs have no float64: such a tensor becomes float32 on the way."""
    double, single = (torch.zeros(1, dtype=dtype).as_subclass(Recorder) for dtype in (torch.float64, torch.float32))

    moved((double, single), "mps")

    assert double.calls == [("mps", torch.float32, False)]
    assert single.calls == [("mps", False)]


def test_sender_for_an_accelerator(monkeypatch):
    """For an accelerator arrays become tensors, tensors are pinned, and the copy does not wait."""
    monkeypatch.setattr(transfer, "pinned", lambda data: [item.as_subclass(Recorder) for item in data])

    (result,) = sender("cuda:0")([np.zeros(2)])

    assert result.calls == [(torch.device("cuda:0"), True)]


@pytest.mark.parametrize("device", ["cpu", CPU, None])
def test_sender_for_the_cpu(device):
    """For the CPU nothing is pinned or copied."""
    x, y = torch.zeros(2), np.ones(2)

    sent_x, sent_y = sender(device)((x, y))

    assert sent_x is x
    assert sent_y.tolist() == [1.0, 1.0]


def test_pinned_without_an_accelerator(monkeypatch):
    """Without an accelerator, and on Apple's chips, nothing is pinned."""
    data = {"x": torch.zeros(2)}
    for accelerator in (None, torch.device("mps")):
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available, a=accelerator: a)

        assert pinned(data) is data


def test_pinned_with_an_accelerator(monkeypatch):
    """Tensors of the CPU are pinned, those that are pinned or elsewhere are left."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(Tensor, "is_pinned", lambda self: bool(self.sum() > 0))
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self + 1)
    there, elsewhere = torch.ones(1), torch.ones(1, device="meta")

    result = pinned([torch.zeros(1), there, elsewhere])

    assert result[0].item() == 1
    assert result[1] is there
    assert result[2] is elsewhere


def test_changed_keeps_what_stays():
    """Where the change gives the same tensors back, the containers are the same too."""
    data = {"a": (torch.zeros(1), [torch.ones(1)])}

    assert changed(data, lambda tensor: tensor) is data
    assert changed(data, torch.neg)["a"][1][0].item() == -1


def log_of(ahead: bool) -> list[str]:
    """Give what happened, in order: drawn, prepared, used."""
    log = []

    def source():
        for number in range(3):
            log.append(f"drawn {number}")
            yield number

    def prepare(number):
        log.append(f"prepared {number}")
        return number

    log.extend(f"used {number}" for number in look_ahead(source(), prepare, ahead=ahead))
    return log


def test_look_ahead_prepares_the_next_one():
    """Item n + 1 is prepared before item n is handed out, one ahead and no more."""
    assert log_of(ahead=True) == [
        *("drawn 0", "prepared 0", "drawn 1", "prepared 1", "used 0"),
        *("drawn 2", "prepared 2", "used 1", "used 2"),
    ]


def test_without_looking_ahead():
    """Otherwise each item is prepared when it is asked for."""
    assert log_of(ahead=False) == [f"{what} {n}" for n in range(3) for what in ("drawn", "prepared", "used")]


@pytest.mark.parametrize("items", [[], [1], [1, 2]])
@pytest.mark.parametrize("ahead", [True, False])
def test_look_ahead_gives_everything_once(items, ahead):
    """Every item comes once and in order, of none, one or more."""
    assert list(look_ahead(iter(items), float, ahead=ahead)) == items


def test_an_error_comes_after_the_items_before_it():
    """An error in preparing item n + 1 is raised where item n would be handed out; nothing is lost silently."""
    with pytest.raises(ZeroDivisionError):
        list(look_ahead([1, 0], lambda number: 1 / number, ahead=True))


@pytest.mark.gpu
def test_pinned_and_moved_on_a_gpu():
    """A batch is pinned, copied without waiting, and arrives as it was."""
    x, y = torch.randn(64, 64), np.arange(64)

    sent_x, sent_y = sender("cuda")({"x": x, "y": y}).values()

    assert pinned((x,))[0].is_pinned()
    assert sent_x.device.type == sent_y.device.type == "cuda"
    assert torch.equal(sent_x.cpu(), x)
    assert sent_y.tolist() == y.tolist()


@pytest.mark.gpu
def test_looking_ahead_on_a_gpu():
    """Batches that were copied ahead of their turn hold their own values, however the memory is used in between."""
    batches = [torch.full((1 << 20,), float(number)) for number in range(8)]

    means = [batch.mean() for batch in look_ahead(batches, sender("cuda"), ahead=True)]

    assert [mean.item() for mean in means] == list(range(8))
