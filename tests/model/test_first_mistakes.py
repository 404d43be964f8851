"""What new users write by mistake, each answered in words before the first step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import keraslike
from keraslike import Model, TransformerCollator
from keraslike.errors import ArgumentError, DataError
from tests.engine.loops import weights_of
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
X, Y = torch.linspace(-1, 1, 24).reshape(12, 2), torch.arange(12) % 2


def make() -> Model:
    torch.manual_seed(0)
    return Model(nn.Linear(2, 2), "sgd", "cross_entropy", metrics=["accuracy"], device="cpu")


def loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(X, Y), batch_size=4)


def tokenised(folder: str) -> list[dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [{**tokenizer(text), "labels": int(label == "good")} for text, label in zip(TEXTS, SENTIMENTS, strict=True)]


@pytest.mark.parametrize(
    "given",
    [{"dataloader_kwargs": {"num_wokers": 1}}, {"dataloader_kwargs": {"persistent_workers": True}}],
    ids=["misspelt", "no workers"],
)
@pytest.mark.parametrize("verb", ["fit", "evaluate"])
def test_arguments_of_a_loader(given: dict[str, Any], verb: str):
    """What torch's DataLoader would refuse is refused in our words."""
    with pytest.raises(ArgumentError, match=r"dataloader_kwargs has '(num_wokers|persistent_workers)'"):
        getattr(make(), verb)(X, Y, verbose=0, **given)


def test_arguments_of_a_loader_in_poutynes_verb():
    """`fit_dataset` takes them too."""
    with pytest.raises(ArgumentError, match=r"'shufle'(.|\n)*did you mean 'shuffle'"):
        make().fit_dataset(TensorDataset(X, Y), dataloader_kwargs={"shufle": False}, verbose=0)


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict"])
def test_batch_size_beside_a_loader(verb: str):
    """A loader has batches of its own; their size may be said twice, and no other size."""
    model = make()

    with pytest.raises(ArgumentError, match=r"x is a DataLoader, .* batch_size=7 is given"):
        getattr(model, verb)(loader(), batch_size=7, verbose=0)
    getattr(model, verb)(loader(), batch_size=4, verbose=0)


@pytest.mark.parametrize("given", [{"batch_size": 7}, {"shuffle": True}])
def test_beside_a_loader_of_rows(given: dict[str, Any], smallest_bert: str):
    """The same with a task."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")
    rows: Any = DataLoader(list(zip(TEXTS, SENTIMENTS, strict=True)), batch_size=4)

    with pytest.raises(ArgumentError, match="x is a DataLoader, which is read as it comes"):
        model.fit(rows, epochs=1, verbose=0, **given)
    with pytest.raises(ArgumentError, match="x is a DataLoader, which is read as it comes"):
        model.evaluate(rows, batch_size=7, verbose=0)
    with pytest.raises(ArgumentError, match="x is a DataLoader, which is read as it comes"):
        model.predict(rows, batch_size=7)


def test_weights_as_words():
    """A class weighs a number; "1" is a mistake."""
    with pytest.raises(ArgumentError, match="class_weight gives 0 the weight '1'"):
        make().fit(X, Y, class_weight={0: "1"}, verbose=0)


@pytest.mark.parametrize("given", ["yes", 1, None])
def test_checkpointing_by_another_word(given: Any):
    """It is True or False."""
    with pytest.raises(ArgumentError, match=rf"gradient_checkpointing={given!r} was given(.|\n)*True or False"):
        Model(nn.Linear(2, 2), "sgd", "mse", device="cpu", gradient_checkpointing=given)


def test_numpys_numbers():
    """Numbers as numpy has them are Python's: the weights are the same."""
    model, same = make(), make()
    model.fit(X, Y, epochs=2, batch_size=5, seed=3, micro_batch_size=2, learning_rate=0.125, verbose=0)

    numbers: dict[str, Any] = {"epochs": np.int64(2), "batch_size": np.int32(5), "seed": np.int64(3)}
    same.fit(X, Y, **numbers, micro_batch_size=np.int64(2), learning_rate=np.float32(0.125), verbose=0)

    assert torch.equal(weights_of(same.network), weights_of(model.network))
    assert [type(row["epoch"]) for row in same.history] == [int, int]
    assert type(same.history.seed) is int
    assert len(same.predict(TensorDataset(X), batch_size=np.int64(5))) == 12
    assert same.evaluate(TensorDataset(X, Y), batch_size=np.int64(5), verbose=0)[0] > 0


def test_numpys_numbers_with_a_task(smallest_bert: str):
    """The same for rows."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=np.int64(1), batch_size=np.int64(8), seed=np.int64(3), verbose=0)

    assert len(model.predict(TEXTS, batch_size=np.int64(3))) == 40
    assert model.evaluate(TEXTS, SENTIMENTS, batch_size=np.int64(3), verbose=0)["loss"] > 0


def test_metrics_without_targets(smallest_bert: str):
    """A collator that was not told what the targets are leaves metrics none, which is said with its argument."""
    network = AutoModelForSequenceClassification.from_pretrained(smallest_bert, num_labels=2)
    model = Model(network, "sgd", metrics=["accuracy"], device="cpu")
    batches: Any = DataLoader(tokenised(smallest_bert), batch_size=8, collate_fn=TransformerCollator())

    with pytest.raises(DataError, match=r'not-a-number for all 8 rows(.|\n)*TransformerCollator\(y_keys="labels"\)'):
        model.fit(batches, verbose=0)


@pytest.mark.parametrize("batches", [[], iter([])], ids=["list", "iterator"])
def test_nothing_to_predict(batches: Any):
    """No batch gives no array, but an error."""
    with pytest.raises(DataError, match="there is nothing to predict: x gave no batch"):
        make().predict_generator(batches)
    assert make().predict_generator([], concatenate_returns=False) == []


def test_a_text_that_is_a_file(smallest_bert: str, tmp_path: Path):
    """A str is a text to `predict`; where a file has that name, it says how the file is read."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")
    (tmp_path / "new.csv").write_text("text\na great film\na terrible film\n")

    with pytest.warns(
        UserWarning, match=r"takes the str '.*new\.csv' for a text; predict\(pathlib\.Path\('.*'\)\) reads"
    ):
        answer = model.predict(str(tmp_path / "new.csv"))

    assert answer in ("bad", "good")
    assert model.predict("no_such_file.csv") in ("bad", "good")
    assert len(model.predict(tmp_path / "new.csv")) == 2


@pytest.mark.parametrize("name", ["FitOptions", "EvaluateOptions"])
def test_what_help_points_to(name: str):
    """The help of the verbs points to these names, and the package has them."""
    verb = Model.fit if name == "FitOptions" else Model.evaluate

    assert f"see `{name}`" in str(verb.__doc__)
    assert getattr(keraslike, name).__doc__


@pytest.mark.parametrize("given", [{"shuffle": "no"}, {"validation_split": "0.1"}, {"callbacks": 3}], ids=str)
def test_words_for_other_things(given: dict[str, Any]):
    """A str that would count as True, and numbers written as a str, are refused in words."""
    with pytest.raises(ArgumentError, match=f"{next(iter(given))}( is|=)"):
        make().fit(X, Y, verbose=0, **given)


def test_no_batch_size_is_the_usual_one():
    """None means the default, as in Keras."""
    models = [make(), make()]
    for model, batch_size in zip(models, [None, 32], strict=True):
        model.fit(X, Y, batch_size=batch_size, seed=1, verbose=0)

    assert torch.equal(weights_of(models[0].network), weights_of(models[1].network))


@pytest.mark.parametrize("verb", ["evaluate", "fit"])
def test_nothing_to_measure(verb: str):
    """A set without rows is refused, for evaluate and for validation: NaN would say nothing."""
    empty = (X[:0], Y[:0])

    with pytest.raises(DataError, match="nothing to measure"):
        make().evaluate(*empty, verbose=0) if verb == "evaluate" else make().fit(X, Y, validation_data=empty, verbose=0)
