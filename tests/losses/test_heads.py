"""`model_loss` of a closed list of heads, against transformers' own loss on tiny random models in float64."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from keraslike.engine.forward import ModelWrapper
from keraslike.errors import ArgumentError, DataError
from keraslike.losses import CrossEntropy, ModelLoss, as_loss, model_loss
from keraslike.losses.heads import DECODERS, ENCODERS, GENERIC, SEQ2SEQ, find_head

SIZES = {
    "vocab_size": 40,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 16,
    "embedding_size": 8,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BY_OTHER_NAMES = {
    "distilbert": {"dim": 8, "hidden_dim": 16, "n_layers": 1, "n_heads": 2},
    "modernbert": {"global_attn_every_n_layers": 1, "cls_token_id": 1, "sep_token_id": 2},
    "gpt2": {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 32},
    "gptj": {"n_embd": 8, "n_layer": 1, "n_head": 2, "rotary_dim": 4, "n_positions": 32},
    "gpt_neo": {"num_layers": 1, "num_heads": 2, "attention_types": [[["global"], 1]]},
    "bloom": {"n_layer": 1, "n_head": 2},
    "opt": {"ffn_dim": 16, "word_embed_proj_dim": 8},
    "gemma": {"head_dim": 4},
    "qwen3": {"head_dim": 4},
}
T5 = {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
BART = {
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
IDS = torch.randint(3, 40, (6, 7), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([7, 3, 5, 2, 7, 4])
MASK = (torch.arange(7) < LENGTHS[:, None]).long()
TOKENS = torch.where(MASK.bool(), IDS % 3, -100).index_fill(0, torch.tensor([1]), -100)
WORDS = torch.where(MASK.bool(), IDS, -100).index_fill(0, torch.tensor([3]), -100)
splits = pytest.mark.parametrize("split", [[6], [2, 3, 1], [1] * 6], ids=str)


def build(model_type: str, auto: Any, **options: Any) -> nn.Module:
    sizes = {**SIZES, **BY_OTHER_NAMES.get(model_type, {}), **options}
    sizes |= {} if model_type not in SEQ2SEQ else T5 if "t5" in model_type else BART
    config = transformers.AutoConfig.for_model(model_type, **sizes)
    torch.manual_seed(0)
    return auto.from_config(config).double().eval()


def inputs_of(labels: Tensor, ids: Tensor = IDS, mask: Tensor = MASK) -> dict[str, Tensor]:
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}


def gradient(network: nn.Module) -> list[Tensor]:
    found = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    return found


def check(network: nn.Module, inputs: Mapping[str, Tensor], split: list[int], rtol: float = 1e-10) -> None:
    """Hold the parts' totals over the counts' sum, and their gradient, against the head's loss of the whole."""
    network = ModelWrapper(network)
    loss = as_loss(model_loss, network)
    parts = [
        dict(zip(inputs, values, strict=True))
        for values in zip(*(t.split(split) for t in inputs.values()), strict=True)
    ]
    whole = network(inputs)
    loss.mean_of(whole, inputs, None).backward()
    expected = gradient(network)
    count = sum(loss.count_of(part, None) for part in parts)

    value = 0.0
    for part in parts:
        total = loss.total_of(network(part), (part,), None) / count
        total.backward()
        value += total.item()

    assert loss.is_separable
    assert loss.reason is None
    assert value == pytest.approx(whole.loss.item(), rel=rtol)
    torch.testing.assert_close(gradient(network), expected, rtol=rtol, atol=rtol)


@splits
@pytest.mark.parametrize("model_type", sorted(ENCODERS | DECODERS))
@pytest.mark.parametrize("kind", ["single_label_classification", "multi_label_classification", "regression"])
def test_sequence_heads(model_type: str, kind: str, split: list[int]) -> None:
    """Classes, several labels and numbers: the split heads give the whole batch's own loss and gradient."""
    labels = {
        "single_label_classification": torch.tensor([0, 2, 1, 1, 0, -100]),
        "multi_label_classification": (IDS[:, :3] % 2).double(),
        "regression": IDS[:, :3].double() / 10,
    }[kind]
    auto = transformers.AutoModelForSequenceClassification
    network = build(model_type, auto, num_labels=3, problem_type=kind)

    check(network, inputs_of(labels), split, 1e-6 if model_type == "gemma" else 1e-10)  # gemma rounds to float32


@splits
def test_one_number_per_text(split: list[int]) -> None:
    """A regression with one output has labels of shape (batch,) against logits (batch, 1)."""
    network = build("bert", transformers.AutoModelForSequenceClassification, num_labels=1)

    assert ModelLoss(network).count_of(inputs_of(LENGTHS.double()), None) == 6  # before the head has noted its kind
    check(network, inputs_of(LENGTHS.double()), split)


@pytest.mark.parametrize("labels", [torch.tensor([0, 2, 1, 1, 0, 2]), (IDS[:, :3] % 2).double()], ids=["one", "many"])
def test_what_labels_mean_is_told_as_transformers_does(labels: Tensor) -> None:
    """Without a problem_type in the config, the labels' dtype tells classes from several labels."""
    network = build("distilbert", transformers.AutoModelForSequenceClassification, num_labels=3)
    loss, inputs = ModelLoss(network), inputs_of(labels)

    count = loss.count_of(inputs, None)
    total = loss.total_of(network(**inputs), inputs, None)

    assert count == labels.numel()
    assert (total / count).item() == pytest.approx(network(**inputs).loss.item(), rel=1e-12)


@splits
@pytest.mark.parametrize("model_type", sorted(ENCODERS | GENERIC))
def test_token_heads(model_type: str, split: list[int]) -> None:
    """A row without a single label counts nothing; the head that decoders share rounds to float32."""
    network = build(model_type, transformers.AutoModelForTokenClassification, num_labels=3)

    check(network, inputs_of(TOKENS), split, 1e-6 if model_type in GENERIC else 1e-10)


@splits
@pytest.mark.parametrize("model_type", sorted(ENCODERS))
def test_masked_words(model_type: str, split: list[int]) -> None:
    """Masked language models count the words that are asked for; some heads round to float32 on the way."""
    check(build(model_type, transformers.AutoModelForMaskedLM), inputs_of(WORDS), split, 1e-6)


@splits
@pytest.mark.parametrize("model_type", sorted(ENCODERS))
def test_multiple_choice(model_type: str, split: list[int]) -> None:
    """One of several texts is right; each row counts one."""
    ids, mask = IDS[:, None].repeat(1, 3, 1), MASK[:, None].repeat(1, 3, 1)
    ids[:, 1, 2:4], ids[:, 2, 1:3] = 5, 6

    network = build(model_type, transformers.AutoModelForMultipleChoice)

    check(network, inputs_of(torch.tensor([0, 2, 1, 1, 0, 2]), ids, mask), split)


@splits
@pytest.mark.parametrize("model_type", sorted(DECODERS))
def test_next_words(model_type: str, split: list[int]) -> None:
    """Causal language models count labels from the second on; their heads round to float32."""
    check(build(model_type, transformers.AutoModelForCausalLM), inputs_of(WORDS), split, 1e-6)


@splits
@pytest.mark.parametrize("model_type", sorted(SEQ2SEQ))
def test_translated_words(model_type: str, split: list[int]) -> None:
    """Sequence-to-sequence heads count the labels that are not -100."""
    words = WORDS.clone()
    words[3, 0] = 7 if model_type == "mbart" else -100  # mBART cannot make a decoder's inputs of no label at all

    check(build(model_type, transformers.AutoModelForSeq2SeqLM), inputs_of(words), split)


def with_loss_of_its_own() -> nn.Module:
    network = build("bert", transformers.AutoModelForMaskedLM)
    network.loss_function = lambda logits, labels, **_: logits.mean()
    return network


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (nn.Linear(1, 1), "Linear's own loss"),
        (lambda: build("bert", transformers.AutoModelForQuestionAnswering), "BertForQuestionAnswering's own loss"),
        (lambda: build("bert", transformers.AutoModelForPreTraining), "BertForPreTraining's own loss"),
        (lambda: build("bart", transformers.AutoModelForCausalLM), "BartForCausalLM's own loss"),
        (
            lambda: build("deberta-v2", transformers.AutoModelForSequenceClassification),
            "takes another loss where config.problem_type is not set",
        ),
        (with_loss_of_its_own, "BertForMaskedLM's own loss"),
        (
            lambda: build("modernbert", transformers.AutoModelForMaskedLM, sparse_prediction=True),
            "ModernBertForMaskedLM's own loss",
        ),
        (lambda: None, "the network's own loss"),
    ],
    ids=["no transformer", "questions", "pre-training", "unshifted", "deberta", "set by hand", "sparse", "no network"],
)
def test_unknown_heads_are_never_cut(network: Any, said: str) -> None:
    """A head that is not in the list says why, and counts examples."""
    network = network if isinstance(network, nn.Module) else network()

    loss = ModelLoss(network)

    assert not loss.is_separable
    assert said in loss.reason
    assert loss.count_of({"input_ids": IDS}, torch.zeros(6)) == 6
    assert loss.total_of({"loss": torch.tensor(0.5)}, {"input_ids": IDS}, torch.zeros(6)) == 3


def test_a_subclass_may_compute_anything() -> None:
    """Only transformers' own classes are known; a user's subclass of one is not."""

    class BertForMaskedLM(transformers.BertForMaskedLM):
        pass

    network = BertForMaskedLM(build("bert", transformers.AutoModelForMaskedLM).config)

    assert isinstance(find_head(network), str)


def test_mixture_of_experts_is_not_in_the_list() -> None:
    """A router's own loss is added to the words': no plain mean."""
    assert "mixtral" not in DECODERS
    assert "switch_transformers" not in SEQ2SEQ


def test_sample_weights_weigh_words() -> None:
    """Of a known head, each example's words count as often as its weight says."""
    network = build("gpt2", transformers.AutoModelForCausalLM)
    weights, inputs = torch.tensor([1.0, 2.0, 0.0, 3.0, 0.5, 1.0]), inputs_of(WORDS)
    loss, outputs = ModelLoss(network), network(**inputs)

    total, count = loss.total_of(outputs, inputs, None, weights), loss.count_of(inputs, None, weights)

    each = nn.functional.cross_entropy(outputs.logits[:, :-1].transpose(1, 2), WORDS[:, 1:], reduction="none").sum(1)
    assert total.item() == pytest.approx((each * weights).sum().item(), rel=1e-12)
    assert count == ((WORDS[:, 1:] != -100).sum(1) * weights).sum().item()


@pytest.mark.parametrize("loss", [ModelLoss(), ModelLoss(nn.Linear(1, 1))], ids=["no network", "unknown"])
def test_sample_weights_need_a_known_head(loss: ModelLoss) -> None:
    """A mean cannot be weighed afterwards, and the error names the way out."""
    with pytest.raises(ArgumentError, match=r"(?s)sample_weight was given, but .*cross_entropy"):
        loss.total_of({"loss": torch.tensor(0.5)}, {"input_ids": IDS}, None, torch.ones(6))


@pytest.mark.parametrize("x", [{"input_ids": IDS}, IDS, ({"labels": None},)], ids=["a dict", "a tensor", "None"])
def test_labels_have_to_be_among_the_inputs(x: Any) -> None:
    """The count is read from the labels among the inputs; without them the error says how they come there."""
    loss = ModelLoss(build("bert", transformers.AutoModelForMaskedLM))

    with pytest.raises(DataError, match=r"(?s)finds no labels among .*remove_labels=False"):
        loss.count_of(x, None)


def test_in_poutyne_it_is_averaged_over_examples() -> None:
    """Called as Poutyne does, it gives the head's loss and keeps a mean over the examples."""
    loss = as_loss(model_loss)

    first = loss({"loss": torch.tensor(1.0), "logits": torch.zeros(1, 2)}, torch.zeros(1))
    loss.update({"loss": torch.tensor(4.0), "logits": torch.zeros(2, 2)}, torch.zeros(2))

    assert (first, loss.compute()) == (1, 3)
    assert loss.mean({"loss": first}, None) == 1


def test_the_network_may_come_later() -> None:
    """`as_loss` binds the network where it is known; without one it gives the same loss again."""
    loss, network = as_loss(model_loss), build("bert", transformers.AutoModelForMaskedLM)

    assert as_loss(loss) is loss
    assert as_loss(loss, network).is_separable
    assert isinstance(CrossEntropy(), type(as_loss(CrossEntropy(), network)))
