"""Activations that are computed again in the backward instead of kept."""

import copy
import logging
import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForTokenClassification,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from keraslike.engine.forward import ModelWrapper
from keraslike.engine.precision import BFloat16, Float16, Precision, full
from keraslike.engine.savings import checkpoint_gradients
from keraslike.errors import ArgumentError
from tests.engine.loops import make_mlp, weights_of

SIZES = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
IDS = torch.randint(3, 20, (4, 7), generator=torch.Generator().manual_seed(0))


def make_bert(dropout: float = 0.1) -> PreTrainedModel:
    config = BertConfig(**SIZES, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    return BertForSequenceClassification(config)


def make_llama(kind: type[PreTrainedModel] = LlamaForCausalLM, dropout: float = 0.1) -> PreTrainedModel:
    return kind(LlamaConfig(**SIZES, attention_dropout=dropout, pad_token_id=0))


def make_t5() -> PreTrainedModel:
    sizes = {"vocab_size": 20, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2}
    return T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0))


NETWORKS = {
    "bert": make_bert,
    "bert without dropout": lambda: make_bert(dropout=0.0),
    "llama": make_llama,
    "llama without dropout": lambda: make_llama(dropout=0.0),
    "llama for tokens": lambda: make_llama(LlamaForTokenClassification),
    "t5": make_t5,
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NETWORKS[request.param]()


def labels_for(network: nn.Module) -> Tensor:
    if isinstance(network, BertForSequenceClassification):
        return torch.tensor([0, 1, 0, 1])
    return IDS % 2 if isinstance(network, LlamaForTokenClassification) else IDS


def train(network: nn.Module, precision: Precision) -> Tensor:
    """Take two steps from the same random state, and give the weights with what is drawn next."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for _ in range(2):
            optimizer.zero_grad()
            with precision.forward():
                outputs = network(input_ids=IDS, labels=labels_for(network))
            precision.scaled(full(outputs).loss).backward()
            precision.unscale(optimizer)
            optimizer.step()
            precision.update()
        return torch.cat([weights_of(network), torch.rand(1)])


@pytest.fixture
def warnings_of_transformers(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Let pytest see what transformers says: its logger hands nothing on by itself."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("kind", [Precision, BFloat16, Float16], ids=lambda kind: kind.name)
def test_same_weights(network, kind, warnings_of_transformers):
    """The weights have the bits of those without checkpoints, with dropout too, and nothing is warned of."""
    plain, saving = network, copy.deepcopy(network)
    precision = [Precision() if kind is Precision else kind("cpu") for _ in range(2)]

    checkpoint_gradients(saving)

    assert torch.equal(train(saving, precision[0]), train(plain, precision[1]))
    assert warnings_of_transformers.messages == []


def kept_numbers(network: nn.Module) -> int:
    """Count the numbers that the forward keeps for the backward, beside the weights."""
    kept = {}
    weights = {parameter.data_ptr() for parameter in network.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    network.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = network(input_ids=IDS, labels=labels_for(network))
    assert outputs.loss.requires_grad
    return sum(kept.values())


def test_less_is_kept(network):
    """The forward keeps less than half of what it keeps otherwise."""
    saving = copy.deepcopy(network)

    checkpoint_gradients(saving)

    assert kept_numbers(saving) < kept_numbers(network) / 2


def test_inside_a_wrapper():
    """In a `ModelWrapper` the transformer is found, and in a larger module with it, beside other layers."""
    for make in (ModelWrapper, lambda bert: nn.Sequential(ModelWrapper(bert), nn.Identity())):
        bert = make_bert()

        checkpoint_gradients(make(bert))

        assert bert.is_activation_checkpointing


def test_evaluation_is_unchanged(network):
    """In evaluation mode the outputs are the same, to the bit."""
    saving = copy.deepcopy(network).eval()
    network.eval()

    checkpoint_gradients(saving)

    with torch.no_grad():
        logits = [one(input_ids=IDS, labels=labels_for(one)).logits for one in (saving, network)]
    assert torch.equal(*logits)


def test_generation_keeps_its_cache():
    """A decoder still uses its cache when it generates, and its config says so, as it will be saved."""
    network = make_llama().eval()

    checkpoint_gradients(network)

    assert network.config.use_cache
    assert network(input_ids=IDS).past_key_values is not None
    network.train()
    assert network(input_ids=IDS).past_key_values is None


def test_twice_is_as_good_as_once():
    """A second call adds no second hook."""
    network = make_llama()

    checkpoint_gradients(network)
    hooks = len(network._forward_pre_hooks)
    checkpoint_gradients(network)

    assert len(network._forward_pre_hooks) == hooks == 1


def test_frozen_layers_stay_out_of_the_backward():
    """Where the embeddings are frozen, the backward ends at the first layer that is not."""
    network = make_bert()
    network.bert.embeddings.requires_grad_(False)

    checkpoint_gradients(network)

    assert not network.train().bert.embeddings(IDS).requires_grad


def test_network_can_still_be_pickled():
    """The network may be copied and pickled, as some checkpoints and worker processes do."""
    network = make_llama()

    checkpoint_gradients(network)

    again = pickle.loads(pickle.dumps(network))  # noqa: S301  # these are our own bytes
    assert torch.equal(weights_of(again), weights_of(network))


def test_older_transformers(monkeypatch):
    """The method's former name is called where the new one is not there."""
    calls = []

    class Older(nn.Module):
        supports_gradient_checkpointing = True

        def gradient_checkpointing_enable(self, options: dict[str, bool]) -> None:
            calls.append(options)

    checkpoint_gradients(Older())

    assert calls == [{"use_reentrant": False}]


class Unable(PreTrainedModel):
    config_class = BertConfig


@pytest.mark.parametrize(
    ("make", "name"),
    [(make_mlp, "Sequential"), (lambda: nn.Sequential(make_bert(), Unable(BertConfig(**SIZES))), "Unable")],
    ids=["no transformer", "a transformer that cannot"],
)
def test_networks_that_cannot(make, name):
    """Another network is refused with what to do instead, before anything is changed."""
    with pytest.raises(ArgumentError, match=rf"gradient_checkpointing=True was given for {name}") as caught:
        checkpoint_gradients(make())

    assert "micro_batch_size=" in str(caught.value)
    assert "torch.utils.checkpoint.checkpoint" in str(caught.value)


@pytest.mark.gpu
def test_less_memory_on_a_gpu():
    """On a GPU the peak of a step is lower, and the weights agree."""
    config = BertConfig(vocab_size=99, hidden_size=128, num_hidden_layers=8, num_attention_heads=2)
    plain = BertForSequenceClassification(config).cuda().train()
    saving = copy.deepcopy(plain)
    ids, labels = torch.randint(99, (32, 128), device="cuda"), torch.zeros(32, dtype=torch.long, device="cuda")
    checkpoint_gradients(saving)

    peaks = []
    for network in (plain, saving):
        torch.manual_seed(0)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        network(input_ids=ids, labels=labels).loss.backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)

    assert peaks[1] < peaks[0] / 2
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
