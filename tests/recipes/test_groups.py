"""Rates of their own for body and head, and for every layer."""

import copy

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.recipes.groups import plan_rates, regrouped
from tests.engine.loops import weights_of

SEED = 7
WIDTH = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}


def make_bert():
    """Give a BERT with a head, 8 wide, with dropout, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(BertConfig(vocab_size=20, **WIDTH))


def make_tokens(rows=12):
    """Give texts of 5 tokens and a class for each."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(1, 20, (rows, 5))), torch.from_numpy(rng.integers(0, 2, rows))


def rates_of(optimizer, network):
    """The rate of each parameter by name."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    return {names[p]: group["lr"] for group in optimizer.param_groups for p in group["params"]}


def hand_groups(network, rate, decay=0.01):
    """Groups by hand, one for each parameter: rate by name, and decay for matrices alone."""
    return [
        {"params": [p], "lr": rate(name), "weight_decay": decay if p.ndim > 1 else 0.0}
        for name, p in network.named_parameters()
    ]


def train_by_hand(network, optimizer, schedule, x, y, epochs=1, batch_size=4, clip_norm=None):
    """A step per batch, in the order of the rows."""
    torch.manual_seed(SEED)
    network.train()
    for _ in range(epochs):
        for ids, targets in zip(x.split(batch_size), y.split(batch_size), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(network(input_ids=ids).logits, targets).backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
            optimizer.step()
            if schedule is not None:
                schedule.step()


def fit(model, **options):
    """The same by `fit`."""
    x, y = make_tokens()
    chosen = {"batch_size": 4, "shuffle": False, "micro_batch_size": None, "seed": SEED, "verbose": 0, **options}
    return model.fit({"input_ids": x}, y, **chosen)


def layer_rate(name, rate=1e-3, decay=0.5):
    """BERT's rates: the rate times the decay for each step below the top, which is 3."""
    depth = 0 if ".embeddings." in name else 3
    for layer in (0, 1):
        depth = layer + 1 if f"layer.{layer}." in name else depth
    return rate * decay ** (3 - depth)


def part_rate(name, fresh=()):
    """2e-4 for the body, 1e-2 for the head."""
    return 2e-4 if name.startswith("bert.") and name not in fresh else 1e-2


# Which rates


@pytest.mark.parametrize("decay", [0.9, 0.65, 1.0])
def test_layer_decay(decay):
    """The rate of depth d is rate * layer_decay ** (top - d), for every parameter."""
    network = make_bert()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    with regrouped(optimizer, plan_rates(network, layer_decay=decay)):
        rates = rates_of(optimizer, network)

    assert rates == {name: layer_rate(name, 0.1, decay) for name, _ in network.named_parameters()}


def test_body_and_head():
    """A dict gives body and head a rate each."""
    network = make_bert()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    with regrouped(optimizer, plan_rates(network, {"body": 2e-4, "head": 1e-2})):
        rates = rates_of(optimizer, network)

    assert rates == {name: part_rate(name) for name, _ in network.named_parameters()}


@pytest.mark.parametrize("part", ["body", "head"])
def test_one_part_alone(part):
    """What the dict leaves out keeps the rate of its group."""
    network = make_bert()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    with regrouped(optimizer, plan_rates(network, {part: 0.3})):
        rates = rates_of(optimizer, network)

    assert {name: rate for name, rate in rates.items() if name.startswith("bert.") is (part == "body")} == {
        name: 0.3 for name in rates if name.startswith("bert.") is (part == "body")
    }
    assert set(rates.values()) == {0.1, 0.3}


def test_fresh_part_of_the_body_learns_as_the_head():
    """What no checkpoint held, such as a new pooler, has the head's rate, and is not below the top."""
    network = make_bert()
    fresh = ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    with regrouped(optimizer, plan_rates(network, {"body": 2e-4, "head": 1e-2}, 0.5, fresh)):
        rates = rates_of(optimizer, network)

    expected = {
        name: 1e-2 if part_rate(name, fresh) == 1e-2 else layer_rate(name, 2e-4)
        for name, _ in network.named_parameters()
    }
    assert rates == expected


def test_highest_rate_first():
    """The first group has the highest rate, so that `history.learning_rates` are those of the head."""
    network = make_bert()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    with regrouped(optimizer, plan_rates(network, layer_decay=0.5)):
        rates = [group["lr"] for group in optimizer.param_groups]

    assert rates == [0.1, 0.05, 0.025, 0.0125]


def test_own_groups_of_an_object():
    """What the user's own groups say beside the rate stays; layer_decay goes from each group's own rate."""
    network = make_bert()
    named = list(network.named_parameters())
    optimizer = torch.optim.Adam(
        [
            {"params": [(n, p) for n, p in named if p.ndim > 1], "weight_decay": 0.3, "lr": 0.1},
            {"params": [(n, p) for n, p in named if p.ndim == 1], "betas": (0.5, 0.6), "lr": 0.2},
        ]
    )

    with regrouped(optimizer, plan_rates(network, layer_decay=0.5)):
        said = {
            name: (group["lr"], group["weight_decay"], group["betas"], name)
            for group in optimizer.param_groups
            for name, _ in zip(group["param_names"], group["params"], strict=True)
        }
        held = {name: p for g in optimizer.param_groups for name, p in zip(g["param_names"], g["params"], strict=True)}

    assert said == {
        name: (layer_rate(name, 0.1), 0.3, (0.9, 0.999), name)
        if p.ndim > 1
        else (layer_rate(name, 0.2), 0, (0.5, 0.6), name)
        for name, p in named
    }
    assert all(held[name] is parameter for name, parameter in named)


def test_groups_are_put_back():
    """After the run the groups are the objects of before, at their rates; a counter that a step keeps there stays."""
    network = make_bert()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    before = list(optimizer.param_groups)
    optimizer.add_param_group({"params": []})

    def fail():
        for group in optimizer.param_groups:
            group["k"] = 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), regrouped(optimizer, plan_rates(network, layer_decay=0.5)):
        fail()

    assert optimizer.param_groups[0] is before[0]
    assert len(optimizer.param_groups) == 2
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]
    assert before[0]["k"] == 3
    assert len(before[0]["params"]) == len(list(network.parameters()))


@pytest.mark.parametrize("name", ["cosine_with_min_lr", "polynomial"])
def test_last_rate_of_a_schedule(name):
    """A schedule with a last rate ends there with the highest rate, which is the optimizer's own for the run."""
    last = {"cosine_with_min_lr": "min_lr", "polynomial": "lr_end"}[name]
    network, ends = make_bert(), []
    model = Model(network, {"optim": "sgd", "lr": 0.5}, "cross_entropy", device="cpu")

    class Watch(poutyne.Callback):
        def on_train_end(self, logs):
            ends.append({group["lr"] for group in self.model.optimizer.param_groups})

    rates = {"body": 1e-3, "head": 1e-2}
    fit(model, learning_rate=rates, schedule={"name": name, last: 1e-3}, warmup=0, epochs=1, callbacks=[Watch()])

    assert sorted(ends[0]) == pytest.approx([1e-4, 1e-3])
    assert model.optimizer.defaults["lr"] == 0.5


def two_groups(network):
    """An optimizer with body and head in groups of their own, the lower rate first."""
    groups = {True: [], False: []}
    for name, parameter in network.named_parameters():
        groups[name.startswith("bert.")].append(parameter)
    return torch.optim.AdamW([{"params": groups[True]}, {"params": groups[False]}], lr=0.1)


def test_groups_that_stay_whole_keep_their_order():
    """A state that a callback saves of them is that of the same parameters after the run."""
    network = make_bert()
    model, states = Model(network, two_groups(network), "cross_entropy", device="cpu"), []

    class Save(poutyne.Callback):
        def on_train_end(self, logs):
            states.append(copy.deepcopy(self.model.optimizer.state_dict()))

    fit(model, learning_rate={"body": 2e-4, "head": 1e-2}, epochs=1, callbacks=[Save()])
    another = two_groups(network)
    another.load_state_dict(states[0])

    assert [group["lr"] for group in another.param_groups] == [2e-4, 1e-2]
    for parameter, state in model.optimizer.state.items():
        assert torch.equal(another.state[parameter]["exp_avg"], state["exp_avg"])


@pytest.mark.parametrize("layer_decay", [None, 0.5])
@pytest.mark.parametrize("schedule", ["linear", "StepLR", [0.1, 0.1, 0.1]])
def test_group_added_in_the_run(schedule, layer_decay):
    """A group that a callback adds stays in the optimizer, at its own rate."""
    network, more = make_bert(), nn.Parameter(torch.ones(1))
    model = Model(network, {"optim": "sgd", "lr": 0.1}, "cross_entropy", device="cpu")

    class Add(poutyne.Callback):
        def on_train_begin(self, logs):
            self.model.optimizer.add_param_group({"params": [more], "lr": 0.7})

    chosen = {"name": "StepLR", "step_size": 1} if schedule == "StepLR" else schedule
    warmup = {} if isinstance(schedule, list) else {"warmup": 1}
    fit(model, schedule=chosen, layer_decay=layer_decay, epochs=1, callbacks=[Add()], **warmup)

    assert [group["params"] for group in model.optimizer.param_groups][-1] == [more]
    assert [group["lr"] for group in model.optimizer.param_groups] == [0.1, 0.7]


def test_nothing_asked_for():
    """Without either the groups of an optimizer are left alone."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    group = optimizer.param_groups[0]

    with regrouped(optimizer, plan_rates(nn.Linear(1, 1), 0.5)):
        assert optimizer.param_groups[0] is group


# Trained with them


@pytest.mark.parametrize("schedule", [None, "linear"])
def test_training_with_layer_decay(schedule):
    """Three steps are those of torch's AdamW with groups by hand, bit for bit; a schedule moves each from its own."""
    by_hand, (x, y) = make_bert(), make_tokens()
    optimizer = torch.optim.AdamW(hand_groups(by_hand, layer_rate), fused=True)
    moved = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (3 - step) / 3) if schedule else None
    train_by_hand(by_hand, optimizer, moved, x, y, clip_norm=0.5)
    network = make_bert()

    history = fit(
        Model(network, loss_function="cross_entropy", device="cpu"),
        learning_rate=1e-3,
        layer_decay=0.5,
        schedule=schedule,
        warmup=0,
        clip_norm=0.5,
    )

    assert torch.equal(weights_of(network), weights_of(by_hand))
    assert history.learning_rates == ([1e-3] * 3 if schedule is None else [1e-3, 1e-3 * (2 / 3), 1e-3 * (1 / 3)])


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "nadam", "adafactor"])
def test_training_with_two_rates(name):
    """Body and head at two rates, with any optimizer: bit for bit as with groups by hand."""
    by_hand, (x, y) = make_bert(), make_tokens()
    groups = [
        {key: value for key, value in g.items() if key != "weight_decay"} for g in hand_groups(by_hand, part_rate)
    ]
    kind = {cls.lower(): getattr(torch.optim, cls) for cls in dir(torch.optim)}[name]
    fused = {"fused": True} if name in ("sgd", "adam", "adagrad") else {}
    train_by_hand(by_hand, kind(groups, **fused), None, x, y)
    network = make_bert()

    history = fit(Model(network, name, "cross_entropy", device="cpu"), learning_rate={"body": 2e-4, "head": 1e-2})

    assert torch.equal(weights_of(network), weights_of(by_hand))
    assert history.learning_rates == [1e-2] * 3


def test_second_fit_keeps_the_moments():
    """A later fit with other rates goes on from the same moments; the groups of between are the optimizer's own."""
    by_hand, (x, y) = make_bert(), make_tokens()
    optimizer = torch.optim.AdamW(hand_groups(by_hand, layer_rate), fused=True)
    train_by_hand(by_hand, optimizer, None, x, y)
    for group, (name, _) in zip(optimizer.param_groups, by_hand.named_parameters(), strict=True):
        group["lr"] = part_rate(name)
    train_by_hand(by_hand, optimizer, None, x, y)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    train_by_hand(by_hand, optimizer, None, x, y)
    network = make_bert()
    model = Model(network, loss_function="cross_entropy", device="cpu")

    fit(model, learning_rate=1e-3, layer_decay=0.5)
    between = [(len(group["params"]), group["lr"]) for group in model.optimizer.param_groups]
    fit(model, learning_rate={"body": 2e-4, "head": 1e-2})
    fit(model)

    assert torch.equal(weights_of(network), weights_of(by_hand))
    assert between == [(17, 1e-3), (24, 1e-3)]


def test_optimizer_object():
    """An optimizer object is given its own groups back, too; without being asked nothing is split."""
    network = make_bert()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    model = Model(network, optimizer, "cross_entropy", device="cpu")
    seen = []
    record = optimizer.register_step_pre_hook(lambda *_: seen.append(len(optimizer.param_groups)))

    fit(model)
    fit(model, layer_decay=0.5)
    record.remove()

    assert seen == [1, 1, 1, 4, 4, 4]
    assert [len(group["params"]) for group in optimizer.param_groups] == [41]


def test_layer_decay_in_micro_batches():
    """However a batch is cut, the steps are the same: the gradient is that of the whole batch."""
    weights = []
    for size in (None, 1):
        network = make_bert().double().eval()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        fit(
            Model(network, "sgd", "cross_entropy", device="cpu"),
            learning_rate=0.1,
            layer_decay=0.5,
            micro_batch_size=size,
        )
        weights.append(weights_of(network))

    torch.testing.assert_close(*weights, rtol=0, atol=1e-10)


def test_network_of_ones_own():
    """Any module with a ModuleList has layers; one with a `base_model` has a body."""
    network = nn.Sequential(nn.ModuleList([nn.Linear(2, 2) for _ in range(2)]), nn.Linear(2, 1))

    rates = plan_rates(network, layer_decay=0.5)

    assert [rates.of(p, 1.0) for p in network.parameters()] == [0.25, 0.25, 0.5, 0.5, 1.0, 1.0]

    network.base_model = network[0]
    rates = plan_rates(network, {"body": 0.25})

    assert [rates.of(p, 1.0) for p in network.parameters()] == [0.25] * 4 + [1.0] * 2


# Mistakes


@pytest.mark.parametrize("decay", [0, -0.5, 1.5, "0.9", True, float("nan")])
def test_no_decay(decay):
    """A layer_decay is a factor above 0 and at most 1."""
    with pytest.raises(ArgumentError, match="is no factor") as caught:
        plan_rates(make_bert(), layer_decay=decay)

    assert "layer_decay=0.9" in caught.value.do


@pytest.mark.parametrize(
    ("given", "what", "do"),
    [
        ({"boddy": 1e-3}, "a part 'boddy'", "did you mean 'body'?"),
        ({1: 1e-3}, "a part 1", 'write learning_rate={"body": 2e-5, "head": 1e-3}.'),
        ({"head": -1.0}, "learning_rate['head']=-1.0 is no size", None),
        ({"head": "1e-3"}, "learning_rate['head']='1e-3' is no size", None),
        ({}, "empty dict", None),
    ],
)
def test_no_rates(given, what, do):
    """A dict of rates names body and head, with a number for each."""
    with pytest.raises(ArgumentError) as caught:
        plan_rates(make_bert(), given)

    assert what in caught.value.what
    assert caught.value.do == do


def test_no_body():
    """Rates of body and head need a body."""
    with pytest.raises(ArgumentError, match=r"needs a body, and Linear has none, or several") as caught:
        plan_rates(nn.Linear(1, 1), {"body": 1e-3})

    assert "optimizer object" in caught.value.do


def test_refused_before_the_first_step():
    """What does not fit is refused by fit before anything has changed."""
    model = Model(nn.Linear(2, 1), "sgd", "mse", device="cpu")
    before = copy.deepcopy(model.optimizer.state_dict())

    with pytest.raises(ArgumentError, match="layer_decay"):
        model.fit(torch.ones(4, 2), torch.ones(4, 1), layer_decay=0.9, learning_rate=0.5, weight_decay=0.1, verbose=0)

    assert model.optimizer.state_dict() == before
