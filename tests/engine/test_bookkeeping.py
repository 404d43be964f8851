"""Sums and counts over an epoch, of loss, metrics and further named scalars."""

import math

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn

from keraslike import Model
from keraslike.engine.gradients import Learned
from keraslike.errors import ArgumentError
from keraslike.metrics.base import Metric
from tests.engine.loops import make_data, make_mlp

ROWS, BATCH = 23, 8


def make_model(loss="cross_entropy", **arguments):
    return Model(make_mlp(), "sgd", loss, device="cpu", **arguments)


def learned(total, count=4, scalars=None):
    """A batch of four rows, all of class 1, all taken for class 1."""
    outputs = torch.tensor([[0.0, 1.0, 0.0]]).repeat(4, 1)
    return Learned(total, count, outputs, torch.ones(4, dtype=torch.int64), None, 4, scalars or {})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("number", [float, torch.tensor], ids=["number", "tensor"])
def test_loss_that_is_not_finite(number, bad):
    """It is left out of the epoch's mean, whether it is read at once or stays on the device."""
    model = make_model(batch_metrics=["accuracy"])

    for total in (6.0, bad, 2.0):
        model.keep(learned(number(total)), is_learned_from=True)

    assert model.epoch_values()["loss"] == pytest.approx(8 / 8)


def test_metrics_of_a_batch_that_was_left_out():
    """Where the loss is read at once, its batch counts for no metric; there is a value of each, NaN."""
    model = make_model(batch_metrics=["accuracy"])

    values = [model.keep(learned(total), is_learned_from=True).tolist() for total in (6.0, math.nan)]

    assert values[0] == [100.0]
    assert np.isnan(values[1]).all()
    assert len(values[1]) == len(model.batch_metrics_names)


def test_scalars_of_the_loss():
    """Further numbers are means over their own counts, and start anew with the next epoch."""
    model = make_model()
    model.keep(learned(1.0, scalars={"entropy": (6.0, 3)}))
    model.keep(learned(1.0, scalars={"entropy": (2.0, 1), "z": (torch.tensor(5.0), 2)}))

    first, second = model.epoch_values(), model.take_scalars()

    assert (first["entropy"], first["z"]) == (2.0, 2.5)
    assert second == {}


@pytest.mark.parametrize("name", ["loss", "epoch", "time", "acc", "batch", "size", ""])
@pytest.mark.parametrize("place", ["loss", "metric"])
def test_names_that_are_taken(place, name):
    """A further number that would hide another value is refused, with another name where there is one."""

    class Named(Told):
        def scalars(self):
            return {name: 1.0}

    def loss(outputs, targets):
        return F.cross_entropy(outputs, targets), {name: 1.0}

    chosen = {"loss": loss} if place == "loss" else {"epoch_metrics": [Named()]}
    model = make_model(**chosen, batch_metrics=["accuracy"])

    with pytest.raises(ArgumentError, match=f"further scalar named {name!r}, and that name is taken") as caught:
        model.fit(*make_data(ROWS), verbose=0)

    assert caught.value.do == (f"call it '{name}_2', for example." if name else None)


class Told(Metric):
    """Counts rows, and tells two further numbers of them."""

    name = "rows"

    def part(self, reading):
        return len(reading.targets)

    def value(self, parts):
        self.half = sum(parts) / 2
        return float(sum(parts))

    def scalars(self):
        return {"half": self.half}


def test_scalars_of_a_metric():
    """A metric's further numbers stand in the epoch's row, once."""
    model = make_model(metrics=[Told()])
    model.keep(learned(1.0))

    values = model.epoch_values()

    assert (values["rows"], values["half"]) == (4.0, 2.0)
    assert model.take_scalars() == {}


class Inputs(nn.Module):
    """A metric of the user's that looks at the inputs: the mean of their first number."""

    __name__ = "first"
    takes_inputs = True

    def __init__(self):
        super().__init__()
        self.reset()

    def forward(self, outputs, targets, inputs=None):
        self.update(outputs, targets, inputs)
        return inputs[:, 0].mean()

    def update(self, outputs, targets, inputs=None):
        assert not outputs.requires_grad or not torch.is_grad_enabled()
        self.seen.append(inputs[:, 0])

    def compute(self):
        return torch.cat(self.seen).mean()

    def reset(self):
        self.seen = []


@pytest.mark.parametrize("place", ["epoch_metrics", "batch_metrics"])
@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_inputs_for_who_asks(place, micro_batch_size):
    """A metric that takes inputs gets those of the whole batch, however it was cut."""
    x, y = make_data(ROWS)
    model = make_model(**{place: [Inputs()]})

    history = model.fit(x, y, batch_size=BATCH, micro_batch_size=micro_batch_size, verbose=0)

    assert model.takes_inputs
    assert history[0]["first"] == pytest.approx(x[:, 0].mean().item(), rel=1e-6)


def test_metrics_of_poutyne_beside_ours():
    """Batch metrics and epoch metrics of any making give what scikit-learn gives on all rows."""
    x, y = make_data(ROWS)
    predicted = make_mlp()(x).argmax(1)
    model = make_model(batch_metrics=["accuracy"], epoch_metrics=[poutyne.FBeta(metric="fscore", average="macro")])

    loss, (accuracy, f1) = model.evaluate(x, y, batch_size=BATCH, verbose=0)

    assert loss == pytest.approx(F.cross_entropy(make_mlp()(x), y).item(), rel=1e-6)
    assert accuracy == pytest.approx(100 * accuracy_score(y, predicted))
    assert f1 == pytest.approx(f1_score(y, predicted, average="macro"), abs=1e-6)


def test_no_metrics():
    """Without metrics nothing is looked at."""
    assert make_model().measure(None, None).tolist() == []


def test_sums_forgotten_after_an_error():
    """A run that ends in an error, or by the user's hand, leaves no half-filled sums."""
    model = make_model(metrics=["accuracy"])

    def interrupted():
        with model.sums_forgotten_on_error():
            model.keep(learned(100.0, scalars={"z": (1.0, 1)}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    model.keep(learned(2.0))

    values = model.epoch_values()
    assert values["loss"] == 0.5
    assert "z" not in values


def test_sums_stay_where_all_is_well():
    """Nothing is forgotten without an error."""
    model = make_model()

    with model.sums_forgotten_on_error():
        model.keep(learned(2.0))

    assert model.epoch_values()["loss"] == 0.5


def test_model_without_a_loss():
    """A model that only predicts has no loss to forget."""
    model = Model(make_mlp(), None, None, device="cpu")

    with pytest.raises(ZeroDivisionError), model.sums_forgotten_on_error():
        raise ZeroDivisionError

    assert model.loss_function is None


def test_values_are_floats():
    """The epoch's row holds Python floats alone, whatever the metrics gave."""
    model = make_model(metrics=["accuracy"], epoch_metrics=[Told()])
    model.keep(learned(Tensor([2.0]).sum()))

    values = model.epoch_values()

    assert {type(value) for value in values.values()} == {float}
    assert values["loss"] == 0.5
