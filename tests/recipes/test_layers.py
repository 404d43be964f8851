"""Where a parameter lies: how far below the top, in the body or in the head."""

import re

import pytest
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    ConvNextConfig,
    ConvNextForImageClassification,
    OPTConfig,
    OPTForSequenceClassification,
    ResNetConfig,
    ResNetForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
)

from keraslike import ModelWrapper
from keraslike.errors import ArgumentError
from keraslike.recipes.layers import body_of, depths_of, is_frozen, pretrained_parameters

WIDTH = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}


def below(network):
    """The steps below the top by name, as the library finds them; the head, which it does not list, has 0."""
    depths = depths_of(network, "layer_decay=0.9")
    return {name: depths.below.get(id(parameter), 0) for name, parameter in network.named_parameters()}


def by_name(network, layer, first, layers):
    """The same from names alone, as the fine-tuning code of ELECTRA and BEiT has it: top is one above the last layer.

    Args:
        network: gives the names.
        layer: a pattern with the layer's number, from 0.
        first: a pattern of what stands before the layers.
        layers: how many there are.
    """
    depths = {}
    for name, _ in network.named_parameters():
        found = re.search(layer, name)
        depths[name] = 0 if re.search(first, name) else int(found[1]) + 1 if found else layers + 1
    return {name: layers + 1 - depth for name, depth in depths.items()}


@pytest.mark.parametrize(
    ("folder", "layer", "first"),
    [
        ("tiny_bert", r"encoder\.layer\.(\d+)", r"\.embeddings\."),
        ("tiny_roberta", r"encoder\.layer\.(\d+)", r"\.embeddings\."),
        ("tiny_distilbert", r"transformer\.layer\.(\d+)", r"\.embeddings\."),
        ("tiny_gpt2", r"\.h\.(\d+)", r"\.wte|\.wpe"),
    ],
)
def test_transformers(folder, layer, first, request):
    """Embeddings are lowest, each layer one above, and pooler, last norm and head at the top."""
    network = AutoModelForSequenceClassification.from_pretrained(request.getfixturevalue(folder), num_labels=2)

    assert below(network) == by_name(network, layer, first, 2)
    assert below(ModelWrapper(network)) == below(network)


def test_vision_transformer(tiny_vit):
    """The same of images: patches, positions and the class token stand before the layers, as in BEiT's code."""
    from transformers import AutoModelForImageClassification

    network = AutoModelForImageClassification.from_pretrained(tiny_vit, num_labels=2)

    assert below(network) == by_name(network, r"layers?\.(\d+)", r"embeddings\.", 2)


@pytest.mark.parametrize("folder", ["tiny_t5", "tiny_bart"])
def test_encoder_and_decoder(folder, request):
    """Encoder and decoder have a stack each; the shared table stands before both, a norm of embeddings before its own.

    The parts of a layer of T5, which are a list too, are no layers.
    """
    from transformers import AutoModelForSeq2SeqLM

    network = AutoModelForSeq2SeqLM.from_pretrained(request.getfixturevalue(folder))

    first = r"shared|embed_positions|layernorm_embedding"
    assert below(network) == by_name(network, r"(?:block|layers)\.(\d+)", first, 2)


def test_decoder_longer_than_the_encoder():
    """Each counts from its own top; the shared table is as low as the longer of them has it."""
    network = nn.Module()
    network.shared = nn.Embedding(3, 2)
    network.encoder = nn.ModuleList([nn.Linear(2, 2, bias=False)])
    network.decoder = nn.ModuleList([nn.Linear(2, 2, bias=False) for _ in range(3)])
    network.head = nn.Linear(2, 1, bias=False)

    assert list(below(network).values()) == [4, 1, 3, 2, 1, 0]


def test_stages_of_swin():
    """Stages are put one after the other, and what joins two of them counts with the layer before it.

    Source: `get_swin_layer` in the code of SimMIM (Xie et al. 2022, arXiv:2111.09886).
    """
    depths = [1, 2]
    config = SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=depths, num_heads=[1, 2], window_size=2)
    network = SwinForImageClassification(config)

    def of(name):
        if ".embeddings." in name:
            return 0
        found = re.search(r"layers\.(\d+)\.(?:blocks\.(\d+)|downsample)", name)
        if not found:
            return sum(depths) + 1
        stage = int(found[1])
        return sum(depths[: stage + 1]) if found[2] is None else sum(depths[:stage]) + int(found[2]) + 1

    assert below(network) == {name: sum(depths) + 1 - of(name) for name, _ in network.named_parameters()}


def test_stages_of_convnext():
    """A step between stages that stands before the layers of its own counts with the first of them."""
    network = ConvNextForImageClassification(ConvNextConfig(hidden_sizes=[8, 12], depths=[2, 1], num_stages=2))
    steps = {"embeddings": 4, "stages.0.layers.0": 3, "stages.0.layers.1": 2, "stages.1": 1}

    expected = {
        name: next((value for part, value in steps.items() if part in name), 0)
        for name, _ in network.named_parameters()
    }
    assert below(network) == expected


def test_stages_of_resnet():
    """The layers of a stage may be a Sequential; the convolutions within one layer are no layers."""
    network = ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[2, 1]))

    assert set(below(network).values()) == {0, 1, 2, 3, 4}
    assert depths_of(network, "").layers == 3


def test_largest_list():
    """The layers are the list with the most parameters, not the one with the most elements."""
    config = Wav2Vec2Config(
        **WIDTH,
        conv_dim=(8, 8, 8),
        conv_stride=(5, 2, 2),
        conv_kernel=(10, 3, 3),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    network = Wav2Vec2ForSequenceClassification(config)
    first = r"feature|masked_spec|pos_conv|encoder\.layer_norm"

    assert below(network) == by_name(network, r"encoder\.layers\.(\d+)", first, 2)


def test_last_norm_that_is_defined_first():
    """What is called final comes after the layers, wherever it is defined."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 8, "word_embed_proj_dim": 8}
    network = OPTForSequenceClassification(OPTConfig(vocab_size=9, max_position_embeddings=8, **sizes))

    assert below(network) == by_name(network, r"layers\.(\d+)", r"embed", 1)


def test_lists_in_a_list():
    """A list of lists is one stack; what has no parameters is no layer."""
    stages = nn.ModuleList([nn.ModuleList([nn.Linear(2, 2, bias=False), nn.ReLU()]) for _ in range(3)])

    assert list(below(nn.Sequential(stages, nn.Linear(2, 1))).values()) == [3, 2, 1, 0, 0]


def test_alike_layers_that_hold_lists():
    """Layers that are all of one shape are layers, though each holds a list, such as one of experts."""
    layers = nn.ModuleList(nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(2, 2)] * 2)}) for _ in range(3))

    assert depths_of(nn.Sequential(layers), "").layers == 3


def test_layer_that_is_used_twice():
    """A layer that stands in the list twice is one layer."""
    layer = nn.Linear(2, 2, bias=False)

    assert list(below(nn.Sequential(nn.ModuleList([layer, layer]))).values()) == [1]


def test_no_layers():
    """A network without a list of layers is refused, with what the user wrote and the way out."""
    with pytest.raises(
        ArgumentError, match=r"layer_decay=0.9 needs a stack of layers, and Linear has no Mod"
    ) as caught:
        depths_of(nn.Linear(2, 2), "layer_decay=0.9")

    assert "torch.nn.ModuleList" in caught.value.expected
    assert "optimizer object" in caught.value.do


# The body


def tiny_config():
    """Give the configuration of a BERT, 8 wide."""
    return BertConfig(vocab_size=9, **WIDTH)


def test_body_of_a_transformer():
    """The body is the `base_model`, also behind the wrapper; a body alone is its own."""
    network = BertForMaskedLM(tiny_config())

    assert body_of(network) is network.bert
    assert body_of(ModelWrapper(network)) is network.bert
    assert body_of(network.bert) is network.bert


def test_body_within_a_module():
    """A transformer within a module of the user's own is found; of two none is the body."""
    one, other = BertModel(tiny_config()), BertModel(tiny_config())

    assert body_of(nn.Sequential(ModelWrapper(one), nn.Linear(8, 1))) is one
    assert body_of(nn.ModuleList([one, other])) is None
    assert body_of(nn.Linear(1, 1)) is None


def test_body_of_an_adapted_model():
    """The body of a model whose base_model is a whole model again, as peft's, is that one's body."""
    outer, inner = nn.Module(), BertForMaskedLM(tiny_config())
    outer.base_model = inner

    assert body_of(outer) is inner.bert


def test_what_the_checkpoint_held():
    """A part of the body that no checkpoint held is not among what the checkpoint held."""
    network = AutoModelForSequenceClassification.from_config(tiny_config())

    held = pretrained_parameters(network, network.bert, ["bert.pooler.dense.weight", "classifier.bias"])

    nested = pretrained_parameters(nn.ModuleDict({"model": network}), network.bert, ["bert.pooler.dense.weight"])
    kept = {name for name, p in network.named_parameters() if any(p is one for one in held)}
    assert [id(p) for p in nested] == [id(p) for p in held]
    assert kept == {f"bert.{name}" for name, _ in network.bert.named_parameters()} - {"bert.pooler.dense.weight"}


def test_frozen():
    """A module is frozen if nothing in it learns; buffers do not count."""
    module = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)).requires_grad_(False)

    assert is_frozen(module)
    module[1].bias.requires_grad_(True)
    assert not is_frozen(module)
    assert is_frozen(nn.ReLU())
