"""Where Poutyne's engine is overridden: what a model says of itself, and its verbs of one batch."""

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from keraslike import Model
from keraslike.data.batches import Part
from keraslike.engine.bridge import mixing_layer
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS = 9


def make_model(loss="cross_entropy", network=None, **arguments):
    network = make_mlp(dtype=torch.float64) if network is None else network
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return Model(network, optimizer, loss, device="cpu", **arguments)


def make_rows():
    return make_data(ROWS, dtype=torch.float64)


# The loss of a part, as `super().compute_loss` gives it

WEIGHT = torch.linspace(0, 2, ROWS, dtype=torch.float64)


def test_loss_of_a_part():
    """Without weights it is torch's own mean, bit for bit."""
    x, y = make_rows()
    outputs = make_mlp(dtype=torch.float64)(x)

    loss = make_model().compute_loss(outputs, Part(x, y, ROWS))

    assert torch.equal(loss, F.cross_entropy(outputs, y))


def test_loss_of_a_part_that_weighs():
    """With sample weights it is the weighted mean."""
    x, y = make_rows()
    outputs = make_mlp(dtype=torch.float64)(x)

    loss = make_model().compute_loss(outputs, Part(x, y, ROWS, WEIGHT))

    expected = (F.cross_entropy(outputs, y, reduction="none") * WEIGHT).sum() / WEIGHT.sum()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("weight", [None, torch.zeros(ROWS, dtype=torch.float64)], ids=["unlabelled", "weighs nothing"])
def test_loss_of_a_part_in_which_nothing_counts(weight):
    """It is 0, not NaN, and its gradient too."""
    x, y = make_rows()
    outputs = make_mlp(dtype=torch.float64)(x).requires_grad_()
    targets = torch.full_like(y, -100) if weight is None else y

    loss = make_model().compute_loss(outputs, Part(x, targets, ROWS, weight))
    (gradient,) = torch.autograd.grad(loss, outputs)

    assert loss.item() == 0
    assert not gradient.any()


def mean(outputs, targets):
    return F.cross_entropy(outputs, targets)


RETURNED = {
    "loss": mean,
    "loss, count": lambda outputs, targets: (F.cross_entropy(outputs, targets, reduction="sum"), ROWS),
    "loss, scalars": lambda outputs, targets: (F.cross_entropy(outputs, targets), {"z": 2.0}),
    "loss, count, scalars": lambda outputs, targets: (F.cross_entropy(outputs, targets), 1, {"z": (4.0, 2)}),
}


@pytest.mark.parametrize("kind", RETURNED)
def test_loss_of_a_function(kind):
    """It is what the function gives, in a form that can be returned in its stead."""
    x, y = make_rows()

    class Passing(Model):
        def compute_loss(self, outputs, batch):
            return super().compute_loss(outputs, batch)

    plain, passing = (
        kind_of(make_mlp(dtype=torch.float64), "sgd", RETURNED[kind], device="cpu") for kind_of in (Model, Passing)
    )
    outputs = plain.network(x)
    given, exact = plain.compute_loss(outputs, Part(x, y, ROWS)), RETURNED[kind](outputs, y)

    assert isinstance(given, tuple) == isinstance(exact, tuple)
    assert torch.equal(given[0] if isinstance(given, tuple) else given, exact[0] if isinstance(exact, tuple) else exact)
    ours, theirs = (model.evaluate(x, y, return_dict=True, verbose=0) for model in (passing, plain))
    assert ours == theirs
    assert ours.get("z", 2.0) == 2.0


# What a model says of itself


class Own(Model):
    def compute_loss(self, outputs, batch):
        return F.cross_entropy(outputs, batch.y)


class Mine(nn.Module):
    def forward(self, outputs, targets):
        return F.cross_entropy(outputs, targets)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_model, None),
        (lambda: make_model(network=nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))), None),
        (
            lambda: make_model(network=nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))),
            "BatchNorm1d computes over all",
        ),
        (lambda: make_model(network=nn.Sequential(nn.Conv2d(4, 4, 1), nn.SyncBatchNorm(4))), "SyncBatchNorm computes"),
        (lambda: make_model(Mine()), "Mine is a function, and whether"),
        (lambda: Own(make_mlp(), "sgd", device="cpu"), "compute_loss is the model's own"),
        (lambda: make_model(None), "the loss is a function"),
    ],
    ids=["loss by name", "LayerNorm", "BatchNorm", "SyncBatchNorm", "module", "own", "none"],
)
def test_why_whole(make, words):
    """It is said in words why a batch must not be cut, or nothing."""
    why = make().why_whole()

    assert why is None if words is None else why.startswith(words)


def test_mixing_layer_deep_inside():
    """The first one is named, wherever it is."""
    assert mixing_layer(nn.ModuleDict({"a": nn.Sequential(nn.BatchNorm2d(1)), "b": nn.BatchNorm1d(1)})) == "BatchNorm2d"
    assert mixing_layer(nn.GroupNorm(1, 1)) is None


def test_moved_to_its_device(monkeypatch):
    """A network that stands elsewhere is moved, and batches are sent after it; "meta" stands for an accelerator."""
    for module in ("keraslike.engine.device", "keraslike.tasks.verbs"):
        monkeypatch.setattr(f"{module}.check_device", lambda device: None)

    model = Model(make_mlp(), None, None, device="meta")

    outputs = model.forward_pass(model.send({"x": torch.zeros(2, 4)})["x"])

    assert {parameter.device.type for parameter in model.network.parameters()} == {"meta"}
    assert (outputs.device.type, outputs.shape) == ("meta", (2, 3))
    assert model.is_on_accelerator


def test_left_where_it_stands():
    """Without a device nothing is moved; a network without parameters is one of the CPU."""
    model = Model(nn.Flatten(), None, None, device=None)

    assert model.device is None
    assert not model.is_on_accelerator
    assert model.predict(torch.ones(2, 3, 2)).shape == (2, 6)


def test_over_several_devices(monkeypatch):
    """Poutyne's list of devices goes to torch's own data_parallel, the first device in front."""
    calls = []

    def parallel(network, given, devices):
        calls.append(devices)
        return network(*given)

    monkeypatch.setattr(nn.parallel, "data_parallel", parallel)
    x, _ = make_rows()
    model = make_model()
    model.device, model.other_device = "cuda:0", ["cuda:1"]

    outputs = model.forward_pass(x)

    assert calls == [["cuda:0", "cuda:1"]]
    assert torch.equal(outputs, make_mlp(dtype=torch.float64)(x))


def test_gradient_checkpointing():
    """It is switched on in the transformer when the model is made."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}

    models = [
        Model(BertForSequenceClassification(BertConfig(vocab_size=9, **sizes)), device="cpu", gradient_checkpointing=on)
        for on in (True, False)
    ]

    assert [any(getattr(m, "gradient_checkpointing", False) for m in model.network.modules()) for model in models] == [
        True,
        False,
    ]


# Poutyne's verbs


@pytest.mark.parametrize("convert_to_numpy", [True, False])
@pytest.mark.parametrize("return_pred", [True, False])
@pytest.mark.parametrize("verb", ["train_on_batch", "evaluate_on_batch"])
def test_verbs_of_one_batch(verb, return_pred, convert_to_numpy):
    """They answer as Poutyne's own do, and learn the same."""
    x, y = make_rows()
    ours = make_model(batch_metrics=["accuracy"])
    network = make_mlp(dtype=torch.float64)
    theirs = poutyne.Model(
        network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", batch_metrics=["accuracy"]
    )
    options = {"return_pred": return_pred, "convert_to_numpy": convert_to_numpy}

    answer, expected = (getattr(model, verb)(x, y, **options) for model in (ours, theirs))

    assert len(answer) == len(expected)
    assert answer[:2] == pytest.approx(expected[:2], rel=1e-12)
    assert [type(part) for part in answer[2:]] == [type(part) for part in expected[2:]]
    assert all((part == exact).all() for part, exact in zip(answer[2:], expected[2:], strict=True))
    assert torch.equal(weights_of(ours.network), weights_of(theirs.network))


@pytest.mark.parametrize(
    "x", [torch.ones(2, 4), (torch.ones(2), torch.ones(3)), [torch.ones(2)]], ids=["1", "2", "[1]"]
)
@pytest.mark.parametrize("y", [(), (torch.zeros(2),)], ids=["inputs", "pair"])
def test_inputs_prepared(x, y):
    """Inputs become several arguments, as in Poutyne, who hands them to its own verbs."""
    given, expected = (model.preprocess_input(x, *y) for model in (make_model(), poutyne.Model(make_mlp(), None, None)))

    assert len(given) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(flat(given), flat(expected), strict=True))


def test_packed_sequence():
    """A packed sequence, which is a tuple too, is one argument."""
    packed = nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)])

    (given,) = make_model().preprocess_input(packed)

    assert isinstance(given, nn.utils.rnn.PackedSequence)
    assert torch.equal(given.data, packed.data)


def flat(data):
    return [data] if isinstance(data, torch.Tensor) else [leaf for part in data for leaf in flat(part)]


def test_weighted_loss_in_training_alone():
    """Another loss to learn from is in force in training mode, and gone behind it, after an exception too."""
    model, other = make_model(), nn.CrossEntropyLoss()
    own, model.training_loss = model.loss_function, other
    seen = []

    with model.in_mode(training=False):
        seen.append((model.loss_function, model.network.training, torch.is_grad_enabled()))

    def fail():
        with model.in_mode(training=True):
            seen.append((model.loss_function, model.network.training, torch.is_grad_enabled()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert seen == [(own, False, False), (other, True, True)]
    assert model.loss_function is own
