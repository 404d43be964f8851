"""The verbs of one batch take rows where there is a task, and answer as Poutyne does."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import poutyne
import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.errors import DataError, LabelError, NotFittedError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()


@pytest.fixture
def model(smallest_bert: str) -> Model:
    torch.manual_seed(0)
    return Model(
        smallest_bert,
        {"optim": "sgd", "lr": 0.5},
        task="text-classification",
        labels=["bad", "good"],
        batch_metrics=["accuracy"],
        device="cpu",
    )


def by_hand(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Give loss and logits of all texts by torch alone, in the mode and with the random state at hand."""
    inputs = model.task.tokenizer(TEXTS, padding=True, return_tensors="pt")
    logits = model.network.wrapped(**inputs).logits
    return nn.functional.cross_entropy(logits, torch.tensor([int(s == "good") for s in SENTIMENTS])), logits


def test_train_on_batch_takes_one_step(model: Model, smallest_bert: str):
    """train_on_batch changes the weights as one step of SGD by hand does, bit for bit, dropout included."""
    model.train_on_batch(TEXTS, SENTIMENTS)  # the first one draws the head
    twin = Model(smallest_bert, "sgd", task="text-classification", labels=["bad", "good"], device="cpu").network
    twin.load_state_dict(model.network.state_dict())
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.5, fused=True)
    ids = torch.tensor([int(sentiment == "good") for sentiment in SENTIMENTS])
    torch.manual_seed(1)
    expected = nn.functional.cross_entropy(
        twin.train()(dict(model.task.tokenizer(TEXTS, padding=True, return_tensors="pt"))).logits, ids
    )
    expected.backward()
    optimizer.step()

    torch.manual_seed(1)
    loss, accuracy = model.train_on_batch(TEXTS, SENTIMENTS)

    assert loss == expected.item()
    assert 0 <= accuracy <= 100
    assert all(torch.equal(a, b) for a, b in zip(model.network.parameters(), twin.parameters(), strict=True))


def test_train_on_batch_builds_the_network(smallest_bert: str):
    """The first batch builds the network as the first fit does, its labels those of the batch."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    loss = model.train_on_batch(TEXTS, SENTIMENTS)

    assert type(loss) is float
    assert model.labels == ["bad", "good"]


@pytest.mark.parametrize(
    "data",
    [
        (TEXTS, SENTIMENTS),
        (np.array(TEXTS), np.array(SENTIMENTS)),
        ([{"text": text, "label": label} for text, label in zip(TEXTS, SENTIMENTS, strict=True)],),
        (pd.DataFrame({"text": TEXTS, "label": SENTIMENTS}),),
        (list(zip(TEXTS, SENTIMENTS, strict=True)),),
    ],
    ids=["lists", "numpy", "dicts", "DataFrame", "pairs"],
)
def test_evaluate_on_batch(data: tuple[Any, ...], model: Model):
    """evaluate_on_batch measures rows of any container and changes nothing."""
    loss, accuracy = model.evaluate_on_batch(*data)

    model.network.eval()
    with torch.no_grad():
        expected, logits = by_hand(model)
    right = [model.labels[place] for place in logits.argmax(1)]
    assert loss == pytest.approx(expected.item(), abs=1e-6)
    assert accuracy == pytest.approx(100 * np.mean([a == b for a, b in zip(right, SENTIMENTS, strict=True)]), abs=1e-4)


def test_predict_on_batch(model: Model):
    """predict_on_batch gives the logits as a numpy array, as Poutyne gives a network's outputs."""
    outputs = model.predict_on_batch(TEXTS)

    model.network.eval()
    with torch.no_grad():
        np.testing.assert_allclose(outputs, by_hand(model)[1].numpy(), atol=1e-6)  # the same float32 sums


@pytest.mark.parametrize("verb", ["train_on_batch", "evaluate_on_batch"])
def test_returns_predictions(verb: str, model: Model):
    """return_pred adds the outputs, as Poutyne does."""
    loss, _, predictions = getattr(model, verb)(TEXTS, SENTIMENTS, return_pred=True)

    assert type(loss) is float
    assert isinstance(predictions, np.ndarray)
    assert predictions.shape == (40, 2)


@pytest.mark.parametrize("verb", ["train_on_batch", "evaluate_on_batch"])
def test_returns_a_dict(verb: str, model: Model):
    """return_dict_format gives Poutyne's dict."""
    values = getattr(model, verb)(TEXTS, SENTIMENTS, return_dict_format=True)

    assert set(values) == {"loss", "acc"}


def test_unknown_label(model: Model):
    """A label that the model does not know is named before the step."""
    before = model.network.classifier.weight.detach().clone()

    with pytest.raises(LabelError, match="ugly"):
        model.train_on_batch(TEXTS[:2], ["good", "ugly"])

    assert torch.equal(model.network.classifier.weight, before)


@pytest.mark.parametrize("verb", ["train_on_batch", "evaluate_on_batch"])
def test_no_labels(verb: str, model: Model):
    """A batch to learn or measure needs labels."""
    with pytest.raises(DataError, match="no labels"):
        getattr(model, verb)(TEXTS)


@pytest.mark.parametrize("verb", ["evaluate_on_batch", "predict_on_batch"])
def test_before_fit(verb: str, smallest_bert: str):
    """Measuring and predicting need a network."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    with pytest.raises(NotFittedError, match=r"fit\(\.\.\.\) first"):
        getattr(model, verb)(*(TEXTS, SENTIMENTS)[: 1 + (verb == "evaluate_on_batch")])


def test_tensors_without_a_task():
    """Without a task the verbs take tensors and answer as Poutyne's own."""
    torch.manual_seed(0)
    x, y = torch.randn(6, 3), torch.randint(2, (6,))
    network = nn.Linear(3, 2)
    ours = Model(network, "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")
    theirs = poutyne.Model(network, "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")

    results = [(m.evaluate_on_batch(x, y), m.predict_on_batch(x)) for m in (ours, theirs)]

    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("verb", ["evaluate_on_batch", "train_on_batch"])
def test_one_batch_holds_all_windows(verb: str, tiny_bert: Path):
    """A long row is several features, and all of them are in the batch: its loss is that of `evaluate`."""
    words, tags = ["a", "wonderful", "film"] * 20, ["O", "B-good", "O"] * 20
    model = Model(str(tiny_bert), task="token-classification", labels=["O", "B-good"], max_length=10, device="cpu")
    model.train_on_batch([words], [tags])
    for module in model.network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    expected = model.evaluate([words], [tags], verbose=0)["loss"]

    assert getattr(model, verb)([words], [tags]) == pytest.approx(expected, rel=1e-5)


def test_one_batch_holds_all_blocks(tiny_bert: Path):
    """A long text is packed into several blocks, and all of them are in the batch."""
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")
    text = " ".join(TEXTS)
    model.train_on_batch([text])

    assert model.evaluate_on_batch([text]) == pytest.approx(model.evaluate([text], verbose=0)["loss"], rel=1e-5)
