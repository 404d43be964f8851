"""What does not learn, and from which epoch on it does."""

import copy
import re
from types import SimpleNamespace

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForSequenceClassification, BartConfig, BartForConditionalGeneration, BertModel

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.recipes.freezing import plan_freezing
from keraslike.recipes.layers import is_frozen
from tests.engine.loops import make_data, weights_of
from tests.recipes.test_groups import make_bert, make_tokens

SEED = 7


class Layer(nn.Module):
    """A layer with dropout, and with statistics of its own."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm, self.dropout = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.3)

    def forward(self, x):
        """Give as many numbers as there come in."""
        return self.dropout(torch.tanh(self.norm(self.linear(x))))


class Body(nn.Module):
    """Something before three layers, with dropout of its own, and a norm after them."""

    def __init__(self):
        super().__init__()
        self.embed, self.dropout = nn.Linear(4, 4), nn.Dropout(0.3)
        self.layers, self.norm = nn.ModuleList([Layer() for _ in range(3)]), nn.LayerNorm(4)

    def forward(self, x):
        """Give as many numbers as there come in."""
        x = self.dropout(self.embed(x))
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Network(nn.Module):
    """A body and a head."""

    def __init__(self):
        super().__init__()
        self.base_model, self.dropout, self.head = Body(), nn.Dropout(0.3), nn.Linear(4, 3)

    def forward(self, x):
        """Give three logits."""
        return self.head(self.dropout(self.base_model(x)))


def make_network():
    """Give the network, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network()


def state_of(network):
    """All weights and buffers, a copy."""
    return copy.deepcopy(network.state_dict())


def assert_same(state, other):
    """Bit for bit."""
    assert all(torch.equal(value, other[name]) for name, value in state.items())


def freeze_body(network):
    """The body's gradients and modes, by hand."""
    network.base_model.requires_grad_(False).eval()


def freeze_below(layers):
    """The same for all but the top layers and what stands after them; `layers` counts those that learn."""

    def freeze(network):
        network.base_model.requires_grad_(False).eval()
        learning = [*network.base_model.layers[3 - layers :], network.base_model.norm] if layers else []
        for module in learning:
            module.requires_grad_(True).train()

    return freeze


def nothing(network):
    """Freeze nothing."""
    network.requires_grad_(True)


def train_by_hand(network, optimizer, freezes, x, y, valid, clip_norm=None):
    """An epoch for each of `freezes`, called after the network was put into training mode; a validation after each."""
    torch.manual_seed(SEED)
    losses = []
    for freeze in freezes:
        network.train()
        freeze(network)
        for rows, targets in zip(x.split(8), y.split(8), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(network(rows), targets).backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            losses.append(F.cross_entropy(network(valid[0]), valid[1]).item())
    return losses


def fit(model, x, y, valid=None, **options):
    """Fit in the order of the rows."""
    chosen = {"batch_size": 8, "shuffle": False, "micro_batch_size": None, "seed": SEED, "verbose": 0, **options}
    return model.fit(x, y, valid, **chosen)


DATA = (*make_data(32), make_data(16))


@pytest.fixture
def model():
    """A model with AdamW, whose decay would move frozen weights."""
    return Model(make_network(), {"optim": "adamw", "lr": 0.01}, "cross_entropy", device="cpu")


# The body


@pytest.mark.parametrize("clip_norm", [None, 0.01])
def test_frozen_body(model, clip_norm):
    """Three epochs with validations are those of a loop by hand with requires_grad=False and body.eval()."""
    by_hand = make_network()
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=0.01, fused=True)
    losses = train_by_hand(by_hand, optimizer, [freeze_body] * 3, *DATA, clip_norm=clip_norm)
    before = state_of(model.network.base_model)

    history = fit(model, *DATA, epochs=3, freeze="body", clip_norm=clip_norm)

    assert_same(model.network.state_dict(), state_of(by_hand))
    assert_same(model.network.base_model.state_dict(), before)
    assert history.history["val_loss"] == pytest.approx(losses, abs=1e-6)  # a mean over 16 rows, added otherwise


def test_validations_within_an_epoch(model):
    """A validation in the middle of an epoch, such as a callback's evaluate, leaves a frozen body in that mode."""
    seen = []
    validate = poutyne.LambdaCallback(
        on_train_batch_end=lambda number, logs: model.evaluate(*DATA[2], verbose=0),
        on_train_batch_begin=lambda number, logs: seen.append(model.network.base_model.dropout.training),
    )
    plain = Model(make_network(), {"optim": "adamw", "lr": 0.01}, "cross_entropy", device="cpu")

    fit(plain, *DATA, epochs=2, freeze="body")
    fit(model, *DATA, epochs=2, freeze="body", callbacks=[validate])

    assert_same(model.network.state_dict(), state_of(plain.network))
    assert not any(seen)


def test_everything_is_put_back(model):
    """After the fit the flags and the modes are as before; a second fit without freezing learns everything."""
    model.network.head.bias.requires_grad_(False)
    before = state_of(model.network)

    fit(model, *DATA, epochs=1, freeze="body")
    flags = {name: parameter.requires_grad for name, parameter in model.network.named_parameters()}
    modes = {module.training for module in model.network.modules()}
    fit(model, *DATA, epochs=1)

    assert flags == {name: name != "head.bias" for name in flags}
    assert modes == {True}
    moved = {name for name, value in model.network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == set(before) - {"head.bias"}


def test_put_back_after_an_error(model):
    """So they are after an exception."""

    def fail(number, logs):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(model, *DATA, freeze="body", callbacks=[poutyne.LambdaCallback(on_train_batch_end=fail)])

    assert all(parameter.requires_grad for parameter in model.network.parameters())
    assert all(module.training for module in model.network.modules())
    assert model.kept_modes == ()


def test_what_the_user_has_frozen(model):
    """What the user has frozen beforehand stays so, also where "all" learns; the rest of the body learns."""
    model.network.base_model.embed.requires_grad_(False)
    before = state_of(model.network)

    fit(model, *DATA, epochs=2, freeze="body", unfreeze={2: "all"})

    flags = {name: parameter.requires_grad for name, parameter in model.network.named_parameters()}
    assert flags == {name: "embed" not in name for name in flags}
    assert_same({name: before[name] for name in before if "embed" in name}, model.network.state_dict())
    assert not torch.equal(
        model.network.base_model.layers[0].linear.weight, before["base_model.layers.0.linear.weight"]
    )


def test_frozen_body_keeps_its_moments(model):
    """A frozen body neither moves nor decays after it has learned: its moments wait for the next fit."""
    by_hand = make_network()
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=0.01, fused=True)
    for freeze in (nothing, freeze_body, nothing):
        train_by_hand(by_hand, optimizer, [freeze], *DATA)

    fit(model, *DATA, epochs=1)
    between = state_of(model.network.base_model)
    fit(model, *DATA, epochs=1, freeze="body")
    after = state_of(model.network.base_model)
    fit(model, *DATA, epochs=1)

    assert_same(after, between)
    assert_same(model.network.state_dict(), state_of(by_hand))


def test_frozen_body_in_micro_batches():
    """A frozen body's gradients are those of the whole batch, however it is cut."""
    weights = []
    for size in (None, 3):
        network = nn.Sequential(nn.ModuleList([nn.Linear(4, 4)])[0], nn.Tanh(), nn.Linear(4, 3)).double()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(0.1)
        model = Model(network, "sgd", "cross_entropy", device="cpu")
        x, y = make_data(32, dtype=torch.float64)
        fit(model, x, y, freeze=["0"], clip_norm=0.01, micro_batch_size=size)
        weights.append(weights_of(network))

    torch.testing.assert_close(*weights, rtol=0, atol=1e-10)


def test_frozen_body_by_batches_per_step():
    """Several batches of a loader per step: one step by hand for each two of them."""
    by_hand = make_network()
    optimizer = torch.optim.SGD(by_hand.head.parameters(), lr=0.1)
    x, y, _ = DATA
    torch.manual_seed(SEED)
    by_hand.train()
    freeze_body(by_hand)
    for pair in (slice(0, 16), slice(16, 32)):
        optimizer.zero_grad()
        for rows, targets in zip(x[pair].split(8), y[pair].split(8), strict=True):
            (F.cross_entropy(by_hand(rows), targets, reduction="sum") / 16).backward()
        optimizer.step()
    model = Model(make_network(), {"optim": "sgd", "lr": 0.1}, "cross_entropy", device="cpu")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8)

    model.fit_generator(loader, freeze="body", batches_per_step=2, seed=SEED, verbose=0)

    torch.testing.assert_close(weights_of(model.network), weights_of(by_hand), rtol=0, atol=1e-6)


def test_frozen_transformer():
    """A frozen BERT with dropout in it: the head is that of a loop by hand, with a schedule and two rates, too."""
    by_hand, (x, y) = make_bert(), make_tokens()
    by_hand.bert.requires_grad_(False)
    head = list(by_hand.classifier.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": head[:1], "weight_decay": 0.01}, {"params": head[1:], "weight_decay": 0.0}], lr=1e-2, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (6 - step) / 6)
    torch.manual_seed(SEED)
    for _ in range(2):
        by_hand.train()
        by_hand.bert.eval()
        for ids, targets in zip(x.split(4), y.split(4), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(by_hand(input_ids=ids).logits, targets).backward()
            optimizer.step()
            schedule.step()
        by_hand.eval()
    network = make_bert()
    before = state_of(network.bert)

    history = fit(
        Model(network, loss_function="cross_entropy", device="cpu"),
        {"input_ids": x},
        y,
        ({"input_ids": x}, y),
        batch_size=4,
        epochs=2,
        freeze="body",
        learning_rate={"body": 1e-4, "head": 1e-2},
        schedule="linear",
        warmup=0,
    )

    assert torch.equal(weights_of(network), weights_of(by_hand))
    assert_same(network.bert.state_dict(), before)
    assert history.learning_rates[0] == 1e-2


def test_new_pooler_learns(tiny_bert, tmp_path, texts_and_labels):
    """A pooler that the checkpoint did not hold counts as head: it learns; the rest of the body does not."""
    network = BertModel.from_pretrained(tiny_bert, add_pooling_layer=False)
    network.save_pretrained(tmp_path / "bert")
    for file in tiny_bert.glob("token*"):
        (tmp_path / "bert" / file.name).write_bytes(file.read_bytes())
    held = {f"bert.{name}": value for name, value in network.state_dict().items()}
    model = Model(str(tmp_path / "bert"), task="text-classification", labels=["bad", "good"], device="cpu")
    modes = []
    look = poutyne.LambdaCallback(
        on_train_batch_begin=lambda number, logs: modes.append(
            {name for name, module in model.network.named_modules() if module.training}
        )
    )

    model.fit(*texts_and_labels, epochs=2, learning_rate=1e-2, freeze="body", callbacks=[look], seed=SEED, verbose=0)
    learned = model.network.state_dict()
    drawn = AutoModelForSequenceClassification.from_config(model.network.config)

    assert_same(held, learned)
    assert set(learned) - set(held) == {name for name in drawn.state_dict() if "pooler" in name or "classifier" in name}
    assert all(
        mode == {"", "bert.pooler", "bert.pooler.dense", "bert.pooler.activation", "dropout", "classifier"}
        for mode in modes
    )


# From an epoch on


@pytest.mark.parametrize("options", [{"freeze": "body"}, {}], ids=["said", "implied"])
def test_gradual_unfreezing(model, options):
    """Layers learn from their epochs on, as in a loop by hand; unfreeze alone begins with a frozen body."""
    by_hand = make_network()
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=0.01, fused=True)
    freezes = [freeze_body, freeze_below(1), freeze_below(1), freeze_below(3), nothing]
    train_by_hand(by_hand, optimizer, freezes, *DATA)

    fit(model, *DATA, epochs=5, unfreeze={2: 1, 4: 3, 5: "all"}, **options)

    assert_same(model.network.state_dict(), state_of(by_hand))


def test_unfreezing_in_a_later_fit(model):
    """Epochs are the numbers of the run: one that begins at 3 begins with what learns in epoch 3."""
    by_hand = make_network()
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=0.01, fused=True)
    train_by_hand(by_hand, optimizer, [freeze_body, freeze_below(2)], *DATA)
    train_by_hand(by_hand, optimizer, [freeze_below(2), nothing], *DATA)

    fit(model, *DATA, epochs=2, unfreeze={2: 2})
    fit(model, *DATA, epochs=4, initial_epoch=3, unfreeze={2: 2, 4: "all"})

    assert_same(model.network.state_dict(), state_of(by_hand))


def test_unfreezing_encoder_and_decoder():
    """Of encoder and decoder the top layers of each learn; of the shorter one the embeddings learn only with "all"."""
    sizes = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    config = BartConfig(vocab_size=9, d_model=8, encoder_layers=1, decoder_layers=2, max_position_embeddings=8, **sizes)
    model = Model(BartForConditionalGeneration(config), device="cpu")
    run = SimpleNamespace(epochs=2, initial_epoch=1, callbacks=SimpleNamespace(callbacks=[]))
    freezing = plan_freezing(model, {"unfreeze": {1: 1, 2: 2}}, run)
    learning = []

    with freezing:
        for epoch in (1, 2):
            freezing.on_epoch_begin(epoch, {})
            learning.append({name for name, p in model.network.named_parameters() if p.requires_grad})

    assert {name.split(".layers.")[0] for name in learning[1]} == {"model.encoder", "model.decoder"}
    assert learning[1] - learning[0] == {name for name in learning[1] if "decoder.layers.0." in name}
    assert not any("embed" in name for name in learning[1])


def test_layers_that_no_optimizer_holds():
    """An optimizer object that holds nothing of what would begin to learn is refused before the first step."""
    network = make_network()
    model = Model(network, torch.optim.SGD(network.head.parameters(), lr=0.1), "cross_entropy", device="cpu")

    with pytest.raises(ArgumentError, match=r"unfreeze\[2\]=1, and the SGD holds none") as caught:
        fit(model, *DATA, epochs=3, unfreeze={2: 1})

    assert caught.value.do == 'write optimizer="sgd", or give it model.network.parameters().'


def test_layers_that_an_optimizer_holds_in_part():
    """An object may leave out on purpose some of what begins to learn: the rest of it learns."""
    network = make_network()
    held = [p for name, p in network.named_parameters() if not name.endswith("bias")]
    model = Model(network, torch.optim.SGD(held, lr=0.1), "cross_entropy", device="cpu")
    before = state_of(network)

    fit(model, *DATA, epochs=2, unfreeze={2: "all"})

    changed = {name for name, weights in state_of(network).items() if not torch.equal(weights, before[name])}
    assert changed
    assert not any(name.endswith("bias") for name in changed)


@pytest.mark.parametrize(("unfreeze", "is_for_good"), [(None, True), ({2: "all"}, False)])
def test_whether_it_lasts(model, unfreeze, is_for_good):
    """It can be told whether a body is frozen for the whole run, so that its features may be kept."""
    run = SimpleNamespace(epochs=2, initial_epoch=1, callbacks=SimpleNamespace(callbacks=[]))

    with plan_freezing(model, {"freeze": "body", "unfreeze": unfreeze}, run) as freezing:
        assert is_frozen(model.network.base_model)
        assert not is_frozen(model.network)
        assert freezing.is_for_good is is_for_good


# Parts by name


def trained(freeze):
    """The names of what has moved."""
    network = make_network()
    before = state_of(network)
    fit(Model(network, {"optim": "adamw", "lr": 0.01}, "cross_entropy", device="cpu"), *DATA, freeze=freeze)
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [
        (["base_model.embed"], r"embed\."),
        (["embed"], r"embed\."),
        ("layers.1", r"layers\.1\."),
        (["layers.1.norm", "head.bias"], r"layers\.1\.norm|head\.bias"),
        ([r"layers\.[01]\.", "embed"], r"layers\.[01]\.|embed\."),
        (["base_model"], "base_model"),
        (r"linear\.bias$", r"linear\.bias"),
        (["body", "head.bias"], r"base_model|head\.bias"),
    ],
)
def test_names(freeze, kept):
    """A name is that of a module or parameter, in the network or its body, else a regular expression; buffers too."""
    names = set(make_network().state_dict())

    assert trained(freeze) == {name for name in names if not re.search(kept, name)}


def test_modes_of_parts(model):
    """Only frozen modules are in evaluation mode."""
    modes = []
    look = poutyne.LambdaCallback(
        on_train_batch_begin=lambda number, logs: modes.append(
            {name for name, module in model.network.named_modules() if not module.training}
        )
    )

    fit(model, *DATA, freeze=["layers.1", "layers.2.linear.bias"], unfreeze={2: 2}, epochs=2, callbacks=[look])

    frozen = "base_model.layers.1"
    assert modes[:4] == [{frozen, f"{frozen}.linear", f"{frozen}.norm", f"{frozen}.dropout"}] * 4
    assert modes[4:] == [set()] * 4


# What is said


def test_note(model, capsys):
    """One line says how many parameters learn, and what comes later."""
    fit(model, *DATA, epochs=3, freeze="body", unfreeze={2: 1, 3: "all"}, verbose=2)

    lines = [line for line in capsys.readouterr().out.splitlines() if "frozen" in line]
    assert lines == ["15 parameters learn, 112 are frozen; from epoch 2 the top layer learns, from epoch 3 all learn."]


def test_note_of_layers(model, capsys):
    """Several layers are counted; what learns from the start is among what learns."""
    fit(model, *DATA, epochs=2, unfreeze={1: 1, 2: 2}, verbose=2)

    assert "51 parameters learn, 76 are frozen; from epoch 2 the top 2 layers learn." in capsys.readouterr().out


def test_nothing_said_without_freezing(model, capsys):
    """A run in which nothing is frozen says nothing of it, and keeps no mode."""
    fit(model, *DATA, verbose=2, freeze=None)

    assert "frozen" not in capsys.readouterr().out


# Mistakes


@pytest.mark.parametrize(
    ("options", "what", "do"),
    [
        ({"freeze": "boddy"}, "freeze names 'boddy'", "did you mean 'body'?"),
        ({"freeze": ["heads"]}, "freeze names 'heads'", "did you mean 'head'?"),
        ({"freeze": ["zzz"]}, "freeze names 'zzz'", "look at the names"),
        ({"freeze": ["lay[ers"]}, "'lay[ers', which is no regular expression", r"lay\\[ers"),
        ({"freeze": True}, "freeze=True is neither", 'write freeze="body"'),
        ({"freeze": "all"}, "freeze names 'all'", 'something has to learn: write freeze="body"'),
        ({"freeze": [1]}, "freeze=[1] is neither", 'write freeze="body"'),
        ({"freeze": []}, "freeze=[] is neither", 'write freeze="body"'),
        ({"freeze": ["base_model", "head"]}, "nothing that learns", "unfreeze={1: 1}"),
        ({"unfreeze": 2}, "unfreeze=2 is no dict", "unfreeze={2: 2"),
        ({"unfreeze": {}}, "unfreeze={} is no dict", "unfreeze={2: 2"),
        ({"unfreeze": {4: 1}}, "an epoch 4", "unfreeze={2: 2"),
        ({"unfreeze": {0: 1}}, "an epoch 0", "unfreeze={2: 2"),
        ({"unfreeze": {"2": 1}}, "an epoch '2'", "unfreeze={2: 2"),
        ({"unfreeze": {2: 0}}, "unfreeze[2]=0 is no number", "unfreeze={2: 2"),
        ({"unfreeze": {2: "al"}}, "unfreeze[2]='al' is no number", "did you mean 'all'?"),
        ({"unfreeze": {2: 4}}, "unfreeze[2]=4, and there are 3 layers", 'unfreeze={2: "all"}'),
        ({"unfreeze": {2: 2, 3: 1}}, "unfreeze[3]=1 is less", None),
        ({"unfreeze": {2: "all", 3: 1}}, "unfreeze[3]=1 is less", None),
    ],
)
def test_mistakes(model, options, what, do):
    """What does not fit is an error in words before the first step."""
    before = state_of(model.network)

    with pytest.raises(ArgumentError) as caught:
        fit(model, *DATA, epochs=3, **options)

    assert what in caught.value.what
    assert do is None or do in caught.value.do
    assert_same(model.network.state_dict(), before)
    assert all(parameter.requires_grad for parameter in model.network.parameters())


def test_no_body():
    """A network without a body has none to freeze; its parts are listed."""
    model = Model(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)), "sgd", "cross_entropy", device="cpu")

    with pytest.raises(ArgumentError, match='freeze="body" needs a body, and Sequential has none') as caught:
        fit(model, *DATA, freeze="body")

    assert caught.value.do == "write freeze=['0']."


def test_module_that_is_called_body():
    """Where there is no `base_model`, a module of that name is the body."""
    network = nn.Sequential()
    network.add_module("body", nn.Linear(4, 4))
    network.add_module("head", nn.Linear(4, 3))
    body, head = weights_of(network.body), weights_of(network.head)

    fit(Model(network, "sgd", "cross_entropy", device="cpu"), *DATA, freeze="body")

    assert torch.equal(weights_of(network.body), body)
    assert not torch.equal(weights_of(network.head), head)


def test_no_layers():
    """Layers can be counted only where there are some; "all" needs none."""
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    model = Model(network, "sgd", "cross_entropy", device="cpu")

    with pytest.raises(ArgumentError, match=r"unfreeze=\{2: 1\} needs a stack of layers"):
        fit(model, *DATA, epochs=2, freeze=["0"], unfreeze={2: 1})
    fit(model, *DATA, epochs=2, freeze=["0"], unfreeze={2: "all"})

    assert network[0].weight.requires_grad


def test_optimizer_without_what_learns():
    """An optimizer object that holds only what is frozen has nothing to do."""
    network = make_network()
    optimizer = torch.optim.SGD(network.base_model.parameters(), lr=0.1)

    with pytest.raises(ArgumentError, match="nothing that learns"):
        fit(Model(network, optimizer, "cross_entropy", device="cpu"), *DATA, freeze="body")


def test_nothing_left_and_no_layers():
    """Where there are no layers to count, nobody is told to count them."""
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))

    with pytest.raises(ArgumentError) as caught:
        fit(Model(network, "sgd", "cross_entropy", device="cpu"), *DATA, freeze=["0", "1"])

    assert caught.value.do == "freeze less."


def test_no_parts():
    """A module without parts has none to name."""
    with pytest.raises(ArgumentError) as caught:
        fit(Model(nn.Linear(4, 3), "sgd", "cross_entropy", device="cpu"), *DATA, freeze="body")

    assert caught.value.expected == "a transformer, or a module with one in it."
    assert caught.value.do == "leave freeze out."


def test_the_word_head(tiny_bert, texts_and_labels):
    """The head of a transformer is told by its own name; a network without a body has none."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    plain = Model(nn.Sequential(nn.Linear(4, 3)), "sgd", "cross_entropy", device="cpu")

    with pytest.raises(ArgumentError) as caught:
        model.fit(*texts_and_labels, freeze="head", verbose=0)
    with pytest.raises(ArgumentError) as without:
        fit(plain, *DATA, freeze="head")

    assert caught.value.do == "write freeze=['classifier']."
    assert "look at the names" in without.value.do
