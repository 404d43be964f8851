"""What is said and not said when a model is loaded."""

import json
from pathlib import Path
from typing import Any

import poutyne
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel
from transformers.utils import logging

from keraslike import Model, TextClassification, TokenClassification, load
from keraslike.errors import ArgumentError, LoadError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()


def fit(source: object, **options: object) -> Model:
    model = Model(source, task="text-classification", device="cpu", **options)
    model.fit(TEXTS, SENTIMENTS, epochs=1, seed=0)
    return model


def test_missing_head_is_one_calm_line(smallest_bert: str, capfd: pytest.CaptureFixture[str]):
    """A body without a head is normal: one line names what is new; no report and no bar of transformers shows."""
    fit(smallest_bert)

    shown = capfd.readouterr()
    assert shown.err == ""
    assert [line for line in shown.out.splitlines() if "head" in line] == [
        "New head: classifier.bias, classifier.weight start from random numbers."
    ]
    assert "LOAD REPORT" not in shown.out


def test_missing_head_is_said_with_named_labels(smallest_bert: str, capfd: pytest.CaptureFixture[str]):
    """With labels= the network is built early and drawn again at fit; the line comes once all the same."""
    fit(smallest_bert, labels=["bad", "good"])

    shown = capfd.readouterr()
    assert shown.err == ""
    assert shown.out.count("New head") == 1


def test_nothing_is_said_twice(smallest_bert: str, capfd: pytest.CaptureFixture[str]):
    """A second fit has no new head and says nothing of one."""
    model = fit(smallest_bert)
    capfd.readouterr()

    model.fit(TEXTS, SENTIMENTS, epochs=1)

    assert "head" not in capfd.readouterr().out


def test_verbosity_of_transformers_is_put_back(smallest_bert: str):
    """What keraslike silences while it loads is as the user had it afterwards."""
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())

    fit(smallest_bert)

    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def without(source: str, folder: Path, *keys: str) -> str:
    """Copy a checkpoint and take some weights out."""
    network = BertModel.from_pretrained(source)
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    file = folder / "model.safetensors"
    weights = load_file(file)
    save_file({name: tensor for name, tensor in weights.items() if name not in keys}, file, metadata={"format": "pt"})
    return str(folder)


def test_missing_weight_of_the_body(smallest_bert: str, tmp_path: Path):
    """A weight of the body that the file lacks would be random: an error names it."""
    source = without(smallest_bert, tmp_path / "torn", "encoder.layer.0.output.dense.weight")

    with pytest.raises(LoadError, match="lacks weights of the body") as caught:
        fit(source)

    assert "bert.encoder.layer.0.output.dense.weight" in str(caught.value)


def test_missing_pooler_is_no_error(smallest_bert: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Many checkpoints come without a pooler; it counts as part of the fresh head, and is named with it."""
    source = without(smallest_bert, tmp_path / "poolerless", "pooler.dense.weight", "pooler.dense.bias")
    capfd.readouterr()

    fit(source)

    assert "pooler.dense.weight" in capfd.readouterr().out


def test_weight_of_another_shape(smallest_bert: str, tmp_path: Path):
    """A body whose weights have other shapes than its configuration says is as incomplete."""
    source = without(smallest_bert, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "vocab_size": config["vocab_size"] + 1}))

    with pytest.raises(LoadError, match=r"weights of the body(.|\n)*word_embeddings"):
        fit(source)


@pytest.mark.parametrize(
    ("name", "nearest"), [("distilbert-base-uncasd", "distilbert-base-uncased"), ("bert_base_cased", "bert-base-cased")]
)
def test_misspelt_name(name: str, nearest: str):
    """A name that is nowhere is one short error, in the constructor, with the nearest known name."""
    with pytest.raises(LoadError) as caught:
        Model(name, task="text-classification")

    text = str(caught.value)
    assert repr(name) in text
    assert f"did you mean {nearest!r}?" in text
    assert len(text.splitlines()) == 3
    assert caught.value.__suppress_context__


def test_unreachable_name():
    """A name like no other is one short error too."""
    with pytest.raises(LoadError, match="check spelling and connection") as caught:
        Model("somebody/zzz-qqq-xxx", task="text-classification")

    assert len(str(caught.value).splitlines()) == 3


def test_misspelt_directory(smallest_bert: str):
    """A directory's misspelt name gets the nearest directory beside it."""
    with pytest.raises(LoadError, match="did you mean") as caught:
        Model(smallest_bert[:-1], task="text-classification")

    assert repr(smallest_bert) in str(caught.value)


def test_directory_without_a_model(tmp_path: Path):
    """A directory without config.json is named as such."""
    with pytest.raises(LoadError, match=r"holds no model: it has no config\.json"):
        Model(str(tmp_path), task="text-classification")


def test_directory_without_weights(smallest_bert: str, tmp_path: Path):
    """A directory with a configuration only cannot be read; the error says which files are expected."""
    BertConfig.from_pretrained(smallest_bert).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(smallest_bert).save_pretrained(tmp_path)

    with pytest.raises(LoadError, match=r"cannot be read(.|\n)*\.safetensors"):
        fit(str(tmp_path))


def test_directory_without_a_tokenizer(smallest_bert: str, tmp_path: Path):
    """Transformers makes a tokenizer without words where no file is, which reads every text as [UNK]: an error here."""
    BertModel.from_pretrained(smallest_bert).save_pretrained(tmp_path)

    with pytest.raises(LoadError, match=r"holds no tokenizer(.|\n)*tokenizer="):
        fit(str(tmp_path))


def test_tokenizer_from_elsewhere(smallest_bert: str, tmp_path: Path):
    """tokenizer= names where the tokenizer lies."""
    BertModel.from_pretrained(smallest_bert).save_pretrained(tmp_path)

    model = fit(str(tmp_path), tokenizer=smallest_bert)

    assert model.task.tokenizer.pad_token == "[PAD]"


def test_pickled_weights_are_refused(smallest_bert: str, tmp_path: Path):
    """Keraslike reads no pickle: a checkpoint that has nothing else is refused in words."""
    network = BertModel.from_pretrained(smallest_bert)
    BertConfig.from_pretrained(smallest_bert).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(smallest_bert).save_pretrained(tmp_path)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")

    with pytest.raises(LoadError, match="keraslike reads no pickle"):
        fit(str(tmp_path))


def test_damaged_configuration(smallest_bert: str, tmp_path: Path):
    """A configuration that is no JSON is one short error."""
    (tmp_path / "config.json").write_text("{")

    with pytest.raises(LoadError, match="cannot be read") as caught:
        Model(str(tmp_path), task="text-classification")

    assert len(str(caught.value).splitlines()) == 3


def test_unknown_task():
    """A misspelt task gets the nearest name."""
    with pytest.raises(ArgumentError, match="did you mean 'text-classification'"):
        Model("anything", task="text_clasification")


def test_loading_moves_no_random_state(smallest_bert: str):
    """Fit with a seed leaves the caller's random state where it was, building included."""
    torch.manual_seed(11)
    before = torch.get_rng_state()

    Model(smallest_bert, task="text-classification", device="cpu").fit(TEXTS, SENTIMENTS, epochs=1, seed=0, verbose=0)

    assert torch.equal(torch.get_rng_state(), before)


def test_head_is_the_one_that_transformers_draws(smallest_bert: str):
    """The fresh head is drawn right after seeding, by transformers: from_pretrained after set_seeds gives it too."""
    from poutyne import set_seeds

    with torch.random.fork_rng(devices=[]):
        set_seeds(5)
        expected = AutoModelForSequenceClassification.from_pretrained(smallest_bert, num_labels=2).classifier.weight

    model = Model(smallest_bert, "sgd", task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=1, seed=5, learning_rate=1e-12, verbose=0)

    torch.testing.assert_close(model.network.classifier.weight, expected, atol=1e-7, rtol=0)


@pytest.fixture(scope="module")
def saved(smallest_bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory that `save` wrote."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")
    directory = str(tmp_path_factory.mktemp("saved") / "model")
    model.save(directory)
    return directory


class Own(TextClassification):
    """A task of the user's own on one of ours."""


@pytest.mark.parametrize("given", ["token-classification", TokenClassification, TokenClassification(), 3], ids=str)
def test_another_task_than_the_saved_one(given: Any, saved: str):
    """The directory says what the task is; another is refused."""
    with pytest.raises(ArgumentError, match=r"saved with the task 'text-classification'(.|\n)*leave out task="):
        load(saved, task=given)


@pytest.mark.parametrize("given", ["text-classification", TextClassification, Own], ids=str)
def test_the_task_that_was_saved(given: Any, saved: str):
    """The same task may be said again, or one derived from it."""
    assert load(saved, task=given, device="cpu").predict("a great film") in ("bad", "good")


def test_misspelt_argument_of_load(saved: str):
    """An argument that load has not is told with the nearest."""
    with pytest.raises(ArgumentError, match=r"load\(\) has no argument 'devise'(.|\n)*did you mean 'device'\?"):
        load(saved, devise="cpu")
    with pytest.raises(ArgumentError, match=r"no argument 'labels'(.|\n)*leave labels out"):
        load(saved, labels=["a", "b"])


def test_transformers_word_for_loading():
    """Model.from_pretrained is told in our words."""
    with pytest.raises(ArgumentError, match=r"Model\('bert-base-uncased', task=\.\.\.\), or keraslike\.load"):
        Model.from_pretrained("bert-base-uncased")


def test_device_that_is_not_there(smallest_bert: str):
    """A device is refused in the constructor, also where the network is built later; "gpu" is not torch's word."""
    with pytest.raises(ArgumentError, match=r"no device 'gpu' here(.|\n)*torch calls it \"cuda\""):
        Model(smallest_bert, task="text-classification", device="gpu")


def test_callback_alone(smallest_bert: str):
    """One callback needs no list, also before the network is built."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0, callbacks=poutyne.EarlyStopping(monitor="loss"))

    assert len(model.history) == 1
