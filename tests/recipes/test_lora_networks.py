"""LoRA in networks of the user's own, and what is refused."""

import re
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, BertModel

from keraslike.errors import ArgumentError, MissingDependencyError
from keraslike.recipes.adapting import apply_lora, begin_lora, lora_of
from keraslike.recipes.defaults import FINE_TUNING
from keraslike.recipes.lora import as_lora, lora_recipe
from tests.recipes.with_lora import Model, adapted, are_equal, learning, model_of

peft = pytest.importorskip("peft", reason="needs the extra peft")

# what a PeftModel itself does with transformers 5.23
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


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
