"""The rates that `fit` trains at, per update, are those of a loop by hand: with parts, skipped steps, and callbacks."""

import json
from functools import partial

import numpy as np
import poutyne
import pytest
import torch
from poutyne.framework.callbacks import lr_scheduler as poutynes
from torch import nn
from torch.optim import lr_scheduler
from transformers import get_scheduler

from keraslike import Model
from keraslike.engine import gradients
from keraslike.engine.finite import StepGuard
from keraslike.errors import ArgumentError
from keraslike.recipes import make_schedule
from keraslike.recipes.rates import Rates
from keraslike.recipes.schedulers import torch_schedulers
from tests.recipes.test_schedulers import FILLED, OF_TORCH, OF_TRANSFORMERS

ROWS, EPOCHS = 22, 3
X = torch.linspace(-1, 1, 2 * ROWS).reshape(ROWS, 2)
Y = X.sum(1, keepdim=True)


def make_model(optimizer=None, **more):
    """A model of one layer, SGD with momentum at 0.1 unless told otherwise."""
    network = nn.Linear(2, 1)
    kind = {"optim": "sgd", "lr": 0.1, "momentum": 0.9} if optimizer is None else optimizer(network)
    return Model(network, kind, "mse", device="cpu", **more)


def fit(model, x=X, y=Y, **options):
    return model.fit(x, y, **{"epochs": EPOCHS, "batch_size": 4, "seed": 3, "verbose": 0, **options})


def rates_by_hand(make, updates, *, every=1):
    """The rate of each update; the scheduler is stepped after every so many."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)
    schedule, seen = make(optimizer), []
    for update in range(1, updates + 1):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if update % every == 0:
            schedule.step()
    return seen


def truth_of(name, updates):
    """The scheduler of a name, made by hand."""
    if name in OF_TRANSFORMERS:
        theirs = "constant_with_warmup" if name == "constant" else name
        return lambda optimizer: get_scheduler(theirs, optimizer, 2, updates, OF_TRANSFORMERS[name])
    given = {**OF_TORCH[name], **FILLED.get(name, {})}
    given |= {"T_max": updates} if "T_max" in given else {}
    given |= {"total_steps": updates} if "total_steps" in given else {}
    given |= {"max_lr": 0.1} if "max_lr" in given else {}
    return lambda optimizer: getattr(lr_scheduler, name)(optimizer, **given)


HOW = {
    "whole": {"micro_batch_size": None},
    "parts": {"micro_batch_size": 2},
    "several batches": {"batches_per_step": 2, "micro_batch_size": 2},
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", [*OF_TRANSFORMERS, *OF_TORCH])
def test_rates_of_fit(name, how):
    """One rate per optimizer step, to the bit that of the scheduler by hand, however a step is put together."""
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), 4)
    per_epoch = 3 if "batches_per_step" in HOW[how] else 6
    schedule = {"name": name, **OF_TRANSFORMERS.get(name, {}), **OF_TORCH.get(name, {})}
    warmup = {"warmup": 2} if name in OF_TRANSFORMERS else {}

    history = make_model().fit_generator(loader, epochs=EPOCHS, schedule=schedule, verbose=0, **warmup, **HOW[how])

    assert history.learning_rates == rates_by_hand(truth_of(name, per_epoch * EPOCHS), per_epoch * EPOCHS)


@pytest.mark.parametrize("name", [*OF_TRANSFORMERS, *OF_TORCH])
def test_skipped_step_does_not_move_the_schedule(name):
    """A step whose loss is not finite takes no rate: the next one has it."""
    y = Y.clone()
    y[5] = float("nan")
    schedule = {"name": name, **OF_TRANSFORMERS.get(name, {}), **OF_TORCH.get(name, {})}
    warmup = {"warmup": 2} if name in OF_TRANSFORMERS else {}

    history = fit(make_model(), y=y, schedule=schedule, shuffle=False, **warmup)

    assert history.skipped_steps == EPOCHS
    assert history.learning_rates == rates_by_hand(truth_of(name, 18), 15)


@pytest.mark.parametrize("name", ["one_cycle", *OF_TRANSFORMERS, *OF_TORCH])
def test_step_that_proves_to_be_skipped(name, monkeypatch):
    """On an accelerator the flag is read a step later: rates, and momenta of a cycle, go back as if it had not been."""
    monkeypatch.setattr(gradients, "read", torch.Tensor.detach)
    monkeypatch.setattr(StepGuard, "_is_late", lambda guard, found: bool(found))
    y = Y.clone()
    y[[5, 19]] = float("nan")
    schedule = {"name": name, **OF_TRANSFORMERS.get(name, {}), **OF_TORCH.get(name, {})}
    more = {"warmup": 2} if name in OF_TRANSFORMERS else {}
    moments = []

    class Watch(poutyne.Callback):
        def on_train_end(self, logs):
            group = self.model.optimizer.param_groups[0]
            moments.append((group["lr"], group["betas"]))

    def adam(network):
        return torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)

    late = make_model(adam)
    history = fit(late, y=y, schedule=schedule, shuffle=False, callbacks=[Watch()], **more)

    assert history.skipped_steps == 2 * EPOCHS
    truth = truth_of("OneCycleLR" if name == "one_cycle" else name, 18)
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=0.1)
    scheduler, seen = truth(optimizer), []
    for _ in range(12):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert history.learning_rates == seen
    assert moments == [(optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"])]


# Per epoch


def test_per_epoch():
    """With every="epoch" the scheduler is stepped after each epoch, and its length is counted in epochs."""
    step = fit(make_model(), epochs=5, schedule={"name": "StepLR", "step_size": 2, "every": "epoch"})
    cosine = fit(make_model(), epochs=5, schedule={"name": lr_scheduler.CosineAnnealingLR, "every": "epoch"})
    linear = fit(make_model(), epochs=5, schedule={"name": "linear", "every": "epoch"})

    assert step.learning_rates == rates_by_hand(partial(lr_scheduler.StepLR, step_size=2), 30, every=6)
    assert cosine.learning_rates == rates_by_hand(partial(lr_scheduler.CosineAnnealingLR, T_max=5), 30, every=6)
    assert linear.learning_rates == rates_by_hand(
        lambda optimizer: get_scheduler("linear", optimizer, 0, 5), 30, every=6
    )


def test_per_epoch_with_skipped_steps():
    """A skipped step does not put off the end of the epoch."""
    y = Y.clone()
    y[5] = float("nan")

    history = fit(make_model(), y=y, schedule={"name": "ExponentialLR", "gamma": 0.5, "every": "epoch"}, shuffle=False)

    assert history.learning_rates == [0.1] * 5 + [0.05] * 5 + [0.025] * 5


def test_per_epoch_with_a_warmup():
    """A warm-up in front counts updates; the scheduler waits for the end of the epoch in which it ends."""
    history = fit(make_model(), schedule={"name": "ExponentialLR", "gamma": 0.5, "every": "epoch"}, warmup=8)

    assert history.learning_rates == [0.1 * (k / 8) for k in range(8)] + [0.1] * 4 + [0.05] * 6


# The rates themselves


def test_rates_of_a_run_given_back():
    """schedule=history.learning_rates trains at the same rates again, to the bit, and so to the same weights."""
    network = nn.Linear(2, 1)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = {"optim": "sgd", "lr": 0.1, "momentum": 0.9}
    first = fit(Model(network, optimizer, "mse", device="cpu"), schedule="cosine", warmup=3)
    again = nn.Linear(2, 1)
    again.load_state_dict(state)

    second = fit(Model(again, optimizer, "mse", device="cpu"), schedule=first.learning_rates)

    assert second.learning_rates == first.learning_rates
    assert torch.equal(again.weight, network.weight)


def test_rates_of_other_groups_stay_in_proportion():
    """The first group has the rates that are given, the others as many times them as their own rates are."""

    def two_groups(network):
        groups = [{"params": [network.weight]}, {"params": [network.bias], "lr": 0.05}]
        return torch.optim.SGD(groups, lr=0.1)

    class Watch(poutyne.Callback):
        def on_backward_end(self, batch_number):
            seen.append([group["lr"] for group in self.model.optimizer.param_groups])

    seen, given = [], [0.3, 0.2, 0.4, 0.1, 0.6, 0.7]

    fit(make_model(two_groups), schedule=given, epochs=1, callbacks=[Watch()])

    assert seen == [[rate, rate * 0.5] for rate in given]


def test_rates_say_how_long_a_run_is():
    """Without a word on the length there are as many updates as rates, in the middle of an epoch too."""
    history = fit(make_model(), schedule=[0.1] * 4 + [0.2] * 5, epochs=None)

    assert history.learning_rates == [0.1] * 4 + [0.2] * 5


def test_rates_of_a_run_with_skipped_steps():
    """A run with skipped steps has fewer rates; they repeat it."""
    y = Y.clone()
    y[5] = float("nan")
    first = fit(make_model(), y=y, schedule="linear", shuffle=False)

    again = fit(make_model(), y=y, schedule=first.learning_rates, shuffle=False, epochs=None)

    assert again.learning_rates == first.learning_rates
    assert [row["epoch"] for row in again] == [1, 2, 3]


def test_rates_that_do_not_suit_the_run():
    """More or fewer rates than updates are refused before the first step; a history is not its rates."""
    model = make_model()
    with pytest.raises(ArgumentError, match="holds 4 rates, but this run takes 18"):
        fit(model, schedule=[0.1] * 4)
    with pytest.raises(ArgumentError, match="holds 20 rates, but this run takes 18"):
        fit(model, schedule=[0.1] * 20)
    with pytest.raises(ArgumentError, match="is a History, but not one of rates") as caught:
        fit(model, schedule=fit(model, epochs=1))

    assert caught.value.do == "write schedule=history.learning_rates."


@pytest.mark.parametrize("kind", [tuple, torch.tensor])
def test_rates_in_other_containers(kind):
    """A tuple, an array or a tensor of rates is one too."""
    history = fit(make_model(), schedule=kind([0.5, 0.25, 0.125]), epochs=None)

    assert history.learning_rates == [0.5, 0.25, 0.125]


# A scheduler object


def test_object_of_the_models_optimizer():
    """A scheduler of the model's own optimizer is stepped per update; a second fit goes on where it stands."""
    model = make_model()
    schedule = lr_scheduler.StepLR(model.optimizer, 4, gamma=0.5)

    first, second = fit(model, epochs=1, schedule=schedule), fit(model, epochs=1, schedule=schedule)

    truth = rates_by_hand(partial(lr_scheduler.StepLR, step_size=4, gamma=0.5), 12)
    assert first.learning_rates + second.learning_rates == truth


@pytest.mark.parametrize("second", ["linear", None])
def test_after_an_object(second):
    """After one that began at a rate of 0, a run with another schedule, or none, has the optimizer's own rate."""
    model = make_model()
    fit(model, epochs=1, schedule=get_scheduler("linear", model.optimizer, 2, 6))

    history = fit(model, epochs=1, schedule=second)

    assert history.learning_rates[0] == 0.1


def test_object_per_epoch():
    """It may be stepped per epoch too."""
    model = make_model()
    schedule = {"name": lr_scheduler.ExponentialLR(model.optimizer, 0.5), "every": "epoch"}

    assert fit(model, epochs=2, schedule=schedule).learning_rates == [0.1] * 6 + [0.05] * 6


def test_object_of_another_optimizer():
    """One that is bound to another optimizer would move nothing, and is refused."""
    schedule = lr_scheduler.StepLR(make_model().optimizer, 4)
    model = make_model()
    before = model.network.weight.clone()

    with pytest.raises(ArgumentError, match="bound to another optimizer") as caught:
        fit(model, schedule=schedule)

    assert "schedule=StepLR" in caught.value.do
    assert torch.equal(model.network.weight, before)


def test_object_for_a_network_that_is_not_built(tiny_bert, texts_and_labels):
    """Before the network is built there is no optimizer that it could be bound to; nothing is built for it."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(ArgumentError, match=r"a scheduler object \(StepLR\) was given") as caught:
        model.fit(*texts_and_labels, schedule=lr_scheduler.StepLR(make_model().optimizer, 4), verbose=0)

    assert '{"name": "StepLR", ...}' in caught.value.do
    assert "not built yet" in repr(model)


def test_object_that_waits_for_a_value():
    """One that waits for a measured value is answered with the annealing on a plateau."""
    model = make_model()

    with pytest.raises(ArgumentError, match="waits for a measured value"):
        fit(model, schedule=lr_scheduler.ReduceLROnPlateau(model.optimizer))


def test_object_for_fewer_groups():
    """One that was made for other parameter groups than the run has is refused."""
    model = make_model()
    schedule = lr_scheduler.StepLR(model.optimizer, 4)
    model.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})

    with pytest.raises(ArgumentError, match="was made for 1 parameter groups, and in this run the optimizer has 2"):
        fit(model, schedule=schedule)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"warmup": 3}, "a scheduler object moves the rate"), ({"learning_rate": 0.5}, "beside a scheduler object")],
)
def test_object_beside_what_it_has_itself(options, words):
    """It has rates and a beginning of its own."""
    model = make_model()

    with pytest.raises(ArgumentError, match=words):
        fit(model, schedule=lr_scheduler.StepLR(model.optimizer, 4), **options)


def test_rates_beside_a_warmup():
    """Rates that are given one by one have theirs in them."""
    with pytest.raises(ArgumentError, match="the rates are given one by one"):
        fit(make_model(), schedule=[0.1] * 18, warmup=0.1)


# Warm-up without a schedule, misspelt names at the door


def test_warmup_without_a_schedule():
    """A network without a task has no schedule; a warm-up that is asked for is there all the same."""
    history = fit(make_model(), epochs=1, warmup=4)

    assert history.learning_rates == [0.1 * (k / 4) for k in range(4)] + [0.1] * 2


def test_misspelt_name_before_the_network_is_built(tiny_bert, texts_and_labels):
    """A misspelt name is answered before anything is read or built."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(ArgumentError, match="no schedule 'cosin'"):
        model.fit(*texts_and_labels, schedule="cosin", verbose=0)

    assert "not built yet" in repr(model)


@pytest.mark.parametrize(
    ("given", "is_said"),
    [
        ({"schedule": "linear", "warmup": 18}, True),
        ({"schedule": "linear", "warmup": 17}, False),
        ({"schedule": "linear", "warmup": 1.0}, False),
        ({"schedule": {"name": "StepLR", "step_size": 1, "warmup": 500}}, True),
        ({"schedule": None, "warmup": 500}, True),
        ({"schedule": "one_cycle", "warmup": 500}, False),
        ({"schedule": lr_scheduler.OneCycleLR, "warmup": 500}, False),
        ({"schedule": "linear", "warmup": 5, "updates": 5, "epochs": None}, True),
        ({"schedule": "linear", "warmup": 9, "batches_per_step": 2}, True),
        ({"schedule": "linear", "warmup": 8, "batches_per_step": 2}, False),
    ],
)
def test_warmup_as_long_as_the_run(given, is_said, capsys):
    """A run that ends before the rate is at its highest says so in a line; the rates stay those of transformers."""
    fit(make_model(), verbose=2, **given)

    assert ("the rate never gets to its highest" in capsys.readouterr().out) is is_said


def test_highest_rate_of_such_a_run():
    """The line is said just where no update has the rate that was given."""
    runs = [fit(make_model(), schedule="constant", warmup=warmup) for warmup in (17, 18)]

    assert [max(run.learning_rates) == 0.1 for run in runs] == [True, False]


def test_warmup_of_numpy_in_fit():
    """NumPy's numbers and None do in fit, with a schedule and in time too."""
    runs = [fit(make_model(), schedule="linear", warmup=warmup).learning_rates for warmup in (np.int64(2), 2, None, 0)]
    timed = fit(make_model(), epochs=None, minutes=0.001, schedule="linear", warmup=np.float32(0.25))

    assert runs[0] == runs[1]
    assert runs[2] == runs[3]
    assert timed.learning_rates[0] == 0


def test_rate_beside_rates():
    """A rate beside the rates themselves would change nothing, and is refused; a dict gives proportions."""
    model = make_model()

    with pytest.raises(
        ArgumentError, match=r"learning_rate=0.3 is given beside schedule=(.|\n)*leave learning_rate out"
    ):
        fit(model, epochs=None, schedule=[0.1] * 5, learning_rate=0.3)
    assert model.optimizer.param_groups[0]["lr"] == 0.1


def test_arguments_that_show_in_the_first_step():
    """What torch finds out only in a step is refused before the first one, and the model stays as it was."""
    model = make_model()
    before = model.network.weight.clone()

    with pytest.raises(ArgumentError, match=r"StepLR cannot take a step(.|\n)*'step_size': 0"):
        fit(model, schedule={"name": "StepLR", "step_size": 0}, learning_rate=5.0)
    assert model.optimizer.param_groups[0]["lr"] == 0.1
    assert torch.equal(model.network.weight, before)


@pytest.mark.parametrize("schedule", [lambda step: 0.9**step, lambda step: 0.5, lambda optimizer, steps: None])
def test_function_of_the_step(schedule):
    """A function of the step's number is answered with the way to write it."""
    with pytest.raises(ArgumentError, match=r'\{"name": "LambdaLR", "lr_lambda": function\}'):
        fit(make_model(), schedule=schedule)


# Poutyne's callbacks


def without_every(name):
    return {**OF_TORCH[name], **FILLED.get(name, {}), **({"max_lr": 0.1} if name in ("CyclicLR", "OneCycleLR") else {})}


@pytest.mark.parametrize("name", OF_TORCH)
def test_poutynes_scheduler_callbacks(name):
    """Each steps once per epoch, as in Poutyne: the rates of every update are those of torch's scheduler."""
    given = without_every(name)

    history = fit(make_model(), callbacks=[getattr(poutynes, name)(**given)])

    truth = rates_by_hand(lambda optimizer: getattr(lr_scheduler, name)(optimizer, **given), 18, every=6)
    assert history.learning_rates == truth


def test_every_callback_of_poutyne_is_tested():
    """Those above are all that Poutyne makes of torch's schedulers, but for what is made of others, or of a value."""
    made = {name for name in vars(poutynes) if name in vars(lr_scheduler) and name.endswith(("LR", "Restarts"))}

    assert made - {"_LRScheduler", "LRScheduler", "SequentialLR"} == set(OF_TORCH) == set(torch_schedulers())


def test_poutynes_plateau():
    """Poutyne's ReduceLROnPlateau cuts as torch's does, by the value of the epoch."""
    history = fit(
        make_model(), epochs=6, callbacks=[poutyne.ReduceLROnPlateau(monitor="loss", patience=0, threshold=0.9)]
    )
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.9)
    truth = []
    for row in history:
        truth += [optimizer.param_groups[0]["lr"]] * 6
        plateau.step(row["loss"])

    assert history.learning_rates == truth
    assert len(set(truth)) > 1


POLICIES = {
    "one_cycle": lambda: poutyne.one_cycle_phases(40, lr=(0.1, 0.5), momentum=(0.9, 0.8)),
    "sgdr": lambda: poutyne.sgdr_phases(base_cycle_length=3, cycles=2, lr=(0.5, 0.1)),
    "phases": lambda: [poutyne.Phase(lr=poutyne.linspace(0, 1, 5)), poutyne.Phase(lr=poutyne.cosinespace(1, 0, 9))],
}


@pytest.mark.parametrize("name", POLICIES)
def test_poutynes_policies(name):
    """A policy sets the rate before each batch; where it ends, its last rate stays."""
    steps = list(poutyne.OptimizerPolicy(POLICIES[name]()).all_steps())
    wanted = [step["lr"] for step in steps][:18]

    history = fit(make_model(), callbacks=[poutyne.OptimizerPolicy(POLICIES[name]())])

    assert history.learning_rates == wanted + wanted[-1:] * (18 - len(wanted))


def test_warmup_beside_a_callback_that_moves_the_rate(tiny_bert, texts_and_labels):
    """A warm-up has nothing to stand in front of where a callback moves the rate."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(ArgumentError, match="a callback moves the learning rate"):
        model.fit(*texts_and_labels, warmup=0.1, callbacks=[poutyne.StepLR(step_size=1)], verbose=0)


# A second fit


def linear(rate, updates):
    return rates_by_hand(lambda optimizer: get_scheduler("linear", optimizer, 0, updates), updates, every=1)


def test_second_fit_plans_a_new_schedule():
    """It keeps weights and moments, begins at the full rate, and numbers its epochs from initial_epoch."""
    model = make_model()
    fit(model, epochs=2, schedule="linear", warmup=0)
    moments = {id(value): value["momentum_buffer"].clone() for value in model.optimizer.state.values()}
    weights = model.network.weight.clone()
    first_step = []

    class Watch(poutyne.Callback):
        def on_train_begin(self, logs):
            now = {id(value): value["momentum_buffer"] for value in self.model.optimizer.state.values()}
            first_step.append(all(torch.equal(now[key], moments[key]) for key in moments))
            first_step.append(torch.equal(self.model.network.weight, weights))

    second = fit(model, epochs=4, initial_epoch=3, schedule="linear", warmup=0, callbacks=[Watch()])

    assert second.learning_rates == linear(0.1, 12)
    assert second.epoch == [3, 4]
    assert model.history.epoch == [1, 2, 3, 4]
    assert first_step == [True, True]


def test_learning_rate_given_again():
    """learning_rate= is the highest rate of the runs from then on, until it is given again."""
    model = make_model()

    runs = [fit(model, epochs=1, schedule="constant", learning_rate=rate) for rate in (None, 0.2, None, 0.05)]

    assert [run.learning_rates for run in runs] == [[0.1] * 6, [0.2] * 6, [0.2] * 6, [0.05] * 6]


@pytest.mark.parametrize("name", ["linear", "polynomial", "cosine_with_min_lr"])
def test_learning_rate_of_fit_is_as_of_the_optimizer(name):
    """A schedule with a last rate reckons with the rate of the run, not with the one that the optimizer began with."""
    given = {"min_lr": 0.01} if name == "cosine_with_min_lr" else {}
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.4)
    theirs, truth = get_scheduler(name, optimizer, 0, 6, given), []
    for _ in range(6):
        truth.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()

    history = fit(make_model(), epochs=1, learning_rate=0.4, schedule={"name": name, **given})

    assert history.learning_rates == truth


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", {"name": "CyclicLR", "base_lr": 0.01, "every": "epoch"}])
def test_optimizer_is_put_back(schedule):
    """Rates and momenta are as before the run, and nothing of the schedule is left in the groups."""
    model = make_model()
    before = [
        {name: value for name, value in group.items() if name != "params"} for group in model.optimizer.param_groups
    ]

    fit(model, schedule=schedule)

    assert [
        {name: value for name, value in group.items() if name != "params"} for group in model.optimizer.param_groups
    ] == before


def test_poutynes_callback_that_ends_at_0():
    """Where Poutyne's callback has left a rate of 0, the next run begins at the optimizer's own."""
    model = make_model()
    fit(model, callbacks=[poutyne.PolynomialLR(total_iters=2)])

    second = fit(model, callbacks=[poutyne.PolynomialLR(total_iters=2)])

    assert second.learning_rates == [0.1] * 6 + [0.05] * 6 + [0.0] * 6


# State


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("name", [*OF_TORCH, "cosine", "warmup_stable_decay"])
def test_state_goes_on_to_the_bit(name, warmup):
    """The state is plain data; with it, and the rates that an optimizer keeps itself, another schedule goes on."""

    def make():
        optimizer = torch.optim.Adam([torch.zeros(1)], lr=0.1)
        factory = truth_of(name, 12)
        return optimizer, Rates(optimizer, factory, warmup)

    def run(optimizer, rates, steps):
        seen = []
        for _ in range(steps):
            group = optimizer.param_groups[0]
            seen.append((group["lr"], group["betas"]))
            optimizer.step()
            rates.step()
        return seen

    whole = run(*make(), 10)
    optimizer, rates = make()
    run(optimizer, rates, 6)
    state, kept = json.loads(json.dumps(rates.state_dict())), optimizer.param_groups[0]["lr"]
    other, after = make()
    after.load_state_dict(state)
    other.param_groups[0]["lr"] = kept

    assert run(other, after, 4) == whole[6:]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_state_has_the_momenta_of_a_cycle(kind):
    """A cycle moves the momentum too: with the state it goes back, as after a step that proved to be skipped."""
    optimizer = kind([torch.zeros(1)], lr=0.1)
    rates = make_schedule("one_cycle", 0, 10, is_warmup_asked=False)(optimizer)
    seen = []
    for _ in range(2):
        seen.append((rates.state_dict(), dict(optimizer.param_groups[0])))
        optimizer.step()
        rates.step()
    state, group = seen[1]
    moved = dict(optimizer.param_groups[0])

    rates.load_state_dict(json.loads(json.dumps(state)))

    name = "betas" if "betas" in group else "momentum"
    assert optimizer.param_groups[0][name] == group[name] != moved[name]


def test_state_of_given_rates():
    """Of rates that are given the state is the place."""
    model = make_model()
    rates = make_schedule([0.3, 0.2, 0.1], 0, None)(model.optimizer)
    rates.step()
    state = json.loads(json.dumps(rates.state_dict()))
    other = make_schedule([0.3, 0.2, 0.1], 0, None)(make_model().optimizer)
    other.load_state_dict(state)
    other.step()

    assert other.optimizer.param_groups[0]["lr"] == 0.1
