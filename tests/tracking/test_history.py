import copy
import json
import operator
import pickle

import numpy as np
import pandas as pd
import poutyne
import pytest

from keraslike.errors import DataError
from keraslike.tracking import History

ROWS = [
    {"epoch": 1, "time": 2.0, "loss": 1.0, "acc": 50.0, "val_loss": 0.9, "val_acc": 60.0},
    {"epoch": 2, "time": 2.5, "loss": 0.5, "acc": 75.0, "val_loss": 0.7, "val_acc": 65.0},
]


@pytest.fixture
def history():
    measured = {"validations": [{"val_loss": 0.8}], "best": {"epoch": 2, "update": 2, "val_loss": 0.7}}
    return History(ROWS, seed=7, learning_rates=[0.1, 0.05], stop_reason="no better", **measured)


def test_is_a_list_of_dicts(history):
    """What Poutyne's users do with a list works, and both compare equal."""
    assert isinstance(history, list)
    assert history == ROWS
    assert operator.eq(ROWS, history)
    assert [row["loss"] for row in history] == [1.0, 0.5]
    assert type(history[-1]) is dict


def test_holds_what_poutyne_gives(model, rows):
    """Exactly its keys, exactly its values."""
    theirs = model.fit(*rows, epochs=2, validation_data=rows, verbose=False)

    assert History(theirs) == theirs


def test_poutyne_plots_it(history):
    """Poutyne's own plot reads it as its list."""
    figures, _ = poutyne.plot_history(history, show=False, close=True)

    assert len(figures) == 3  # time, loss and acc


def test_keras_words(history):
    """`.history` by name, `.epoch` the numbers."""
    assert history.history == {
        "time": [2.0, 2.5],
        "loss": [1.0, 0.5],
        "acc": [50.0, 75.0],
        "val_loss": [0.9, 0.7],
        "val_acc": [60.0, 65.0],
    }
    assert history.epoch == [1, 2]


def test_values_that_an_epoch_lacks_are_nan():
    """All lists have one value per epoch."""
    history = History([{"epoch": 1, "loss": 1.0, "val_loss": 0.5}, {"epoch": 2, "loss": 1.0}])

    np.testing.assert_equal(history.history, {"loss": [1.0, 1.0], "val_loss": [0.5, np.nan]})


def test_rows_are_its_own(history):
    """Changing them leaves the given ones alone."""
    history[0]["loss"] = 9.0

    assert ROWS[0]["loss"] == 1.0


def test_a_slice_is_a_history_with_the_seed(history):
    """The rates per step belong to the whole run."""
    last = history[1:]

    assert isinstance(last, History)
    assert (last, last.seed, last.learning_rates) == (ROWS[1:], 7, [])


def test_two_runs_add_up(history):
    """Rows, rates, validations and skipped steps of both; the first one's seed, the last one's reason to stop."""
    second = History([{"epoch": 3, "loss": 0.4}], seed=8, learning_rates=[0.01], skipped=[{"epoch": 3}] * 2)
    total = history + second

    assert total == [*ROWS, {"epoch": 3, "loss": 0.4}]
    assert (total.seed, total.learning_rates, total.stop_reason) == (7, [0.1, 0.05, 0.01], None)
    assert (total.validations, total.skipped_steps) == ([{"val_loss": 0.8}], 2)
    assert (len(history), history.learning_rates) == (2, [0.1, 0.05])


def test_best_of_two_runs(history):
    """The best row is that of the last run that looked for one."""
    best = {"epoch": 3, "update": 9, "val_loss": 0.6}

    assert (history + History([{"epoch": 3}])).best == history.best
    assert (history + History([{"epoch": 3}], best=best)).best == best


def test_a_plain_list_can_be_added(history):
    """The run's facts stay."""
    history += [{"epoch": 3}]

    assert (len(history), history.seed, history.stop_reason) == (3, 7, "no better")


def test_a_list_plus_a_history_is_a_list(history):
    """The list decides."""
    assert operator.add([{"epoch": 0}], history) == [{"epoch": 0}, *ROWS]


def test_an_empty_history_takes_the_seed_of_what_is_added(history):
    """A model's own history starts empty."""
    total = History()
    total += history

    assert (total, total.seed) == (ROWS, 7)


@pytest.mark.parametrize(
    "again",
    [
        History.copy,
        copy.copy,
        copy.deepcopy,
        lambda history: pickle.loads(pickle.dumps(history)),  # noqa: S301  what this test itself wrote
        lambda history: History.from_json(json.loads(json.dumps(history.to_json()))),
    ],
    ids=["copy", "copy.copy", "deepcopy", "pickle", "json"],
)
def test_copies_keep_everything(history, again):
    """Whoever stores it gets it back."""
    twin = again(history)

    assert type(twin) is History
    assert twin == history
    assert vars(twin) == vars(history)


def test_json_has_plain_values():
    """Whatever a metric returned."""
    value = History([{"epoch": 1, "loss": np.float32(0.5), "matrix": np.eye(2)}]).to_json()

    assert json.loads(json.dumps(value))["rows"] == [{"epoch": 1, "loss": 0.5, "matrix": [[1.0, 0.0], [0.0, 1.0]]}]


def test_to_pandas(history):
    """A row per epoch, a column per name."""
    pd.testing.assert_frame_equal(history.to_pandas(), pd.DataFrame(ROWS))


def test_plot_writes_the_format_of_the_ending(history, tmp_path):
    """And gives the figure."""
    figure = history.plot(tmp_path / "curve.svg")

    assert (tmp_path / "curve.svg").read_text("utf-8").startswith("<?xml")
    assert [panel.get_ylabel() for panel in figure.axes] == ["loss", "acc"]


def test_plot_without_a_path_writes_nothing(history, tmp_path, monkeypatch):
    """Nothing is written unless a file was named."""
    monkeypatch.chdir(tmp_path)
    history.plot(None)

    assert list(tmp_path.iterdir()) == []


def test_plot_before_any_epoch():
    """The answer says what to do."""
    with pytest.raises(DataError, match="call fit first"):
        History().plot()


def test_prints_a_table_and_a_curve(history):
    """The losses as numbers and as a picture, and why the run ended."""
    lines = str(history).splitlines()

    assert lines[:3] == [
        "epoch    loss  val_loss    acc  val_acc  time",
        "    1   1.000    0.9000  50.00    60.00  2.0s",
        "    2  0.5000    0.7000  75.00    65.00  2.5s",
    ]
    assert lines[-3].strip() == "* loss  o val_loss  by epoch"
    assert lines[-1] == "Stopped: no better"
    assert max(map(len, lines)) <= 80


def test_prints_one_epoch_without_a_curve():
    """A point is no curve."""
    assert str(History(ROWS[:1])).count("\n") == 1


def test_prints_before_any_epoch():
    """No table without rows."""
    assert str(History()) == "History: no epochs yet."


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "<History: 0 epochs>"),
        (ROWS[:1], "<History: 1 epoch, loss 1.000, val_loss 0.9000>"),
        (ROWS, "<History: 2 epochs, loss 0.5000, val_loss 0.7000>"),
    ],
)
def test_repr_is_short(rows, text):
    """A notebook's cell that ends with fit shows one line."""
    assert repr(History(rows)) == text
