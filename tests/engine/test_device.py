"""Where the network runs."""

import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.engine.device import choose_device
from keraslike.errors import ArgumentError
from tests.engine.loops import make_data, make_mlp, weights_of


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: None)


@pytest.fixture
def one_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: torch.device("cuda"))


def test_auto_without_an_accelerator(no_accelerator):
    """The device "auto" is the CPU where there is nothing else."""
    assert choose_device("auto", nn.Linear(1, 1)) == torch.device("cpu")


def test_auto_with_an_accelerator(one_accelerator):
    """The word "auto" is the accelerator where there is one."""
    assert choose_device("auto", nn.Linear(1, 1)) == torch.device("cuda")


def test_auto_moves_nothing_off_an_accelerator(no_accelerator):
    """A network that stands elsewhere than on the CPU stays there."""
    assert choose_device("auto", nn.Linear(1, 1, device="meta")) == torch.device("meta")


def test_auto_for_a_network_without_parameters(one_accelerator):
    """A network without parameters runs where the others would."""
    assert choose_device("auto", nn.ReLU()) == torch.device("cuda")


@pytest.mark.parametrize("device", ["cpu", "cuda:1", 0, None, "all", ["cuda:0", "cuda:1"], torch.device("cpu")])
def test_poutynes_words(device, one_accelerator):
    """Everything else means what it means to Poutyne."""
    assert choose_device(device, nn.Linear(1, 1)) is device


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:1", "tpu"])
def test_a_device_that_is_not_there(device, monkeypatch):
    """A device that this machine has not is refused before the network is moved."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: None)

    with pytest.raises(ArgumentError, match=f"there is no device '{device}' here"):
        Model(nn.Linear(1, 1), "sgd", "mse", device=device)


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
