"""What may stand as the network: a name, a `PreTrainedModel`, or any module."""

from pathlib import Path
from typing import Any

import numpy as np
import poutyne
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from keraslike import Model, ModelWrapper, TransformerCollator
from keraslike.errors import ArgumentError, NotFittedError
from tests.tiny import MAX_LENGTH, texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
IDS = [int(label == "good") for label in SENTIMENTS]
UNBUILT = ["network", "optimizer", "loss_function", "batch_metrics", "epoch_metrics", "device", "metrics_names"]


def loaded(directory: Any, **config: Any) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_pretrained(directory, num_labels=2, **config)


class OwnNetwork(nn.Module):
    """A network of the user's own that takes the tokenizer's tensors by name and gives logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(300, 8)
        self.output = nn.Linear(8, 2)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **rest: Any) -> torch.Tensor:
        mask = attention_mask.unsqueeze(-1)
        return self.output((self.embedding(input_ids) * mask).sum(1) / mask.sum(1))


# Before the network is built


@pytest.fixture
def unbuilt(smallest_bert: str) -> Model:
    return Model(smallest_bert, task="text-classification", device="cpu")


def test_is_a_poutyne_model(unbuilt: Model):
    """A `Model` is a `poutyne.Model`, built or not."""
    assert isinstance(unbuilt, poutyne.Model)


@pytest.mark.parametrize("name", UNBUILT)
def test_has_no_network_before_fit(name: str, unbuilt: Model):
    """Hasattr is False for what comes with the network; asking for it says to fit first or to give labels=."""
    assert not hasattr(unbuilt, name)
    with pytest.raises(NotFittedError, match=rf"no {name} yet(.|\n)*fit(.|\n)*labels="):
        getattr(unbuilt, name)


@pytest.mark.parametrize("name", UNBUILT)
def test_has_a_network_after_fit(name: str, unbuilt: Model):
    """The first fit builds everything."""
    unbuilt.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert hasattr(unbuilt, name)


def test_no_such_attribute(unbuilt: Model):
    """An attribute that never exists is an `AttributeError`, not a hint to fit."""
    with pytest.raises(AttributeError, match="no attribute 'netwrk'") as caught:
        unbuilt.netwrk  # noqa: B018  # asking is the act
    assert not isinstance(caught.value, NotFittedError)


@pytest.mark.parametrize(
    "act",
    [
        lambda model: model.predict(TEXTS),
        lambda model: model.predict("one text"),
        lambda model: model.predict_logits(TEXTS),
        lambda model: model.predict_on_batch(TEXTS),
        lambda model: model.evaluate(TEXTS, SENTIMENTS),
        lambda model: model.evaluate_on_batch(TEXTS, SENTIMENTS),
        lambda model: model.get_weights(),
        lambda model: model.save("nowhere"),
    ],
)
def test_verbs_before_fit(act: Any, unbuilt: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Verbs that need the network say the same."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotFittedError, match=r"fit\(...\) first"):
        act(unbuilt)

    assert not list(tmp_path.iterdir())


def test_device_is_remembered(smallest_bert: str):
    """`.to` before fit is remembered, and gives the model back."""
    model = Model(smallest_bert, task="text-classification", device=None)

    given = model.to("cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert given is model
    assert str(model.device) == "cpu"


def test_a_later_device_wins(smallest_bert: str):
    """The device that was named last is the one that is used."""
    model = Model(smallest_bert, task="text-classification", device="cpu").to("cpu:0")

    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert str(model.device) == "cpu:0"


def test_a_device_that_is_not_there(smallest_bert: str):
    """One that this machine has not is refused before the network is built, too."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    with pytest.raises(ArgumentError, match="there is no device 'tpu' here"):
        model.to("tpu")


# With a task


def test_pretrained_model_with_a_task(smallest_bert: str):
    """A loaded transformer trains as its name does; its tokenizer comes from where it was loaded."""
    network = loaded(smallest_bert)

    model = Model(network, task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, seed=0, verbose=0)

    assert model.network.wrapped is network
    assert network.config.id2label == {0: "bad", 1: "good"}
    assert set(model.predict(TEXTS)) <= {"bad", "good"}


def test_pretrained_model_keeps_its_head(smallest_bert: str):
    """A head that the user loaded is not drawn again at the first fit."""
    network = loaded(smallest_bert)
    before = network.classifier.weight.detach().clone()

    model = Model(network, "sgd", task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, learning_rate=1e-9, verbose=0)

    torch.testing.assert_close(network.classifier.weight.detach(), before, atol=1e-6, rtol=0)


def test_pretrained_model_with_an_optimizer_object(smallest_bert: str):
    """An optimizer object belongs to a loaded network; it is used as it is."""
    network = loaded(smallest_bert)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.125)

    model = Model(network, optimizer, task="text-classification", device="cpu")
    history = model.fit(TEXTS, SENTIMENTS, epochs=1, batch_size=32, schedule=None, verbose=0)

    assert model.optimizer is optimizer
    assert history.learning_rates == [0.125, 0.125]


def test_own_network_with_a_task(smallest_bert: str):
    """Any module that takes the tokenizer's tensors by name trains from raw texts."""
    torch.manual_seed(0)
    model = Model(OwnNetwork(), task="text-classification", tokenizer=smallest_bert, device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=30, seed=0, learning_rate=0.05, verbose=0)

    assert model.evaluate(TEXTS, SENTIMENTS, verbose=0)["accuracy"] > 0.9
    assert model.predict(TEXTS[0]) in {"bad", "good"}


def test_own_network_with_a_tokenizer_object(smallest_bert: str):
    """tokenizer= takes an object too."""
    tokenizer = AutoTokenizer.from_pretrained(smallest_bert)

    model = Model(OwnNetwork(), task="text-classification", tokenizer=tokenizer, max_length=7, device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert model.task.max_length == 7


def test_own_network_without_a_tokenizer():
    """A module that does not say which tokenizer it needs is an error with the line to type."""
    model = Model(OwnNetwork(), task="text-classification", device="cpu")

    with pytest.raises(ArgumentError, match=r"OwnNetwork that does not say which tokenizer(.|\n)*tokenizer="):
        model.fit(TEXTS, SENTIMENTS, verbose=0)


def test_distilbert(tiny_distilbert: Path):
    """A network that takes no token_type_ids gets none."""
    model = Model(str(tiny_distilbert), task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert set(model.predict(TEXTS)) <= {"bad", "good"}


def test_directory_as_a_path(tiny_distilbert: Path):
    """A directory may be given as a `Path`."""
    model = Model(tiny_distilbert, task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert model.network.config.model_type == "distilbert"


def test_gpt2_pads_with_its_end_token(tiny_gpt2: Path):
    """GPT-2 has no padding token: texts are padded on the right with its end token, which changes no logit."""
    model = Model(str(tiny_gpt2), task="text-classification", labels=["bad", "good"], device="cpu")
    texts = [TEXTS[0], " ".join(TEXTS[1:4])]

    logits = model.predict_logits(texts)

    alone = np.stack([model.predict_logits(text) for text in texts])
    np.testing.assert_allclose(logits, alone, atol=1e-6)  # float32, another width
    assert model.network.config.pad_token_id == model.task.tokenizer.eos_token_id


def test_gpt2_trains(tiny_gpt2: Path):
    """GPT-2 trains from raw texts, batches of ragged lengths included."""
    model = Model(str(tiny_gpt2), task="text-classification", device="cpu")

    history = model.fit(TEXTS, SENTIMENTS, epochs=5, learning_rate=1e-2, seed=0, verbose=0)

    assert history[-1]["loss"] < history[0]["loss"]


def test_padding_side_of_the_tokenizer(tiny_gpt2: Path):
    """A tokenizer that pads on the left, as generation wants it, changes nothing: training pads on the right."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_gpt2, padding_side="left")
    texts = [TEXTS[0], " ".join(TEXTS[1:4])]
    model = Model(str(tiny_gpt2), task="text-classification", labels=["bad", "good"], tokenizer=tokenizer, device="cpu")

    logits = model.predict_logits(texts)

    np.testing.assert_allclose(logits, np.stack([model.predict_logits(text) for text in texts]), atol=1e-6)  # float32


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "gpt2"])
def test_texts_longer_than_the_model(kind: str, request: pytest.FixtureRequest):
    """Texts beyond the model's limit are cut at it; RoBERTa takes fewer tokens than its table of positions holds."""
    directory = str(request.getfixturevalue(f"tiny_{kind}"))
    tokenizer = AutoTokenizer.from_pretrained(directory, model_max_length=10**9)
    model = Model(directory, task="text-classification", tokenizer=tokenizer, device="cpu")

    model.fit([text * 30 for text in TEXTS[:4]], SENTIMENTS[:4], epochs=1, verbose=0)

    assert model.task.max_length == MAX_LENGTH


def test_more_tokens_than_the_model_takes(smallest_bert: str):
    """max_length beyond the model's limit is refused, with the limit."""
    model = Model(smallest_bert, task="text-classification", max_length=1000, device="cpu")

    with pytest.raises(ArgumentError, match=r"max_length=1000 does not fit this model(.|\n)*1 to 64 tokens"):
        model.fit(TEXTS, SENTIMENTS, verbose=0)


# Without a task


def test_pretrained_model_without_a_task(smallest_bert: str):
    """Without a task a transformer takes dicts of tensors, and learns from the loss of its own head."""
    network = loaded(smallest_bert)
    tokenizer = AutoTokenizer.from_pretrained(smallest_bert)
    rows = [{**tokenizer(text), "labels": label} for text, label in zip(TEXTS, IDS, strict=True)]
    loader = DataLoader(rows, batch_size=8, collate_fn=TransformerCollator(y_keys="labels"))
    batch = {**tokenizer.pad({"input_ids": tokenizer(TEXTS)["input_ids"]}, return_tensors="pt")}
    with torch.no_grad():
        before = network.eval()(**batch, labels=torch.tensor(IDS)).loss.item()

    model = Model(network, device="cpu")
    loss = model.evaluate(loader, verbose=0)
    model.fit(loader, epochs=5, seed=0, learning_rate=1e-2, verbose=0)

    assert isinstance(model.network, ModelWrapper)
    assert loss == pytest.approx(before, abs=1e-5)  # float32, other widths
    assert model.evaluate(loader, verbose=0) < before


def test_own_network_without_a_task():
    """Without a task any module takes tensors, as with Poutyne; `evaluate` gives loss and metrics."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 4), torch.randint(3, (64,))
    network = nn.Linear(4, 3)
    with torch.no_grad():
        expected = nn.functional.cross_entropy(network(x), y).item()

    model = Model(network, "sgd", "cross_entropy", batch_metrics=["accuracy"], device="cpu")
    loss, accuracy = model.evaluate(x, y, verbose=0)

    assert loss == pytest.approx(expected, abs=1e-6)
    assert accuracy == pytest.approx(100 * (network(x).argmax(1) == y).float().mean().item())


def test_own_network_without_a_loss():
    """A module that is no transformer does not say its loss: the user has to."""
    with pytest.raises(ArgumentError, match=r"no loss function is given(.|\n)*\"cross_entropy\""):
        Model(nn.Linear(2, 2))


def test_own_network_that_is_never_trained():
    """None as optimizer and loss keeps Poutyne's meaning: a model that predicts."""
    model = Model(nn.Linear(2, 2), None, None, device="cpu")

    outputs = model.predict(np.ones((3, 2), dtype="float32"))

    assert outputs.shape == (3, 2)


def test_a_name_without_a_task():
    """A name needs a task that says which head it gets."""
    with pytest.raises(ArgumentError, match=r"name 'bert-base-cased'(.|\n)*task=\"text-classification\""):
        Model("bert-base-cased")


def test_no_network():
    """What is no network is named by its type."""
    with pytest.raises(ArgumentError, match="received <class 'int'>"):
        Model(3, "sgd", "mse")


def test_labels_and_probabilities_without_a_task():
    """Without a task there are no labels and no probabilities; the error says what to write."""
    model = Model(nn.Linear(2, 2), "sgd", "cross_entropy", device="cpu")

    with pytest.raises(ArgumentError, match="no task"):
        model.predict_proba(np.ones((3, 2), dtype="float32"))
    assert model.labels is None


@pytest.mark.parametrize("length", ["12", 12.5, True, 0])
def test_lengths_that_are_none(length, smallest_bert: str):
    """max_length is a count of tokens."""
    model = Model(smallest_bert, task="text-classification", max_length=length, device="cpu")

    with pytest.raises(ArgumentError, match=r"max_length=.* does not fit this model"):
        model.fit(TEXTS, SENTIMENTS, verbose=0)
