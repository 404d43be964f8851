"""Every scheduler of torch and transformers by name, class, function and partial: the rates are theirs, to the bit."""

from functools import partial

import poutyne
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from transformers import SchedulerType, get_scheduler, optimization

from keraslike.errors import ArgumentError
from keraslike.recipes import make_schedule
from keraslike.recipes.schedulers import UNFIT, torch_schedulers, transformers_schedules

UPDATES = 12


def make_optimizer():
    """Two groups with rates of their own, and momentum."""
    groups = [{"params": nn.Linear(1, 1).parameters()}, {"params": nn.Linear(1, 1).parameters(), "lr": 0.03}]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def rates(make, steps=UPDATES):
    """The rates of both groups at every optimizer step."""
    optimizer = make_optimizer()
    schedule = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return seen


OF_TORCH = {
    "LambdaLR": {"lr_lambda": lambda step: 0.9**step},
    "MultiplicativeLR": {"lr_lambda": lambda step: 0.9},
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.8},
    "PolynomialLR": {"total_iters": UPDATES},
    "CosineAnnealingLR": {"eta_min": 0.001},
    "CyclicLR": {"base_lr": 0.01, "step_size_up": 4},
    "CosineAnnealingWarmRestarts": {"T_0": 5},
    "OneCycleLR": {},
}

FILLED = {
    "CosineAnnealingLR": {"T_max": UPDATES},
    "CyclicLR": {"max_lr": [0.1, 0.03]},
    "OneCycleLR": {"max_lr": [0.1, 0.03], "total_steps": UPDATES},
}

OF_TRANSFORMERS = {
    "linear": {},
    "cosine": {"num_cycles": 0.7},
    "cosine_with_restarts": {"num_cycles": 3},
    "polynomial": {"power": 2.0, "lr_end": 0.001},
    "constant": {},
    "constant_with_warmup": {},
    "inverse_sqrt": {"timescale": 5},
    "cosine_with_min_lr": {"min_lr": 0.01},
    "cosine_warmup_with_min_lr": {"min_lr_rate": 0.1, "warmup_lr_rate": 0.05},
    "warmup_stable_decay": {"num_decay_steps": 4},
}


def test_every_scheduler_has_its_truth():
    """Each scheduler that the installed torch and transformers have is compared below, or refused in words."""
    assert set(torch_schedulers()) == set(OF_TORCH)
    assert {kind.value for kind in SchedulerType} == set(OF_TRANSFORMERS) | {"reduce_lr_on_plateau", "greedy"}


@pytest.mark.parametrize("how", ["name", "class", "partial", "function"])
@pytest.mark.parametrize("name", OF_TORCH)
def test_torchs_own(name, how):
    """By name, class, partial or function; number of steps and highest rates are filled in where they are missing."""
    kind, given = getattr(lr_scheduler, name), OF_TORCH[name]
    asked = {
        "name": {"name": name, **given},
        "class": {"name": kind, **given},
        "partial": partial(kind, **given),
        "function": lambda optimizer: kind(optimizer, **given, **FILLED.get(name, {})),
    }[how]

    ours = rates(make_schedule(asked, 0.1, UPDATES, is_warmup_asked=False))

    assert ours == rates(lambda optimizer: kind(optimizer, **given, **FILLED.get(name, {})))


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("name", OF_TRANSFORMERS)
def test_transformers_own(name, warmup):
    """By the name that TrainingArguments know, with the arguments of its function: get_scheduler's rates."""
    given = OF_TRANSFORMERS[name]
    theirs = "constant_with_warmup" if name == "constant" else name

    ours = rates(make_schedule({"name": name, **given}, warmup, UPDATES))

    assert ours == rates(lambda optimizer: get_scheduler(theirs, optimizer, warmup, UPDATES, given))


@pytest.mark.parametrize("how", ["name", "function", "partial"])
@pytest.mark.parametrize("name", [name for name in OF_TRANSFORMERS if name != "constant"])
def test_functions_of_transformers(name, how):
    """By the name of the function, the function itself, or a partial of it."""
    function = optimization.TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(name)]
    given = OF_TRANSFORMERS[name]
    made = {"name": function.__name__, "function": function, "partial": partial(function)}[how]

    ours = rates(make_schedule({"name": made, **given}, 3, UPDATES))

    assert ours == rates(lambda optimizer: get_scheduler(name, optimizer, 3, UPDATES, given))


def test_scheduler_type():
    """The member of transformers' enumeration is its name."""
    ours = rates(make_schedule(SchedulerType.COSINE, 2, UPDATES))

    assert ours == rates(lambda optimizer: get_scheduler("cosine", optimizer, 2, UPDATES))


def test_get_scheduler_itself():
    """A partial of get_scheduler has its number of steps filled in, though it has a default."""
    ours = rates(make_schedule(partial(get_scheduler, "cosine"), 2, UPDATES))

    assert ours == rates(lambda optimizer: get_scheduler("cosine", optimizer, 2, UPDATES))


def test_given_number_of_steps_stays():
    """A number of steps that the user gives is not the run's."""
    ours = rates(make_schedule({"name": "linear", "num_training_steps": 100}, 0, UPDATES))
    cycle = rates(
        make_schedule({"name": "OneCycleLR", "epochs": 5, "steps_per_epoch": 4}, 0, 12, is_warmup_asked=False)
    )

    assert ours == rates(lambda optimizer: get_scheduler("linear", optimizer, 0, 100))
    assert cycle == rates(lambda optimizer: lr_scheduler.OneCycleLR(optimizer, [0.1, 0.03], total_steps=20))


def test_stable_steps_of_transformers():
    """Where the stable steps are counted, the whole run is not."""
    given = {"num_stable_steps": 5, "num_decay_steps": 3}

    ours = rates(make_schedule({"name": "warmup_stable_decay", **given}, 2, UPDATES))

    assert ours == rates(lambda optimizer: get_scheduler("warmup_stable_decay", optimizer, 2, None, given))


def test_warmup_in_front_of_torchs():
    """Torch's schedulers know no warm-up: a linear one stands in front, and they have the updates that are left."""
    ours = rates(make_schedule("CosineAnnealingLR", 4, UPDATES))
    after = rates(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 8), 8)

    assert ours == [[0.1 * (k / 4), 0.03 * (k / 4)] for k in range(4)] + after


def test_warmup_in_the_dict():
    """The warm-up may stand beside the name."""
    ours = rates(make_schedule({"name": "cosine", "warmup": 3}, 0.1, UPDATES, is_warmup_asked=False))

    assert ours == rates(lambda optimizer: get_scheduler("cosine", optimizer, 3, UPDATES))


def test_several_schedulers_by_a_function():
    """What is made of several schedulers comes as a function of the optimizer."""

    def several(optimizer):
        parts = [lr_scheduler.ConstantLR(optimizer, 0.1), lr_scheduler.ExponentialLR(optimizer, 0.9)]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[4])

    assert rates(make_schedule(several, 0, UPDATES)) == rates(several)


# Errors


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("steplr", "StepLR"),
        ("CosineAnealingLR", "CosineAnnealingLR"),
        ("cosine_with_restart", "cosine_with_restarts"),
        ("get_linear_schedule", "get_linear_schedule_with_warmup"),
        ("onecycle", "one_cycle"),
        ("plateu", "plateau"),
    ],
)
def test_misspelt_names(name, near):
    """A misspelt name gets the nearest one of all that there are."""
    with pytest.raises(ArgumentError, match=f"there is no schedule '{name}'") as caught:
        make_schedule(name, 0, 10)

    assert caught.value.do == f"did you mean {near!r}?"


@pytest.mark.parametrize("name", [name for name, do in UNFIT.items() if do and "plateau" in do])
def test_names_that_watch_a_value(name):
    """What waits for a measured value is answered with the annealing on a plateau."""
    with pytest.raises(ArgumentError, match="cannot be stepped by itself") as caught:
        make_schedule(name, 0, 10)

    assert 'schedule="plateau"' in caught.value.do


@pytest.mark.parametrize(
    "kind", [lr_scheduler.ReduceLROnPlateau, optimization.GreedyLR, lr_scheduler.SequentialLR, lr_scheduler.LRScheduler]
)
def test_classes_that_cannot_be_stepped(kind):
    """So are their classes, and those that are made of other schedulers."""
    with pytest.raises(ArgumentError, match="cannot be stepped by itself"):
        make_schedule(kind, 0, 10)


@pytest.mark.parametrize("make", [lr_scheduler.ReduceLROnPlateau, optimization.GreedyLR])
def test_functions_that_give_what_cannot_be_stepped(make):
    """And what a function gives, before the first step."""

    def given(optimizer):
        return make(optimizer)

    with pytest.raises(ArgumentError, match="waits for a measured value"):
        make_schedule(given, 0, 10)(make_optimizer())


@pytest.mark.parametrize(
    ("schedule", "words", "do"),
    [
        ({"name": "StepLR", "stepsize": 2}, "StepLR has no argument 'stepsize'", "did you mean 'step_size'?"),
        ({"name": "cosine", "num_cycle": 2}, "cosine has no argument 'num_cycle'", "did you mean 'num_cycles'?"),
        ({"name": "StepLR"}, "StepLR needs step_size", 'write schedule={"name": "StepLR", "step_size": ...}.'),
        (lr_scheduler.CyclicLR, "CyclicLR needs base_lr", 'write schedule={"name": "CyclicLR", "base_lr": ...}.'),
        ({"nam": "StepLR"}, "has no name", "did you mean 'nam'?"),
        ({}, "has no name", 'write {"name": "StepLR", "step_size": 2}.'),
        ({"name": "StepLR", "every": "epochs"}, "every='epochs'", "did you mean 'epoch'?"),
        (poutyne.StepLR(step_size=1), "is a callback, and no scheduler", "write callbacks=[StepLR(...)]."),
        (poutyne.StepLR, "is a callback, and no scheduler", "write callbacks=[StepLR(...)]."),
        (3, "schedule=3 is no scheduler", 'write schedule="cosine".'),
        (nn.Linear, "is no scheduler", 'write schedule="cosine".'),
        ({"name": None, "step_size": 3}, "takes no arguments", None),
        ({"name": "linear", "num_warmup_steps": 3}, "is given twice", "leave warmup= out."),
        ([], "but not one of rates", "write schedule=[1e-3, 1e-4, ...]."),
        ([0.1, -0.1], "but not one of rates", "write schedule=[1e-3, 1e-4, ...]."),
        ([True, 0.1], "but not one of rates", "write schedule=[1e-3, 1e-4, ...]."),
        ([0.1, float("inf")], "but not one of rates", "write schedule=[1e-3, 1e-4, ...]."),
        ([0.1] * 9, "holds 9 rates, but this run takes 10", "write updates=9,"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_schedule(schedule, words, do):
    """What does not fit is refused before anything is trained, with what was meant."""
    with pytest.raises(ArgumentError) as caught:
        make_schedule(schedule, 0, 10)

    assert words in caught.value.what
    assert caught.value.do == do or caught.value.do.startswith(do)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"name": "cosine_with_min_lr"}, "One of min_lr or min_lr_rate should be set"),
        ({"name": "LambdaLR", "lr_lambda": [lambda step: 1.0]}, "Expected 2 lr_lambdas, but got 1"),
        ({"name": "StepLR", "step_size": 2, "last_epoch": 5}, "initial_lr"),
        (lambda optimizer: None, "gave None, which is no scheduler"),
        (lambda optimizer: lr_scheduler.StepLR(make_optimizer(), 2), "is bound to another optimizer"),
    ],
    ids=["argument", "groups", "last_epoch", "none", "another"],
)
def test_what_cannot_be_made(schedule, words):
    """What only the optimizer shows is refused before the first step, in the words of who refused it."""
    make = make_schedule(schedule, 0, 10)

    with pytest.raises(ArgumentError) as caught:
        make(make_optimizer())

    assert words in caught.value.what


def test_both_collections_without_those_that_do_not_fit():
    """No name leads to a scheduler that a run could not step."""
    assert not set(UNFIT) & {*torch_schedulers(), *transformers_schedules()}
