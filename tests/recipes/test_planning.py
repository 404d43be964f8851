"""From the arguments of fit to one run."""

from dataclasses import replace

import poutyne
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.recipes import FINE_TUNING, PLAIN, plan_run
from keraslike.recipes.planning import batches_per_step, schedule_notes
from keraslike.tracking.history import History


def plan(batches=range(10), valid=None, recipe=FINE_TUNING, epochs=None, callbacks=(), before=0, **options):
    return plan_run(batches, valid, list(callbacks), History(), recipe, epochs, None, options, before)


def rates(run, steps):
    """The rates that a run's schedule gives."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = run.schedule(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def linear(warm, total):
    """The linear schedule by hand."""
    return [step / warm if step < warm else (total - step) / (total - warm) for step in range(total)]


def test_recipe_holds_where_nothing_is_said():
    """Epochs, clipping and schedule are the recipe's: 3 epochs of 10 batches, of which the first 3 warm up."""
    run = plan()

    assert (run.initial_epoch, run.epochs, run.clip_norm, run.batches_per_step) == (1, 3, 1.0, 1)
    assert rates(run, 30) == pytest.approx(linear(3, 30))


def test_plain_recipe():
    """Without a task there is one epoch, no schedule and no clipping."""
    run = plan(recipe=PLAIN)

    assert (run.epochs, run.schedule, run.clip_norm) == (1, None, None)


def test_choices_of_the_user():
    """What the user says holds."""
    run = plan(epochs=2, clip_norm=None, schedule="linear", warmup=5)

    assert (run.epochs, run.clip_norm) == (2, None)
    assert rates(run, 20) == pytest.approx(linear(5, 20))


@pytest.mark.parametrize(("per_step", "updates"), [(1, 20), (2, 10), (3, 8), (4, 6), (20, 2)])
def test_schedule_counts_optimizer_steps(per_step, updates):
    """A short last group of each epoch is an optimizer step too."""
    run = plan(epochs=2, warmup=1, batches_per_step=per_step)

    assert rates(run, updates) == pytest.approx(linear(1, updates))


def test_steps_per_epoch_overrides_the_length():
    """steps_per_epoch is the number of batches, more or fewer than the data have."""
    run = plan(epochs=1, steps_per_epoch=4, warmup=0)

    assert run.steps_per_epoch == 4
    assert rates(run, 4) == pytest.approx(linear(0, 4))


def test_later_epochs():
    """With initial_epoch, epochs is the number of the last one; the schedule covers those that are run."""
    run = plan(epochs=5, initial_epoch=4, warmup=0)

    assert (run.initial_epoch, run.epochs) == (4, 5)
    assert rates(run, 20) == pytest.approx(linear(0, 20))


def test_later_epochs_without_a_last_one():
    """Without epochs the recipe's number is run from initial_epoch on."""
    assert plan(initial_epoch=4).epochs == 6


def test_nothing_left_to_run():
    """A last epoch before the first one is a run of nothing."""
    run = plan(epochs=2, initial_epoch=3)

    assert run.schedule(torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)) is not None


def test_validation_steps():
    """They are the length of the validation data, else those of the training, as in Poutyne."""
    assert plan(valid=range(4)).validation_steps == 4
    assert plan(valid=range(4), validation_steps=2).validation_steps == 2
    assert plan(valid=iter(range(4)), steps_per_epoch=3).validation_steps == 3
    assert plan(valid=iter(range(4))).validation_steps is None
    assert plan().validation_steps is None


def test_data_without_a_length():
    """The recipe's schedule gives way where the length is not known; one that was asked for is an error."""
    assert plan(batches=iter(range(3))).schedule is None
    with pytest.raises(ArgumentError, match="data have no length"):
        plan(batches=iter(range(3)), schedule="linear")


def test_epochs_before():
    """The order of the data goes on from the epochs that the model has behind it."""
    assert plan(before=4).epochs_before == 4


SCHEDULERS = {
    "StepLR": lambda: poutyne.StepLR(step_size=1),
    "ReduceLROnPlateau": lambda: poutyne.ReduceLROnPlateau(monitor="loss"),
    "OptimizerPolicy": lambda: poutyne.OptimizerPolicy(poutyne.one_cycle_phases(10)),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_callback_switches_the_default_off(name):
    """A Poutyne callback that moves the rate takes the place of the recipe's schedule."""
    assert plan(callbacks=[SCHEDULERS[name]()]).schedule is None


def test_schedule_that_was_asked_for_stays():
    """A schedule by name stays, whatever callbacks there are."""
    assert plan(callbacks=[poutyne.StepLR(step_size=1)], schedule="linear").schedule is not None


def test_other_callbacks_leave_the_schedule():
    """Callbacks that do not move the rate leave the schedule on."""
    assert plan(callbacks=[poutyne.EarlyStopping()]).schedule is not None


def test_schedule_none_is_a_choice():
    """schedule=None switches it off."""
    assert plan(schedule=None).schedule is None


def test_scheduler_callback_rules_the_rate(tiny_bert, texts_and_labels):
    """With a task and a StepLR callback the rate is constant within an epoch and halves after it."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    history = model.fit(
        *texts_and_labels, epochs=2, batch_size=20, callbacks=[poutyne.StepLR(step_size=1, gamma=0.5)], verbose=0
    )

    assert history.learning_rates == pytest.approx([5e-5, 5e-5, 2.5e-5, 2.5e-5])


def test_scheduler_callback_is_said_once(tiny_bert, texts_and_labels, capsys):
    """That a callback switches the default schedule off is said, in one line."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    model.fit(*texts_and_labels, epochs=1, callbacks=[poutyne.StepLR(step_size=1)], verbose=2)

    assert capsys.readouterr().out.count("the default schedule is off") == 1


@pytest.mark.parametrize(
    "names",
    [["batches_per_step"], ["gradient_accumulation_steps"], ["batches_per_step", "gradient_accumulation_steps"]],
)
def test_two_names_of_one_number(names):
    """batches_per_step has a second name; both together must agree."""
    assert batches_per_step(dict.fromkeys(names, 4)) == 4


def test_two_names_that_differ():
    """Both names with different numbers are refused."""
    with pytest.raises(ArgumentError, match="two names of one number, and differ"):
        batches_per_step({"batches_per_step": 2, "gradient_accumulation_steps": 4})


def test_recipes_are_values():
    """A recipe with another choice is another value."""
    assert replace(FINE_TUNING, epochs=4) != FINE_TUNING


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


def test_loader_over_a_stream():
    """A loader whose length nobody knows has none; what raises when it is asked is asked in vain."""
    loader = DataLoader(Stream())
    with pytest.raises(TypeError):
        len(loader)

    run = plan(batches=loader, valid=loader)

    assert (run.steps_per_epoch, run.validation_steps, run.schedule) == (None, None, None)


def test_warmup_asked_for_without_a_length():
    """A warm-up by name needs the length as a schedule by name does."""
    with pytest.raises(ArgumentError, match="data have no length"):
        plan(batches=iter(range(3)), warmup=2)


STEP = poutyne.StepLR(step_size=1)


@pytest.mark.parametrize(
    ("batches", "recipe", "options", "callbacks", "words"),
    [
        (range(3), FINE_TUNING, {}, [], None),
        (range(3), FINE_TUNING, {}, [STEP], "A callback moves the learning rate"),
        (range(3), FINE_TUNING, {"schedule": "linear"}, [STEP], None),
        (range(3), PLAIN, {}, [STEP], None),
        (iter(range(3)), FINE_TUNING, {}, [], "The data have no length"),
        (iter(range(3)), FINE_TUNING, {"steps_per_epoch": 3}, [], None),
        (iter(range(3)), FINE_TUNING, {"schedule": None}, [], None),
        (iter(range(3)), PLAIN, {}, [], None),
        (iter(range(3)), FINE_TUNING, {}, [STEP], "A callback moves the learning rate"),
    ],
)
def test_why_the_default_is_off(batches, recipe, options, callbacks, words):
    """One line where the recipe's schedule is off and nobody has switched it off by name."""
    run = plan(batches=batches, recipe=recipe, callbacks=callbacks, **options)

    notes = schedule_notes(run, recipe, options, callbacks)

    assert len(notes) == (words is not None)
    assert all(note.startswith(words) for note in notes)


def test_no_batches():
    """Data that give no batch cannot be learned from, and the error says what may have left them out."""
    with pytest.raises(DataError, match="there is no batch to learn from") as caught:
        plan(batches=[])

    assert "drop_last" in caught.value.do
