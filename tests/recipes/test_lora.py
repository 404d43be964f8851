"""LoRA: matrices beside the layers of a frozen body learn."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

from keraslike.engine.padding_free import PaddingFree
from keraslike.errors import ArgumentError
from keraslike.recipes.adapting import lora_of
from keraslike.recipes.defaults import FINE_TUNING
from keraslike.recipes.lora import as_lora, lora_recipe
from tests.recipes.with_lora import Model, Rows, adapted, are_equal, learn, learning, model_of

peft = pytest.importorskip("peft", reason="needs the extra peft")

# what a PeftModel itself does with transformers 5.23
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


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


def test_the_rate_is_higher(tiny_bert: Path):
    """The recipe's rate suits a whole network; matrices take twenty times that."""
    model = model_of(tiny_bert, labels=["a", "b"])

    assert [group["lr"] for group in model.optimizer.param_groups] == [pytest.approx(1e-3)] * 2
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


# Beside the other recipes


def test_cut_by_length(tiny_bert: Path, texts_and_labels: Rows):
    """The layers see no padding with matrices beside them either, and the gradient is that of the padded batch."""
    trained = []
    for micro_batch_size in ("auto", None):
        model = model_of(tiny_bert, labels=["bad", "good"])
        for module in model.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        assert PaddingFree.of(model.network, worth=0) is not None
        learn(model, texts_and_labels, micro_batch_size=micro_batch_size, learning_rate=1e-3)
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


@pytest.mark.parametrize(
    ("options", "is_said", "is_later"),
    [
        ({"freeze": "body"}, True, False),
        ({"unfreeze": {2: "all"}}, True, True),
        ({"freeze": ["classifier"]}, False, False),
    ],
)
def test_what_freezing_means_is_said(
    options: dict[str, Any], is_said: bool, is_later: bool, tiny_bert: Path, texts_and_labels: Rows, capsys: Any
):
    """Beside LoRA the screen says that matrices are frozen, and that the weights beside them never learn."""
    model = model_of(tiny_bert)
    before = {name: p.clone() for name, p in model_of(tiny_bert, labels=["bad", "good"]).network.named_parameters()}
    learn(model, texts_and_labels, epochs=2, verbose=2, **options)

    line = "LoRA's matrices are frozen too; the weights beside them stay so for good"
    out = capsys.readouterr().out
    assert out.count(line) == is_said
    assert ("so that of layers that learn later the matrices do" in out) == is_later
    for name, parameter in model.network.named_parameters():
        assert "base_layer" not in name or torch.equal(parameter, before[name])


def test_words_that_peft_does_not_know():
    """Other words for peft's arguments are told by peft's."""
    with pytest.raises(ArgumentError, match="no argument 'rank'") as caught:
        Model(torch.nn.Linear(1, 1), lora={"rank": 4})

    assert caught.value.do == 'write lora={"r": 4}.'


def test_an_optimizer_object_holds_no_matrices(tiny_bert: Path):
    """An object that was made before there were matrices would never let them learn; it is refused."""
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert)

    with pytest.raises(ArgumentError, match="holds none of LoRA's matrices") as caught:
        Model(network, torch.optim.AdamW(network.parameters()), task="text-classification", lora=4, device="cpu")

    assert caught.value.do == 'write optimizer={"optim": "adamw", "lr": 5e-4}.'


def test_modules_that_no_network_has():
    """Names of modules that are not there, which peft passes over, are refused with the nearest one."""
    network = torch.nn.ModuleDict({"pooler": torch.nn.Linear(2, 2)})

    with pytest.raises(ArgumentError, match="no module is called 'poole'") as caught:
        Model(network, "sgd", "mse", lora={"r": 4, "modules_to_save": ["poole"]}, device="cpu")

    assert caught.value.do == "did you mean 'pooler'?"
