"""Where the network runs."""

import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.engine.device import choose_device, described, first_device
from keraslike.errors import ArgumentError
from tests.engine.loops import make_data, make_mlp, weights_of


def pretend(monkeypatch: pytest.MonkeyPatch, kind: str | None, count: int = 1) -> None:
    """Let torch say that it found `count` accelerators of a kind, or none."""
    found = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: found)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 0 if kind is None else count)


@pytest.mark.parametrize(("kind", "chosen"), [(None, "cpu"), ("cuda", "cuda"), ("mps", "mps"), ("xpu", "xpu")])
def test_auto(kind, chosen, monkeypatch):
    """The device "auto" is the accelerator where there is one, one of them, and the CPU where there is none."""
    pretend(monkeypatch, kind, count=2)

    assert choose_device("auto", nn.Linear(1, 1)) == torch.device(chosen)
    assert choose_device("auto", nn.ReLU()) == torch.device(chosen)


def test_auto_moves_nothing_off_an_accelerator(monkeypatch):
    """A network that stands elsewhere than on the CPU stays there."""
    pretend(monkeypatch, None)

    assert choose_device("auto", nn.Linear(1, 1, device="meta")) == torch.device("meta")


def test_auto_for_a_network_on_several_devices(monkeypatch):
    """A network whose parts stand on several devices stays as it is."""
    pretend(monkeypatch, "cuda")

    assert choose_device("auto", nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1, device="meta"))) is None


@pytest.mark.parametrize(
    "device",
    ["cpu", "cpu:0", "cuda", "cuda:1", 0, 1, None, "all", ["cuda:0", "cuda:1"], [0, 1], torch.device("cuda:1")],
)
def test_poutynes_words(device, monkeypatch):
    """Everything else means what it means to Poutyne, and is given on as it came."""
    pretend(monkeypatch, "cuda", count=2)

    assert choose_device(device, nn.Linear(1, 1)) is device


def test_tuple_of_devices(monkeypatch):
    """A tuple of GPUs becomes the list that Poutyne knows."""
    pretend(monkeypatch, "cuda", count=2)

    assert choose_device((0, 1), nn.Linear(1, 1)) == [0, 1]


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:1", "tpu", "", 0, "all", torch.device("cuda:0")], ids=repr)
def test_a_device_that_is_not_there(device, monkeypatch):
    """A device that this machine has not is refused before the network is moved."""
    pretend(monkeypatch, None)

    with pytest.raises(ArgumentError) as caught:
        Model(nn.Linear(1, 1), "sgd", "mse", device=device)

    assert caught.value.what == f"there is no device {device!r} here."
    assert caught.value.expected == '"auto", or one of cpu.'
    wanted = 'torch calls it "cuda"; device="auto" takes it where there is one.'
    assert caught.value.do == (wanted if device == "gpu" else 'write device="auto".')


@pytest.mark.parametrize("device", ["cuda:2", 2, -1, "mps", "all ", ["cuda:0", "cuda:2"], torch.device("cuda:2")])
def test_a_number_that_is_not_there(device, monkeypatch):
    """A GPU with too high a number is refused, with the list of those that are there."""
    pretend(monkeypatch, "cuda", count=2)

    with pytest.raises(ArgumentError, match="there is no device") as caught:
        choose_device(device, nn.Linear(1, 1))

    assert caught.value.expected == '"auto", or one of cpu, cuda:0, cuda:1.'
    assert caught.value.do == 'write device="auto", or "cuda".'


@pytest.mark.parametrize("device", [True, 1.0, [], ["cpu", None, 1.5], {"cuda": 0}])
def test_what_is_no_device(device, monkeypatch):
    """What is no device at all is refused in the same words."""
    pretend(monkeypatch, "cuda")

    with pytest.raises(ArgumentError, match="there is no device"):
        choose_device(device, nn.Linear(1, 1))


def test_all_is_for_cuda(monkeypatch):
    """Poutyne's data parallelism is CUDA's."""
    pretend(monkeypatch, "mps")

    with pytest.raises(ArgumentError, match="there is no device 'all' here"):
        choose_device("all", nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("device", "first"),
    [("cpu", "cpu"), (torch.device("mps"), "mps"), (["cuda:1", "cuda:0"], "cuda:1"), ("all", "cuda:0")],
)
def test_first_device(device, first):
    """Inputs go to the first of several devices."""
    assert first_device(device) == torch.device(first)


def test_first_device_of_none():
    """A network that is left where it is gets its inputs as they are."""
    assert first_device(None) is None


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ("cpu", "cpu"),
        ("mps", "mps"),
        (None, "where the network stands"),
        ("cuda:0", "cuda:0 (a GPU)"),
        ("xpu", "xpu (a GPU)"),
    ],
)
def test_described(device, text, monkeypatch):
    """The device is named for people, with the GPU's own name where torch tells it."""
    for module in (torch.cuda, torch.xpu):
        monkeypatch.setattr(module, "get_device_name", lambda device: "a GPU")

    assert described(device) == text


def test_model_on_the_cpu():
    """device="cpu" keeps network and optimizer on the CPU, and inputs go there."""
    model = Model(make_mlp(), "sgd", "cross_entropy", device="cpu")

    model.fit(*make_data(8), verbose=0)

    assert {parameter.device.type for parameter in model.network.parameters()} == {"cpu"}
    assert torch.device(model.device) == torch.device("cpu")


def test_none_leaves_the_network():
    """device=None leaves the network where it is, as in Poutyne."""
    model = Model(make_mlp(), "sgd", "cross_entropy", device=None)

    model.fit(*make_data(8), verbose=0)

    assert model.device is None


def test_device_is_remembered_until_the_network_is_built(tiny_bert, texts_and_labels):
    """`.to()` before the first fit is remembered, and gives the model back."""
    model = Model(str(tiny_bert), task="text-classification")

    assert model.to("cpu") is model
    model.fit(*texts_and_labels, epochs=1, steps_per_epoch=1, verbose=0)
    assert next(model.network.parameters()).device == torch.device("cpu")


def test_to_gives_the_model_back():
    """`.to()` of a built model moves it and gives it back, as Poutyne's does."""
    model = Model(make_mlp(), "sgd", "cross_entropy", device=None)

    assert model.to("cpu") is model


@pytest.mark.gpu
def test_auto_trains_on_the_gpu():
    """The word "auto" trains on the GPU, to the weights of the CPU up to rounding, and predicts arrays on the CPU."""
    x, y = make_data(50)
    on_gpu = Model(make_mlp(), "sgd", "cross_entropy")
    on_cpu = Model(make_mlp(), "sgd", "cross_entropy", device="cpu")

    gpu_history = on_gpu.fit(x, y, (x, y), epochs=2, batch_size=16, micro_batch_size=3, seed=1, verbose=0)
    cpu_history = on_cpu.fit(x, y, (x, y), epochs=2, batch_size=16, seed=1, verbose=0)

    assert next(on_gpu.network.parameters()).device.type == "cuda"
    torch.testing.assert_close(weights_of(on_gpu.network).cpu(), weights_of(on_cpu.network))
    assert [row["val_loss"] for row in gpu_history] == pytest.approx([row["val_loss"] for row in cpu_history], rel=1e-5)
    assert on_gpu.predict(x).shape == (50, 3)


@pytest.mark.gpu
def test_dropout_on_the_gpu_repeats():
    """The seed governs the GPU's generator too, and its state is put back."""
    before = torch.cuda.get_rng_state()
    weights = []
    for _ in range(2):
        model = Model(make_mlp(dropout=0.5), "sgd", "cross_entropy")
        model.fit(*make_data(50), seed=1, verbose=0)
        weights.append(weights_of(model.network))

    assert torch.equal(*weights)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.gpu
def test_half_precision_on_the_gpu():
    """A network trains in bf16 and fp16 on the GPU to nearly the weights of float32, and predicts in float32."""
    x, y = make_data(50)
    weights = {}
    for precision in ("float32", "bf16", "fp16"):
        model = Model(make_mlp(), "sgd", "cross_entropy", device="cuda", precision=precision)
        model.fit(x, y, epochs=2, batch_size=16, seed=1, verbose=0)
        weights[precision] = weights_of(model.network)
        assert model.predict(x, verbose=0).dtype == "float32"

    for precision in ("bf16", "fp16"):
        torch.testing.assert_close(weights[precision], weights["float32"], rtol=0, atol=2e-2)
        assert not torch.equal(weights[precision], weights["float32"])


@pytest.mark.gpu
def test_gpus_are_described():
    """The GPU is told by its number and name."""
    assert described("cuda:0") == f"cuda:0 ({torch.cuda.get_device_name(0)})"


@pytest.mark.parametrize("device", ["meta", "meta:0", torch.device("meta"), ["meta"]])
def test_where_no_numbers_are(device):
    """On "meta" nothing can be computed, which torch says only at the first step."""
    with pytest.raises(ArgumentError, match=r"the device 'meta.*' keeps shapes without numbers(.|\n)*device=\"auto\""):
        Model(nn.Linear(1, 1), "sgd", "mse", device=device)


@pytest.mark.parametrize("device", ["cuda", 0, "gpu", "meta"])
def test_moving_to_what_is_not_there(device, monkeypatch):
    """`model.to` refuses what device= refuses, in the same words."""
    pretend(monkeypatch, None)
    model = Model(nn.Linear(1, 1), "sgd", "mse", device="cpu")
    with pytest.raises(ArgumentError) as expected:
        Model(nn.Linear(1, 1), "sgd", "mse", device=device)

    with pytest.raises(ArgumentError) as caught:
        model.to(device)

    assert str(caught.value) == str(expected.value)
    assert str(model.device) == "cpu"
