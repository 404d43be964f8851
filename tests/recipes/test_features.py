"""The features of a frozen body: computed once, and the weights are those of a run that computes them anew."""

from functools import wraps

import pytest
import torch
import transformers
from poutyne import LambdaCallback
from transformers import BertModel, DistilBertModel, ViTModel

from keraslike import Model
from keraslike.recipes import reusing
from keraslike.recipes.layers import body_of
from tests.engine.loops import weights_of
from tests.recipes.frozen import counted, fit, make_model, weights_after
from tests.tasks.cases import case_of
from tests.tiny import save

TEXTS = ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2", "tiny_bart"]
OTHERS = ["token-classification", "question-answering", "image-classification", "multiple-choice"]
EACH = [*(("text-classification", body) for body in TEXTS), *((name, case_of(name).body) for name in OTHERS)]
SOUNDS = ("audio-classification", "tiny_wav2vec2")


@pytest.fixture
def folder_of(request):
    """Gives a tiny model's folder by the name of its fixture."""
    return request.getfixturevalue


# The weights


@pytest.mark.parametrize(("name", "body"), [*EACH, SOUNDS])
def test_weights(name, body, folder_of):
    """Weights and measured values are those of a run that computes the features in each epoch, to 1e-6."""
    anew, history_anew = weights_after(name, folder_of(body), cache=False)

    weights, history = weights_after(name, folder_of(body))

    # A softmax does not see the two biases of a span's head: in float32 Adam follows the rounding of a gradient of 0
    seen = slice(None, -2 if name == "question-answering" else None)
    assert (weights - anew)[seen].abs().max() <= 1e-6
    values, values_anew = history.history["val_loss"], history_anew.history["val_loss"]
    assert values == pytest.approx(values_anew, abs=1e-6)


@pytest.mark.parametrize(("name", "body"), EACH)
def test_weights_in_float64(name, body, folder_of):
    """In float64 they are the same to 1e-10."""
    anew, _ = weights_after(name, folder_of(body), torch.float64, cache=False)

    weights, _ = weights_after(name, folder_of(body), torch.float64)

    assert weights.dtype == torch.float64
    assert (weights - anew).abs().max() <= 1e-10


@pytest.mark.parametrize(
    "options",
    [
        {"micro_batch_size": None},
        {"micro_batch_size": 3},
        {"batch_size": 2, "batches_per_step": 4},
        {"class_weight": "balanced"},
        {"validate_every": 2},
        {"early_stop": 1},
        {"freeze": ["bert"]},
        {"shuffle": False, "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_weights_however_batches_are_cut(options, tiny_bert):
    """The same under micro-batches, accumulation and weights, and with validations inside the epochs."""
    anew, _ = weights_after("text-classification", tiny_bert, **options, cache=False)

    with counted(BertModel) as calls:
        weights, _ = weights_after("text-classification", tiny_bert, **options)

    validated_first = 8 if "validate_every" in options else 0  # they are computed again where they are learned from
    assert (weights - anew).abs().max() <= 1e-6
    assert calls["rows"] <= 24 + validated_first + 1


@pytest.fixture
def without_pooler(tmp_path, tiny_bert):
    """A BERT whose checkpoint has no pooler, so that a new one learns."""
    source = BertModel.from_pretrained(tiny_bert)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    return save(lambda config: BertModel(config, add_pooling_layer=False), source.config, tokenizer, tmp_path / "b")


def fit_from(folder, **options):
    """Fit a model by its folder's name, which knows what the checkpoint held."""
    model = Model(str(folder), task="text-classification", device="cpu")
    fit(model, **options)
    return model


def test_fresh_pooler(without_pooler):
    """A new pooler learns in each step from features that were computed before it."""
    anew = fit_from(without_pooler, cache=False)
    with counted(BertModel) as calls:
        model = fit_from(without_pooler)

    pooler = body_of(model.network).pooler.dense.weight
    assert (weights_of(model.network) - weights_of(anew.network)).abs().max() <= 1e-6
    assert not torch.equal(pooler, BertModel.from_pretrained(without_pooler).pooler.dense.weight)
    assert calls["rows"] <= 24 + 1


def test_fresh_pooler_that_sees_more(without_pooler, monkeypatch):
    """A pooled output that is not the pooler's of the hidden states is computed with the body, in every epoch."""
    true = BertModel.forward

    @wraps(true)
    def forward(self, *args, **inputs):
        outputs = true(self, *args, **inputs)
        outputs.pooler_output = outputs.pooler_output + outputs.last_hidden_state[:, 1]
        return outputs

    monkeypatch.setattr(BertModel, "forward", forward)
    anew = fit_from(without_pooler, cache=False)

    model = fit_from(without_pooler)

    assert torch.equal(weights_of(model.network), weights_of(anew.network))


# How often the body runs


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("text-classification", "tiny_bert", BertModel),
        ("token-classification", "tiny_distilbert", DistilBertModel),
        ("image-classification", "tiny_vit", ViTModel),
    ],
)
@pytest.mark.parametrize("micro_batch_size", [None, "auto"])
def test_body_runs_in_the_first_epoch(name, body, kind, micro_batch_size, folder_of):
    """Each row goes through the body once, and one text more, without its padding, to see that it is the same."""
    model = make_model(name, folder_of(body))

    with counted(kind) as calls:
        fit(model, name, micro_batch_size=micro_batch_size)

    assert 24 <= calls["rows"] <= 25


def test_without(tiny_bert):
    """cache=False computes the features in each epoch, and for each validation."""
    model = make_model("text-classification", tiny_bert)

    with counted(BertModel) as calls:
        fit(model, cache=False)

    assert calls["rows"] == 3 * (24 + 8)


def test_one_epoch(tiny_bert):
    """Where no row comes again, nothing is kept in memory."""
    model, seen = make_model("text-classification", tiny_bert), []
    look = LambdaCallback(on_epoch_begin=lambda *_: seen.append("forward" in vars(body_of(model.network))))

    fit(model, epochs=1, callbacks=[look])
    fit(model, epochs=1, validate_every=1, callbacks=[look])

    assert seen == [False, True]


def test_body_runs_for_new_rows_alone(tiny_bert):
    """Where some rows of a batch are known, the others alone go through the body, with their own padding."""
    anew, model = (make_model("text-classification", tiny_bert) for _ in range(2))
    options = {"epochs": 2, "batch_size": 5, "micro_batch_size": None}
    case = case_of("text-classification")
    x, y = list(case.x[:12]), list(case.y[:12])

    def twice(model, **further):
        model.fit(x + x[::-1][:11], y + y[::-1][:11], freeze="body", shuffle=False, seed=1, verbose=0, **further)

    twice(anew, **options, cache=False)
    with counted(BertModel) as calls:
        twice(model, **options)

    assert calls["rows"] <= 12 + 1 + 1  # the 12th row stands twice in one batch, and one goes through alone
    assert (weights_of(model.network) - weights_of(anew.network)).abs().max() <= 1e-6


def test_new_images_alone(tiny_vit):
    """So it is with images, which have no padding."""
    model, case = make_model("image-classification", tiny_vit), case_of("image-classification")
    x, y = list(case.x[:6]), list(case.y[:6])
    options = {"epochs": 2, "batch_size": 4, "freeze": "body", "shuffle": False, "seed": 1, "verbose": 0}

    with counted(ViTModel) as calls:
        model.fit(x + x[:1], y + y[:1], (x[:5:-1] + x[:2], y[:5:-1] + y[:2]), **options)

    assert calls["rows"] == 6


@pytest.mark.parametrize("micro_batch_size", [None, "auto"])
def test_full_memory(tiny_bert, monkeypatch, capsys, micro_batch_size):
    """What does not fit is computed in each epoch, which is said once; the weights are the same."""
    anew, _ = weights_after("text-classification", tiny_bert, cache=False, micro_batch_size=micro_batch_size)
    monkeypatch.setattr(reusing, "available_memory", lambda is_on_accelerator: 4 * 20_000)

    with counted(BertModel) as calls:
        weights, _ = weights_after("text-classification", tiny_bert, micro_batch_size=micro_batch_size, verbose=2)

    assert 24 < calls["rows"] < 3 * (24 + 8)
    assert (weights - anew).abs().max() <= 1e-6
    assert capsys.readouterr().out.count('cache="features" keeps all of them in files') == 1


def test_unknown_memory(tiny_bert, monkeypatch):
    """Where nobody knows how much memory is free, a fixed part is taken."""
    monkeypatch.setattr(reusing, "available_memory", lambda is_on_accelerator: None)

    with counted(BertModel) as calls:
        weights_after("text-classification", tiny_bert)

    assert calls["rows"] <= 25
