"""Frozen bodies whose features are computed anew in each epoch, and what is put back."""

import copy
from functools import wraps

import numpy as np
import pytest
import torch
import transformers
from poutyne import LambdaCallback
from transformers import BertModel

from keraslike import Model
from keraslike.recipes.layers import body_of
from tests.engine.loops import weights_of
from tests.recipes.frozen import counted, fit, make_model, weights_after
from tests.recipes.test_freezing import DATA, Network
from tests.tasks.cases import case_of
from tests.tiny import save

# Where it cannot be


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"unfreeze": {2: 1}}, "layers of the body learn later"),
        ({"freeze": ["embeddings"]}, "is not frozen as a whole"),
    ],
)
def test_body_that_learns(options, why, tiny_bert, tmp_path, capsys):
    """A body that learns, in part or later, computes features in each epoch; asked for a cache, the screen says so."""
    with counted(BertModel) as calls:
        weights_after("text-classification", tiny_bert, **options, verbose=2)
    is_told = why in capsys.readouterr().out
    weights_after("text-classification", tiny_bert, **options, verbose=2, cache=tmp_path / "new")

    assert calls["rows"] == 3 * (24 + 8)
    assert not is_told
    assert why in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_task_that_varies(tiny_bert, tmp_path, capsys):
    """A task that varies its inputs gets its features anew."""
    case = case_of("sentence-ordering")
    models = [Model(str(tiny_bert), task="sentence-ordering", device="cpu") for _ in range(2)]
    options = {"epochs": 2, "freeze": "body", "seed": 1, "cache": tmp_path / "new"}

    models[0].fit(list(case.x), None, **{**options, "cache": False}, verbose=0)
    models[1].fit(list(case.x), None, **options, verbose=2)

    assert torch.equal(weights_of(models[0].network), weights_of(models[1].network))
    assert "the task varies its inputs" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


class Probed(Model):
    """A model that measures a few steps instead of training."""

    def train_run(self, run):
        """Look at what is in force."""
        self.seen = "forward" in vars(body_of(self.network))


@pytest.mark.parametrize("is_probed", [False, True])
def test_probes(is_probed, tiny_bert):
    """Steps that are taken to measure their time go through the body."""
    model = Probed(str(tiny_bert), task="text-classification", device="cpu")
    vars(model)["_probe"] = True if is_probed else None

    fit(model)

    assert model.seen is not is_probed


def test_network_of_ones_own(tmp_path, capsys):
    """A body that is not one of transformers may draw random numbers, or look at the whole batch: it runs as ever."""
    model = Model(Network(), "sgd", "cross_entropy", device="cpu")

    model.fit(*DATA[:2], epochs=1, freeze="body", verbose=2, cache=tmp_path)

    assert "the network has no body of transformers" in capsys.readouterr().out


def test_hooks(tiny_bert, tmp_path, capsys):
    """Where somebody hooks into the body, who expects to see each call, it runs as ever."""
    model, seen = make_model("text-classification", tiny_bert), []
    body_of(model.network).encoder.layer[0].register_forward_hook(lambda *_: seen.append(1))

    fit(model, micro_batch_size=None, cache=tmp_path, verbose=2)

    assert len(seen) == 3 * (3 + 1)
    assert "something else hooks into the body" in capsys.readouterr().out


def test_hooks_under_way(tiny_bert, tmp_path, capsys):
    """So it does from when a callback hooks into it."""
    model, seen = make_model("text-classification", tiny_bert), []

    def look(epoch, logs):
        if epoch == 2:
            body_of(model.network).encoder.layer[0].register_forward_hook(lambda *_: seen.append(1))

    fit(model, micro_batch_size=None, callbacks=[LambdaCallback(on_epoch_begin=look)], cache=tmp_path, verbose=2)

    assert len(seen) == 2 * (3 + 1)
    assert "somebody hooked into it under way" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("part", ["network", "body", "layer"])
def test_compiled_in_place(part, tiny_bert, tmp_path, capsys):
    """A compiled network runs as ever, since its graph would hold what looks rows up; compiled layers do no harm."""
    model = make_model("text-classification", tiny_bert)
    body = body_of(model.network)
    {"network": model.network.wrapped, "body": body, "layer": body.encoder.layer[0]}[part].compile(backend="eager")
    seen = LambdaCallback(on_epoch_begin=lambda *_: found.append("forward" in vars(body)))
    found = []

    fit(model, epochs=1, rows=8, cache=tmp_path, callbacks=[seen], verbose=2)

    assert found == [part == "layer"]
    assert ("the network is compiled" in capsys.readouterr().out) is (part != "layer")


def test_hidden_states_are_asked_for(tiny_bert, tmp_path, capsys):
    """A configuration that asks for hidden states gets them, of every batch."""
    model = make_model("text-classification", tiny_bert)
    model.network.config.output_hidden_states = True

    with counted(BertModel) as calls:
        fit(model, cache=tmp_path, verbose=2)

    assert calls["rows"] == 3 * (24 + 8)
    assert "asks for hidden states" in " ".join(capsys.readouterr().out.split())


def test_body_that_draws(tiny_bert, tmp_path, monkeypatch, capsys):
    """A body that draws random numbers in evaluation mode runs in each epoch, with the same draws."""
    true = BertModel.forward

    def noisy(self, input_ids, **inputs):
        outputs = true(self, input_ids, **inputs)
        outputs.pooler_output = outputs.pooler_output + torch.randn(32)
        return outputs

    monkeypatch.setattr(BertModel, "forward", noisy)
    anew, _ = weights_after("text-classification", tiny_bert, cache=False)

    weights, _ = weights_after("text-classification", tiny_bert, cache=tmp_path, verbose=2)

    assert torch.equal(weights, anew)
    assert "it draws random numbers" in capsys.readouterr().out


@pytest.mark.parametrize("further", [torch.zeros(3, 1), [1]], ids=["too few rows", "list"])
def test_other_outputs(further, tiny_bert, monkeypatch):
    """A body that gives more than tensors with a row for each text runs in each epoch."""
    true = BertModel.forward

    @wraps(true)
    def forward(self, *args, **inputs):
        outputs = true(self, *args, **inputs)
        outputs["cross_attentions"] = further
        return outputs

    monkeypatch.setattr(BertModel, "forward", forward)
    anew, _ = weights_after("text-classification", tiny_bert, cache=False)

    weights, _ = weights_after("text-classification", tiny_bert)

    assert torch.equal(weights, anew)


@pytest.mark.parametrize("kind", ["FNet", "ConvBert"])
def test_body_that_sees_padding(kind, tiny_bert, tmp_path):
    """FNet and ConvBERT mix padding into features: batches with padding go through, or count with their padding."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16, "vocab_size": 120}
    heads = {"num_attention_heads": 2, "embedding_size": 16, "head_ratio": 1} if kind == "ConvBert" else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    config = getattr(transformers, f"{kind}Config")(**sizes, **heads, initializer_range=0.5)
    folder = save(getattr(transformers, f"{kind}Model"), config, tokenizer, tmp_path / kind)
    anew, _ = weights_after("text-classification", folder, cache=False)

    weights, _ = weights_after("text-classification", folder)

    assert (weights - anew).abs().max() <= 1e-6


class MeanOfAll(transformers.BertForSequenceClassification):
    """A head that takes the mean over padding too."""

    def forward(self, input_ids=None, attention_mask=None, **inputs):
        """Give logits."""
        outputs = self.bert(input_ids, attention_mask=attention_mask)
        return transformers.modeling_outputs.SequenceClassifierOutput(logits=self.classifier(outputs[0].mean(1)))


@pytest.mark.parametrize("width", [6, 9])
def test_head_that_sees_padding(width, tiny_bert):
    """A head of one's own may look at padding: batches with padding go through the body."""
    rng = np.random.default_rng(0)
    x = {"input_ids": rng.integers(1, 20, (12, 9)), "attention_mask": np.ones((12, 9), "int64")}
    x["attention_mask"][::2, width:] = 0
    y, found, calls = rng.integers(0, 2, 12), [], []
    for cache in (False, None):
        with torch.random.fork_rng(devices=[]), counted(BertModel) as count:
            torch.manual_seed(0)
            model = Model(MeanOfAll.from_pretrained(tiny_bert), "adamw", "cross_entropy", device="cpu")
            model.read_outputs = lambda outputs: outputs.logits
            model.fit(x, y, epochs=3, batch_size=4, freeze="body", seed=1, verbose=0, cache=cache)
        found.append(weights_of(model.network))
        calls.append(count["rows"])

    assert (found[0] - found[1]).abs().max() <= 1e-6
    assert calls == [36, 36 if width == 6 else 12]


class Mean(torch.nn.Module):
    """A head that is given the whole sequence."""

    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(32, 2)

    def forward(self, hidden):
        """Give logits of the mean over padding too."""
        return self.out(hidden.mean(1))


def test_head_of_transformers_that_was_replaced(tiny_roberta):
    """A layer of one's own within a head of transformers may look at padding as well."""
    found = []
    for cache in (False, None):
        model = make_model("text-classification", tiny_roberta)
        torch.manual_seed(0)
        model.network.classifier = Mean()
        model = Model(model.network, task="text-classification", tokenizer=str(tiny_roberta), device="cpu")
        fit(model, cache=cache, micro_batch_size=None)
        found.append(weights_of(model.network))

    assert (found[0] - found[1]).abs().max() <= 1e-6


@pytest.mark.parametrize("summary", ["mean", "cls_index"])
def test_summary_that_sees_padding(summary):
    """A head of transformers that sums up more than the first token does so over padding too."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16, "vocab_size": 120}
    config = transformers.ElectraConfig(
        **sizes, embedding_size=16, num_attention_heads=2, initializer_range=0.5, summary_type=summary
    )
    torch.manual_seed(0)
    network, words = transformers.ElectraForMultipleChoice(config), torch.randint(5, 120, (12, 2, 9))
    mask = (torch.arange(9) < torch.randint(2, 10, (12, 2, 1))).long()
    x, y, found = {"input_ids": words * mask, "attention_mask": mask}, torch.arange(12) % 2, []

    for cache in (False, None):
        model = Model(copy.deepcopy(network), {"optim": "sgd", "lr": 0.1}, "cross_entropy", device="cpu")
        model.fit(x, y, epochs=3, batch_size=4, freeze="body", cache=cache, seed=1, micro_batch_size=None, verbose=0)
        found.append(weights_of(model.network))

    assert (found[0] - found[1]).abs().max() <= 1e-6


def move_in_place(weight):
    with torch.no_grad():
        weight.mul_(1.5)


def move_unseen(weight):
    weight.data.mul_(1.5)


def move_elsewhere(weight):
    weight.data = weight.data * 1.5


@pytest.mark.parametrize("change", [move_in_place, move_unseen, move_elsewhere])
def test_weights_changed_under_way(change, tiny_bert, tmp_path, capsys):
    """A callback that moves the frozen weights is answered by features of the moved ones."""

    def move(epoch, logs):
        change(body_of(model.network).embeddings.word_embeddings.weight)

    found = []
    for cache in (False, tmp_path):
        model = make_model("text-classification", tiny_bert)
        fit(model, callbacks=[LambdaCallback(on_epoch_begin=move)], cache=cache, verbose=2)
        found.append(weights_of(model.network))

    assert torch.equal(*found)
    assert "its weights were changed under way" in " ".join(capsys.readouterr().out.split())


# What is put back


def test_forward_is_put_back(tiny_bert):
    """After the run, and after an error in it, the body's forward is its own."""
    model = make_model("text-classification", tiny_bert)
    fit(model)
    is_back = "forward" not in vars(body_of(model.network))

    def fail(epoch, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, callbacks=[LambdaCallback(on_epoch_end=fail)])

    assert is_back
    assert "forward" not in vars(body_of(model.network))


def test_copy_under_way(tiny_bert):
    """A copy of the network that is made in the run has a forward of its own."""
    model, copies = make_model("text-classification", tiny_bert), []
    fit(model, callbacks=[LambdaCallback(on_epoch_end=lambda *_: copies.append(copy.deepcopy(body_of(model.network))))])
    body = copies[0].eval()
    ids = torch.tensor([[5, 6, 7]])
    before = body(ids)[0]

    body.embeddings.word_embeddings.weight.data.zero_()

    assert not torch.equal(body(ids)[0], before)
