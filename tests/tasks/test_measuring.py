"""evaluate, with a task and without: rows or tensors in, loss and metrics out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score
from torch.utils.data import DataLoader

from keraslike import Model
from keraslike.errors import ArgumentError, DataError, NotFittedError
from tests.engine import by_hand as hand
from tests.engine.letters import Letters, LettersTask, read, text_of
from tests.engine.loops import make_data, make_mlp

ROWS = 21
TEXTS = [text_of(3 + (7 * row) % 23, row) for row in range(ROWS)]
NUMBERS = list(range(ROWS))
TABLE = make_data(ROWS)[1]


@pytest.fixture
def model():
    """A model of letters, which learns nothing here."""
    return Model(Letters(), None, task=LettersTask("cross_entropy", TABLE), metrics=["accuracy"], device="cpu")


@pytest.fixture
def losses():
    """The loss of each text, by hand."""
    with torch.no_grad():
        return F.cross_entropy(Letters()(read(TEXTS)), TABLE, reduction="none")


@pytest.mark.parametrize("batch_size", [None, 1, 4, 100])
def test_with_a_task(model, losses, batch_size):
    """A dict of floats by plain names, whatever goes through at once."""
    predicted = Letters()(read(TEXTS)).argmax(1)

    values = model.evaluate(TEXTS, NUMBERS, batch_size=batch_size, verbose=0)

    assert list(values) == ["loss", "accuracy"]
    assert {type(value) for value in values.values()} == {float}
    assert values["loss"] == pytest.approx(losses.mean().item(), rel=1e-10)
    assert values["accuracy"] == pytest.approx(accuracy_score(TABLE, predicted), abs=1e-12)


def test_in_poutynes_form(model, losses):
    """return_dict=False gives loss and metrics as Poutyne does; its own dict has its own names."""
    loss, accuracy = model.evaluate(TEXTS, NUMBERS, return_dict=False, verbose=0)
    named = model.evaluate(TEXTS, NUMBERS, return_dict=False, return_dict_format=True, verbose=0)

    assert loss == pytest.approx(losses.mean().item(), rel=1e-10)
    assert list(named) == ["time", "test_loss", "test_accuracy"]
    assert (named["test_loss"], named["test_accuracy"]) == pytest.approx((loss, accuracy))


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_texts_that_weigh(model, losses, batch_size):
    """Sample weights stay with their texts, sorted as these may be."""
    weight = np.linspace(0, 2, ROWS)

    values = model.evaluate(TEXTS, NUMBERS, sample_weight=weight, batch_size=batch_size, verbose=0)

    expected = (losses.numpy() * weight).sum() / weight.sum()
    assert values["loss"] == pytest.approx(expected, rel=1e-10)


def test_wrong_weights(model):
    """There is one weight per row."""
    with pytest.raises(DataError, match="sample_weight"):
        model.evaluate(TEXTS, NUMBERS, sample_weight=[1.0, 2.0], verbose=0)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_are_those_of_the_data(model, losses, steps):
    """With steps the first batches of the data are measured, in the user's order, not the longest texts."""
    values = model.evaluate(TEXTS, NUMBERS, batch_size=4, steps=steps, verbose=0)

    assert values["loss"] == pytest.approx(losses[: 4 * steps].mean().item(), rel=1e-10)


def test_longest_first(model):
    """Without steps the whole set is sorted by length."""
    widths = []
    model.network.register_forward_pre_hook(lambda _, given: widths.append(given[0]["input_ids"].shape[1]))

    model.evaluate(TEXTS, NUMBERS, batch_size=4, verbose=0)

    assert widths == sorted(widths, reverse=True)
    assert widths[0] == max(map(len, TEXTS))


def test_rows_with_their_targets(model, losses):
    """Rows may hold their targets themselves, in columns that the call names."""
    table = {"words": TEXTS, "number": NUMBERS}

    values = model.evaluate(table, text="words", target="number", verbose=0)

    assert values["loss"] == pytest.approx(losses.mean().item(), rel=1e-10)


def test_a_loader_of_rows(model, losses):
    """A loader is read as it comes."""
    loader = DataLoader([{"text": text, "target": row} for row, text in enumerate(TEXTS)], batch_size=4)

    values = model.evaluate(loader, text="text", target="target", verbose=0)

    assert values["loss"] == pytest.approx(losses.mean().item(), rel=1e-10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"y": NUMBERS}, "DataLoader, which is read as it comes, and y is given"),
        ({"sample_weight": [1.0] * ROWS}, "DataLoader, which is read as it comes, and sample_weight is given"),
    ],
)
def test_beside_a_loader(model, options, words):
    """Labels and weights stand in a loader's own rows."""
    loader = DataLoader([{"text": text, "target": row} for row, text in enumerate(TEXTS)], batch_size=4)

    with pytest.raises(ArgumentError, match=words):
        model.evaluate(loader, **options, verbose=0)


@pytest.mark.parametrize("options", [{"workers": 2}, {"dataloader_kwargs": {"num_workers": 1}}], ids=str)
def test_workers_with_a_task(model, options):
    """A task makes its batches itself."""
    with pytest.raises(ArgumentError, match="with a task evaluate makes its batches itself"):
        model.evaluate(TEXTS, NUMBERS, **options, verbose=0)


def test_network_that_is_not_there(tiny_bert):
    """There is nothing to measure before the network is built."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(NotFittedError):
        model.evaluate(["a film"], ["good"], verbose=0)


# Without a task


@pytest.mark.parametrize("options", [{}, {"dataloader_kwargs": {"drop_last": False}}], ids=["own", "loader"])
@pytest.mark.parametrize("batch_size", [None, 1, 8])
@pytest.mark.parametrize("weight", [None, torch.linspace(0, 2, 40)], ids=["", "weighs"])
def test_tensors(batch_size, weight, options):
    """Loss and metrics of tensors are those of all rows at once, weighted or not."""
    x, y = make_data(40)
    logits = make_mlp()(x).detach()
    each = F.cross_entropy(logits, y, reduction="none")
    factors = torch.ones(40) if weight is None else weight
    model = Model(make_mlp(), None, "cross_entropy", metrics=["accuracy"], device="cpu")

    given = {"sample_weight": weight, "batch_size": batch_size, **options}
    values = model.evaluate(x, y, return_dict=True, verbose=0, **given)

    assert values["loss"] == pytest.approx(((each * factors).sum() / factors.sum()).item(), rel=1e-6)
    assert values["accuracy"] == pytest.approx(accuracy_score(y, logits.argmax(1)))


def test_tensors_thirty_two_at_once():
    """Without a batch_size 32 examples go through at once."""
    x, y = make_data(40)
    network = make_mlp()
    limit = hand.Limit(network, 40)

    Model(network, None, "cross_entropy", device="cpu").evaluate(x, y, verbose=0)

    assert limit.sizes == [32, 8]
