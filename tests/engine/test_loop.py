"""The order of things in the loop, held against Poutyne's own where Poutyne does the same."""

import inspect
from itertools import count

import numpy as np
import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from tests.engine.loops import batches_by_hand, make_data, make_mlp, train_by_hand, weights_of

MOMENTS = [name for name in dir(poutyne.Callback) if name.startswith(("on_", "set_"))]


class Recorder(poutyne.Callback):
    """Writes down every call with its numbers and the keys of its logs."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _recording(name):
    def record(self, *arguments):
        told = [sorted(value) if hasattr(value, "keys") else value for value in arguments]
        self.calls.append((name, *told) if name != "set_model" else (name,))
        getattr(poutyne.Callback, name)(self, *arguments)

    return record


for moment in MOMENTS:
    setattr(Recorder, moment, _recording(moment))


def loader(rows=10, batch_size=4, **arguments):
    return DataLoader(TensorDataset(*make_data(rows)), batch_size=batch_size, **arguments)


def make(kind, loss="cross_entropy", lr=0.1, **arguments):
    network = make_mlp()
    return kind(network, torch.optim.SGD(network.parameters(), lr=lr), loss, **arguments)


RUNS = {
    "with validation": ((loader(), loader(6)), {"epochs": 2}),
    "without validation": ((loader(),), {"epochs": 2}),
    "no length": ((loader(), (pair for pair in loader(6))), {"epochs": 1, "validation_steps": 2}),
    "steps": ((loader(), loader(6)), {"epochs": 2, "steps_per_epoch": 2, "validation_steps": 1}),
    "more steps than batches": ((loader(),), {"epochs": 2, "steps_per_epoch": 5}),
    "later epochs": ((loader(),), {"epochs": 5, "initial_epoch": 4}),
    "no epochs": ((loader(),), {"epochs": 2, "initial_epoch": 3}),
}


@pytest.mark.parametrize("run", RUNS)
def test_callbacks_are_called_as_by_poutyne(run):
    """Every call, its number and the names in its logs come in the order in which Poutyne makes them."""
    generators, arguments = RUNS[run]
    if run == "no length":
        generators = (loader(), list(loader(6)))
    theirs, ours = Recorder(), Recorder()
    metrics = {"batch_metrics": ["accuracy"], "epoch_metrics": ["f1"]}

    make(poutyne.Model, **metrics).fit_generator(
        *generators, callbacks=[theirs], progress_options={"coloring": False}, verbose=False, **arguments
    )
    make(Model, **metrics).fit_generator(*generators, callbacks=[ours], verbose=0, **arguments)

    assert ours.calls == theirs.calls


def test_calls_of_one_optimizer_step_over_several_batches():
    """With several batches per step `on_backward_end` comes once, after the last batch of the step."""
    recorder = Recorder()

    make(Model).fit_generator(loader(14), epochs=1, batches_per_step=3, callbacks=[recorder], verbose=0)

    steps = [(name, number) for name, number, *_ in recorder.calls[3:] if isinstance(number, int)]
    begin, backward, end = "on_train_batch_begin", "on_backward_end", "on_train_batch_end"
    assert steps == [
        ("on_epoch_begin", 1),
        *[(begin, 1), (end, 1), (begin, 2), (end, 2), (begin, 3), (backward, 3), (end, 3)],
        *[(begin, 4), (backward, 4), (end, 4)],
        ("on_epoch_end", 1),
    ]


@pytest.mark.parametrize("verb", ["evaluate_generator", "predict_generator"])
def test_evaluate_and_predict_call_as_poutyne(verb):
    """Both evaluate and predict make Poutyne's calls, with its names in the logs."""
    theirs, ours = Recorder(), Recorder()
    arguments = {"has_ground_truth": True} if verb.startswith("predict") else {}

    getattr(make(poutyne.Model, batch_metrics=["accuracy"]), verb)(
        loader(), callbacks=[theirs], verbose=False, **arguments
    )
    getattr(make(Model, batch_metrics=["accuracy"]), verb)(loader(), callbacks=[ours], verbose=0, **arguments)

    assert ours.calls == theirs.calls


def test_numbers_in_the_logs():
    """Every number that a callback reads is Poutyne's; those of training batches and epochs are plain floats."""

    def logs_of(model):
        logs = []
        record = poutyne.LambdaCallback(
            on_train_batch_end=lambda number, log: logs.append(dict(log)),
            on_valid_batch_end=lambda number, log: logs.append(dict(log)),
            on_valid_end=lambda log: logs.append(dict(log)),
            on_epoch_end=lambda number, log: logs.append(dict(log)),
        )
        model.fit_generator(loader(), loader(6), epochs=2, callbacks=[record], verbose=False)
        return [{name: value for name, value in log.items() if name != "time"} for log in logs]

    metrics = {"batch_metrics": ["accuracy"], "epoch_metrics": ["f1"]}
    theirs, ours = logs_of(make(poutyne.Model, **metrics)), logs_of(make(Model, **metrics))

    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our == pytest.approx(their, rel=1e-6)
    training = [log for log in ours if "loss" in log]
    assert {type(value) for log in training for value in log.values()} == {int, float}


def test_history_has_poutynes_rows():
    """The history has Poutyne's keys in Poutyne's order."""
    theirs = make(poutyne.Model, batch_metrics=["accuracy"], epoch_metrics=["f1"]).fit_generator(
        loader(), loader(6), epochs=2, verbose=False
    )
    ours = make(Model, batch_metrics=["accuracy"], epoch_metrics=["f1"]).fit_generator(
        loader(), loader(6), epochs=2, verbose=0
    )

    assert [list(row) for row in ours] == [list(row) for row in theirs]


def test_stop_training_ends_after_the_epoch():
    """A callback that sets `stop_training` ends the run when the epoch has ended; a new fit starts anew."""
    model = make(Model)
    stop = poutyne.LambdaCallback(on_train_batch_end=lambda number, logs: setattr(model, "stop_training", True))

    stopped = model.fit_generator(loader(), epochs=5, callbacks=[stop], verbose=0)
    again = model.fit_generator(loader(), epochs=2, verbose=0)

    assert len(stopped.learning_rates) == 3
    assert stopped.epoch == [1]
    assert again.epoch == [1, 2]


def test_steps_per_epoch_cycles_over_the_data():
    """steps_per_epoch beyond the data starts them again, and each epoch starts from their beginning."""
    x, y = make_data(10)
    by_hand = make_mlp()
    batches = list(zip(x.split(4), y.split(4), strict=True))
    train_by_hand(by_hand, torch.optim.SGD(by_hand.parameters(), lr=0.1), F.cross_entropy, [*batches, *batches[:2]] * 2)
    model = make(Model)

    model.fit_generator(loader(), epochs=2, steps_per_epoch=5, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_generator_without_length_goes_on_over_epochs():
    """An endless generator is drawn from exactly once per batch, and goes on where the last epoch ended."""
    drawn = []

    def endless():
        for number in count():
            drawn.append(number)
            yield make_data(4)

    model = make(Model)
    history = model.fit_generator(endless(), epochs=3, steps_per_epoch=2, verbose=0)

    assert drawn == list(range(6))
    assert len(history.learning_rates) == 6


def test_generator_that_ends():
    """A generator without length and without steps_per_epoch is read to its end."""
    history = make(Model).fit_generator((pair for pair in loader()), epochs=1, verbose=0)

    assert len(history.learning_rates) == 3


def test_an_iterable_is_iterated_once_per_epoch():
    """A loader is asked for one iterator per epoch and for no batch beyond those that are learned from."""
    iterations, drawn = [], []

    class Source:
        def __len__(self):
            return 3

        def __iter__(self):
            iterations.append(1)
            for pair in loader():
                drawn.append(1)
                yield pair

    make(Model).fit_generator(Source(), epochs=2, steps_per_epoch=2, verbose=0)

    assert len(iterations) == 2
    assert len(drawn) in (4, 6)  # Poutyne's own zip(range, source) draws nothing ahead


def test_a_schedule_needs_a_length():
    """A schedule over data without a length is refused, with the argument that gives it one."""
    with pytest.raises(ArgumentError, match="data have no length") as caught:
        make(Model).fit_generator((pair for pair in loader()), epochs=1, schedule="linear", verbose=0)

    assert "steps_per_epoch" in caught.value.do


@pytest.mark.parametrize("data", [torch.zeros(3), {"input_ids": torch.zeros(3, 2)}, (1, 2, 3, 4)])
def test_what_is_no_pair(data):
    """A generator that yields no pairs is told so, by the type that it yielded."""
    with pytest.raises(DataError, match=f"yielded a {type(data).__name__}, not a pair"):
        make(Model).fit_generator([data], epochs=1, verbose=0)


# More than one fit


def test_second_fit_goes_on():
    """A second fit keeps the weights and moments, reseeds, and draws its orders by the lifetime epoch."""
    x, y = make_data(20)
    by_hand = make_mlp(dropout=0.3)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=0.01)
    for seed, epochs in ((3, (1, 2)), (4, (3,))):
        torch.manual_seed(seed)
        for epoch in epochs:
            batches = [(x[rows], y[rows]) for rows in batches_by_hand(20, 8, seed, epoch)]
            train_by_hand(by_hand, optimizer, F.cross_entropy, batches)
    network = make_mlp(dropout=0.3)
    model = Model(network, torch.optim.Adam(network.parameters(), lr=0.01), "cross_entropy", device="cpu")

    model.fit(x, y, epochs=2, batch_size=8, seed=3, verbose=0)
    model.fit(x, y, epochs=1, batch_size=8, seed=4, verbose=0)

    assert torch.equal(weights_of(network), weights_of(by_hand))


def test_second_fit_returns_its_own_rows():
    """Each call returns its own rows, numbered from initial_epoch; model.history has those of all calls."""
    model = make(Model)

    first = model.fit(*make_data(8), epochs=2, verbose=0)
    second = model.fit(*make_data(8), epochs=4, initial_epoch=3, verbose=0)
    third = model.fit(*make_data(8), verbose=0)

    assert [first.epoch, second.epoch, third.epoch] == [[1, 2], [3, 4], [1]]
    assert list(model.history) == [*first, *second, *third]
    assert model.history.learning_rates == first.learning_rates + second.learning_rates + third.learning_rates


def test_second_fit_plans_a_new_schedule(tiny_bert, texts_and_labels):
    """A second fit has a schedule of its own from the full rate down, not the rate of 0 where the first one ended."""
    texts, labels = texts_and_labels
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    first = model.fit(texts, labels, epochs=1, batch_size=4, verbose=0)
    after = [group["lr"] for group in model.optimizer.param_groups]
    second = model.fit(texts, labels, epochs=1, batch_size=4, verbose=0)

    assert max(second.learning_rates) == 5e-5
    assert second.learning_rates == first.learning_rates
    assert after == [5e-5, 5e-5]


def test_rows_are_kept_when_a_run_is_interrupted():
    """An exception in the middle leaves the finished epochs in model.history, and the model can go on."""
    model = make(Model)

    def interrupt(epoch, logs):
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(*make_data(8), epochs=5, callbacks=[poutyne.LambdaCallback(on_epoch_begin=interrupt)], verbose=0)
    model.fit(*make_data(8), verbose=0)

    assert model.history.epoch == [1, 2, 1]


# Single batches


def test_train_on_batch_takes_one_step():
    """`train_on_batch` takes one optimizer step on the mean of the batch and answers as Poutyne does."""
    x, y = make_data(8)
    by_hand = make_mlp()
    loss_by_hand = F.cross_entropy(by_hand(x), y).item()
    train_by_hand(by_hand, torch.optim.SGD(by_hand.parameters(), lr=0.1), F.cross_entropy, [(x, y)])
    model = make(Model, batch_metrics=["accuracy"])

    loss, accuracy, outputs = model.train_on_batch(x, y, return_pred=True)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))
    assert loss == pytest.approx(loss_by_hand)
    assert accuracy == pytest.approx(100 * (make_mlp()(x).argmax(1) == y).float().mean().item())
    np.testing.assert_allclose(outputs, make_mlp()(x).detach().numpy(), rtol=1e-6)


def test_evaluate_on_batch_leaves_no_sums_behind():
    """Measuring a batch by hand does not colour the loss and metrics of a later evaluation."""
    x, y = make_data(8)
    model, fresh = make(Model, epoch_metrics=["f1"]), make(Model, epoch_metrics=["f1"])

    model.evaluate_on_batch(x, y)
    model.train_on_batch(x[:4], y[:4])
    fresh.train_on_batch(x[:4], y[:4])

    assert model.evaluate(x, y, verbose=0) == fresh.evaluate(x, y, verbose=0)


def test_sums_of_a_broken_run_are_forgotten():
    """A run that an exception ended leaves nothing in the sums: the next evaluation is exact."""
    x, y = make_data(8)
    model = make(Model, lr=0.0, epoch_metrics=["f1"])
    exact = model.evaluate(x, y, verbose=0)

    def interrupt(number, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x[:4], y[:4], callbacks=[poutyne.LambdaCallback(on_train_batch_end=interrupt)], verbose=0)

    assert model.evaluate(x, y, verbose=0) == exact


def test_poutynes_signatures_hold():
    """The `*_on_batch` and `*_generator` verbs take what Poutyne's take, by the same names."""
    for verb in ("fit_generator", "fit_dataset", "evaluate_generator", "predict_generator", "train_on_batch"):
        theirs = inspect.signature(getattr(poutyne.Model, verb)).parameters
        ours = inspect.signature(getattr(Model, verb)).parameters
        positional = [name for name, p in theirs.items() if p.kind is p.POSITIONAL_OR_KEYWORD]

        assert list(ours)[: len(positional)] == positional


@pytest.mark.parametrize("steps", [None, 2])
def test_a_generator_that_ran_dry(steps):
    """A generator gives one epoch; the next one is an error instead of a loss of NaN, or of an endless loop."""
    x, y = make_data(8)

    with pytest.raises(DataError, match="can be read only once") as raised:
        make(Model).fit_generator(iter([(x, y), (x, y)]), epochs=2, steps_per_epoch=steps, verbose=0)

    assert f"at least {steps or 1} in every epoch" in str(raised.value)
    assert "ran out before the first batch of an epoch" in str(raised.value)


@pytest.mark.parametrize("options", [{"epochs": 1}, {"updates": 3}, {"steps_per_epoch": 3}])
def test_a_generator_without_length_is_said(options, capsys):
    """One without an end would never end its epoch: a line says what to give, where nothing of it is given."""
    make(Model).fit_generator((pair for pair in loader()), verbose=2, **options)

    assert ("give steps_per_epoch= or updates=" in capsys.readouterr().out) == ("epochs" in options)


def test_sums_of_a_broken_evaluation_are_forgotten():
    """An evaluation that an exception ended leaves nothing in the sums: the next one is exact."""
    x, y = make_data(8)
    model = make(Model, batch_metrics=["accuracy"], epoch_metrics=["f1"])
    loss, metrics = model.evaluate(x, y, verbose=0)

    def broken():
        yield x[:3], y[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.evaluate_generator(broken(), steps=2, verbose=0)

    assert model.evaluate(x, y, verbose=0) == (loss, pytest.approx(metrics, rel=0, abs=0))


@pytest.mark.parametrize("kind", ["batch_metrics", "epoch_metrics"])
@pytest.mark.parametrize("verb", ["evaluate_on_batch", "train_on_batch"])
def test_a_batch_by_hand_leaves_no_sums_behind(verb, kind):
    """The evaluation after a single batch is that of its own data only, batch and epoch metrics alike."""
    x, y = make_data(8)
    model = make(Model, lr=0.0, **{kind: ["accuracy"]})
    exact = model.evaluate(x, y, verbose=0)

    getattr(model, verb)(x[:3], y[:3])

    assert model.evaluate(x, y, verbose=0) == exact
