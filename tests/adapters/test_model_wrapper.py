import copy
import pickle
from collections import UserDict
from types import MappingProxyType

import poutyne
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BatchEncoding,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaConfig,
    RobertaForMaskedLM,
    pipeline,
)

from keraslike.engine.forward import ModelWrapper
from keraslike.errors import ArgumentError

SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
INPUTS = {
    "input_ids": torch.tensor([[2, 5, 7, 3], [2, 8, 3, 0]]),
    "attention_mask": torch.tensor([[1] * 4, [1, 1, 1, 0]]),
}


def bert():
    return BertForMaskedLM(BertConfig(vocab_size=12, **SIZES))


def distilbert():
    return DistilBertForMaskedLM(DistilBertConfig(vocab_size=12, dim=8, n_layers=2, n_heads=2, hidden_dim=8))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=12, n_embd=8, n_layer=2, n_head=2, bos_token_id=2, eos_token_id=3))


def roberta():
    return RobertaForMaskedLM(RobertaConfig(vocab_size=12, pad_token_id=0, **SIZES))


KINDS = [bert, distilbert, gpt2, roberta]  # each ties its output weights to its input embeddings


@pytest.fixture(params=KINDS, ids=[kind.__name__ for kind in KINDS])
def transformer(request):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return request.param().eval()


class Nested(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
        self.head = nn.Linear(12, 2)

    def forward(self, inputs):
        return self.head(self.body(inputs)["logits"])


@pytest.mark.parametrize("kind", [dict, UserDict, BatchEncoding, MappingProxyType])
def test_any_mapping_goes_in(transformer, kind):
    """A dict, and any other Mapping, is unpacked; the outputs are the transformer's to the bit."""
    outputs = ModelWrapper(transformer)(kind(INPUTS))

    expected = transformer(**INPUTS)
    assert type(outputs) is type(expected)
    assert outputs.keys() == expected.keys()
    assert torch.equal(outputs["logits"], expected["logits"])


def test_parameters_are_the_transformers(transformer):
    """Names and parameters are the transformer's own, not copies."""
    wrapper = ModelWrapper(transformer)

    assert list(wrapper.named_parameters()) == list(transformer.named_parameters())
    assert [name for name, _ in wrapper.named_buffers()] == [name for name, _ in transformer.named_buffers()]


def test_keys_are_the_transformers(transformer):
    """The keys of `state_dict` have no prefix."""
    assert list(ModelWrapper(transformer).state_dict()) == list(transformer.state_dict())


def test_keys_when_nested(transformer):
    """In a larger module the keys have that module's prefix and no other, when saved and when loaded."""
    nested = Nested(ModelWrapper(transformer))

    expected = [f"body.{key}" for key in transformer.state_dict()]
    assert list(nested.state_dict()) == [*expected, "head.weight", "head.bias"]
    assert nested.load_state_dict(Nested(ModelWrapper(transformer)).state_dict()) == ([], [])


def test_keys_in_distributed_checkpoints(transformer):
    """Distributed checkpoints of torch find every key, also in a larger module (they walk attributes by name)."""
    state = get_model_state_dict(Nested(transformer))

    wrapped = get_model_state_dict(Nested(ModelWrapper(transformer)))

    assert list(wrapped) == list(state)
    assert list(get_model_state_dict(ModelWrapper(transformer))) == list(get_model_state_dict(transformer))


def test_distributed_checkpoints_are_loaded(transformer):
    """A state that torch's distributed checkpoints give goes back into the transformer."""
    wrapper = ModelWrapper(transformer)
    state = {key: torch.zeros_like(value) for key, value in get_model_state_dict(wrapper).items()}

    set_model_state_dict(wrapper, state)

    assert all(not parameter.any() for parameter in transformer.parameters())


def test_load_state_dict_reaches_the_transformer(transformer):
    """Weights loaded into the wrapper are the transformer's, and its own state fits."""
    state = {key: torch.zeros_like(value) for key, value in transformer.state_dict().items()}

    result = ModelWrapper(transformer).load_state_dict(state)

    assert result == ([], [])
    assert all(not parameter.any() for parameter in transformer.parameters())


def test_a_copy_is_independent(transformer):
    """A deep copy is one tree again, and shares nothing with the original."""
    wrapper = ModelWrapper(transformer)

    copied = copy.deepcopy(wrapper)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()

    assert all(not parameter.any() for parameter in copied.wrapped.parameters())
    assert list(copied.state_dict()) == list(wrapper.state_dict())
    assert any(parameter.any() for parameter in wrapper.parameters())
    assert not torch.equal(copied(INPUTS)["logits"], wrapper(INPUTS)["logits"])


def test_pickling(transformer):
    """What goes to another process comes out as one tree, with the same outputs."""
    wrapper = ModelWrapper(transformer)

    copied = pickle.loads(pickle.dumps(wrapper))  # noqa: S301  # our own bytes

    assert [id(p) for p in copied.parameters()] == [id(p) for p in copied.wrapped.parameters()]
    assert torch.equal(copied(INPUTS)["logits"], wrapper(INPUTS)["logits"])


def test_training_mode_reaches_the_transformer(transformer):
    """`train` and `eval` set the mode of wrapper, transformer and all parts, also from a larger module."""
    wrapper = ModelWrapper(transformer)

    Nested(wrapper).train()
    modes = {wrapper.training, *(module.training for module in transformer.modules())}
    wrapper.eval()

    assert modes == {True}
    assert {wrapper.training, *(module.training for module in transformer.modules())} == {False}


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_at_first_is_the_transformers(training):
    """`from_pretrained` gives a network in evaluation mode; wrapping it changes nothing."""
    assert ModelWrapper(bert().train(training)).training is training


def test_to_reaches_the_transformer(transformer):
    """A new dtype (or device) is the transformer's too, and tied weights stay tied."""
    wrapper = ModelWrapper(transformer)
    ties = len(transformer.state_dict()) - len(list(transformer.parameters()))

    Nested(wrapper).to(torch.float64)

    assert {parameter.dtype for parameter in transformer.parameters()} == {torch.float64}
    assert wrapper.dtype == torch.float64
    assert len(transformer.state_dict()) - len(list(wrapper.parameters())) == ties


def test_attributes_are_the_transformers(transformer):
    """Other attributes, methods and parts are the transformer's."""
    wrapper = ModelWrapper(transformer)

    assert wrapper.config is transformer.config
    assert wrapper.get_input_embeddings() is transformer.get_input_embeddings()
    assert wrapper.base_model is transformer.base_model
    assert wrapper.wrapped is transformer


def test_an_attribute_that_is_missing():
    """An attribute that the transformer has not is missing in its words."""
    wrapper = ModelWrapper(bert())

    with pytest.raises(AttributeError, match="'BertForMaskedLM' object has no attribute 'confg'"):
        _ = wrapper.confg


def test_an_attribute_before_there_is_a_transformer():
    """While it is being copied or unpickled an attribute is just missing; nothing is asked in circles."""
    empty = ModelWrapper.__new__(ModelWrapper)

    assert not hasattr(empty, "config")


def test_the_name_transformer():
    """`transformer` is the whole transformer, unless it has a part of this name, whose key says so."""
    body, wrapper = bert(), ModelWrapper(gpt2())

    assert ModelWrapper(body).transformer is body
    assert wrapper.transformer is wrapper.wrapped.transformer


def test_a_new_part_is_the_transformers():
    """A head set on the wrapper replaces the transformer's."""
    transformer = BertForSequenceClassification(BertConfig(vocab_size=12, num_labels=2, **SIZES))
    wrapper = ModelWrapper(transformer)

    wrapper.classifier = nn.Linear(8, 5)

    assert transformer.classifier.out_features == 5
    assert wrapper(INPUTS)["logits"].shape == (2, 5)


def test_repr(transformer):
    """It prints as what it wraps."""
    assert repr(ModelWrapper(transformer)) == f"ModelWrapper({transformer!r})"


def test_wrapped_twice():
    """A wrapper in a wrapper is one wrapper."""
    transformer = bert()

    assert ModelWrapper(ModelWrapper(transformer)).wrapped is transformer


def test_the_heads_loss_comes_last():
    """The loss has no rows, so it is last of the outputs: Poutyne counts the rows of the first."""
    transformer = BertForSequenceClassification(BertConfig(vocab_size=12, num_labels=2, **SIZES)).eval()
    inputs = {**INPUTS, "labels": torch.tensor([0, 1])}

    outputs = ModelWrapper(transformer)(inputs)

    assert list(outputs) == ["logits", "loss"]
    assert torch.equal(outputs.loss, transformer(**inputs).loss)
    assert outputs["loss"] is outputs.loss
    assert poutyne.get_batch_size(outputs) == 2


def test_a_tensor_goes_in():
    """A tensor in the dict's place is named, with its shape, and the error shows what to pass."""
    with pytest.raises(ArgumentError) as caught:
        ModelWrapper(bert())(torch.zeros(2, 5))

    assert caught.value.what == "ModelWrapper was given a Tensor of shape (2, 5) as inputs."
    assert "{'input_ids': ..., 'attention_mask': ...}" in caught.value.expected
    assert "TransformerCollator()" in caught.value.do


def test_a_list_of_texts_goes_in():
    """Texts that nobody tokenised are refused the same way."""
    with pytest.raises(ArgumentError, match="ModelWrapper was given a list as inputs"):
        ModelWrapper(bert())(["a text"])


def test_a_name_is_wrapped():
    """A name is no transformer yet, and the error says how to make one of it."""
    with pytest.raises(ArgumentError, match=r"given 'bert-base-cased', a str[\s\S]*from_pretrained"):
        ModelWrapper("bert-base-cased")


def test_saved_and_read_by_transformers(transformer, tmp_path):
    """`from_pretrained` reads what `save_pretrained` wrote, and gives the same outputs."""
    ModelWrapper(transformer).save_pretrained(tmp_path)

    again = type(transformer).from_pretrained(tmp_path)
    assert torch.equal(again(**INPUTS)["logits"], transformer(**INPUTS)["logits"])


def test_saving_drops_the_aliases_of_tied_tensors(transformer, tmp_path):
    """Tied tensors are written once, and are tied again when they are read."""
    ModelWrapper(transformer).save_pretrained(tmp_path)

    names = [name for name, _ in transformer.named_parameters()]
    assert len(names) < len(transformer.state_dict())
    assert set(load_file(tmp_path / "model.safetensors")) == set(names)
    again = type(transformer).from_pretrained(tmp_path)
    assert again.get_input_embeddings().weight is again.get_output_embeddings().weight


def test_a_saved_directory_works_in_a_pipeline(tiny_bert, tmp_path):
    """With the tokenizer beside it, a saved classifier answers in a pipeline."""
    from transformers import AutoTokenizer

    wrapper = ModelWrapper(AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2))
    wrapper.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.save_pretrained(tmp_path)

    answer = pipeline("text-classification", str(tmp_path), device="cpu")("a great film")[0]

    with torch.no_grad():
        probabilities = wrapper(tokenizer("a great film", return_tensors="pt"))["logits"].softmax(-1)
    assert answer["score"] == pytest.approx(probabilities.max().item(), abs=1e-6)  # float32


def test_generation():
    """A network that generates does so through the wrapper."""
    transformer = gpt2().eval()
    options = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}

    generated = ModelWrapper(transformer).generate(INPUTS["input_ids"][:1], **options)

    assert torch.equal(generated, transformer.generate(INPUTS["input_ids"][:1], **options))


def test_replicas_run_their_own_weights(transformer):
    """DataParallel's replica runs the weights that were put into it, and the original is left alone."""
    wrapper = ModelWrapper(transformer)
    expected = wrapper(INPUTS)["logits"]

    replica = wrapper._replicate_for_data_parallel()
    for name, part in wrapper.named_children():
        zeros = copy.deepcopy(part)
        nn.utils.vector_to_parameters(torch.zeros(sum(p.numel() for p in zeros.parameters())), zeros.parameters())
        setattr(replica, name, zeros)  # as torch.nn.parallel.replicate does

    assert not replica(INPUTS)["logits"].any()
    assert torch.equal(wrapper(INPUTS)["logits"], expected)


def test_trains_as_the_hand_written_loop():
    """A plain `poutyne.Model` trains it to the weights of the loop written by hand, to the bit."""
    config = BertConfig(vocab_size=12, num_labels=2, hidden_dropout_prob=0.1, **SIZES)
    by_hand = BertForSequenceClassification(config)
    wrapper = ModelWrapper(copy.deepcopy(by_hand))
    data = [(INPUTS, torch.tensor([0, 1])), (INPUTS, torch.tensor([1, 0]))]
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(by_hand.train().parameters(), lr=0.1)
    for inputs, targets in data:
        optimizer.zero_grad()
        nn.functional.cross_entropy(by_hand(**inputs).logits, targets).backward()
        optimizer.step()

    torch.manual_seed(3)
    optimizer = torch.optim.SGD(wrapper.parameters(), lr=0.1)
    model = poutyne.Model(wrapper, optimizer, lambda outputs, y: nn.functional.cross_entropy(outputs["logits"], y))
    model.fit_generator(data, epochs=1, verbose=False)

    for mine, expected in zip(wrapper.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(mine, expected)


def test_in_a_sequence_of_modules():
    """In a `Sequential`, as Poutyne's users write it, a head of one's own follows; weights go out and in as a whole."""
    body = AutoModel.from_config(BertConfig(vocab_size=12, **SIZES))
    first_token = poutyne.Lambda(lambda outputs: outputs["last_hidden_state"][:, 0, :])
    network = nn.Sequential(ModelWrapper(body), first_token, nn.Linear(8, 1))
    model = poutyne.Model(network, "sgd", "mse", device="cpu")
    weights = model.get_weight_copies()

    model.train_on_batch(INPUTS, torch.ones(2, 1))
    changed = model.predict_on_batch(INPUTS)
    model.set_weights(weights)

    assert changed.shape == (2, 1)
    assert "0.embeddings.word_embeddings.weight" in weights
    assert torch.equal(body.embeddings.word_embeddings.weight, weights["0.embeddings.word_embeddings.weight"])


def test_predictions_of_a_plain_poutyne_model():
    """`predict_generator` puts the outputs of all batches together, by name."""
    model = poutyne.Model(ModelWrapper(bert().eval()), None, None)

    outputs = model.predict_generator([INPUTS, INPUTS], has_ground_truth=False, verbose=False)

    assert outputs["logits"].shape == (4, 4, 12)


def test_a_causal_model_from_a_directory(tiny_gpt2):
    """A model read from a directory, with tied weights, is wrapped without a change of its keys."""
    transformer = AutoModelForCausalLM.from_pretrained(tiny_gpt2)

    assert list(ModelWrapper(transformer).state_dict()) == list(transformer.state_dict())
