"""The loss to learn from where classes are weighed, against scikit-learn's weights and torch's own weighted loss."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from keraslike import Model
from keraslike.data.batches import TensorBatches
from keraslike.engine.random_state import drawn_since, get_state
from keraslike.errors import ArgumentError
from keraslike.losses import SpanCrossEntropy, TokenCrossEntropy, as_loss
from keraslike.recipes.weighting import weighted_loss
from tests.engine.loops import make_data, make_mlp

ROWS, BATCH = 29, 8


def make_rows():
    """Three classes, of which the last is rare."""
    x, y = make_data(ROWS)
    return x, torch.where(torch.arange(ROWS) % 9 == 0, 2, y % 2)


def make_model(loss="cross_entropy", network=None, device="cpu"):
    return Model(network or make_mlp(dropout=0.5), "sgd", loss, device=device)


def own_batches(x, y):
    return TensorBatches((x, y), BATCH, seed=None)


def unread():
    """Batches that must not be looked at."""
    raise AssertionError("a batch was read")
    yield


def is_loss_with(loss, weight):
    """Tell whether a loss is torch's cross-entropy with these weights."""
    x, y = make_rows()
    logits = make_mlp()(x).detach()
    expected = F.cross_entropy(logits, y, weight=torch.as_tensor(weight, dtype=logits.dtype))
    return loss(logits, y).item() == pytest.approx(expected.item(), rel=1e-6)


def test_no_weights():
    """Without class_weight the loss stays the model's, and the data are not read."""
    assert weighted_loss(make_model(), None, unread(), None) is None


def test_classes_of_tokens():
    """Of outputs (batch, tokens, classes) the classes are the last dimension, not the tokens."""
    model = make_model(TokenCrossEntropy(), nn.Embedding(7, 3))

    loss = weighted_loss(model, [1.0, 2.0, 3.0], own_batches(torch.zeros(4, 5).long(), torch.zeros(4, 5).long()), None)

    assert loss.weight.tolist() == [1.0, 2.0, 3.0]


def test_a_loss_without_classes():
    """A loss that does not weigh classes says so, whatever its targets look like."""
    with pytest.raises(ArgumentError, match="SpanCrossEntropy does not weigh classes"):
        weighted_loss(make_model(SpanCrossEntropy()), "balanced", unread(), None)


def test_balanced():
    """The balance is scikit-learn's, over all training rows; the classes are as many as the outputs."""
    x, y = make_rows()

    loss = weighted_loss(make_model(), "balanced", own_batches(x, y), None)

    assert is_loss_with(loss, compute_class_weight("balanced", classes=np.arange(3), y=y.numpy()))


def test_the_models_own_loss_stays():
    """The weighted loss is a copy."""
    model = make_model()

    weighted_loss(model, [1.0, 2.0, 3.0], own_batches(*make_rows()), None)

    assert is_loss_with(model.loss_function, [1.0, 1.0, 1.0])


def draw():
    """Draw from two of the generators, in any mode."""
    torch.rand(1), random.random()


@pytest.mark.parametrize("training", [True, False])
def test_counting_the_outputs_leaves_no_trace(training):
    """One example is sent through to count them: nothing is drawn, no mode changed, no buffer moved."""
    network = nn.Sequential(nn.BatchNorm1d(4), make_mlp(dropout=0.5)).train(training)
    network.register_forward_hook(lambda *_: draw())
    model = make_model(network=network)
    before, state = {name: value.clone() for name, value in network.state_dict().items()}, get_state()

    weighted_loss(model, {2: 5.0}, own_batches(*make_rows()), None)

    assert drawn_since(state) == "nothing"
    assert network.training is training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(("given", "weight"), [({2: 5.0}, [1, 1, 5]), ([1, 2, 3], [1, 2, 3]), (np.ones(3), [1, 1, 1])])
def test_written_weights(given, weight):
    """A dict by index, where those not named weigh 1, and a list in the order of the classes."""
    assert is_loss_with(weighted_loss(make_model(), given, own_batches(*make_rows()), None), weight)


def test_labels_of_the_user():
    """With labels a dict goes by them, and they say how many classes there are: nothing is sent through."""
    network = make_mlp()
    network.register_forward_pre_hook(lambda *_: 1 / 0)
    model = make_model(network=network)

    loss = weighted_loss(model, {"good": 3.0}, own_batches(*make_rows()), ["bad", "good", "mixed"])

    assert is_loss_with(loss, [1.0, 3.0, 1.0])


@pytest.mark.parametrize("given", [{0: 2.0, 2: 5.0, 1: 1.0}, [2.0, 1.0, 5.0], torch.tensor([2.0, 1.0, 5.0])], ids=str)
def test_weights_for_a_loader(given):
    """Batches that come as they are are not looked at: the weights say how many classes there are."""
    loss = weighted_loss(make_model(), given, unread(), None)

    assert is_loss_with(loss, [2.0, 1.0, 5.0])


def test_labels_for_a_loader():
    """With labels the dict need not name them all, as with rows."""
    loss = weighted_loss(make_model(), {"good": 3.0}, unread(), ["bad", "good", "mixed"])

    assert is_loss_with(loss, [1.0, 3.0, 1.0])


@pytest.mark.parametrize("source", ["loader", "sampler"])
def test_balanced_needs_the_rows(source):
    """What is read as it comes cannot be counted before; the error says what can be written."""
    x, y = make_rows()
    batches = [(x, y)] if source == "loader" else TensorBatches((x, y), BATCH, seed=None, sampler=range(ROWS))

    with pytest.raises(ArgumentError, match="class_weight='balanced' counts the labels") as caught:
        weighted_loss(make_model(), "balanced", batches, None)

    assert caught.value.do == "write class_weight={label: weight, ...}."


def test_several_labels():
    """Of several labels each has its own balance: the negatives by the positives, as torch's pos_weight."""
    x, _ = make_rows()
    y = (torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    logits = make_mlp()(x).detach()
    positive = (1 - y).sum(0) / y.sum(0)

    loss = weighted_loss(make_model("bce_with_logits"), "balanced", own_batches(x, y), None)

    expected = F.binary_cross_entropy_with_logits(logits, y, pos_weight=positive)
    assert loss(logits, y).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.int32, torch.bool])
def test_several_labels_as_whole_numbers(dtype, outputs):
    """Yes and no weigh the same as floats, as whole numbers and as truth values; of one label too."""
    x, _ = make_rows()
    labels = (torch.rand(ROWS, outputs, generator=torch.Generator().manual_seed(1)) < 0.3).to(dtype)
    model = Model(nn.Linear(x.shape[1], outputs), "sgd", "bce_with_logits", device="cpu")

    loss = weighted_loss(model, "balanced", own_batches(x, labels), None)

    truth = labels.double()
    expected = (1 - truth).sum(0) / truth.sum(0)
    torch.testing.assert_close(loss.pos_weight.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_on_the_models_device(device):
    """The weights go where the model is; without a device they stay."""
    loss = weighted_loss(make_model(device=device), [1, 2, 3], own_batches(*make_rows()), None)

    assert is_loss_with(loss, [1, 2, 3])


def test_moved_to_the_models_device():
    """A model that stands elsewhere gets its loss there."""
    moved = []

    class Loss(nn.Module):
        problem_type = None

        def with_class_weight(self, weights):
            return self

        def to(self, device):
            moved.append(device)
            return self

    loss = Loss()
    model = SimpleNamespace(loss_function=loss, device="meta")

    assert weighted_loss(model, [1.0, 2.0], unread(), None) is loss
    assert moved == ["meta"]


@pytest.mark.parametrize("loss", ["mse", lambda outputs, targets: outputs.sum()], ids=["numbers", "function"])
def test_losses_without_classes(loss):
    """A loss of numbers, or a function, has no classes to weigh."""
    model = SimpleNamespace(loss_function=as_loss(loss), device=None)

    with pytest.raises(ArgumentError, match="class_weight"):
        weighted_loss(model, [1.0, 2.0, 3.0], unread(), None)


@pytest.mark.parametrize("given", [[0.0, 0.0, 0.0], {0: 0, 1: 0, 2: 0}], ids=str)
def test_weights_of_nothing(given):
    """Where no class counts nothing would be learned; one that counts is enough."""
    with pytest.raises(ArgumentError, match="all class weights are 0"):
        weighted_loss(make_model(), given, own_batches(*make_rows()), None)

    assert is_loss_with(weighted_loss(make_model(), [0, 0, 1], own_batches(*make_rows()), None), [0, 0, 1])
