"""`recipe=`: what it may be, what the user's own words change, and what a second fit keeps."""

from dataclasses import replace

import pytest
import torch
from poutyne import Callback
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.recipes import FINE_TUNING, PLAIN, TOOLS, KerasAdam, Recipe, chosen_recipe
from tests.engine.loops import make_data, make_mlp, weights_of
from tests.recipes.beside_tools import ROWS, SEED, fit

EVERY = pytest.mark.parametrize("tool", TOOLS)


def made(optimizer="auto", network=None):
    """Give a model of a small network."""
    return Model(network or make_mlp(), optimizer, "cross_entropy", device="cpu")


def learned(model, **options):
    """Let a model learn, silently."""
    return model.fit(*make_data(ROWS), **{"batch_size": None, "seed": SEED, "verbose": 0, **options})


# What it may be


def test_own_recipe():
    """A Recipe of the user's own holds where nothing else is said."""
    recipe = replace(PLAIN, learning_rate=0.02, weight_decay=0.3, schedule="linear", epochs=2, batch_size=10)
    model = made()

    history = learned(model, recipe=recipe)

    assert history.learning_rates == pytest.approx([0.02 * (1 - step / 10) for step in range(10)])
    assert [group["weight_decay"] for group in model.optimizer.param_groups] == [0.3, 0.0]


def test_own_optimizer():
    """A Recipe may name the optimizer that "auto" means."""
    model = made()

    learned(model, recipe=replace(PLAIN, optimizer=torch.optim.RMSprop))

    assert type(model.optimizer) is torch.optim.RMSprop


@EVERY
def test_fields_are_those_of_a_recipe(tool):
    """Each tool's table is a Recipe; what the tool leaves to its user is keraslike's own."""
    recipe = chosen_recipe(tool, FINE_TUNING)

    assert isinstance(recipe, Recipe)
    assert recipe.draws is not None
    assert {name: getattr(recipe, name) for name in TOOLS[tool]} == TOOLS[tool]
    assert recipe.epochs == TOOLS[tool].get("epochs", FINE_TUNING.epochs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("hf_trainr", "there is no recipe 'hf_trainr'(.|\n)*hf-trainer, keras(.|\n)*did you mean 'hf-trainer'?"),
        ("lightening", "did you mean 'lightning'?"),
        ("hf", 'Do: write recipe="hf-trainer".'),
        ("huggingface", 'Do: write recipe="hf-trainer".'),
        ({"epochs": 3}, "recipe is a dict(.|\n)*keraslike.recipes.Recipe"),
    ],
)
@pytest.mark.parametrize("size", [None, 8])
def test_unknown_recipe(given, message, size):
    """Another name gets the nearest one, before anything is learned."""
    model = made()
    before = weights_of(model.network)

    with pytest.raises(ArgumentError, match=message):
        learned(model, recipe=given, batch_size=size)

    assert torch.equal(weights_of(model.network), before)


# A run that is refused


def settings(optimizer):
    """Give what a run sets of an optimizer: rates, decay, its default rate, and who learns in which group."""
    groups = [{**group, "params": list(map(id, group["params"]))} for group in optimizer.param_groups]
    return groups, dict(optimizer.defaults)


def let_matrices_learn(network, is_learning):
    """Let all matrices of a network learn, or none; gives the network."""
    for parameter in network.parameters():
        parameter.requires_grad_(is_learning or parameter.ndim < 2)
    return network


class Stopping(Callback):
    """Ends a run with an error at the begin of a batch."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_begin(self, batch_number, logs):
        if batch_number == self.batch:
            raise KeyboardInterrupt


REFUSED = {
    "freeze": {"freeze": "typo"},
    "schedule": {"schedule": "cosin"},
    "early stop": {"early_stop": 3},
    "schedule that cannot be made": {"schedule": {"name": "OneCycleLR", "max_lr": [0.1, 0.2, 0.3]}},
    "interrupt before the first step": {"callbacks": [Stopping(1)]},
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_refused_run_leaves_the_optimizer(given):
    """A recipe's optimizer is gone again where the run is refused: the next fit is that of a model without it."""
    model, other = made(), made()
    own, before = model.optimizer, settings(model.optimizer)

    with pytest.raises((ArgumentError, KeyboardInterrupt)):
        learned(model, recipe="keras", **given)

    assert model.optimizer is own
    assert settings(own) == before
    learned(model)
    learned(other)
    assert torch.equal(weights_of(model.network), weights_of(other.network))


@pytest.mark.parametrize("optimizer", ["auto", "adamw", {"optim": "sgd", "lr": 0.1, "momentum": 0.9}], ids=str)
@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_refused_run_leaves_rates_and_decay(given, optimizer):
    """Rate and decay of a run that is refused are those of before, and so is the decay of what learns only later."""
    network = make_mlp()
    model = made(optimizer, let_matrices_learn(network, False))
    learned(model, epochs=1)
    before = settings(model.optimizer)

    with pytest.raises((ArgumentError, KeyboardInterrupt)):
        learned(model, learning_rate=0.7, weight_decay=0.3, **given)

    assert settings(model.optimizer) == before
    let_matrices_learn(network, True)
    learned(model, epochs=1)
    assert 0.3 not in [group["weight_decay"] for group in model.optimizer.param_groups]


def test_run_that_has_begun_keeps_them():
    """After the first step the rate, the decay and the recipe's optimizer stay, whatever ends the run."""
    model = made()

    with pytest.raises(KeyboardInterrupt):
        learned(model, recipe="keras", learning_rate=0.7, weight_decay=0.3, callbacks=[Stopping(2)], batch_size=8)

    assert type(model.optimizer) is KerasAdam
    assert {group["lr"] for group in model.optimizer.param_groups} == {0.7}
    assert [group["weight_decay"] for group in model.optimizer.param_groups] == [0.3, 0.0]


def test_decay_of_a_run_holds_for_what_learns_later():
    """A decay that a run has set is that of the matrices which learn only in the next one."""
    network = make_mlp()
    model = made("auto", let_matrices_learn(network, False))
    learned(model, weight_decay=0.3)

    let_matrices_learn(network, True)
    learned(model)

    assert [group["weight_decay"] for group in model.optimizer.param_groups] == [0.0, 0.3]


# The user's own words


@EVERY
def test_optimizer_of_the_user(tool):
    """A recipe replaces only an "auto" optimizer."""
    model = made({"optim": "sgd", "lr": 0.5})
    own = model.optimizer

    history = learned(model, recipe=tool, epochs=1)

    assert model.optimizer is own
    assert history.learning_rates[0] == 0.5


def test_loader_keeps_its_batches():
    """A loader's batch size is its own, whatever the recipe's."""
    loader = DataLoader(TensorDataset(*make_data(ROWS)), 10)
    model = made()

    history = model.fit(loader, epochs=1, recipe="hf-trainer", batch_size=None, verbose=0)

    assert len(history.learning_rates) == 5


def test_stray_draws_leave_single_pass_data_alone():
    """Keras looks at a first batch; a generator, which can be read only once, loses none."""
    x, y = make_data(ROWS)
    batches = list(zip(x.split(10), y.split(10), strict=True))
    model = made()

    history = model.fit_generator(iter(batches), epochs=1, recipe="keras", verbose=0)

    assert len(history.learning_rates) == 5


# Random numbers


@EVERY
def test_put_back(tool):
    """The caller's random state is put back, stray draws or not, and the same seed gives the same bits."""
    torch.manual_seed(3)
    before = torch.get_rng_state()

    first, losses, _ = fit(tool, epochs=2)
    second, again, _ = fit(tool, epochs=2)

    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights_of(first), weights_of(second))
    assert losses == again


def test_other_recipes_are_other_runs():
    """The tools' orders and masks differ, from each other and from keraslike's own; two of them draw alike."""
    runs = {tool: fit(tool, "sgd", epochs=2, batch_size=16, clip_norm=None, schedule=None)[1] for tool in TOOLS}
    runs["own"] = fit(None, "sgd", epochs=2, batch_size=16)[1]

    assert runs["lightning"] == runs["poutyne"]
    assert len({tuple(losses) for losses in runs.values()}) == 4


# A second fit


def test_second_fit_keeps_moments():
    """A second fit under the same recipe goes on with its moments and its epochs, and starts at its rate again."""
    model = made()
    learned(model, recipe="hf-trainer", learning_rate=0.01)
    optimizer = model.optimizer
    steps = {float(state["step"]) for state in optimizer.state.values()}

    history = learned(model, recipe="hf-trainer", epochs=1)

    assert model.optimizer is optimizer
    assert steps == {21}
    assert {float(state["step"]) for state in optimizer.state.values()} == {28}
    assert history.learning_rates[0] == 5e-5
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.0]


def test_second_fit_with_another_decay():
    """The decay of a second fit is set in the group that decays, also where it was 0."""
    model = made()
    learned(model, recipe="hf-trainer")

    learned(model, recipe="hf-trainer", weight_decay=0.2)

    assert [group["weight_decay"] for group in model.optimizer.param_groups] == [0.2, 0.0]


def test_second_fit_under_another_optimizer():
    """Moments of one formula are not handed to another: it is said, and what to do."""
    model = made()
    learned(model)

    with pytest.raises(ArgumentError, match=r"KerasAdam(.|\n)*learned with AdamW(.|\n)*new Model"):
        learned(model, recipe="keras")


def test_second_fit_without_a_recipe():
    """The optimizer that a recipe has made is kept by a fit that names none."""
    model = made()
    learned(model, recipe="keras")

    learned(model)

    assert type(model.optimizer) is KerasAdam


def test_order_of_a_second_fit():
    """Epochs of the model's life are counted on, so that a second fit does not repeat the first one's order."""
    x, y = make_data(ROWS)
    network, seen = make_mlp(), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model = made("sgd", network)
    by_hand = [torch.randperm(ROWS, generator=torch.Generator().manual_seed(SEED + epoch)) for epoch in (0, 1, 2)]

    model.fit(x, y, epochs=2, batch_size=ROWS, recipe="hf-trainer", seed=SEED, verbose=0)
    model.fit(x, y, epochs=1, batch_size=ROWS, recipe="hf-trainer", seed=SEED, verbose=0)

    assert all(torch.equal(given, x[order]) for given, order in zip(seen, by_hand, strict=True))
