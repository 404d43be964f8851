"""deterministic=True: CUDA uses only operations that give the same bits in every run."""

import os
from typing import Any

import pytest
import torch

from keraslike import Model
from keraslike.engine.determinism import WORKSPACE, deterministic
from keraslike.errors import ArgumentError
from tests.engine.loops import make_data, make_mlp, weights_of


def settings() -> tuple[Any, ...]:
    """Give all that may have been set."""
    strict, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    cudnn = torch.backends.cudnn
    return strict, lenient, cudnn.deterministic, cudnn.benchmark, os.environ.get(WORKSPACE)


def fitted(**options: Any) -> torch.Tensor:
    """Give the weights after a fit."""
    model = Model(make_mlp(dropout=0.3), "adamw", "cross_entropy")
    model.fit(*make_data(24), batch_size=8, epochs=2, seed=1, verbose=0, **options)
    return weights_of(model.network)


def fail_on_cuda() -> None:
    """Look at the workspace, and end in an error."""
    with deterministic(True, torch.device("cuda")):
        assert settings()[-1] == ":16:8"
        raise ZeroDivisionError


def test_what_cuda_is_told(monkeypatch: pytest.MonkeyPatch):
    """Algorithms, cuDNN and cuBLAS are set as torch's notes on reproducibility say, and put back."""
    monkeypatch.delenv(WORKSPACE, raising=False)
    before = settings()
    with deterministic(True, "cuda:0"):
        within = settings()

    assert within == (True, False, True, False, ":4096:8")
    assert settings() == before


def test_the_users_own_settings_stay(monkeypatch: pytest.MonkeyPatch):
    """A workspace that the user has chosen is left alone, and what was set before is put back after an error."""
    monkeypatch.setenv(WORKSPACE, ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    try:
        before = settings()
        with pytest.raises(ZeroDivisionError):
            fail_on_cuda()
        assert settings() == before
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("wanted", "device"), [(True, "cpu"), (True, None), (False, "cuda"), (None, "cuda")])
def test_where_nothing_is_touched(wanted: Any, device: Any):
    """On a CPU, and unless it is asked for, every setting stays."""
    before = settings()
    with deterministic(wanted, device):
        assert settings() == before


def test_on_a_cpu_it_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    """The weights on a CPU are the same with it as without."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    model = [Model(make_mlp(dropout=0.3), "adamw", "cross_entropy", device="cpu") for _ in range(2)]
    for one, wanted in zip(model, (True, False), strict=True):
        one.fit(*make_data(24), batch_size=8, epochs=2, seed=1, verbose=0, deterministic=wanted)

    assert torch.equal(weights_of(model[0].network), weights_of(model[1].network))


def test_what_is_no_answer():
    """It is yes or no."""
    with pytest.raises(ArgumentError, match="deterministic='yes' was given"):
        fitted(deterministic="yes")


@pytest.mark.gpu
def test_the_same_bits_on_a_gpu():
    """Two runs on a GPU give the same weights, bit for bit."""
    assert torch.equal(fitted(deterministic=True), fitted(deterministic=True))
