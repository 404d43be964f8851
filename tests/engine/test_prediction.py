"""Predictions come in Poutyne's forms, bit for bit, and in the user's order."""

import numpy as np
import poutyne
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers.modeling_outputs import SequenceClassifierOutput

from keraslike import Model
from keraslike.engine.precision import BFloat16, Precision
from keraslike.engine.prediction import predict_batches
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp

ROWS, BATCH = 22, 8


class Shaped(nn.Module):
    """Gives its outputs in a container."""

    def __init__(self, shape):
        super().__init__()
        self.mlp = make_mlp(dropout=0.5)
        self.shape = shape

    def forward(self, x):
        return self.shape(self.mlp(x))


SHAPES = {
    "tensor": lambda y: y,
    "tuple": lambda y: (y, y.argmax(1)),
    "list": lambda y: [y, y[:, :1]],
    "dict": lambda y: {"logits": y, "classes": y.argmax(1)},
    "nested": lambda y: {"logits": y, "further": (y.sum(1), [y * 2])},
    "number": lambda y: (y, y.mean()),
    "other": lambda y: (y, "word", 3),
}
TWO = [True, False]


def is_same(data, expected):
    """Tell whether classes, keys, types and bits are the same all the way down."""
    if type(data) is not type(expected):
        return False
    if isinstance(expected, dict):
        return data.keys() == expected.keys() and all(is_same(data[key], expected[key]) for key in expected)
    if isinstance(expected, (tuple, list)):
        return len(data) == len(expected) and all(map(is_same, data, expected))
    if isinstance(expected, (np.ndarray, torch.Tensor)):
        return data.dtype == expected.dtype and data.shape == expected.shape and bool((data == expected).all())
    return data == expected


def both(network, generator, **options):
    """Give our answer, and Poutyne's own."""
    ours = Model(network, None, None, device="cpu").predict_generator(generator(), verbose=0, **options)
    theirs = poutyne.Model(network, None, None).predict_generator(generator(), verbose=False, **options)
    return ours, theirs


def inputs():
    return list(make_data(ROWS)[0].split(BATCH))


def pairs():
    return list(DataLoader(TensorDataset(*make_data(ROWS)), batch_size=BATCH))


@pytest.mark.parametrize("convert_to_numpy", TWO)
@pytest.mark.parametrize("concatenate_returns", TWO)
@pytest.mark.parametrize("shape", SHAPES)
def test_forms_of_outputs(shape, concatenate_returns, convert_to_numpy):
    """Every container of outputs comes back as from Poutyne."""
    options = {"concatenate_returns": concatenate_returns, "convert_to_numpy": convert_to_numpy}

    ours, theirs = both(Shaped(SHAPES[shape]), inputs, **options)

    assert is_same(ours, theirs)


@pytest.mark.parametrize("convert_to_numpy", TWO)
@pytest.mark.parametrize("concatenate_returns", TWO)
@pytest.mark.parametrize(("has_ground_truth", "return_ground_truth"), [(True, False), (False, True), (True, True)])
def test_truths(has_ground_truth, return_ground_truth, concatenate_returns, convert_to_numpy):
    """Pairs are taken apart, and the truths given back where they are asked for."""
    options = {"concatenate_returns": concatenate_returns, "convert_to_numpy": convert_to_numpy}
    options |= {"has_ground_truth": has_ground_truth, "return_ground_truth": return_ground_truth}

    ours, theirs = both(make_mlp(), pairs, **options)

    assert isinstance(ours, tuple) == return_ground_truth
    assert is_same(ours, theirs)


@pytest.mark.parametrize("make", [inputs, lambda: iter(inputs()), lambda: DataLoader(make_data(ROWS)[0], BATCH)])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps(steps, make):
    """So many batches are drawn, of a list, a generator or a loader."""
    ours, theirs = both(make_mlp(), make, steps=steps)

    assert len(ours) == min(steps * BATCH, ROWS)
    assert is_same(ours, theirs)


def test_more_steps_than_batches():
    """What can be read again is read again, as in Poutyne."""
    ours, theirs = both(make_mlp(), inputs, steps=7)

    assert len(ours) == 2 * ROWS + BATCH
    assert is_same(ours, theirs)


def test_more_steps_than_a_generator_has():
    """A generator that has ended gives what it had; nothing waits for more."""
    model = Model(make_mlp(), None, None, device="cpu")

    outputs = model.predict_generator(iter(inputs()), steps=7, verbose=0)

    assert is_same(outputs, np.concatenate([make_mlp()(x).detach().numpy() for x in inputs()]))


def test_nothing_beyond_the_steps():
    """An endless generator is read so far, and no further."""
    drawn = []

    def endless():
        while True:
            drawn.append(1)
            yield make_data(BATCH)[0]

    Model(make_mlp(), None, None, device="cpu").predict_generator(endless(), steps=3, verbose=0)

    assert len(drawn) == 3


def test_generator_without_a_length():
    """Without steps it is read to its end."""
    ours, theirs = both(make_mlp(), lambda: iter(inputs()))

    assert len(ours) == ROWS
    assert is_same(ours, theirs)


class Watch(poutyne.Callback):
    """Keeps its calls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def set_params(self, params):
        self.calls.append(("params", params))

    def on_predict_begin(self, logs):
        self.calls.append(("begin", self.model.network.training, torch.is_grad_enabled()))

    def on_predict_batch_begin(self, batch_number, logs):
        self.calls.append(("batch", batch_number))

    def on_predict_batch_end(self, batch_number, logs):
        self.calls.append(("batch end", batch_number, sorted(logs), logs["batch"], logs["time"] > 0))

    def on_predict_end(self, logs):
        self.calls.append(("end", sorted(logs), logs["time"] > 0))


@pytest.mark.parametrize("steps", [None, 2, 4])
def test_callbacks(steps):
    """They are called as by Poutyne, in evaluation mode and without gradients."""
    network, ours, theirs = make_mlp(), Watch(), Watch()

    Model(network, None, None, device="cpu").predict_generator(inputs(), steps=steps, callbacks=[ours], verbose=0)
    poutyne.Model(network, None, None).predict_generator(inputs(), steps=steps, callbacks=[theirs], verbose=False)

    assert ours.calls == theirs.calls
    assert ("begin", False, False) in ours.calls


@pytest.mark.parametrize("training", TWO)
def test_mode_put_back(training):
    """The network is in its old mode behind it."""
    network = make_mlp(dropout=0.5).train(training)

    Model(network, None, None, device="cpu").predict_generator(inputs(), verbose=0)

    assert network.training is training


def arrays(data):
    """Give the arrays in a container."""
    if isinstance(data, np.ndarray):
        return [data]
    values = list(data.values()) if isinstance(data, dict) else data
    return [array for value in values for array in arrays(value)]


@pytest.mark.parametrize("shape", ["tensor", "tuple", "dict", "nested"])
def test_out_of_memory(shape):
    """Batches are cut until they fit; the answer is that of enough memory, truths included."""
    network = Shaped(SHAPES[shape])
    options = {"return_ground_truth": True}
    expected = poutyne.Model(network, None, None).predict_generator(pairs(), verbose=False, **options)
    limit = hand.Limit(network, 3)

    model = Model(network, None, None, device="cpu")
    given = model.predict_generator(pairs(), verbose=0, **options)

    assert limit.hits == 2  # 8, 4, 2
    for array, exact in zip(arrays(given), arrays(expected), strict=True):
        np.testing.assert_allclose(array, exact, rtol=1e-6, atol=1e-6)


def test_numpy_inputs():
    """Arrays become tensors, as in Poutyne."""
    ours, theirs = both(make_mlp(), lambda: [batch.numpy() for batch in inputs()])

    assert is_same(ours, theirs)


class Counting(nn.Module):
    """Takes whatever it is given, and says how many numbers that are."""

    def forward(self, *given):
        return torch.tensor([float(len(given))])


@pytest.mark.parametrize("batch", [(torch.zeros(3, 2), torch.zeros(3)), (torch.tensor(1.0),)], ids=["rows", "a number"])
def test_several_inputs(batch):
    """A tuple is several arguments; what has no examples goes through at once."""
    model = Model(Counting(), None, None, device="cpu")

    outputs = model.predict_generator([batch, batch], verbose=0)

    assert outputs.tolist() == [len(batch)] * 2


def test_outputs_of_transformers():
    """Their class is a dict to Poutyne, and becomes one where it is joined."""

    def shape(y):
        return SequenceClassifierOutput(logits=y)

    ours = Model(Shaped(shape), None, None, device="cpu").predict_generator(inputs(), verbose=0)

    assert list(ours) == ["logits"]
    assert is_same(ours["logits"], np.concatenate([make_mlp()(x).detach().numpy() for x in inputs()]))


def test_an_error_on_the_way():
    """The user's error comes through, and the mode is put back."""
    network = make_mlp().train()

    def failing():
        yield make_data(BATCH)[0]
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Model(network, None, None, device="cpu").predict_generator(failing(), verbose=0)

    assert network.training


# Outputs of a task


class Batches(list):
    """Batches that come in another order than the user's rows."""

    order = None


@pytest.mark.parametrize("precision", [Precision(), BFloat16("cpu")], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("is_sorted", TWO)
def test_predicted_batches(is_sorted, precision):
    """Outputs are joined on the CPU, in float32, in the order of the rows."""
    x, _ = make_data(ROWS)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1)) if is_sorted else torch.arange(ROWS)
    batches = Batches((rows, None) for rows in x[order].split(BATCH))
    batches.order = order.numpy() if is_sorted else None
    model = Model(make_mlp(), None, None, device="cpu")
    model.precision = precision

    outputs = predict_batches(model, batches, lambda network, x: network(x), [])

    assert (outputs.dtype, outputs.device.type) == (torch.float32, "cpu")
    tolerance = 1e-6 if precision.name == "float32" else 0.05  # eight bits of mantissa
    torch.testing.assert_close(outputs, make_mlp()(x).detach(), rtol=tolerance, atol=tolerance)
    assert (outputs == outputs.bfloat16()).all() == (precision.name != "float32")


def test_double_outputs_stay():
    """Wider numbers are not narrowed."""
    x, _ = make_data(ROWS, dtype=torch.float64)
    model = Model(make_mlp(dtype=torch.float64), None, None, device="cpu")

    outputs = predict_batches(model, [(x, None)], lambda network, x: network(x), [])

    assert torch.equal(outputs, make_mlp(dtype=torch.float64)(x).detach())
