"""What measures beside a training, or where memory ran out, gives what it gives alone, and changes nothing."""

import math

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForQuestionAnswering

from keraslike import Model
from keraslike.errors import ArgumentError, DataError, OutOfMemoryError
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS = 8
CLASS_WEIGHT = [9.0, 1.0, 0.5]


# Where memory ran out


def make_questions():
    """Give a head that finds spans, its inputs, and places some of which lie outside the text, so do not count."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            initializer_range=1.0,  # losses that tell examples apart
        )
        network = BertForQuestionAnswering(config).double()
    ids = torch.randint(5, 20, (8, 7), generator=generator)
    starts, ends = (torch.randint(0, 7, (8,), generator=generator) for _ in range(2))
    starts[1], ends[4] = 7, 7
    x = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "start_positions": starts, "end_positions": ends}
    return network, x


@pytest.mark.parametrize(("examples", "size"), [(8, 8), (4, 4), (3, 2)])
def test_head_that_does_not_add_up(examples, size):
    """A head's own mean, whose counts only it knows: the means of the parts, weighted by their examples."""
    network, x = make_questions()
    network.eval()
    with torch.no_grad():
        parts = [{name: column[i : i + size] for name, column in x.items()} for i in range(0, 8, size)]
        expected = sum(network(**part).loss.item() * len(part["input_ids"]) for part in parts) / 8
    limit = hand.Limit(network.qa_outputs, examples)

    loss = Model(network, device="cpu").evaluate_generator([(x, torch.zeros(8))], verbose=0)

    assert (limit.hits > 0) == (examples < 8)
    assert loss == pytest.approx(expected, rel=1e-10)


class Penalised(nn.Module):
    """Gives logits, and one number for the whole batch."""

    def __init__(self):
        super().__init__()
        self.mlp = make_mlp(dtype=torch.float64)

    def forward(self, x):
        logits = self.mlp(x)
        return logits, logits.square().mean()


def test_one_number_for_the_batch():
    """It cannot be put together from parts, so that a function that may read it is refused, in words."""
    network = Penalised()
    hand.Limit(network.mlp, 3)
    model = Model(network, "sgd", lambda outputs, y: F.cross_entropy(outputs[0], y) + outputs[1], device="cpu")

    with pytest.raises(OutOfMemoryError, match="a batch of 8, and its outputs hold a number for all of it") as caught:
        model.evaluate(*make_data(ROWS, dtype=torch.float64), verbose=0)

    assert caught.value.do == "set batch_size=4."


@pytest.mark.parametrize("examples", [ROWS, 3])
@pytest.mark.parametrize("has_norm", [True, False])
def test_weights_of_examples(has_norm, examples):
    """Weights hold for the examples of every part; BatchNorm, which only measures, mixes none."""
    x, y = make_data(ROWS, dtype=torch.float64)
    weights = torch.arange(ROWS, dtype=torch.float64)
    network = nn.Sequential(make_mlp(dtype=torch.float64), *([nn.BatchNorm1d(3).double()] if has_norm else []))
    with torch.no_grad():
        each = F.cross_entropy(network.eval()(x), y, reduction="none")
    limit = hand.Limit(network[0], examples)

    loss = Model(network, "sgd", "cross_entropy", device="cpu").evaluate(x, y, sample_weight=weights, verbose=0)

    assert (limit.hits > 0) == (examples < ROWS)
    assert loss == pytest.approx(((each * weights).sum() / weights.sum()).item(), rel=1e-10)


# Within a training


class Measure(poutyne.Callback):
    """Measures after every batch."""

    def __init__(self, act):
        super().__init__()
        self.act, self.found = act, []

    def on_train_batch_end(self, batch_number, logs):
        self.found.append(self.act(self.model))


ACTS = {
    "evaluate": lambda model: model.evaluate(*make_data(5, dtype=torch.float64), return_dict=True, verbose=0),
    "evaluate_on_batch": lambda model: model.evaluate_on_batch(*make_data(5, dtype=torch.float64)),
    "twice": lambda model: [ACTS["evaluate"](model), ACTS["evaluate"](model)][1],
}


def share(y_pred, y_true):
    return float((y_pred.argmax(1) == y_true).double().mean())


@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("metrics", [{}, {"metrics": ["accuracy", "f1_macro"]}, {"batch_metrics": [share]}])
@pytest.mark.parametrize("act", ACTS)
def test_measured_by_a_callback(act, metrics, class_weight):
    """The epoch's row and the weights are as without it, and the answer is that of the same weights outside."""
    x, y = make_data(ROWS, dtype=torch.float64)
    rows, weights = [], []
    callback = Measure(ACTS[act])
    for callbacks in ([], [callback]):
        network = make_mlp(dropout=0.3, dtype=torch.float64)
        model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", device="cpu", **metrics)
        options = {"batch_size": 3, "seed": 1, "class_weight": class_weight, "callbacks": callbacks}
        history = model.fit(x, y, epochs=2, validation_data=(x, y), verbose=0, **options)
        rows.append([{name: value for name, value in row.items() if name != "time"} for row in history])
        weights.append(weights_of(network))

    assert rows[1] == rows[0]
    assert torch.equal(*weights)
    assert callback.found[-1] == ACTS[act](model)


def test_scalar_that_counts_nothing():
    """A named scalar of which nothing was counted is nan, for callbacks too."""

    def loss(outputs, targets):
        nines = targets == 9
        return F.cross_entropy(outputs, targets), {"nines": (float(nines.sum()), int(nines.sum()))}

    class Look(poutyne.Callback):
        def on_train_batch_end(self, batch_number, logs):
            seen.append(logs["nines"])

    seen = []
    history = Model(make_mlp(), "sgd", loss, device="cpu").fit(*make_data(ROWS), callbacks=[Look()], verbose=0)

    assert seen
    assert all(map(math.isnan, seen))
    assert math.isnan(history[0]["nines"])


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("form", ["generator", "fit", "evaluate"])
def test_weights_of_a_loader(form, bad):
    """What is no weight is refused as it comes, before the batch is learned from."""
    x, y = make_data(ROWS)
    weights = torch.ones(ROWS)
    weights[5] = bad
    network = make_mlp()
    before = weights_of(network)
    model = Model(network, "sgd", "cross_entropy", device="cpu")
    loader = DataLoader(list(zip(x, y, weights, strict=True)), batch_size=ROWS)
    act = {
        "generator": lambda: model.fit_generator([(x, y, weights)], epochs=1, verbose=0),
        "fit": lambda: model.fit(loader, verbose=0),
        "evaluate": lambda: model.evaluate(loader, verbose=0),
    }[form]

    with pytest.raises(DataError, match="sample weights that are negative or not finite"):
        act()

    assert torch.equal(weights_of(network), before)


# The user's order


@pytest.fixture(scope="module")
def ragged():
    """Texts whose lengths jump, and their labels."""
    texts = ["good " * times + "x" for times in (1, 9, 2, 7, 3, 5, 4, 6)]
    return texts, [0, 1, 0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("batch_size", [None, 3])
def test_order_of_predictions(smallest_bert, ragged, batch_size):
    """Predictions beside the loss stand in the order of the texts, whatever their lengths."""
    texts, labels = ragged
    model = Model(smallest_bert, task="text-classification", device="cpu")
    model.fit(texts, labels, verbose=0, seed=1)
    alone = np.concatenate([model.predict_logits([text]) for text in texts])

    answer = model.evaluate(texts, labels, batch_size=batch_size, return_dict=False, return_pred=True, verbose=0)

    assert np.ptp(alone, axis=0).min() > 1e-3  # texts that can be told apart
    np.testing.assert_allclose(answer[-1], alone, atol=1e-5)


@pytest.mark.parametrize("form", ["return_pred", "return_dict_format"])
def test_forms_beside_a_dict(smallest_bert, ragged, form):
    """What asks for Poutyne's forms is refused where a dict is given, before a text is read."""
    model = Model(smallest_bert, task="text-classification", device="cpu")
    model.fit(*ragged, verbose=0, seed=1)

    with pytest.raises(
        ArgumentError, match=rf"{form}=True is given, but evaluate gives a dict(.|\n)*return_dict=False"
    ):
        model.evaluate(object(), **{form: True})

    assert model.evaluate(*ragged, **{form: False}, verbose=0) == model.evaluate(*ragged, verbose=0)


def test_order_for_a_function(smallest_bert, ragged):
    """A metric that is a function of the user's own sees the rows in the user's order."""
    texts, labels = ragged
    seen = []

    def look(y_true):
        seen.append(list(map(int, y_true)))
        return 0.0

    model = Model(smallest_bert, task="text-classification", device="cpu", metrics=[look])
    model.fit(texts, labels, validation_data=(texts, labels), verbose=0, seed=1)
    in_validation = seen[-1]
    model.evaluate(texts, labels, verbose=0)

    assert in_validation == labels
    assert seen[-1] == labels
