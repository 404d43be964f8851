"""Measuring in smaller parts, where memory runs out, gives what the whole batch gives."""

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from keraslike import Model
from keraslike.errors import OutOfMemoryError
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp

ROWS, BATCH = 29, 12


def contrastive(outputs, targets):
    """Each example against all others of its batch: nothing that adds up over parts."""
    likeness = F.normalize(outputs, dim=1) @ F.normalize(outputs, dim=1).T
    return F.cross_entropy(likeness / 0.1, torch.arange(len(outputs))) + targets.double().std()


def of_batches(loss, x, y):
    """Give the mean over the examples of the losses of whole batches, by hand."""
    network = make_mlp(dtype=torch.float64).eval()
    with torch.no_grad():
        each = [(loss(network(rows), targets), len(rows)) for rows, targets, _ in hand.batches_of(BATCH, x, y, None)]
    return sum(value.item() * count for value, count in each) / sum(count for _, count in each)


def make_model(loss, examples, network=None, **arguments):
    network = make_mlp(dtype=torch.float64) if network is None else network
    limit = hand.Limit(network, examples)
    return Model(network, "sgd", loss, device="cpu", **arguments), limit


@pytest.mark.parametrize("examples", [1, 3, 5])
@pytest.mark.parametrize("form", hand.OUT_OF_MEMORY)
def test_loss_within_the_batch(form, examples):
    """A function that looks at the whole batch is computed on the outputs of all its parts."""
    x, y = make_data(ROWS, dtype=torch.float64)
    model, limit = make_model(contrastive, examples)
    limit.error = hand.OUT_OF_MEMORY[form]

    loss = model.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)["loss"]

    assert limit.hits > 0
    assert loss == pytest.approx(of_batches(contrastive, x, y), rel=1e-10)


def test_parts_alone_would_give_another_loss():
    """The function is one whose parts do not add up, so that the case above means something."""
    x, y = make_data(BATCH, dtype=torch.float64)
    outputs = make_mlp(dtype=torch.float64)(x)

    parts = [contrastive(*pair).item() for pair in zip(outputs.split(6), y.split(6), strict=True)]

    assert sum(parts) / 2 != pytest.approx(contrastive(outputs, y).item(), rel=0.1)


def test_whole_batch_of_dict_outputs():
    """Outputs in a dict are put together too, and the targets take their shape."""

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.mlp = make_mlp(dtype=torch.float64)

        def forward(self, x):
            return {"logits": self.mlp(x), "hidden": x}

    x, y = make_data(ROWS, dtype=torch.float64)
    model, limit = make_model(lambda outputs, targets: contrastive(outputs["logits"], targets), 4, Named())

    loss = model.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)["loss"]

    assert limit.hits > 0
    assert loss == pytest.approx(of_batches(contrastive, x, y), rel=1e-10)


def test_own_compute_loss():
    """A model's own compute_loss, whose parts may not add up either, sees the whole batch, inputs included."""

    class Own(Model):
        def compute_loss(self, outputs, batch):
            return contrastive(outputs, batch.y) * batch.x.square().mean(), {"spread": outputs.std()}

    x, y = make_data(ROWS, dtype=torch.float64)
    network = make_mlp(dtype=torch.float64)
    values, spreads = [], []
    with torch.no_grad():
        for rows, targets, _ in hand.batches_of(BATCH, x, y, None):
            values.append(contrastive(network(rows), targets).item() * rows.square().mean().item() * len(rows))
            spreads.append(network(rows).std().item() * len(rows))
    limit = hand.Limit(network, 5)

    model = Own(network, "sgd", device="cpu")
    answer = model.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)

    assert limit.hits > 0
    assert answer["loss"] == pytest.approx(sum(values) / ROWS, rel=1e-10)
    assert answer["spread"] == pytest.approx(sum(spreads) / ROWS, rel=1e-10)


@pytest.mark.parametrize("convert_to_numpy", [True, False])
@pytest.mark.parametrize("loss", ["cross_entropy", contrastive], ids=["adds up", "does not"])
def test_predictions_beside_the_loss(loss, convert_to_numpy):
    """Outputs and truths come in the batch's order, in Poutyne's forms, also of a batch that was cut."""
    x, y = make_data(ROWS, dtype=torch.float64)
    batches = [(rows, targets) for rows, targets, _ in hand.batches_of(BATCH, x, y, None)]
    model, limit = make_model(loss, 5)
    options = {"return_pred": True, "return_ground_truth": True, "convert_to_numpy": convert_to_numpy}
    theirs = poutyne.Model(make_mlp(dtype=torch.float64), "sgd", "cross_entropy")
    _, expected, rows = theirs.evaluate_generator(batches, verbose=False, **options)

    _, outputs, truths = model.evaluate_generator(batches, verbose=0, **options)

    assert limit.hits > 0
    assert type(outputs) is type(expected) is (np.ndarray if convert_to_numpy else torch.Tensor)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12)
    np.testing.assert_array_equal(truths, rows)


@pytest.mark.parametrize("examples", [ROWS, 5], ids=["whole", "cut"])
def test_examples_that_weigh(examples):
    """Sample weights give the weighted mean, cut or whole."""
    x, y = make_data(ROWS, dtype=torch.float64)
    weight = torch.linspace(0, 2, ROWS, dtype=torch.float64)
    losses = F.cross_entropy(make_mlp(dtype=torch.float64)(x), y, reduction="none")
    model, limit = make_model("cross_entropy", examples)
    options = {"sample_weight": weight, "return_dict": True, "verbose": 0}

    loss = model.evaluate(x, y, batch_size=BATCH, **options)["loss"]

    assert (limit.hits > 0) == (examples == 5)
    assert loss == pytest.approx(((losses * weight).sum() / weight.sum()).item(), rel=1e-10)


def test_limit_of_measuring_is_remembered():
    """Later batches, and later verbs, start with what has fitted; training has a limit of its own."""
    x, y = make_data(ROWS, dtype=torch.float64)
    model, limit = make_model("cross_entropy", 4)

    model.evaluate(x, y, batch_size=BATCH, verbose=0)
    model.predict(x, batch_size=BATCH)

    assert limit.hits == 2  # 12, 6, 3
    assert (model.measuring_limit, model.micro_batch_limit) == (3, None)


def test_a_small_batch_halves_itself():
    """A batch below the limit is halved from its own size, not from the limit."""
    x, y = make_data(ROWS, dtype=torch.float64)
    model, limit = make_model("cross_entropy", 2)
    model.measuring_limit = 100

    model.evaluate(x[:5], y[:5], batch_size=BATCH, verbose=0)

    assert limit.sizes[:2] == [5, 2]
    assert model.measuring_limit == 2


def test_other_errors():
    """An error of another kind passes through, and nothing is tried again."""
    x, y = make_data(ROWS, dtype=torch.float64)
    error = RuntimeError("shapes cannot be multiplied")
    model, limit = make_model("cross_entropy", 4)
    limit.error = lambda: error

    with pytest.raises(RuntimeError) as caught:
        model.evaluate(x, y, batch_size=BATCH, verbose=0)

    assert caught.value is error
    assert (limit.hits, model.measuring_limit) == (1, None)


@pytest.mark.parametrize("loss", ["cross_entropy", contrastive], ids=["adds up", "does not"])
def test_a_single_example_that_does_not_fit(loss):
    """There is no end but the error, for a function that sees the whole batch too; the sums are forgotten."""
    x, y = make_data(ROWS, dtype=torch.float64)
    model, limit = make_model(loss, 0)

    with pytest.raises(OutOfMemoryError, match="a single example"):
        model.evaluate(x, y, batch_size=BATCH, verbose=0)
    limit.examples, model.measuring_limit = ROWS, None
    again = model.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)["loss"]

    expected = of_batches(F.cross_entropy if loss == "cross_entropy" else contrastive, x, y)
    assert again == pytest.approx(expected, rel=1e-10)


def test_evaluate_on_batch_that_is_cut():
    """One batch is measured as Poutyne measures it, cut where memory asks for it."""
    x, y = make_data(BATCH, dtype=torch.float64)
    model, limit = make_model(contrastive, 5)

    loss, outputs = model.evaluate_on_batch(x, y, return_pred=True)

    assert limit.hits == 2  # 12, 6, 3
    assert loss == pytest.approx(of_batches(contrastive, x, y), rel=1e-10)
    assert outputs.shape == (BATCH, 3)
