"""How the learning rate moves: transformers' schedules, exactly."""

import math

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from keraslike.errors import ArgumentError
from keraslike.recipes import make_schedule
from keraslike.recipes.schedule import count_warmup
from keraslike.recipes.schedulers import NAMES

THEIRS = {
    "linear": transformers.get_linear_schedule_with_warmup,
    "cosine": transformers.get_cosine_schedule_with_warmup,
    "cosine_with_restarts": transformers.get_cosine_with_hard_restarts_schedule_with_warmup,
    "polynomial": transformers.get_polynomial_decay_schedule_with_warmup,
    "inverse_sqrt": lambda optimizer, warm, total: transformers.get_inverse_sqrt_schedule(optimizer, warm),
    "constant": lambda optimizer, warm, total: transformers.get_constant_schedule_with_warmup(optimizer, warm),
}


def rates(make, steps):
    """The rate of every optimizer step."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    schedule = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_every_name_has_its_truth():
    """Each schedule that is offered is compared below; a cycle and a plateau have tests of their own."""
    assert set(NAMES) == {*THEIRS, "one_cycle", "plateau"}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize(("warmup", "warm", "updates"), [(0.1, 3, 25), (0, 0, 10), (4, 4, 9), (1.0, 5, 6), (0.5, 0, 1)])
def test_rates_are_those_of_transformers(name, warmup, warm, updates):
    """Every rate is the one of transformers' own function of that name, to the last bit."""
    ours = rates(make_schedule(name, warmup, updates), updates)

    assert ours == rates(lambda optimizer: THEIRS[name](optimizer, warm, updates), updates)


def test_linear_by_hand():
    """Up from 0 over the warm-up, then down to a rate that would be 0 one step after the last."""
    assert rates(make_schedule("linear", 2, 6), 6) == pytest.approx([0, 0.05, 0.1, 0.075, 0.05, 0.025])


@pytest.mark.parametrize(
    ("warmup", "updates", "steps"),
    [(0.1, 43, 5), (0.1, 40, 4), (0.0, 50, 0), (1.0, 7, 6), (0, 50, 0), (100, 43, 100), (1, 43, 1)],
)
def test_warmup_in_steps(warmup, updates, steps):
    """A float is a share, rounded up as transformers' Trainer does; an int is a number of optimizer steps."""
    assert count_warmup(warmup, updates) == steps


@pytest.mark.parametrize("name", THEIRS)
def test_run_of_one_step_learns(name):
    """A share of a single step is no warm-up: its rate would be 0, and nothing would be learned."""
    assert rates(make_schedule(name, 0.1, 1), 1) == [0.1]


@pytest.mark.parametrize("updates", [3, 10, 29, 30, 43, 99, 100, 120, 1000, 1001])
@pytest.mark.parametrize("share", [0.05, 0.06, 0.1, 0.3])
def test_warmup_is_the_trainers(share, updates):
    """A share of the steps is as many steps as transformers' TrainingArguments count."""
    assert count_warmup(share, updates) == math.ceil(updates * share)


@pytest.mark.parametrize("wrong", [-1, -0.1, 1.5, True, False])
def test_warmup_that_is_none(wrong):
    """What is neither a number of steps nor a share is refused."""
    with pytest.raises(ArgumentError, match=f"warmup={wrong} is neither") as caught:
        make_schedule("linear", wrong, 10)

    assert "warmup=0.1" in caught.value.do


@pytest.mark.parametrize("wrong", ["0.1", [1]])
def test_warmup_of_another_type(wrong):
    """So is what is no number."""
    with pytest.raises(ArgumentError, match="is neither a number of optimizer steps nor a share"):
        make_schedule("linear", wrong, 10)


@pytest.mark.parametrize(("name", "near"), [("liner", "linear"), ("Cosine", "cosine"), ("const", "constant")])
def test_misspelt_name(name, near):
    """A misspelt schedule gets the nearest name."""
    with pytest.raises(ArgumentError) as caught:
        make_schedule(name, 0, 10)

    assert caught.value.do == f"did you mean {near!r}?"


def test_no_schedule():
    """None leaves the rate to others."""
    assert make_schedule(None, 0.1, 10, is_warmup_asked=False) is None
    assert make_schedule(None, 0, 10) is None


@pytest.mark.parametrize("schedule", [None, "plateau"])
def test_warmup_alone(schedule):
    """A warm-up that was asked for stands also where nothing else moves the rate."""
    assert rates(make_schedule(schedule, 4, 6), 6) == pytest.approx([0, 0.025, 0.05, 0.075, 0.1, 0.1])
    with pytest.raises(
        ArgumentError, match=r"warmup=0.1 is a share(.|\n)*no length(.|\n)*warmup=100, or give updates="
    ):
        make_schedule(schedule, 0.1, None)


@pytest.mark.parametrize(("given", "same"), [(np.int64(2), 2), (np.float32(0.25), 0.25), (None, 0)])
def test_warmup_of_other_kinds(given, same):
    """NumPy's numbers are numbers, in a dict too; None is no warm-up."""
    wanted = rates(make_schedule("linear", same, 8), 8)

    assert rates(make_schedule("linear", given, 8), 8) == wanted
    if given is not None:
        assert rates(make_schedule({"name": "linear", "warmup": given}, 0, 8), 8) == wanted


def test_schedule_without_a_length():
    """Where nobody knows the length, the error names what tells it."""
    with pytest.raises(ArgumentError, match="give updates= or steps_per_epoch=, or schedule=None"):
        make_schedule("linear", 0, None)


def test_one_cycle():
    """Without more words it is torch's, up to the optimizer's own rate over all updates, also under a hyphen."""
    truth = rates(lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20), 20)

    assert rates(make_schedule("one_cycle", 0.1, 20, is_warmup_asked=False), 20) == truth
    assert rates(make_schedule("one-cycle", 0, 20, is_warmup_asked=False), 20) == truth


@pytest.mark.parametrize(
    ("warmup", "updates", "peak"), [(0.1, 40, 4), (7, 40, 7), (0, 5, 0), (0.5, 2, 0), (1.0, 10, 8)]
)
def test_warmup_of_one_cycle(warmup, updates, peak):
    """A warm-up that is asked for says after how many updates the rate is highest; it falls for one step at least."""
    seen = rates(make_schedule("one_cycle", warmup, updates), updates)

    assert seen[peak] == max(seen) == pytest.approx(0.1)


def test_one_cycle_without_momentum():
    """An optimizer that knows no momentum has only its rate moved."""
    optimizer = torch.optim.Adagrad(nn.Linear(1, 1).parameters(), lr=0.1)

    make_schedule("one_cycle", 0, 20)(optimizer)

    assert "momentum" not in optimizer.param_groups[0]


@pytest.mark.parametrize("name", ["linear", "constant", "one_cycle", "CosineAnnealingLR"])
def test_length_that_is_not_known(name):
    """A share of unknown steps cannot be planned; the error names the argument that gives a length."""
    with pytest.raises(ArgumentError, match="needs the number of optimizer steps") as caught:
        make_schedule(name, 0.1, None)

    assert "steps_per_epoch" in caught.value.do


@pytest.mark.parametrize(
    "schedule", ["constant", "inverse_sqrt", {"name": "StepLR", "step_size": 2}, [0.3, 0.2, 0.1]], ids=str
)
def test_length_that_is_not_needed(schedule):
    """What counts updates from the first one on needs no end; of rates that are given the last one stays."""
    assert len(rates(make_schedule(schedule, 0, None), 5)) == 5


def test_no_steps_at_all():
    """A run of no epochs has a schedule of nothing, and no error."""
    assert rates(make_schedule("linear", 0.1, 0), 0) == []
