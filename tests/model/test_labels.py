"""Labels: named at the start, learned from the data, or a checkpoint's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from keraslike import Model, TextClassification
from keraslike.errors import LabelError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()


def with_head(body: str, folder: Path, names: list[str] | None, outputs: int = 2, **config: Any) -> str:
    """Save a classifier made of a body, its head drawn from a fixed seed, as a hub would hold it."""
    named = (
        {} if names is None else {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = AutoModelForSequenceClassification.from_pretrained(body, num_labels=outputs, **named, **config)
        torch.nn.init.normal_(network.classifier.bias)
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(body).save_pretrained(folder)
    return str(folder)


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.network.state_dict().items()}


def is_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def fitted(source: Any, targets: Any = SENTIMENTS, **options: Any) -> Model:
    model = Model(source, task="text-classification", device="cpu", **options)
    model.fit(TEXTS, targets, epochs=1, seed=4, learning_rate=1e-2, verbose=0)
    return model


# Named at the start


@pytest.mark.parametrize(
    "targets", [SENTIMENTS, [i % 3 * 5 for i in range(40)], [i % 2 == 0 for i in range(40)]], ids=["str", "int", "bool"]
)
def test_naming_labels_changes_no_bit(targets: list[Any], smallest_bert: str):
    """A run with labels= in the constructor ends with the weights of one that learned them from the data."""
    learned = fitted(smallest_bert, targets)

    named = fitted(smallest_bert, targets, labels=sorted(set(targets)))

    assert is_same(weights(named), weights(learned))


def test_naming_labels_on_the_task_changes_no_bit(smallest_bert: str):
    """The same for labels that are given to the task's object."""
    model = Model(smallest_bert, task=TextClassification(labels=["bad", "good"]), device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1, seed=4, learning_rate=1e-2, verbose=0)

    assert is_same(weights(model), weights(fitted(smallest_bert)))


def test_named_labels_build_the_network_at_once(smallest_bert: str):
    """With labels= there is a network before fit; it predicts, from a random head."""
    model = Model(smallest_bert, task="text-classification", labels=["x", "y", "z"], device="cpu")

    predictions = model.predict(TEXTS)

    assert model.network.config.num_labels == 3
    assert set(predictions) <= {"x", "y", "z"}


def test_a_head_that_was_changed_is_not_drawn_again(smallest_bert: str):
    """Weights that the user has set before the first fit stay."""
    model = Model(smallest_bert, "sgd", task="text-classification", labels=["bad", "good"], device="cpu")
    with torch.no_grad():
        model.network.classifier.weight.fill_(0.5)

    model.fit(TEXTS, SENTIMENTS, epochs=1, learning_rate=1e-9, seed=4, verbose=0)

    torch.testing.assert_close(model.network.classifier.weight, torch.full((2, 8), 0.5), atol=1e-6, rtol=0)


def test_named_labels_keep_their_order(smallest_bert: str):
    """The order of labels= is the order of the outputs, and of the saved configuration."""
    model = fitted(smallest_bert, labels=["good", "bad"])

    assert model.labels == ["good", "bad"]
    assert model.network.config.id2label == {0: "good", 1: "bad"}


def test_labels_that_no_row_has(smallest_bert: str):
    """labels= may name labels that the training data lack: they have an output, and are known later."""
    model = fitted(smallest_bert, labels=["bad", "good", "mixed"])

    values = model.evaluate(["neither"], ["mixed"], verbose=0)

    assert model.predict_proba(TEXTS).shape == (40, 3)
    assert np.isfinite(values["loss"])


def test_labels_that_are_not_named(smallest_bert: str):
    """A label outside labels= is an error that names it."""
    with pytest.raises(LabelError, match=r"does not know: \['good'\]"):
        fitted(smallest_bert, labels=["bad", "better"])


def test_a_label_named_twice(smallest_bert: str):
    """Each label is named once."""
    with pytest.raises(LabelError, match="'a' comes twice"):
        Model(smallest_bert, task="text-classification", labels=["a", "b", "a"])


# A checkpoint's own head


def test_own_head_is_kept_with_its_order(smallest_bert: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A checkpoint's head whose labels are those of the data stays, in its own order, and nothing is said."""
    checkpoint = with_head(smallest_bert, tmp_path / "head", ["good", "bad"])
    before = AutoModelForSequenceClassification.from_pretrained(checkpoint).state_dict()
    capsys.readouterr()

    model = Model(checkpoint, "sgd", task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, learning_rate=1e-9, seed=0)

    assert model.labels == ["good", "bad"]
    torch.testing.assert_close(weights(model)["classifier.weight"], before["classifier.weight"], atol=1e-6, rtol=0)
    assert "head" not in capsys.readouterr().out


def test_own_head_predicts_before_fit(smallest_bert: str, tmp_path: Path):
    """A checkpoint with a head of its own answers at once, as transformers does."""
    checkpoint = with_head(smallest_bert, tmp_path / "head", ["good", "bad"])
    network = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    inputs = AutoTokenizer.from_pretrained(checkpoint)(TEXTS, padding=True, return_tensors="pt")

    logits = Model(checkpoint, task="text-classification", device="cpu").predict_logits(TEXTS, batch_size=40)

    with torch.no_grad():
        np.testing.assert_allclose(logits, network.eval()(**inputs).logits.numpy(), atol=1e-6)  # the same float32 sums


def test_generic_names_take_the_users_labels(smallest_bert: str, tmp_path: Path):
    """LABEL_0 and LABEL_1 take the user's labels in sorted order; the head stays."""
    checkpoint = with_head(smallest_bert, tmp_path / "head", None)
    before = AutoModelForSequenceClassification.from_pretrained(checkpoint).state_dict()

    model = Model(checkpoint, "sgd", task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, learning_rate=1e-9, seed=0, verbose=0)

    assert model.labels == ["bad", "good"]
    assert model.network.config.id2label == {0: "bad", 1: "good"}
    torch.testing.assert_close(weights(model)["classifier.weight"], before["classifier.weight"], atol=1e-6, rtol=0)


def test_numbers_that_the_head_names_as_words(smallest_bert: str, tmp_path: Path):
    """A configuration holds names only; the user's ints that print so keep their type and the head's order."""
    checkpoint = with_head(smallest_bert, tmp_path / "head", ["5", "1"])

    model = fitted(checkpoint, [5 if label == "good" else 1 for label in SENTIMENTS])

    assert model.labels == [5, 1]
    assert {type(label) for label in model.predict(TEXTS)} == {int}


@pytest.mark.parametrize(
    ("names", "outputs"), [(["up", "down"], 2), (["a", "b", "c"], 3), (None, 3)], ids=["names", "number", "generic"]
)
def test_other_labels_get_a_new_head(
    names: list[str] | None, outputs: int, smallest_bert: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Where the data's labels are not the head's, a new head is drawn, said in one line; the body stays."""
    checkpoint = with_head(smallest_bert, tmp_path / "head", names, outputs)
    before = AutoModelForSequenceClassification.from_pretrained(checkpoint).state_dict()
    capsys.readouterr()

    model = Model(checkpoint, "sgd", task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, learning_rate=1e-9, seed=0)

    after = weights(model)
    body = "bert.embeddings.word_embeddings.weight"
    assert model.labels == ["bad", "good"]
    assert after["classifier.weight"].shape == (2, 8)
    assert not torch.equal(after["classifier.weight"], before["classifier.weight"])
    torch.testing.assert_close(after[body], before[body], atol=1e-6, rtol=0)
    assert capsys.readouterr().out.count("New head") == 1


def test_new_head_follows_the_seed(smallest_bert: str, tmp_path: Path):
    """The new head of a checkpoint that had another is drawn after seeding: the same seed gives the same bits."""
    checkpoint = with_head(smallest_bert, tmp_path / "head", ["up", "down", "left"])
    torch.manual_seed(1)
    first = fitted(checkpoint)
    torch.manual_seed(2)

    second = fitted(checkpoint)

    assert is_same(weights(first), weights(second))


# Too few, too many, unknown


def test_a_network_with_another_number_of_outputs(smallest_bert: str):
    """A loaded network is not rebuilt: as many outputs as labels, or an error with the line to type."""
    network = AutoModelForSequenceClassification.from_pretrained(smallest_bert, num_labels=3)

    with pytest.raises(LabelError, match="3 outputs, but there are 2 labels") as caught:
        fitted(network)

    assert "num_labels=2" in str(caught.value)


def test_unknown_labels_at_a_second_fit(smallest_bert: str):
    """A second fit knows the first one's labels and no others; the weights stay as they were."""
    model = fitted(smallest_bert)
    before = weights(model)

    with pytest.raises(LabelError, match=r"labels that the model does not know: \['ugly'\]") as caught:
        model.fit(TEXTS[:2], ["good", "ugly"], verbose=0)

    assert "labels=[...]" in str(caught.value)
    assert is_same(weights(model), before)


def test_fewer_labels_at_a_second_fit(smallest_bert: str):
    """A second fit may hold some of the labels only."""
    model = fitted(smallest_bert)

    history = model.fit(TEXTS[:2], ["good", "good"], epochs=1, verbose=0)

    assert np.isfinite(history[0]["loss"])
    assert model.labels == ["bad", "good"]


def test_unknown_label_in_evaluate(smallest_bert: str):
    """Evaluate names the unknown label, its row, and the nearest known one."""
    model = fitted(smallest_bert)

    with pytest.raises(LabelError, match=r"row 1 .* unknown label 'god'") as caught:
        model.evaluate(TEXTS[:2], ["bad", "god"], verbose=0)

    assert "did you mean 'good'?" in str(caught.value)


def test_unknown_label_in_validation_data(smallest_bert: str):
    """An unknown label of the validation data is found before the first step."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    with pytest.raises(LabelError, match="unknown label 'ugly'"):
        model.fit(TEXTS, SENTIMENTS, (["a text"], ["ugly"]), epochs=1, verbose=0)


def test_rare_label_in_the_validation_split(smallest_bert: str):
    """With validation_split the labels are those of all rows, so none is unknown when it validates."""
    targets = [f"only {i}" if i % 4 == 0 else "common" for i in range(40)]

    model = Model(smallest_bert, task="text-classification", device="cpu")
    model.fit(TEXTS, targets, validation_split=0.3, epochs=1, seed=0, verbose=0)

    assert model.labels == sorted(set(targets))


def test_another_number_of_targets_at_a_second_fit(smallest_bert: str):
    """A regression with two targets refuses rows of three."""
    model = fitted(smallest_bert, [[0.5, i / 7] for i in range(40)])

    with pytest.raises(LabelError, match="3 numbers per text, but the model gives 2"):
        model.fit(TEXTS[:2], [[0.5, 0.1, 0.2], [0.1, 0.2, 0.3]], verbose=0)


def test_labels_without_a_task():
    """labels= belongs to a task."""
    with pytest.raises(ValueError, match="labels are given, but there is no task"):
        Model(torch.nn.Linear(2, 2), "sgd", "cross_entropy", labels=["a", "b"])


def test_a_refused_fit_leaves_no_labels_behind(smallest_bert: str):
    """A fit that is refused after the labels were learned changes nothing: the corrected call is a first fit."""
    texts, labels = ["good film", "bad film"] * 8, ["yes", "no"] * 8
    fresh, refused = (Model(smallest_bert, task="text-classification", device="cpu") for _ in range(2))
    fresh.fit(texts, labels, epochs=1, seed=3, verbose=0)

    with pytest.raises(LabelError):
        refused.fit(texts, ["a", "b"] * 8, validation_data=(texts, ["c", "b"] * 8), seed=1, verbose=0)
    refused.fit(texts, labels, epochs=1, seed=3, verbose=0)

    assert refused.labels == ["no", "yes"]
    assert is_same(weights(fresh), weights(refused))
