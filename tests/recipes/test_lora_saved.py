"""A model with LoRA is saved merged, with its adapter beside it, and learns on as it was."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, pipeline

import keraslike
from keraslike.errors import ArgumentError
from keraslike.recipes.adapting import lora_of
from keraslike.recipes.merging import merged
from tests.recipes.with_lora import Model, Rows, adapted, are_equal, learn, model_of
from tests.tiny import in_float64

peft = pytest.importorskip("peft", reason="needs the extra peft")

# what a PeftModel itself does with transformers 5.23
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


def test_merged_answers_are_those_unmerged(tiny_bert: Path, texts_and_labels: Rows, tmp_path: Path):
    """What is loaded again answers as the model that was saved, but for rounding."""
    model = model_of(tiny_bert)
    learn(model, texts_and_labels)
    logits = model.predict_logits(texts_and_labels[0])
    model.save(tmp_path / "saved")
    back = keraslike.load(tmp_path / "saved", device="cpu")

    assert np.abs(back.predict_logits(texts_and_labels[0]) - logits).max() < 1e-6
    assert lora_of(back.network) is None
    assert all(parameter.requires_grad for parameter in back.network.parameters())


@pytest.mark.parametrize(
    "lora", [{"r": 8}, {"use_rslora": True}, {"use_dora": True}, {"init_lora_weights": "gaussian"}]
)
def test_merging_in_float64(tiny_distilbert: Path, texts_and_labels: Rows, lora: dict[str, Any]):
    """In float64 merging changes no answer by more than 1e-10, whatever kind of LoRA it is."""
    model = model_of(tiny_distilbert, lora)
    learn(model, texts_and_labels)
    in_float64(model.network.wrapped)
    inputs = model.task.tokenizer(texts_and_labels[0], padding=True, return_tensors="pt")
    model.network.eval()
    with torch.no_grad():
        unmerged = model.network(inputs)["logits"]
        with merged(model.network):
            together = model.network(inputs)["logits"]

    assert not torch.equal(together, unmerged)
    assert (together - unmerged).abs().max() < 1e-10


def test_pipeline_reads_it(tiny_bert: Path, texts_and_labels: Rows, tmp_path: Path):
    """Its pipeline gives the same labels and probabilities, and finds no key that is missing or too many."""
    texts, _ = texts_and_labels
    model = model_of(tiny_bert)
    learn(model, texts_and_labels)
    model.save(tmp_path / "saved")
    _, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", output_loading_info=True)
    given = pipeline("text-classification", str(tmp_path / "saved"), device="cpu")(texts)

    assert not any(info.values())
    assert [row["label"] for row in given] == model.predict(texts)
    assert np.allclose([row["score"] for row in given], model.predict_proba(texts).max(1), atol=1e-6)


@pytest.mark.parametrize(
    ("source", "lora"),
    [
        ("tiny_bert", 8),
        ("tiny_distilbert", 8),
        ("tiny_gpt2", 8),
        ("tiny_bert", {"bias": "lora_only"}),
        ("tiny_bert", {"use_dora": True}),
    ],
)
def test_peft_reads_the_adapter(
    source: str, lora: Any, request: pytest.FixtureRequest, texts_and_labels: Rows, tmp_path: Path
):
    """The folder adapter/ on the base, read by peft, gives the same logits: the head is in it."""
    folder = request.getfixturevalue(source)
    model = model_of(folder, lora)
    learn(model, texts_and_labels)
    model.save(tmp_path / "saved")
    base = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    base.config.pad_token_id = model.network.config.pad_token_id
    by_peft = peft.PeftModel.from_pretrained(base, tmp_path / "saved" / "adapter").eval()
    inputs = model.task.tokenizer(texts_and_labels[0], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = by_peft(**inputs).logits.numpy()

    assert np.abs(logits - model.predict_logits(texts_and_labels[0])).max() < 1e-6
    config = json.loads((tmp_path / "saved" / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(folder)


def test_saving_leaves_the_training_as_it_was(tiny_bert: Path, texts_and_labels: Rows, tmp_path: Path):
    """A model that was saved on the way has the weights of one that was not, bit for bit."""
    one, other = model_of(tiny_bert), model_of(tiny_bert)
    for model in (one, other):
        learn(model, texts_and_labels)
    one.save(tmp_path / "saved")
    for model in (one, other):
        learn(model, texts_and_labels, seed=4)

    assert are_equal(dict(one.network.state_dict()), dict(other.network.state_dict()))


def test_saving_again(tiny_bert: Path, texts_and_labels: Rows, tmp_path: Path):
    """A directory with an adapter may be overwritten, and a failure leaves the network unmerged."""
    model = model_of(tiny_bert)
    learn(model, texts_and_labels)
    model.save(tmp_path / "saved")
    model.save(tmp_path / "saved", overwrite=True)
    with pytest.raises(ArgumentError):
        model.save(tmp_path / "saved")

    assert len(adapted(model.network)) == 4


def test_loading_goes_on(tiny_bert: Path, texts_and_labels: Rows, tmp_path: Path):
    """A saved model goes on with new matrices beside the merged weights, from the answers that it gave."""
    texts, _ = texts_and_labels
    model = model_of(tiny_bert)
    learn(model, texts_and_labels)
    model.save(tmp_path / "saved")
    on = Model.load(tmp_path / "saved", lora=4, device="cpu")
    start = on.predict_logits(texts)
    learn(on, texts_and_labels)

    assert np.abs(start - model.predict_logits(texts)).max() < 1e-6
    assert lora_of(on.network).config.r == 4
    assert not np.allclose(on.predict_logits(texts), start)


def test_saving_without_lora_needs_no_peft(tiny_bert, tmp_path, monkeypatch):
    """A model without LoRA is trained, saved and loaded where peft is not installed."""
    monkeypatch.setitem(sys.modules, "peft", None)
    model = keraslike.Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(["a film", "a story"] * 4, ["x", "y"] * 4, epochs=1, verbose=0)

    model.save(tmp_path / "kept")

    assert keraslike.load(tmp_path / "kept").labels == ["x", "y"]
