"""Features of a frozen body in files, for later runs."""

import copy
import json
from pathlib import Path

import pytest
import torch
import transformers
from transformers import BertModel

from keraslike.engine import feature_files
from keraslike.errors import ArgumentError
from keraslike.recipes.layers import body_of
from tests.engine.loops import weights_of
from tests.recipes.frozen import counted, fit, make_model, weights_after
from tests.tasks.cases import case_of
from tests.tiny import save


@pytest.fixture
def without_pooler(tmp_path, tiny_bert):
    """A BERT without a pooler."""
    source = BertModel.from_pretrained(tiny_bert)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    return save(lambda config: BertModel(config, add_pooling_layer=False), source.config, tokenizer, tmp_path / "b")


def test_second_run_reads_files(tiny_bert, tmp_path):
    """Another run, with another head, reads what the first has written: the body does not run at all."""
    with counted(BertModel) as calls:
        first, _ = weights_after("text-classification", tiny_bert, cache=tmp_path / "new")
        in_first = calls["rows"]
        second, _ = weights_after("text-classification", tiny_bert, cache=str(tmp_path / "new"))
        head = make_model("text-classification", tiny_bert)
        head.network.wrapped.classifier = torch.nn.Linear(32, 2)
        fit(head, cache=tmp_path / "new", learning_rate=1e-3)

    assert in_first <= 25
    assert calls["rows"] == in_first
    assert (first - second).abs().max() <= 1e-6


def test_same_bits(tiny_bert, tmp_path):
    """One seed gives the same bits in memory, with new files and from files, also where a text stands there twice."""
    case = case_of("text-classification")
    x, y = [*case.x[:10], *case.x[:6], "a", "a"], [*case.y[:10], *case.y[:6], case.y[0], case.y[0]]
    weights, losses = [], []
    for further in ({}, {"cache": tmp_path}, {"cache": tmp_path}):
        model = make_model("text-classification", tiny_bert)
        options = {"epochs": 3, "batch_size": 8, "freeze": "body", "learning_rate": 1e-2, "seed": 5, "verbose": 0}
        history = model.fit(x, y, **{**options, **further})
        weights.append(weights_of(model.network))
        losses.append(history.history["loss"])

    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    assert losses[0] == losses[1] == losses[2]


def test_files_of_another_body(tiny_bert, tmp_path):
    """A body with other weights reads nothing of the first one's."""
    weights_after("text-classification", tiny_bert, cache=tmp_path)
    model = make_model("text-classification", tiny_bert)
    body_of(model.network).encoder.layer[0].output.dense.bias.data.add_(1e-3)

    with counted(BertModel) as calls:
        fit(model, cache=tmp_path)

    assert calls["rows"] >= 24
    assert len(list(tmp_path.iterdir())) == 2


def test_fingerprint(tiny_bert, without_pooler):
    """It tells weights, kinds of numbers and settings apart, but no heads; a pooler counts where it is not apart."""
    body = BertModel.from_pretrained(tiny_bert)
    first = feature_files.fingerprint(body)
    config = copy.deepcopy(body.config)
    body.config.id2label = {0: "a", 1: "b", 2: "c"}
    with_head = feature_files.fingerprint(body)
    body.config.layer_norm_eps = 1e-3

    others = [feature_files.fingerprint(body), feature_files.fingerprint(body, precision="bf16-mixed")]
    others += [feature_files.fingerprint(body, body.pooler), feature_files.fingerprint(body.double())]
    body.config = config
    assert with_head == first
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    "damage", ["cut", "no index", "other index", "no file", "other kind", "other format", "other numbers", "draft"]
)
def test_torn_files(damage, tiny_bert, tmp_path, capsys):
    """What is damaged is not read: said once, computed again and written beside it. Drafts are not looked at."""
    anew, _ = weights_after("text-classification", tiny_bert, cache=tmp_path)
    (rows,) = next(tmp_path.iterdir()).iterdir()
    index = json.loads((rows / "index.json").read_text())
    if damage == "cut":
        data = (rows / "last_hidden_state.bin").read_bytes()
        (rows / "last_hidden_state.bin").write_bytes(data[:-100])
    elif damage == "no index":
        (rows / "index.json").unlink()
    elif damage == "other index":
        (rows / "index.json").write_text(json.dumps({**index, "keys": index["keys"][1:]}))
    elif damage == "no file":
        (rows / "pooler_output.bin").unlink()
    elif damage == "other numbers":
        (rows / "pooler_output.bin").write_bytes(bytes(28))
    elif damage == "other format":
        (rows / "index.json").write_text(json.dumps({**index, "format": 99}))
    elif damage == "other kind":
        (rows / "index.json").write_text(json.dumps({**index, "kind": "BertConfig"}))
    else:
        rows.rename(rows.with_name(".draft"))

    with counted(BertModel) as calls:
        weights, _ = weights_after("text-classification", tiny_bert, cache=tmp_path, verbose=2)

    assert 24 <= calls["rows"] <= 25
    assert (weights - anew).abs().max() <= 1e-6
    assert capsys.readouterr().out.count("damaged") == (damage != "draft")


def test_many_files(tiny_bert, tmp_path, monkeypatch):
    """Features are written some at a time, so that they do not fill the memory."""
    monkeypatch.setattr(feature_files, "AT_ONCE", 5_000)
    anew, _ = weights_after("text-classification", tiny_bert, cache=False)

    weights, _ = weights_after("text-classification", tiny_bert, cache=tmp_path)
    with counted(BertModel) as calls:
        weights_after("text-classification", tiny_bert, cache=tmp_path)

    assert len(list(next(tmp_path.iterdir()).iterdir())) > 2
    assert (weights - anew).abs().max() <= 1e-6
    assert calls["rows"] == 0


def test_disk_that_is_full(tiny_bert, tmp_path, monkeypatch, capsys):
    """What cannot be written is said, and the run goes on."""

    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(feature_files.os, "fsync", fail)
    anew, _ = weights_after("text-classification", tiny_bert, cache=False)

    weights, _ = weights_after("text-classification", tiny_bert, cache=tmp_path, verbose=2)

    assert (weights - anew).abs().max() <= 1e-6
    assert "No space left on device" in capsys.readouterr().out
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_bfloat16_in_files(tiny_bert, tmp_path):
    """Numbers that numpy does not know are written as their bits."""
    anew, _ = weights_after("text-classification", tiny_bert, torch.bfloat16, cache=tmp_path)

    with counted(BertModel) as calls:
        weights, _ = weights_after("text-classification", tiny_bert, torch.bfloat16, cache=tmp_path)

    assert calls["rows"] == 0
    assert torch.equal(weights, anew)


def test_nothing_is_written_without_cache(tiny_bert, tmp_path, monkeypatch):
    """Without cache= nothing is on the disk."""
    monkeypatch.chdir(tmp_path)

    weights_after("text-classification", tiny_bert)

    assert not list(tmp_path.iterdir())


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache": True}, "cache=True is no folder"),
        ({"cache": 3}, "cache=3 is no folder"),
        ({"cache": "a file"}, "is a file"),
        ({"cache": "features", "freeze": None}, "and nothing is frozen"),
    ],
    ids=str,
)
def test_mistakes(options, message, tiny_bert, tmp_path, monkeypatch):
    """What is no folder, and a cache where nothing is frozen, is an error before the first step."""
    monkeypatch.chdir(tmp_path)
    Path("a file").write_text("")
    model = make_model("text-classification", tiny_bert)

    with pytest.raises(ArgumentError, match=message):
        fit(model, **options)

    assert model.history == []
