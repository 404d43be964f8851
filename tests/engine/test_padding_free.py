"""A transformer whose layers see no padding gives what the padded batch gives, in float64 to 1e-10."""

import copy
from itertools import combinations, pairwise

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_full_backward_hook
from torch.nn.utils.parametrizations import weight_norm
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForSequenceClassification,
    CamembertConfig,
    ElectraConfig,
    XLMRobertaConfig,
)

from keraslike import Model, ModelWrapper
from keraslike.data.cutting import even_ends
from keraslike.engine.padding_free import ENCODERS, PaddingFree, attend
from keraslike.engine.savings import checkpoint_gradients
from keraslike.engine.token_layout import lay_out
from tests.engine.test_exact_architectures import (
    CALM,
    EXACT,
    SIZES,
    VOCABULARY,
    WIDTH,
    bert_config,
    distilbert_config,
    llama_config,
    roberta_config,
)

CONFIGS = {
    "bert": bert_config,
    "camembert": lambda **sizes: CamembertConfig(**SIZES | WIDTH | CALM | sizes),
    "distilbert": distilbert_config,
    "electra": lambda **sizes: ElectraConfig(**SIZES | WIDTH | CALM | {"embedding_size": 8} | sizes),
    "roberta": roberta_config,
    "xlm-roberta": lambda **sizes: XLMRobertaConfig(**SIZES | WIDTH | CALM | sizes),
}
HEADS = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
    "answer": AutoModelForQuestionAnswering,
    "choice": AutoModelForMultipleChoice,
}
LENGTHS = [7, 2, 19, 7, 1, 12]


def make(kind="bert", head="sequence", **sizes):
    torch.manual_seed(0)
    return (
        HEADS[head].from_config(CONFIGS[kind](**{"num_labels": 2 if head == "answer" else 3} | sizes)).double().eval()
    )


def make_inputs(lengths=LENGTHS, width=None):
    """Random tokens, padded on the right with 0."""
    width = width or max(lengths)
    ids = torch.randint(5, VOCABULARY, (len(lengths), width), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def scores_of(outputs, mask):
    """What the head says, of tokens only where there is one."""
    parts = (
        [outputs.logits] if "logits" in outputs else [outputs.start_logits[..., None], outputs.end_logits[..., None]]
    )
    return torch.cat([part[mask.bool()] if part.shape[:2] == mask.shape else part for part in parts], dim=-1)


def gradients(network, inputs):
    """All gradients of a score that every output matters to, in one row of numbers."""
    network.zero_grad()
    scores = scores_of(network(**inputs), inputs["attention_mask"])
    (scores * torch.arange(1, scores.numel() + 1).view_as(scores).sin()).sum().backward()
    return scores.detach(), torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", CONFIGS)
def test_outputs_and_gradients(kind, head):
    """Scores and gradients are those of the padded batch, for every body that is listed, under each kind of head."""
    network, inputs = make(kind, head), make_inputs()
    if head == "choice":
        inputs = {name: value.view(3, 2, -1) for name, value in inputs.items()}
    scores, whole = gradients(network, inputs)
    padding_free = PaddingFree.of(network, worth=0, ignores_padding=True)

    with padding_free.in_force():
        own_scores, own = gradients(network, inputs)

    assert padding_free.sent == [sum(LENGTHS)]
    assert (own_scores - scores).abs().max() < EXACT
    assert (own - whole).norm() / whole.norm() < EXACT


def test_every_body_is_tested():
    """The list of bodies and the list of this test are the same."""
    assert CONFIGS.keys() == ENCODERS.keys()


@pytest.mark.parametrize("width", [19, 40])
def test_width_does_not_matter(width):
    """However wide the batch was padded, the layers are given the same tokens."""
    network = make()
    padding_free = PaddingFree.of(network, worth=0, ignores_padding=True)
    narrow = gradients(network, make_inputs())[1]
    inputs = make_inputs()
    inputs = {name: F.pad(value, (0, width - value.shape[1])) for name, value in inputs.items()}

    with padding_free.in_force():
        wide = gradients(network, inputs)[1]

    assert padding_free.sent == [sum(LENGTHS)]
    assert (wide - narrow).norm() / narrow.norm() < EXACT


def padded_left(inputs):
    return {name: value.flip(1) for name, value in inputs.items()}


def without_mask(inputs):
    return {"input_ids": inputs["input_ids"]}


def with_an_empty_row(inputs):
    return {**inputs, "attention_mask": inputs["attention_mask"] * (torch.arange(len(LENGTHS)) > 0)[:, None]}


@pytest.mark.parametrize("change", [padded_left, without_mask, with_an_empty_row])
def test_other_batches_go_through_as_they_are(change):
    """Padding on the left, no mask, or a row without a token: the layers are given the batch as it is, bit for bit."""
    network, inputs = make(), change(make_inputs())
    logits = network(**inputs).logits
    padding_free = PaddingFree.of(network, worth=0, ignores_padding=True)

    with padding_free.in_force():
        own = network(**inputs).logits

    assert torch.equal(own, logits)


def test_little_padding_is_not_worth_it():
    """A batch with no more padding than `worth` goes through as it is, and what is sent says so."""
    network, inputs = make(), make_inputs([9, 10, 10])
    padding_free = PaddingFree.of(network, worth=1)

    with padding_free.in_force():
        own = network(**inputs).logits

    assert padding_free.sent == [30]
    assert torch.equal(own, network(**inputs).logits)


def test_everything_is_put_back():
    """Afterwards, and after an error in the middle, nothing is hooked, and the network's own attention is in force."""
    network, inputs = make(), make_inputs()
    logits = network(**inputs).logits
    padding_free = PaddingFree.of(network, worth=0, ignores_padding=True)
    broken = network.bert.encoder.layer[1].register_forward_hook(lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError), padding_free.in_force():
        network(**inputs)
    broken.remove()

    assert network.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.equal(network(**inputs).logits, logits)


def hooked(network):
    network.bert.encoder.layer[0].register_forward_hook(lambda *_: None)
    return network


def two_bodies(network):
    network.dropout = make().bert
    return network


class Pooled(nn.Module):
    """A network of a user's own, which reads what stands at padding."""

    def __init__(self):
        super().__init__()
        self.body, self.classifier = make().bert, nn.Linear(16, 3).double()

    def forward(self, inputs):
        return self.classifier(self.body(**inputs).last_hidden_state.mean(1))


class Mean(nn.Module):
    """A head of a user's own, which is given the whole sequence."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.out = nn.Linear(16, 3).double()

    def forward(self, hidden):
        return self.out(hidden.mean(1))


def with_head(head, kind="roberta"):
    """A body of those that hand their head the whole sequence, with another head."""
    network = make(kind)
    network.classifier = head
    return network


def with_forward(forward):
    network = make("roberta")
    network.classifier.forward = forward
    return network


def compiled(network):
    network.compile(backend="eager")
    return network


class Subclass(BertForSequenceClassification):
    """A user's own head under the name of transformers'."""


@pytest.mark.parametrize(
    "network",
    [
        hooked(make()),
        two_bodies(make()),
        make(attn_implementation="eager"),
        make(chunk_size_feed_forward=1),
        make(output_hidden_states=True),
        BertForSequenceClassification(bert_config(is_decoder=True)),
        Pooled(),
        Subclass(bert_config()),
        with_head(Mean()),
        with_head(nn.Sequential(nn.Linear(16, 3), nn.Softmax(dim=1)), "electra"),
        with_head(nn.Sequential(nn.Dropout(0.1), nn.GRU(16, 3)), "camembert"),
        with_head(nn.LayerNorm((19, 16)), "xlm-roberta"),
        with_head(make("roberta").roberta.encoder.layer[0]),
        with_forward(lambda hidden: hidden.mean(1)),
        make("electra", "choice", summary_type="mean"),
        compiled(make()),
        ModelWrapper(compiled(make())),
        nn.Sequential(make()),
        AutoModelForSequenceClassification.from_config(llama_config()),
        nn.Linear(2, 2),
    ],
    ids=[
        *("hooked", "two", "eager", "chunks", "states", "decoder", "own", "subclass"),
        *("mean", "softmax", "recurrent", "norm", "layer", "forward", "summary"),
        *("compiled", "compiled within", "part", "llama", "plain"),
    ],
)
def test_who_must_see_the_padding(network):
    """Where the layers' inputs are looked at, recomputed, or mean something else, there is nothing to put in force."""
    assert PaddingFree.of(network, worth=0, ignores_padding=True) is None


def with_lora(network):
    return inject_adapter_in_model(LoraConfig(r=2, target_modules=["query", "classifier"]), network)


def with_norm(network):
    weight_norm(network.classifier)
    return network


@pytest.mark.parametrize(
    "network",
    [
        with_lora(make()),
        with_norm(make()),
        with_head(nn.Sequential(nn.Linear(16, 4), nn.GELU(), nn.LayerNorm(4), nn.Linear(4, 3))),
        make("electra", "choice"),
    ],
    ids=["lora", "norm of weights", "layers", "summary"],
)
def test_heads_that_see_one_token_at_a_time(network):
    """Matrices of LoRA, weights that are computed and torch's own layers leave a head one that reads no padding."""
    assert PaddingFree.of(network, worth=0) is not None


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward", "full_backward_pre"])
def test_who_hooks_into_a_layer_sees_the_padding(kind: str):
    """Every hook of a module that is given inputs, outputs or their gradients expects a padded batch."""
    network = make()

    getattr(network.bert.encoder.layer[1], f"register_{kind}_hook")(lambda *_: None)

    assert PaddingFree.of(network, worth=0) is None


@pytest.mark.parametrize("head", ["token", "answer"])
def test_outputs_per_token_need_a_loss_that_ignores_padding(head):
    """Heads with an output per token are left alone where the loss may count, or normalise over, what is at padding."""
    assert PaddingFree.of(make(head=head), worth=0) is None


@pytest.mark.parametrize("make_network", [Pooled, lambda: make(head="answer"), lambda: with_head(Mean())])
def test_losses_that_read_padding_are_those_of_padded_batches(make_network, monkeypatch):
    """A mean over all positions, or a softmax over them, gives the padded batch's weights by "auto" too."""
    monkeypatch.setattr("keraslike.data.cutting.PRICES", {"cpu": ((1.0, 5.0), (2.0, 5.0))})
    found = {}
    for size in (None, "auto"):
        network = make_network()
        inputs, targets = make_inputs(), torch.tensor([0, 1, 2, 0, 1, 2])
        loss = "cross_entropy"
        if hasattr(network, "classifier") and not isinstance(network, Pooled):
            network = ModelWrapper(network)
        elif not isinstance(network, Pooled):
            network, loss, targets = ModelWrapper(network), answer_loss, torch.zeros(6, 2, dtype=torch.long)
        model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), loss, device="cpu")
        model.fit(inputs, targets, batch_size=6, micro_batch_size=size, seed=3, verbose=0)
        found[size] = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    assert (found["auto"] - found[None]).norm() / found[None].norm() < EXACT


def answer_loss(outputs, targets):
    """The loss of transformers' own head: its softmax is over padding too."""
    return F.cross_entropy(outputs["start_logits"], targets[:, 0]) + F.cross_entropy(
        outputs["end_logits"], targets[:, 1]
    )


def test_a_mask_of_floats():
    """A mask of floats means the same."""
    network, inputs = make(), make_inputs()
    logits = network(**inputs).logits
    padding_free = PaddingFree.of(network, worth=0)

    with padding_free.in_force():
        own = network(inputs["input_ids"], attention_mask=inputs["attention_mask"].double()).logits

    assert padding_free.sent == [sum(LENGTHS)]
    assert (own - logits).abs().max() < EXACT


def test_who_looks_on_later_sees_the_padded_batch():
    """A hook that somebody sets on a layer after the run was planned is given the batch as it is."""
    network, inputs, seen = make(), make_inputs(), []
    padding_free = PaddingFree.of(network, worth=0)
    network.bert.encoder.layer[0].register_forward_hook(lambda layer, args, output: seen.append(args[0].shape))

    with padding_free.in_force():
        network(**inputs)

    assert seen == [(len(LENGTHS), max(LENGTHS), 16)]


@pytest.mark.parametrize("way", ["call", "config"])
def test_who_asks_for_hidden_states(way):
    """Hidden states that a call asks for, or a configuration from now on, are those of the padded batch."""
    network, inputs = make(), make_inputs()
    padding_free = PaddingFree.of(network, worth=0)

    with padding_free.in_force():
        if way == "config":
            network.config.output_hidden_states = True
        outputs = network(**inputs, **({"output_hidden_states": True} if way == "call" else {}))

    assert [tuple(states.shape) for states in outputs.hidden_states] == [(6, 19, 16)] * 3


def test_what_was_asked_for_once():
    """After a call that asked for hidden states the layers see no padding again."""
    network, inputs = make(), make_inputs()
    network(**inputs, output_hidden_states=True)
    padding_free = PaddingFree.of(network, worth=0)

    with padding_free.in_force():
        network(**inputs)

    assert padding_free.sent == [sum(LENGTHS)]


@pytest.mark.filterwarnings("ignore:For backward hooks to be called")  # torch says so of inputs without a gradient
@pytest.mark.parametrize("register", [register_module_forward_hook, register_module_full_backward_hook])
def test_who_looks_at_every_module(register):
    """A hook that torch calls for all modules is given the padded batch."""
    network = make()
    padding_free = PaddingFree.of(network, worth=0)

    with register(lambda *_: None), padding_free.in_force():
        network(**make_inputs())
    is_seen = padding_free.sent == []
    with padding_free.in_force():
        network(**make_inputs())

    assert is_seen
    assert padding_free.sent == [sum(LENGTHS)]


def test_call_within_a_call():
    """A body that is called in the middle of a call of its own takes each batch for what it is."""
    network, inputs, found = make(), make_inputs(), []
    short = without_mask(make_inputs([5, 5]))
    outer, inner = network(**inputs).logits, network(**short).logits
    padding_free = PaddingFree.of(network, worth=0)

    def ask(*_):
        hook.remove()
        found.append(network(**short).logits)

    hook = network.bert.embeddings.register_forward_pre_hook(ask)
    with padding_free.in_force():
        own = network(**inputs).logits

    assert torch.equal(found[0], inner)
    assert (own - outer).abs().max() < EXACT


def test_copies_made_inside():
    """A copy of the network that is made inside, and a copy of it, are plain: with their own attention, and padding."""
    network, inputs = make(), make_inputs()
    logits = network(**inputs).logits
    padding_free = PaddingFree.of(network, worth=0)

    with padding_free.in_force():
        twin = copy.deepcopy(copy.deepcopy(network))
        seen = []
        twin.bert.encoder.layer[0].register_forward_hook(lambda layer, args, output: seen.append(args[0].shape))
        own = twin(**inputs).logits

    assert twin.config._attn_implementation == "sdpa"
    assert seen == [(len(LENGTHS), max(LENGTHS), 16)]
    assert torch.equal(own, logits)
    assert network.config._attn_implementation == "sdpa"


def test_dropout_of_attention():
    """The weights of attention are dropped as in transformers' own: of texts of one length, the same ones by a seed."""
    query, key, value = torch.randn(3, 1, 2, 10, 8, generator=torch.Generator().manual_seed(1))
    layout = lay_out([5, 5], 5, 1)
    padded = [part[0].unflatten(1, (2, 5)).transpose(0, 1) for part in (query, key, value)]

    torch.manual_seed(7)
    own, _ = attend(nn.Identity(), query, key, value, None, layout=layout, dropout=0.5)
    torch.manual_seed(7)
    whole = F.scaled_dot_product_attention(*padded, dropout_p=0.5)

    assert torch.equal(own[0], whole.transpose(1, 2).flatten(0, 1))


# The layout


@pytest.mark.parametrize("price", [0, 30, 100, 10**6])
def test_groups_are_the_cheapest(price):
    """No other way to cut the sorted texts into groups has fewer pairs of tokens and prices to pay."""
    lengths = sorted(LENGTHS, reverse=True)
    inner = range(1, len(lengths))
    ways = [[0, *ends, len(lengths)] for size in range(len(lengths)) for ends in combinations(inner, size)]
    costs = [sum((b - a) * lengths[a] ** 2 + price for a, b in pairwise(way)) for way in ways]

    groups = lay_out(LENGTHS, 19, price).groups

    assert sum(size * longest**2 + price for (size, longest), _, _ in groups) == min(costs)


def test_every_token_is_laid_out_once():
    """The row holds each real token of the padded batch once, and the groups hold each token of the row once."""
    layout = lay_out(LENGTHS, 20, 50)
    real = [text * 20 + place for text, length in enumerate(LENGTHS) for place in range(length)]

    attended = torch.cat([group.places for group in layout.groups])[layout.attended]

    assert sorted(layout.tokens.tolist()) == real
    assert attended.tolist() == list(range(sum(LENGTHS)))


def test_layout_on_a_device():
    """All that tells of places is where the batch is."""
    layout = lay_out(LENGTHS, 20, 50, "meta")

    tensors = [layout.tokens, layout.attended, *(part for group in layout.groups for part in group[1:])]
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {"meta"}


@pytest.mark.parametrize("limit", [None, 1, 3])
@pytest.mark.parametrize("tokens", [1, 10, 20, 47, 1000])
def test_even_parts(tokens, limit):
    """Parts of sorted texts cover them all in order, hold no more than the limit, and about equally many tokens."""
    lengths = sorted(LENGTHS)

    ends = even_ends(lengths, tokens, limit)

    parts = [lengths[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert [length for part in parts for length in part] == lengths
    assert all(parts)
    assert limit is None or max(map(len, parts)) <= limit
    assert limit is not None or max(map(sum, parts)) <= max(tokens, 1) + max(lengths)


# In a training


def trained(network, micro_batch_size, batch_size=6, kind=Model, **options):
    """The weights after an epoch of two steps on padded batches, and the history."""
    inputs = make_inputs([*LENGTHS, 3, 11, 30, 4])
    model = kind(ModelWrapper(network), torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", device="cpu")
    data = (inputs, torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]))
    history = model.fit(*data, batch_size=batch_size, micro_batch_size=micro_batch_size, seed=3, verbose=0, **options)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]), history


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"sample_weight": [1.0, 0.0, 2.0, 1.0, 3.0] * 2}])
def test_training_is_that_of_padded_batches(options, monkeypatch):
    """By "auto" the weights are those of padded batches, clipped or weighted, and the history knows what was sent."""
    monkeypatch.setattr("keraslike.data.cutting.PRICES", {"cpu": ((1.0, 5.0), (2.0, 5.0))})
    whole, _ = trained(make(), None, **options)

    weights, history = trained(make(), "auto", **options)

    assert (weights - whole).norm() / whole.norm() < EXACT
    assert history.tokens_sent == history.tokens_real == sum(LENGTHS) + 3 + 11 + 30 + 4


class Twice(Model):
    """A model whose loss sends each batch through once more."""

    def compute_loss(self, outputs, batch):
        """Give the loss of both."""
        return F.cross_entropy(outputs["logits"] + self.network(batch.x)["logits"], batch.y)


def test_batches_that_go_through_twice(monkeypatch):
    """A loss that sends each batch through again learns as from padded batches, which the history then tells of."""
    monkeypatch.setattr("keraslike.data.cutting.PRICES", {"cpu": ((1.0, 5.0), (2.0, 5.0))})
    whole, padded = trained(make(), None, batch_size=10, kind=Twice)

    weights, history = trained(make(), "auto", batch_size=10, kind=Twice)

    assert (weights - whole).norm() / whole.norm() < EXACT
    assert history.tokens_sent == padded.tokens_sent


def test_frozen_body(monkeypatch):
    """Under a frozen body the head learns as from padded batches."""
    monkeypatch.setattr("keraslike.data.cutting.PRICES", {"cpu": ((1.0, 5.0), (2.0, 5.0))})
    networks = [make(), make()]
    for network in networks:
        network.bert.requires_grad_(False)

    (whole, _), (weights, history) = (
        trained(network, size) for network, size in zip(networks, [None, "auto"], strict=True)
    )

    assert history.padding == 0
    assert (weights - whole).norm() / whole.norm() < EXACT


def test_many_tokens_go_through_in_parts(tiny_bert, texts_and_labels, monkeypatch):
    """A batch of more tokens than a part may have is cut, sorted by length; the weights stay those of whole batches."""
    monkeypatch.setattr("keraslike.data.cutting.PRICES", {"cpu": ((1.0, 2.0), (2.0, 2.0))})
    monkeypatch.setattr("keraslike.recipes.micro_batches.TOKENS", 30)
    weights, sizes = {}, []
    for size in (None, "auto"):
        torch.manual_seed(0)
        network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, **CALM).double()
        if size == "auto":
            network.bert.embeddings.register_forward_pre_hook(
                lambda _, args, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True
            )
        model = Model(network, {"optim": "sgd", "lr": 0.1}, task="text-classification", tokenizer=str(tiny_bert))
        model.fit(*texts_and_labels, epochs=1, batch_size=20, micro_batch_size=size, seed=3, verbose=0)
        weights[size] = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    assert len(sizes) > 2
    assert sum(sizes) == len(texts_and_labels[0])
    assert (weights["auto"] - weights[None]).norm() / weights[None].norm() < EXACT


def test_dropout_is_drawn_alike():
    """The same seed gives the same weights bit for bit, also with dropout in the layers."""
    runs = [trained(make(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2), "auto")[0] for _ in range(2)]

    assert torch.equal(*runs)


def test_activations_computed_twice():
    """With gradient checkpointing the weights are the same bit for bit, with dropout in the layers too."""
    plain, twice = (make(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2) for _ in range(2))
    checkpoint_gradients(twice)

    (weights, history), (own, _) = trained(plain, "auto", batch_size=10), trained(twice, "auto", batch_size=10)

    assert history.padding == 0
    assert torch.equal(own, weights)
