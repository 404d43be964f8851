"""Targets of shape (n,) and outputs of shape (n, 1) are matched for every loss and metric, never broadcast."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from keraslike import Model
from keraslike.engine.shapes import matched
from keraslike.errors import DataError
from tests.engine.loops import gradient_of, make_data, make_mlp, weights_of

ROWS = 7
EXACT = {"rtol": 0, "atol": 1e-10}  # float64 sums in another order


def mean_distance(outputs, targets):
    """Stands for a user's loss."""
    return (outputs - targets).abs().mean()


def make(loss, *, is_flat=False, **arguments):
    """Give a model with one output per row, its data, and the true distances as a part of the network's graph."""
    x, y = make_data(ROWS, dtype=torch.float64)
    network = make_mlp(outputs=1, dtype=torch.float64)
    distances = network(x)[:, 0] - y
    network = nn.Sequential(network, nn.Flatten(0)) if is_flat else network
    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), loss, device="cpu", **arguments)
    return model, x, (y[:, None] if is_flat else y).double(), distances


shapes = pytest.mark.parametrize("is_flat", [False, True], ids=["(n,) for (n, 1)", "(n, 1) for (n,)"])
losses = pytest.mark.parametrize("loss", ["l1", F.l1_loss, nn.L1Loss(), mean_distance], ids=str)


@shapes
@losses
@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_training(loss, is_flat, micro_batch_size):
    """One step of `fit`, cut or not, takes the gradient of one target per output."""
    model, x, y, distances = make(loss, is_flat=is_flat)
    expected = weights_of(model.network) - 0.1 * gradient_of(model.network, distances.abs().mean())

    history = model.fit(x, y, batch_size=ROWS, micro_batch_size=micro_batch_size, verbose=0)

    torch.testing.assert_close(weights_of(model.network), expected, **EXACT)
    assert history[0]["loss"] == pytest.approx(distances.abs().mean().item(), abs=1e-10)


@shapes
@losses
def test_one_batch(loss, is_flat):
    """`train_on_batch` and `evaluate_on_batch` compare one target with each output."""
    model, x, y, distances = make(loss, is_flat=is_flat)
    expected = pytest.approx(distances.abs().mean().item(), abs=1e-10)

    assert model.evaluate_on_batch(x, y) == expected
    assert model.train_on_batch(x, y) == expected


@shapes
@pytest.mark.parametrize("kind", ["batch_metrics", "epoch_metrics"])
@pytest.mark.parametrize("metric", ["mse", F.mse_loss], ids=str)
def test_metrics(kind, metric, is_flat):
    """Poutyne's metrics and functions see targets that fit, in training, validation and evaluate."""
    model, x, y, distances = make("l1", is_flat=is_flat, **{kind: [metric]})
    expected = pytest.approx(distances.square().mean().item(), abs=1e-10)

    _, measured = model.evaluate(x, y, batch_size=3, verbose=0)
    (row,) = model.fit(x, y, validation_data=(x, y), batch_size=ROWS, micro_batch_size=3, verbose=0)

    assert (measured, next(row[name] for name in row if "mse" in name and "val" not in name)) == (expected, expected)


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64)),  # class indices of one logit
        (torch.zeros(3, 1), torch.zeros(3, 1)),
        (torch.zeros(3, 2), torch.zeros(3)),
        (torch.zeros(3, 3, 1), torch.zeros(3, 3)),
        ({"logits": torch.zeros(3, 1)}, torch.zeros(3)),
        (torch.zeros(3, 1), (torch.zeros(3), torch.zeros(3))),
        (torch.zeros(3, 1), None),
    ],
    ids=str,
)
def test_others_stay(outputs, targets):
    """Class indices, other shapes, dicts and tuples come back themselves."""
    assert matched(outputs, targets) is targets


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)])
def test_one_class_has_no_cross_entropy(shape):
    """Floats for one output are no probabilities of classes: an error, not a loss of 0."""
    model, x, y, _ = make("cross_entropy")

    with pytest.raises(DataError, match="float64") as error:
        model.fit(x, y.reshape(shape), verbose=0)

    assert "'mse' for floats" in error.value.do
