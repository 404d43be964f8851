"""LoRA: matrices beside the layers of a frozen body learn, and are saved merged into its weights."""

import json
import re
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel, pipeline

import keraslike
from keraslike.engine.padding_free import PaddingFree
from keraslike.errors import ArgumentError, MissingDependencyError
from keraslike.recipes.adapting import apply_lora, begin_lora, lora_layers, lora_of
from keraslike.recipes.defaults import FINE_TUNING
from keraslike.recipes.lora import as_lora, lora_recipe
from keraslike.recipes.merging import merged
from tests.recipes.with_lora import Model
from tests.tiny import in_float64

peft = pytest.importorskip("peft", reason="needs the extra peft")

Rows = tuple[list[str], list[str]]

# what a PeftModel itself does with transformers 5.23
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


def model_of(source: Any, lora: Any = 8, **options: Any) -> Any:
    """Give a text classifier on the CPU with LoRA."""
    return Model(str(source), task="text-classification", lora=lora, device="cpu", **options)


def learn(model: Any, rows: Rows, **options: Any) -> Any:
    """Train one epoch with steps large enough to be seen."""
    return model.fit(*rows, **{"epochs": 1, "seed": 3, "verbose": 0, "batch_size": 8, "learning_rate": 0.01, **options})


def learning(network: nn.Module) -> dict[str, Tensor]:
    """Give a copy of all parameters that learn."""
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def adapted(network: nn.Module) -> list[str]:
    """Give the names of the layers that have matrices."""
    return [name for name, _ in lora_layers(network)]


def are_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Tell whether two sets of named tensors have the same names and bits."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# What learns


def test_weights_are_those_of_peft(tiny_bert: Path, texts_and_labels: Rows):
    """The same seed gives the weights that peft's own model gets in a loop by hand, bit for bit, with dropout."""
    texts, labels = texts_and_labels
    torch.manual_seed(3)
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    config = peft.LoraConfig(r=8, lora_alpha=8, target_modules=["query", "value"], lora_dropout=0.1)
    by_hand = peft.get_peft_model(network, config)
    for parameter in network.classifier.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD([p for p in by_hand.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    targets = torch.tensor([["bad", "good"].index(label) for label in labels])
    by_hand.train()
    for start in range(0, len(texts), 8):
        inputs = tokenizer(texts[start : start + 8], padding=True, return_tensors="pt")
        optimizer.zero_grad()
        nn.functional.cross_entropy(by_hand(**inputs).logits, targets[start : start + 8]).backward()
        optimizer.step()

    sgd = {"optim": "sgd", "lr": 0.1, "momentum": 0.9, "fused": False}
    model = model_of(tiny_bert, {"r": 8, "lora_alpha": 8, "lora_dropout": 0.1}, optimizer=sgd)
    exact = {"shuffle": False, "schedule": None, "clip_norm": None, "micro_batch_size": None, "learning_rate": None}
    learn(model, texts_and_labels, **exact)

    assert are_equal(learning(model.network), learning(network))


def test_base_stays_and_head_learns(tiny_bert: Path, texts_and_labels: Rows):
    """Only the matrices and the fresh head move; every weight of the checkpoint's body is the checkpoint's."""
    model = model_of(tiny_bert)
    learn(model, texts_and_labels)
    now, before = model.network.state_dict(), load_file(tiny_bert / "model.safetensors")

    names = {name.replace(".base_layer", ""): name for name in now if "lora_" not in name}
    body = {name.removeprefix("bert."): now[own] for name, own in names.items() if name.startswith("bert.")}
    assert all(torch.equal(body[name], tensor) for name, tensor in before.items())
    assert {name.split(".")[0] for name in learning(model.network) if "lora_" not in name} == {"classifier"}


def test_labels_in_the_constructor_change_nothing(tiny_distilbert: Path, texts_and_labels: Rows):
    """Head and matrices are drawn at the first fit, after seeding, also where the network was built before."""
    late, early = model_of(tiny_distilbert), model_of(tiny_distilbert, labels=["bad", "good"])
    torch.rand(7)
    learn(late, texts_and_labels)
    learn(early, texts_and_labels)

    assert are_equal(learning(early.network), learning(late.network))


def test_an_unknown_architecture_uses_all_linear_layers(tiny_distilbert: Path):
    """DistilBERT is in none of peft's tables: each linear layer of its body gets matrices, those of the head none."""
    model = model_of(tiny_distilbert, labels=["a", "b"])
    body = model.network.distilbert

    linear = [
        name
        for name, module in AutoModelForSequenceClassification.from_config(body.config).named_modules()
        if isinstance(module, nn.Linear) and name.startswith("distilbert.")
    ]
    assert adapted(model.network) == linear
    assert lora_of(model.network).whole == ["pre_classifier", "classifier"]


def test_a_fresh_pooler_learns_as_a_whole(tiny_bert: Path, tmp_path: Path):
    """What the checkpoint lacks within the body learns itself, and gets no matrices."""
    BertModel.from_pretrained(tiny_bert, add_pooling_layer=False).save_pretrained(tmp_path)
    model = model_of(tmp_path, {"target_modules": "all-linear"}, labels=["a", "b"], tokenizer=str(tiny_bert))

    assert lora_of(model.network).whole == ["bert.pooler", "classifier"]
    assert len(adapted(model.network)) == 12  # six in each of two layers


def test_a_vocabulary_does_not_learn(tiny_gpt2: Path, tiny_bert: Path):
    """The head of a language model stays frozen: with a large vocabulary it would be most of the model."""
    generating = Model(str(tiny_gpt2), task="text-generation", lora=2, device="cpu")
    filling = Model(str(tiny_bert), task="fill-mask", lora=2, device="cpu")

    assert all("lora_" in name for name in learning(generating.network))
    assert {name.split(".")[0] for name in learning(filling.network) if "lora_" not in name} <= {"cls"}


def test_encoder_and_decoder(tiny_t5: Path):
    """A T5 has matrices in both of its stacks, and nothing else learns."""
    model = Model(str(tiny_t5), task="text2text", lora=2, device="cpu")
    model.fit(["a b", "c d"], ["e", "f"], epochs=1, seed=0, verbose=0)

    assert {name.split(".")[0] for name in adapted(model.network)} == {"encoder", "decoder"}
    assert all("lora_" in name for name in learning(model.network))


def test_a_config_of_peft(tiny_bert: Path):
    """A LoraConfig is taken as it is, and is not changed."""
    config = peft.LoraConfig(r=4, target_modules=["key"], modules_to_save=["pooler"])
    model = model_of(tiny_bert, config, labels=["a", "b"])

    assert {name.rpartition(".")[2] for name in adapted(model.network)} == {"key"}
    assert lora_of(model.network).whole == ["bert.pooler", "classifier"]
    assert config.modules_to_save == ["pooler"]
    assert config.exclude_modules is None


def test_excluded_by_a_regular_expression(tiny_bert: Path):
    """The user's own exclusion holds beside that of the head."""
    model = model_of(tiny_bert, {"target_modules": "all-linear", "exclude_modules": r".*layer\.0.*"}, labels=["a", "b"])

    assert not any("layer.0" in name for name in adapted(model.network))
    assert "classifier" not in adapted(model.network)


def test_the_rate_is_ten_times_higher(tiny_bert: Path):
    """The recipe's rate suits a whole network; matrices take ten times that."""
    model = model_of(tiny_bert, labels=["a", "b"])

    assert [group["lr"] for group in model.optimizer.param_groups] == [pytest.approx(5e-4)] * 2
    assert lora_recipe(FINE_TUNING, as_lora(8)).warmup == FINE_TUNING.warmup


def test_the_screen_says_it_once(tiny_bert: Path, texts_and_labels: Rows, capsys: pytest.CaptureFixture[str]):
    """The number of parameters that learn is said before the first epoch, and not again."""
    model = model_of(tiny_bert)
    learn(model, texts_and_labels, verbose=2)
    first = capsys.readouterr().out
    learn(model, texts_and_labels, verbose=2)
    second = capsys.readouterr().out

    count = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    everything = sum(p.numel() for p in model.network.parameters())
    assert f"LoRA: {count:,} of {everything:,} parameters learn" in first
    assert "rank 8 beside 4 layers (query, value), and classifier." in first
    assert "LoRA" not in second


# Saved


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


# Beside the other recipes


def test_cut_by_length(tiny_bert: Path, texts_and_labels: Rows):
    """The layers see no padding with matrices beside them either, and the gradient is that of the padded batch."""
    trained = []
    for micro_batch_size in ("auto", None):
        model = model_of(tiny_bert, labels=["bad", "good"])
        model.network.config.hidden_dropout_prob = 0.0
        for module in model.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        assert PaddingFree.of(model.network, worth=0) is not None
        options = {"optimizer": None, "micro_batch_size": micro_batch_size}
        learn(model, texts_and_labels, **{k: v for k, v in options.items() if k != "optimizer"}, learning_rate=1e-3)
        trained.append(learning(model.network))

    assert all(torch.allclose(trained[0][name], trained[1][name], atol=1e-5) for name in trained[0])


def test_recomputed_activations(tiny_bert: Path, texts_and_labels: Rows):
    """gradient_checkpointing=True gives the same weights, though nothing below the first matrix learns."""
    kept, recomputed = model_of(tiny_bert), model_of(tiny_bert, gradient_checkpointing=True)
    for model in (kept, recomputed):
        learn(model, texts_and_labels, micro_batch_size=None)

    assert are_equal(learning(kept.network), learning(recomputed.network))


def test_frozen_body(tiny_bert: Path, texts_and_labels: Rows):
    """freeze="body" freezes the matrices too: the head learns alone, and a later fit trains them."""
    model = model_of(tiny_bert)
    learn(model, texts_and_labels, freeze="body")
    first = learning(model.network)
    learn(model, texts_and_labels)
    second = learning(model.network)

    zeros = [tensor for name, tensor in first.items() if "lora_B" in name]
    assert not any(tensor.any() for tensor in zeros)
    assert all(not torch.equal(first[name], second[name]) for name in first)


def test_unfrozen_from_the_top(tiny_bert: Path, texts_and_labels: Rows):
    """unfreeze= counts layers of matrices as it counts layers of weights."""
    model = model_of(tiny_bert)
    learn(model, texts_and_labels, epochs=2, unfreeze={2: 1})

    moved = {name: bool(t.any()) for name, t in learning(model.network).items() if "lora_B" in name}
    assert {".layer.1." in name for name, has_moved in moved.items() if has_moved} == {True}
    assert sum(moved.values()) == 2


# Without a task


def test_any_network_with_linear_layers():
    """A network of the user's own gets matrices beside all linear layers; nothing else learns."""
    network = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 1))
    before = deepcopy(network)
    model = Model(network, "sgd", "mse", lora=2, device="cpu")
    x = torch.randn(16, 4)
    model.fit(x, x.sum(1, keepdim=True), epochs=2, seed=0, verbose=0)

    assert all(re.search("lora_", name) for name in learning(model.network))
    assert torch.equal(network[0].base_layer.weight, before[0].weight)


def test_a_transformer_within_a_network(tiny_bert: Path):
    """The body of a transformer that is a part of a larger network has the matrices; what stands around it learns."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text = BertModel.from_pretrained(tiny_bert)
            self.head = nn.Linear(32, 2)

    network = Network()
    apply_lora(network, as_lora(2))

    assert all(name.startswith("text.encoder") for name in adapted(network))
    assert {name for name in learning(network) if "lora_" not in name} == {"head.weight", "head.bias"}


def test_an_embedding():
    """Matrices beside an embedding are drawn and merged as peft does it."""
    network, twin = (nn.ModuleDict({"table": nn.Embedding(5, 4), "out": nn.Linear(4, 2)}) for _ in range(2))
    targets = {"r": 2, "target_modules": ["table", "out"]}
    apply_lora(network, as_lora(targets))
    torch.manual_seed(0)
    begin_lora(network)
    torch.manual_seed(0)
    by_peft = peft.inject_adapter_in_model(peft.LoraConfig(**targets), twin)

    assert are_equal(learning(network), learning(by_peft))


def test_no_linear_layer():
    """A network without a linear layer is refused in words."""
    with pytest.raises(ArgumentError, match="lora= finds no linear layer in Conv1d"):
        apply_lora(nn.Conv1d(1, 1, 1), as_lora(2))


def test_layers_of_torch_that_read_past_their_parts():
    """Parts of torch's own attention get no matrices: it reads their weights itself."""
    network = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16), nn.Linear(8, 1))
    apply_lora(network, as_lora(2))

    assert adapted(network) == ["1"]


# What is refused


@pytest.mark.parametrize(
    ("lora", "words"),
    [
        (True, "lora=True was given"),
        ("8", "lora='8' was given"),
        (0, "lora has the rank 0"),
        ({"rank": 8}, "no argument 'rank'"),
        ({"r": 8, "target_moduls": ["query"]}, "target_modules"),
        ({"r": 8, "bias": 3, "layers_pattern": "x"}, "LoraConfig cannot be made"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        ({"layer_replication": [(0, 1)]}, "layer_replication"),
        ({"target_modules": ["querry"]}, "peft cannot put the matrices of lora= in"),
    ],
)
def test_what_is_refused(lora: Any, words: str, tiny_bert: Path):
    """What is no LoRA, or cannot be merged, is refused with what to write instead."""
    with pytest.raises(ArgumentError, match=re.escape(words)):
        model_of(tiny_bert, lora, labels=["a", "b"])


def test_another_method_of_peft():
    """Only LoRA is understood."""
    with pytest.raises(ArgumentError, match="IA3Config"):
        as_lora(peft.IA3Config())


def test_no_lora():
    """None and False leave the network alone."""
    network = nn.Linear(2, 2)
    apply_lora(network, as_lora(False))

    assert as_lora(None) is None
    assert lora_of(network) is None
    assert lora_recipe(FINE_TUNING, None) is FINE_TUNING


def test_adapters_of_another_hand(tiny_bert: Path):
    """A network that has adapters already is refused."""
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    by_peft = peft.get_peft_model(network, peft.LoraConfig(target_modules=["query"]))

    with pytest.raises(ArgumentError, match="has adapters of peft already"):
        apply_lora(by_peft, as_lora(8))


def test_shared_weights(tiny_gpt2: Path):
    """Matrices beside an embedding that is the vocabulary's head too would part the two: refused."""
    with pytest.raises(ArgumentError, match="shares its weights"):
        Model(str(tiny_gpt2), task="text-generation", lora={"target_modules": ["wte"]}, device="cpu")


def test_without_peft(monkeypatch: pytest.MonkeyPatch):
    """Where peft is missing the error has the line to type."""
    monkeypatch.setitem(sys.modules, "peft", None)

    with pytest.raises(MissingDependencyError, match=r'pip install "keraslike\[peft\]"'):
        as_lora(8)
