"""Annealing on a plateau: flair's rule, what it does to the rates of a run, and how a run ends by it."""

import json
import math
import random

import poutyne
import pytest
import torch
from torch import nn

import keraslike
from keraslike import Model
from keraslike.callbacks import AnnealOnPlateau, annealing_of
from keraslike.errors import ArgumentError
from keraslike.recipes import make_schedule


class Bare:
    """What the callback needs of a model."""

    def __init__(self, *rates):
        self.optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": rate} for rate in rates or (0.1,)])
        self.stop_training = False

    @property
    def rates(self):
        return [group["lr"] for group in self.optimizer.param_groups]


def begin(anneal, model=None):
    model = model or Bare()
    anneal.set_model(model)
    anneal.on_train_begin({})
    return model


def cuts_of(anneal, trace):
    """The numbers, from 1, of the validations after which the rate was cut."""
    begin(anneal)
    rows = [{"val_score": value, "val_loss": second} for value, second in trace]
    return [number for number, row in enumerate(rows, start=1) if anneal.look(row)]


TRACE = [(0.5, 1), (0.5, 0.9), (0.5, 0.9), (0.5, 0.95), (0.50001, 2)] + [(0.4, 1)] * 6


def test_flairs_rule():
    """Ties go by the second value, the smallest lead counts, and the extra patience ends at the first cut."""
    anneal = AnnealOnPlateau("val_score", mode="max", patience=1, initial_extra_patience=1, factor=0.5)

    assert cuts_of(anneal, TRACE) == [8, 10]
    assert anneal.model.rates == [0.025]


def test_ties_without_a_second_value():
    """Without a second value a tie is no better."""
    anneal = AnnealOnPlateau("val_score", mode="max", patience=1, initial_extra_patience=1, factor=0.5, second=None)

    assert cuts_of(anneal, TRACE) == [4, 7, 9, 11]


def plateaus(trace, mode, patience, extra):
    """The same rule said another way: pairs that are ordered, counted from the last best or the last cut."""
    cuts, since, best = [], 0, (math.inf, math.inf)
    for number, (value, second) in enumerate(trace, start=1):
        pair = (value if mode == "min" else -value, second)
        if pair < best and not math.isnan(value):
            best, since = pair, number
        elif number - since > patience + (0 if cuts else extra):
            cuts.append(number)
            since = number
    return cuts


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("extra", [0, 2])
def test_random_traces(mode, patience, extra):
    """On traces full of ties, and with a NaN here and there, the cuts are those of the rule."""
    rng = random.Random(f"{mode} {patience} {extra}")
    for _ in range(50):
        values = [0.1, 0.2, 0.3, 0.4, math.nan]
        trace = [(rng.choice(values), rng.choice([0.0, 0.5, 1.0])) for _ in range(40)]
        anneal = AnnealOnPlateau("val_score", mode=mode, patience=patience, initial_extra_patience=extra)

        assert cuts_of(anneal, trace) == plateaus(trace, mode, patience, extra)


def test_every_group_is_cut():
    """Body and head are cut alike."""
    anneal = AnnealOnPlateau(patience=0, factor=0.1)
    model = begin(anneal, Bare(0.5, 0.25))

    cut = [anneal.look({"val_loss": loss}) for loss in (1.0, 1.0)]

    assert cut == [False, True]
    assert model.rates == [0.5 * 0.1, 0.25 * 0.1]


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_loss", "min"), ("val_accuracy", "max"), ("val_mae", "min"), ("loss", "min")]
)
def test_direction_by_the_name(monitor, mode):
    """Which direction is better is told from the name."""
    assert AnnealOnPlateau(monitor).mode == mode


# When it ends


def test_below_the_smallest_rate():
    """A cut below it ends the training, and the reason says so; a cut to it does not."""
    anneal = AnnealOnPlateau(patience=0, factor=0.5, min_learning_rate=0.05)
    model = begin(anneal)
    stopped = []
    for _ in range(3):
        anneal.look({"val_loss": 1.0})
        stopped.append(model.stop_training)

    assert stopped == [False, False, True]
    assert anneal.stop_reason == "the learning rate 0.025 fell below min_learning_rate=0.05, after 2 cuts"


def test_below_a_thousandth():
    """Without a word it is a thousandth of the first rate: ten halvings."""
    anneal = AnnealOnPlateau(patience=0)
    model = begin(anneal, Bare(5e-5, 1e-5))
    looked = 0
    while not model.stop_training:
        anneal.look({"val_loss": 1.0})
        looked += 1

    assert looked == 11
    assert "fell below a thousandth of the first rate, after 10 cuts" in anneal.stop_reason


def test_groups_below_it_from_the_start():
    """A group that is below the smallest rate from the start, such as one that does not learn, does not fall below."""
    anneal = AnnealOnPlateau(patience=0, min_learning_rate=0.05)
    model = begin(anneal, Bare(0.1, 0.0, 0.01))

    anneal.look({"val_loss": 1.0})
    anneal.look({"val_loss": 1.0})

    assert model.rates == [0.05, 0.0, 0.005]
    assert not model.stop_training


def test_all_below_it_from_the_start():
    """The 1e-4 of flair with the rate of a transformer would end the training at once: an error before it."""
    with pytest.raises(ArgumentError, match="5e-05 is below min_learning_rate=0"):
        begin(AnnealOnPlateau(min_learning_rate=1e-4), Bare(5e-5))


# State


def test_state():
    """The state is plain data; with it another object goes on as the first would have."""
    rows = [{"val_score": value, "val_loss": second} for value, second in TRACE]
    whole = AnnealOnPlateau("val_score", patience=1, initial_extra_patience=1)
    begin(whole)
    seen = [whole.look(row) for row in rows]
    first, second = (AnnealOnPlateau("val_score", patience=1, initial_extra_patience=1) for _ in range(2))
    begin(first)
    for row in rows[:6]:
        first.look(row)
    second.load_state(json.loads(json.dumps(first.state())))
    begin(second)

    assert [second.look(row) for row in rows[6:]] == seen[6:]


def test_a_second_run_begins_anew():
    """The same object in a second run has forgotten the first."""
    anneal = AnnealOnPlateau(patience=0)
    begin(anneal)
    anneal.look({"val_loss": 1.0})
    anneal.look({"val_loss": 2.0})

    begin(anneal)

    assert anneal.state() == AnnealOnPlateau().state()


# In fit

X = torch.linspace(-1, 1, 24).reshape(12, 2)
Y = X.sum(1, keepdim=True)


class Scripted(nn.Module):
    """A network whose outputs, and so its losses, follow a script: one value per validation."""

    def __init__(self, values):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.values, self.place = values, -1

    def train(self, mode=True):
        if self.training and not mode:
            self.place = min(self.place + 1, len(self.values) - 1)
        return super().train(mode)

    def forward(self, x):
        outputs = x[:, :1] * 0 + self.weight * 0
        return outputs if self.training else outputs + self.values[self.place]


def fit(values, **options):
    """Train on a script of validation losses (squares of the values), three updates an epoch."""
    model = Model(Scripted(values), {"optim": "sgd", "lr": 0.1}, "mse", device="cpu")
    zeros = torch.zeros(12, 1)
    chosen = {"epochs": len(values), "batch_size": 4, "seed": 1, "verbose": 0}
    return model, model.fit(X, zeros, (X, zeros), **{**chosen, **options})


SCRIPT = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    "chosen",
    [
        {"schedule": {"name": "plateau", "patience": 1}},
        {"schedule": AnnealOnPlateau(patience=1)},
        {"callbacks": [AnnealOnPlateau(patience=1)]},
    ],
    ids=["dict", "schedule", "callback"],
)
def test_rates_of_fit(chosen):
    """The cut holds from the next epoch on; by name, as a schedule and as a callback it is the same."""
    model, history = fit(SCRIPT, **chosen)

    assert history.learning_rates == [0.1] * 9 + [0.05] * 9
    assert model.optimizer.param_groups[0]["lr"] == 0.1


def test_name_alone():
    """schedule="plateau" waits for four validations that are no better."""
    _, history = fit([1.0] * 6, schedule="plateau")

    assert history.learning_rates == [0.1] * 15 + [0.05] * 3


def test_class_as_schedule():
    """The class is what its name is."""
    _, history = fit([1.0] * 6, schedule=AnnealOnPlateau)

    assert history.learning_rates == [0.1] * 15 + [0.05] * 3


def test_end_of_a_run():
    """The run ends where the rate falls below the smallest one, and the history says why."""
    schedule = {"name": "plateau", "patience": 0, "min_learning_rate": 0.04}

    _, history = fit([1.0] * 8, schedule=schedule)

    assert len(history) == 3
    assert history.stop_reason == "the learning rate 0.025 fell below min_learning_rate=0.04, after 2 cuts"
    assert "Stopped: the learning rate" in str(history)


def test_validations_inside_an_epoch():
    """Each validation counts, and the one at the end of an epoch once."""
    _, history = fit([1.0] * 6, epochs=2, schedule={"name": "plateau", "patience": 1}, validate_every=1)

    assert history.learning_rates == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]


def test_warmup_in_front():
    """A warm-up that is asked for leads up to the rate, and a cut in it lowers that to which it leads."""
    _, history = fit([1.0] * 4, schedule={"name": "plateau", "patience": 0, "warmup": 6})

    top = [0.1] * 3 + [0.1] * 3 + [0.05] * 3 + [0.025] * 3
    assert history.learning_rates == [rate * min(k / 6, 1) for k, rate in enumerate(top)]


def test_training_loss_without_validation():
    """Without validation data the loss of the training can be watched, as flair does where it trains on all data."""
    model = Model(nn.Linear(2, 1), {"optim": "sgd", "lr": 0.0}, "mse", device="cpu")

    history = model.fit(
        X, Y, epochs=4, batch_size=12, schedule={"name": "plateau", "monitor": "loss", "patience": 1}, verbose=0
    )

    assert len(history) == 4
    assert history.stop_reason is None


def test_in_a_model_of_poutynes():
    """It works in Poutyne's own loop, which knows epochs only."""
    network = Scripted(SCRIPT)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    model = poutyne.Model(network, optimizer, "mse")
    zeros = torch.zeros(12, 1)

    model.fit(X, zeros, validation_data=(X, zeros), epochs=6, callbacks=[AnnealOnPlateau(patience=1)], verbose=False)

    assert optimizer.param_groups[0]["lr"] == 0.025


def test_default_schedule_is_off(tiny_bert, texts_and_labels, capsys):
    """With a task the recipe's schedule and warm-up give way, and one line says so where a callback does it."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    options = {"validation_split": 0.2, "epochs": 1, "batch_size": 8}

    by_name = model.fit(*texts_and_labels, schedule="plateau", verbose=0, **options)
    by_callback = model.fit(*texts_and_labels, callbacks=[AnnealOnPlateau("val_accuracy")], verbose=2, **options)

    assert by_name.learning_rates == by_callback.learning_rates == [5e-5] * 4
    assert capsys.readouterr().out.count("the default schedule is off") == 1


def test_second_fit_begins_at_the_full_rate():
    """A second fit plans its own annealing, from the optimizer's own rate."""
    model, first = fit([1.0] * 3, schedule={"name": "plateau", "patience": 0})
    zeros = torch.zeros(12, 1)

    second = model.fit(X, zeros, (X, zeros), epochs=1, batch_size=4, schedule="plateau", verbose=0)

    assert first.learning_rates == [0.1] * 6 + [0.05] * 3
    assert second.learning_rates == [0.1] * 3


# Errors, before the first step


@pytest.mark.parametrize("how", ["schedule", "callback"])
@pytest.mark.parametrize(
    ("given", "has_validation", "words", "do"),
    [
        ({}, False, "watches 'val_loss'", "give validation_data= or validation_split=."),
        ({"monitor": "val_los", "mode": "min"}, True, "watches 'val_los'", "did you mean 'val_loss'?"),
        ({"second": "val_los"}, True, "watches 'val_los'", "did you mean 'val_loss'?"),
        ({"monitor": "accuracy"}, True, "one of loss, val_loss.", None),
    ],
)
def test_nothing_to_watch(how, given, has_validation, words, do):
    """A name that no validation will have, or no validation data: an error before training lists what there is."""
    model = Model(nn.Linear(2, 1), "sgd", "mse", device="cpu")
    before = model.network.weight.clone()
    chosen = (
        {"schedule": {"name": "plateau", **given}} if how == "schedule" else {"callbacks": AnnealOnPlateau(**given)}
    )

    with pytest.raises(ArgumentError) as caught:
        model.fit(X, Y, (X, Y) if has_validation else None, verbose=0, **chosen)

    assert words in str(caught.value)
    assert caught.value.do == do or do is None
    assert torch.equal(model.network.weight, before)


def test_value_that_only_the_first_validation_shows_to_be_missing():
    """Where a loss of the user's own may give further values, a missing one is found at the first validation."""

    def loss(y_pred, y_true):
        return ((y_pred - y_true) ** 2).mean(), {"gap": (y_pred - y_true).abs().mean()}

    model = Model(nn.Linear(2, 1), "sgd", loss, device="cpu")

    with pytest.raises(ArgumentError, match="watches 'val_gab'") as caught:
        model.fit(X, Y, (X, Y), schedule={"name": "plateau", "monitor": "val_gab", "mode": "min"}, verbose=0)

    assert "val_loss" in caught.value.expected


def test_missing_value_beside_a_loop_of_ones_own():
    """Called by hand with a row that lacks a value, it says which there are."""
    with pytest.raises(ArgumentError, match="watches 'val_f1', which there is not") as caught:
        AnnealOnPlateau("val_f1").look({"epoch": 1, "val_loss": 0.5})

    assert caught.value.expected == "one of val_loss."


@pytest.mark.parametrize(
    ("given", "words", "do"),
    [
        ({"factor": 1.0}, "factor=1.0 does not lower a rate", "write factor=0.5."),
        ({"factor": True}, "factor=True", "write factor=0.5."),
        ({"patience": -1}, "patience=-1 is no number", None),
        ({"initial_extra_patience": 0.5}, "initial_extra_patience=0.5 is no number", None),
        ({"min_learning_rate": -1}, "min_learning_rate=-1 is no rate", None),
        ({"mode": "maximum"}, "mode='maximum' is not known", "did you mean 'max'?"),
        ({"monitor": "val_cost"}, "larger or a smaller 'val_cost'", "write AnnealOnPlateau('val_cost', mode=\"max\")."),
        ({"second": "loss"}, "second='loss' and monitor='val_loss' are not measured together", "write second=None,"),
    ],
)
def test_arguments_that_do_not_fit(given, words, do):
    """Each argument is looked at when the callback is made."""
    with pytest.raises(ArgumentError, match=words) as caught:
        AnnealOnPlateau(**given)

    assert do is None or caught.value.do.startswith(do)


@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("patient", "did you mean 'patience'?"),
        ("min_lr", "write min_learning_rate=."),
        ("anneal_factor", "write factor=."),
        ("threshold", "leave it out: a value is better if it is better at all."),
        ("cooldown", "leave it out: after a cut the count begins anew."),
    ],
)
def test_words_of_others(name, do):
    """Misspelt words, torch's and flair's get ours."""
    with pytest.raises(ArgumentError, match=f"the schedule plateau has no argument '{name}'") as caught:
        annealing_of({"name": "plateau", name: 1})

    assert caught.value.do == do


@pytest.mark.parametrize("schedule", ["linear", "StepLR", [0.1] * 3])
def test_two_schedules(schedule):
    """A schedule beside the callback would undo its cuts."""
    with pytest.raises(ArgumentError, match="schedule= and the callback AnnealOnPlateau both move the learning rate"):
        fit([1.0], schedule=schedule, callbacks=[AnnealOnPlateau()])


def test_words_for_another_tool_in_the_plan():
    """A schedule by plateau plans nothing per update but the warm-up that is asked for."""
    assert make_schedule("plateau", 0.1, 10, is_warmup_asked=False) is None


def test_exported():
    """It is one of the package's names."""
    assert keraslike.AnnealOnPlateau is AnnealOnPlateau
