"""Which optimizer a word stands for, and which parameters decay."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, Trainer

from keraslike import Model, Task
from keraslike.errors import ArgumentError
from keraslike.recipes import FINE_TUNING, PLAIN, make_optimizer, rate_put_back, set_rate_and_decay
from keraslike.recipes.defaults import default_recipe
from keraslike.recipes.optimizer import parameter_groups, take_in


def names_by_decay(network, optimizer):
    """The names of the parameters that decay, and of those that do not."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    return [
        {names[p] for g in optimizer.param_groups if (g["weight_decay"] > 0) is decays for p in g["params"]}
        for decays in (True, False)
    ]


@pytest.mark.parametrize("folder", ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2"])
def test_groups_are_those_of_the_trainer(folder, request):
    """What decays of a transformer is what transformers' own Trainer lets decay; each parameter stands in one group."""
    network = AutoModelForSequenceClassification.from_pretrained(request.getfixturevalue(folder), num_labels=3)

    decaying, others = names_by_decay(network, make_optimizer("auto", network, FINE_TUNING))

    assert decaying == set(Trainer.get_decay_parameter_names(None, network))
    assert others == {name for name, _ in network.named_parameters()} - decaying


def test_auto_with_a_task():
    """The word "auto" is a fused AdamW at the recipe's rate and decay, torch's own defaults otherwise."""
    optimizer = make_optimizer("auto", nn.Linear(2, 2), FINE_TUNING)

    assert type(optimizer) is torch.optim.AdamW
    assert [(g["lr"], g["weight_decay"], g["fused"]) for g in optimizer.param_groups] == [
        (5e-5, 0.01, True),
        (5e-5, 0.0, True),
    ]
    assert optimizer.defaults["betas"] == (0.9, 0.999)
    assert optimizer.defaults["eps"] == 1e-8


def test_frozen_parameters_are_left_out():
    """What does not learn is not in the optimizer; a group without parameters is left out."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    network[0].requires_grad_(False)

    groups = parameter_groups(network, 0.1)

    assert [(group["params"], group["weight_decay"]) for group in groups] == [([network[1].weight], 0.1)]


@pytest.mark.parametrize("name", ["auto", "sgd", {"optim": "sgd", "weight_decay": 0.1}])
def test_frozen_parameters_come_in_when_they_learn(name):
    """What was frozen when the optimizer was made, and learns later, comes into the group of its kind."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    optimizer = make_optimizer(name, network, PLAIN)
    network[0].requires_grad_(True)

    take_in(optimizer, network)
    take_in(optimizer, network)

    whole = make_optimizer(name, network, PLAIN)
    assert [{id(p) for p in g["params"]} for g in optimizer.param_groups] == [
        {id(p) for p in g["params"]} for g in whole.param_groups
    ]


def test_frozen_matrices_come_in_when_they_learn():
    """Where no group of their kind is there, they make one of their own, with the recipe's decay."""
    network = nn.Linear(2, 2)
    network.weight.requires_grad_(False)
    optimizer = make_optimizer("auto", network, PLAIN)
    network.weight.requires_grad_(True)

    take_in(optimizer, network)

    options = [{key: value for key, value in g.items() if key != "params"} for g in optimizer.param_groups]
    assert [(g["params"], g["weight_decay"]) for g in optimizer.param_groups] == [
        ([network.bias], 0.0),
        ([network.weight], 0.01),
    ]
    assert options[0] == {**options[1], "weight_decay": 0.0}
    optimizer.state_dict()


def test_object_takes_nothing_in():
    """An optimizer object holds what the user has given it."""
    network = nn.Linear(2, 2)
    optimizer = torch.optim.SGD([network.bias], lr=0.1)

    take_in(optimizer, network)

    assert optimizer.param_groups[0]["params"] == [network.bias]


def test_fit_after_unfreezing_by_hand():
    """A layer that the user had frozen at first learns in a fit after requires_grad_(True)."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network[0].requires_grad_(False)
    model = Model(network, "sgd", "mse", device="cpu")
    x, y = torch.ones(4, 2), torch.ones(4, 1)
    before = network[0].weight.detach().clone()

    model.fit(x, y, verbose=0)
    between = network[0].weight.detach().clone()
    network[0].requires_grad_(True)
    model.fit(x, y, verbose=0)

    assert torch.equal(between, before)
    assert not torch.equal(network[0].weight, before)


KINDS = {
    "sgd": torch.optim.SGD,
    "SGD": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "lbfgs": torch.optim.LBFGS,
}


@pytest.mark.parametrize("name", KINDS)
def test_names(name):
    """The name of any optimizer of torch, in any case, gives it with torch's own defaults."""
    network = nn.Linear(2, 2)
    optimizer = make_optimizer(name, network, PLAIN)
    own = KINDS[name](network.parameters())

    assert type(optimizer) is KINDS[name]
    rate = {"lr": 0.01} if name.lower() == "sgd" else {}  # Poutyne's
    unfused = {key: value for key, value in optimizer.defaults.items() if key not in ("fused", "foreach")}
    assert unfused == {key: value for key, value in {**own.defaults, **rate}.items() if key in unfused}


@pytest.mark.parametrize(("name", "is_fused"), [("sgd", True), ("adam", True), ("adamw", True), ("rmsprop", None)])
def test_fused_where_torch_can(name, is_fused):
    """An optimizer by name is fused where torch has a fused one."""
    assert make_optimizer(name, nn.Linear(2, 2), PLAIN).defaults.get("fused") is is_fused


def test_fused_refused_by_the_user():
    """`fused=False` and `foreach=True` in a dict hold."""
    network = nn.Linear(2, 2)

    assert make_optimizer({"optim": "adam", "fused": False}, network, PLAIN).defaults["fused"] is False
    assert make_optimizer({"optim": "adam", "foreach": True}, network, PLAIN).defaults["fused"] is None


def test_fused_steps_like_the_other():
    """Fused and plain steps differ by no more than rounding."""
    weights = []
    for fused in (True, False):
        network = nn.Linear(3, 2, dtype=torch.float64)
        nn.init.constant_(network.weight, 0.5)
        nn.init.zeros_(network.bias)
        optimizer = make_optimizer({"optim": "adamw", "lr": 0.1, "fused": fused}, network, PLAIN)
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.arange(6, dtype=torch.float64).reshape(2, 3)).square().mean().backward()
            optimizer.step()
        weights.append(network.weight.detach())

    torch.testing.assert_close(*weights, rtol=1e-12, atol=1e-12)


def test_sparse_gradients_are_not_fused():
    """An embedding with sparse gradients, for which torch has no fused step, gets a plain optimizer that steps."""
    network = nn.Embedding(4, 2, sparse=True)
    before = network.weight.detach().clone()

    optimizer = make_optimizer("sgd", network, PLAIN)
    network(torch.tensor([1])).sum().backward()
    optimizer.step()

    assert not torch.equal(network.weight, before)


def test_complex_parameters_are_not_fused():
    """So do complex numbers."""
    network = nn.Linear(2, 2, dtype=torch.complex64)
    before = network.weight.detach().clone()

    optimizer = make_optimizer("adam", network, PLAIN)
    network(torch.ones(1, 2, dtype=torch.complex64)).abs().sum().backward()
    optimizer.step()

    assert not torch.equal(network.weight, before)


def test_arguments_that_cannot_be_fused():
    """An argument that excludes fused steps gets a plain optimizer."""
    optimizer = make_optimizer({"optim": "adam", "differentiable": True}, nn.Linear(2, 2), PLAIN)

    assert not optimizer.defaults["fused"]


def test_dict():
    """A dict gives the name and the optimizer's own arguments, and is not changed."""
    given = {"optim": "sgd", "lr": 0.1, "momentum": 0.9}

    optimizer = make_optimizer(given, nn.Linear(2, 2), PLAIN)

    assert (optimizer.defaults["lr"], optimizer.defaults["momentum"]) == (0.1, 0.9)
    assert given == {"optim": "sgd", "lr": 0.1, "momentum": 0.9}


def test_every_optimizer_of_torch():
    """The name of each of torch's optimizers gives it; one that refuses biases says so in words."""
    network = nn.Linear(2, 2)
    kinds = [kind for kind in vars(torch.optim).values() if isinstance(kind, type) and kind.__name__ != "Optimizer"]
    refused = []

    for kind in kinds:
        try:
            assert type(make_optimizer(kind.__name__, network, PLAIN)) is kind
        except ArgumentError as error:
            refused.append(error.what)

    (said,) = refused
    assert said.startswith("Muon cannot be made for this network: Muon only supports 2D parameters")
    assert type(make_optimizer("muon", nn.Linear(2, 2, bias=False), PLAIN)) is torch.optim.Muon


def test_argument_out_of_range():
    """What torch itself refuses is told in words."""
    with pytest.raises(ArgumentError, match="SGD cannot be made for this network: Invalid learning rate: -1"):
        make_optimizer({"optim": "sgd", "lr": -1.0}, nn.Linear(2, 2), PLAIN)


def test_decay_in_a_dict():
    """A dict with a weight_decay leaves biases and norms out; without one, all is as torch has it."""
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))

    decaying, others = names_by_decay(network, make_optimizer({"optim": "sgd", "weight_decay": 0.1}, network, PLAIN))
    plain = make_optimizer("adamw", network, PLAIN)

    assert decaying == {"0.weight"}
    assert others == {"0.bias", "1.weight", "1.bias"}
    assert [(len(g["params"]), g["weight_decay"]) for g in plain.param_groups] == [(4, 0.01)]


def test_objects_and_none_are_given_back():
    """An optimizer object is used as it is; None is a model that is never trained."""
    network = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)

    assert make_optimizer(optimizer, network, PLAIN) is optimizer
    assert make_optimizer(None, network, PLAIN) is None


@pytest.mark.parametrize(("name", "near"), [("admaw", "adamw"), ("Adammax", "adamax"), ("sdg", "sgd")])
@pytest.mark.parametrize("form", [lambda name: name, lambda name: {"optim": name, "lr": 0.1}], ids=["name", "dict"])
def test_misspelt_name(name, near, form):
    """A misspelt name gets the nearest one, and the list."""
    with pytest.raises(ArgumentError) as caught:
        make_optimizer(form(name), nn.Linear(2, 2), PLAIN)

    assert caught.value.do == f"did you mean {near!r}?"
    assert "adamw" in caught.value.expected


@pytest.mark.parametrize("wrong", [0.1, ["sgd"], torch.optim.SGD])
def test_what_is_no_optimizer(wrong):
    """Anything else is refused with the forms that are understood."""
    with pytest.raises(ArgumentError, match="optimizer should be of type") as caught:
        make_optimizer(wrong, nn.Linear(2, 2), PLAIN)

    assert '{"optim": "sgd", "lr": 0.1}' in caught.value.expected


def test_dict_without_a_name():
    """A dict has to name its optimizer, under the key that the error shows."""
    with pytest.raises(ArgumentError) as caught:
        make_optimizer({"lr": 0.1}, nn.Linear(2, 2), PLAIN)

    assert "optim" in str(caught.value)


def test_argument_that_the_optimizer_lacks():
    """An argument that the optimizer does not take is an error that names it and the optimizer."""
    with pytest.raises(ArgumentError, match="SGD has no argument 'momentun'") as caught:
        make_optimizer({"optim": "sgd", "momentun": 0.9}, nn.Linear(2, 2), PLAIN)

    assert caught.value.do == "did you mean 'momentum'?"


# What fit says of the rate and decay


def test_rate_and_decay_of_a_run():
    """learning_rate goes to all groups; weight_decay only to those that decay; moments stay."""
    network = nn.Linear(2, 2)
    optimizer = make_optimizer("auto", network, PLAIN)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()

    set_rate_and_decay(optimizer, 0.5, 0.2)

    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.5, 0.2), (0.5, 0.0)]
    assert len(optimizer.state) == 2


@pytest.mark.parametrize("name", ["sgd", "adamw", "auto", {"optim": "sgd", "weight_decay": 0.5}])
def test_decay_of_a_run_with_any_name(name):
    """weight_decay leaves biases and norms out with an optimizer by name, too, and may come back after a 0."""
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    optimizer = make_optimizer(name, network, PLAIN)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    moments = len(optimizer.state)

    set_rate_and_decay(optimizer, None, 0.0)
    set_rate_and_decay(optimizer, None, 0.2)

    decaying, others = names_by_decay(network, optimizer)
    assert decaying == {"0.weight"}
    assert others == {"0.bias", "1.weight", "1.bias"}
    assert {g["weight_decay"] for g in optimizer.param_groups} == {0.2, 0.0}
    assert len(optimizer.state) == moments


def test_split_groups_come_back_from_a_schedule():
    """Groups that are split for their decay keep the rate that an earlier schedule has begun with."""
    optimizer = make_optimizer("sgd", nn.Linear(2, 2), PLAIN)
    optimizer.param_groups[0].update(lr=0.0, initial_lr=0.3)

    set_rate_and_decay(optimizer, None, 0.2)

    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.3]


def test_decay_of_matrices_alone():
    """A group of one kind stays the object it is."""
    optimizer = make_optimizer("sgd", nn.Linear(2, 2, bias=False), PLAIN)
    group = optimizer.param_groups[0]

    set_rate_and_decay(optimizer, None, 0.2)

    assert optimizer.param_groups == [group]
    assert group["weight_decay"] == 0.2


def test_trained_with_decay():
    """Steps with weight_decay= and a name are those of torch with groups by hand, bit for bit."""
    by_hand = nn.Linear(2, 1)
    network = nn.Linear(2, 1)
    network.load_state_dict(by_hand.state_dict())
    groups = [{"params": [by_hand.weight], "weight_decay": 0.3}, {"params": [by_hand.bias], "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, fused=True)
    x = torch.arange(8.0).reshape(4, 2)
    for rows in x.split(2):
        optimizer.zero_grad()
        nn.functional.mse_loss(by_hand(rows), torch.ones(2, 1)).backward()
        optimizer.step()

    model = Model(network, {"optim": "sgd", "lr": 0.1, "momentum": 0.9}, "mse", device="cpu")
    model.fit(x, torch.ones(4, 1), weight_decay=0.3, batch_size=2, shuffle=False, verbose=0)

    assert torch.equal(network.weight, by_hand.weight)
    assert torch.equal(network.bias, by_hand.bias)


def test_decay_of_an_object():
    """Of an optimizer object the groups that decay are given the new decay, biases or not: it is never regrouped."""
    network = nn.Linear(2, 2)
    groups = [{"params": [network.weight]}, {"params": [network.bias], "weight_decay": 0.1}]
    optimizer = torch.optim.SGD(groups)

    set_rate_and_decay(optimizer, None, 0.2)

    assert [(len(g["params"]), g["weight_decay"]) for g in optimizer.param_groups] == [(1, 0), (1, 0.2)]


def test_object_without_decay():
    """A decay for an object of which no group decays is refused, not ignored; a decay of 0 is what it has."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.3)

    set_rate_and_decay(optimizer, None, 0.0)
    with pytest.raises(ArgumentError, match="no parameter group of the SGD decays") as caught:
        set_rate_and_decay(optimizer, None, 0.1)

    assert '{"optim": "sgd", "weight_decay": 0.1, ...}' in caught.value.do


def test_optimizer_that_knows_no_decay():
    """A decay for an optimizer that has none is refused; a decay of 0 is none."""
    optimizer = make_optimizer("rprop", nn.Linear(2, 2), PLAIN)

    set_rate_and_decay(optimizer, None, 0.0)
    with pytest.raises(ArgumentError, match=r"weight_decay=0.1 is given, and Rprop knows no decay"):
        set_rate_and_decay(optimizer, None, 0.1)


def test_nothing_said_leaves_both():
    """None leaves the optimizer as it is."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.3, weight_decay=0.1)

    set_rate_and_decay(optimizer, None, None)

    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.3, 0.1)]


def test_rate_is_put_back():
    """After a scheduled run the optimizer has its own rates again, also after an exception."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.3)

    def fail():
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), rate_put_back(optimizer):
        fail()

    assert optimizer.param_groups[0]["lr"] == 0.3
    assert "initial_lr" not in optimizer.param_groups[0]


def test_learning_rate_of_fit():
    """fit(learning_rate=) is the rate of the run."""
    model = Model(nn.Linear(2, 1), "sgd", "mse", device="cpu")

    history = model.fit(torch.ones(4, 2), torch.ones(4, 1), learning_rate=0.25, verbose=0)

    assert history.learning_rates == [0.25]


# Which recipe


def test_recipe_with_a_task():
    """The recipe of fine-tuning: 5e-5, decay 0.01, linear with a tenth of warm-up, clipping at 1, 3 epochs."""
    recipe = Task.recipe

    assert (recipe.learning_rate, recipe.weight_decay, recipe.schedule) == (5e-5, 0.01, "linear")
    assert (recipe.warmup, recipe.clip_norm, recipe.epochs) == (0.1, 1.0, 3)


def test_recipe_of_another_network():
    """Without a task: AdamW 1e-3, no schedule, no clipping, one epoch; a transformer gets 5e-5."""

    class Pretrained(nn.Module):
        def save_pretrained(self):
            """Stand in for transformers' method."""

    recipe, transformer = default_recipe(nn.Linear(1, 1)), default_recipe(Pretrained())

    assert (recipe.learning_rate, recipe.schedule, recipe.clip_norm, recipe.epochs) == (1e-3, None, None, 1)
    assert (transformer.learning_rate, transformer.schedule, transformer.epochs) == (5e-5, None, 1)


def test_transformer_without_a_task(tiny_bert):
    """A `PreTrainedModel` without a task gets AdamW 5e-5, with the groups of the Trainer."""
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)

    model = Model(network, device="cpu")

    assert {group["lr"] for group in model.optimizer.param_groups} == {5e-5}
    assert names_by_decay(network, model.optimizer)[0] == set(Trainer.get_decay_parameter_names(None, network))


def test_lbfgs_is_refused():
    """An optimizer that wants a closure is answered before the first step."""
    network = nn.Linear(1, 1)
    model = Model(network, torch.optim.LBFGS(network.parameters()), "mse", device="cpu")

    with pytest.raises(ArgumentError, match="LBFGS runs the network several times") as caught:
        model.fit([[1.0]], [[2.0]], verbose=0)

    assert "adamw" in caught.value.do
