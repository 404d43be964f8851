"""label_smoothing: the training loss spreads a share of each target evenly over all classes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.losses import CrossEntropy, MaskedCrossEntropy, TokenCrossEntropy
from keraslike.recipes.smoothing import smoothed_loss
from tests.engine.by_hand import largest_difference
from tests.engine.loops import batches_by_hand, make_data, make_mlp, weights_of

ROWS, SEED = 22, 4
WEIGHTS = [1.0, 3.0, 0.5]


def trained(network: nn.Module, loss: Any = "cross_entropy", **options: Any) -> Any:
    """Train a model on classes for two epochs, and give it with its history."""
    model = Model(network, {"optim": "sgd", "lr": 0.3}, loss, device="cpu")
    x, y = make_data(ROWS, dtype=next(network.parameters()).dtype)
    history = model.fit(x, y, epochs=2, batch_size=8, seed=SEED, verbose=0, **options)
    return model, history


def by_hand(network: nn.Module, **options: Any) -> float:
    """Train as `trained` does with torch's own loss, and give the mean loss of the last epoch."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
    x, y = make_data(ROWS, dtype=next(network.parameters()).dtype)
    losses = []
    for epoch in (1, 2):
        losses = []
        for places in batches_by_hand(ROWS, 8, SEED, epoch):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x[places]), y[places], **options)
            loss.backward()
            optimizer.step()
            losses.append((float(loss.detach()), len(places)))
    return sum(loss * size for loss, size in losses) / ROWS


def test_weights_are_torchs():
    """The weights are those of torch's own loss, bit for bit, and the history shows the smoothed loss."""
    network, twin = make_mlp(), make_mlp()
    _, history = trained(network, label_smoothing=0.2, micro_batch_size=None)
    expected = by_hand(twin, label_smoothing=0.2)

    assert torch.equal(weights_of(network), weights_of(twin))
    assert history[-1]["loss"] == pytest.approx(expected, rel=1e-6)


def test_cut_batches():
    """A batch that is cut has the gradient of the whole one, smoothed and weighed."""
    network, twin = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    trained(network, label_smoothing=0.2, class_weight=WEIGHTS, micro_batch_size=3)
    by_hand(twin, label_smoothing=0.2, weight=torch.tensor(WEIGHTS, dtype=torch.float64))

    assert largest_difference(network, twin) < 1e-10


def test_measuring_is_not_smoothed():
    """Validation and evaluate measure the loss itself, and the next fit learns from it again."""
    x, y = make_data(ROWS)
    model, history = trained(make_mlp(), label_smoothing=0.5, validation_data=make_data(ROWS))
    with torch.no_grad():
        expected = float(F.cross_entropy(model.network(x), y))

    assert history[-1]["val_loss"] == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(x, y, return_dict=True, verbose=0)["loss"] == pytest.approx(expected, rel=1e-5)
    assert model.training_loss is None
    assert model.loss_function.label_smoothing == 0.0


def test_it_takes_the_place_of_the_losses_own():
    """What fit says holds instead of what the loss was made with; None keeps that."""
    loss = nn.CrossEntropyLoss(label_smoothing=0.3)
    kept, replaced, twin, other = make_mlp(), make_mlp(), make_mlp(), make_mlp()
    trained(kept, loss, micro_batch_size=None, label_smoothing=None)
    trained(replaced, loss, micro_batch_size=None, label_smoothing=0.1)
    by_hand(twin, label_smoothing=0.3)
    by_hand(other, label_smoothing=0.1)

    assert torch.equal(weights_of(kept), weights_of(twin))
    assert torch.equal(weights_of(replaced), weights_of(other))


@pytest.mark.parametrize("kind", [TokenCrossEntropy, MaskedCrossEntropy])
def test_tokens(kind: Any):
    """Losses of tokens smooth those that count, as torch's does."""
    logits = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, -100, 3, 6, -100], [0, 2, -100, -100, 5]])
    loss = smoothed_loss(kind(), None, 0.15)
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=0.15)

    assert float(loss.mean(logits, targets)) == pytest.approx(float(expected), rel=1e-12)
    assert float(loss.total(logits, targets)) / loss.count(targets) == pytest.approx(float(expected), rel=1e-12)


def test_a_task(tiny_bert: Path, texts_and_labels: tuple[list[str], list[str]]):
    """With a task it works by the same word."""
    losses = []
    for label_smoothing in (0.0, 0.4):
        model = Model(str(tiny_bert), task="text-classification", device="cpu")
        losses.append(model.fit(*texts_and_labels, epochs=1, seed=0, verbose=0, label_smoothing=label_smoothing))

    assert losses[0][0]["loss"] != losses[1][0]["loss"]


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.1", True, float("nan")])
def test_what_is_no_share(value: Any):
    """A share is a number from 0 to 1."""
    with pytest.raises(ArgumentError, match=re.escape(f"label_smoothing={value!r} is no share")):
        trained(make_mlp(), label_smoothing=value)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("mse", "MeanSquaredError does not smooth"),
        ("bce_with_logits", "BinaryCrossEntropy does not smooth"),
        (lambda y_pred, y_true: (y_pred - y_true).mean(), "a function of your own"),
    ],
)
def test_losses_without_classes(loss: Any, words: str):
    """A loss of several labels, of numbers, or of the user's own is refused before the first step."""
    network = make_mlp(outputs=1)
    before = weights_of(network)
    model = Model(network, "sgd", loss, device="cpu")
    x, y = make_data(ROWS)

    with pytest.raises(ArgumentError, match=words):
        model.fit(x, y.float(), label_smoothing=0.1, verbose=0)
    assert torch.equal(weights_of(network), before)


def test_numbers_of_numpy():
    """A share may be NumPy's."""
    assert smoothed_loss(CrossEntropy(), None, np.float32(0.5)).label_smoothing == 0.5
