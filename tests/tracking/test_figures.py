import numpy as np
import pytest
from wcwidth import wcswidth

from keraslike.tracking.figures import duration, figures_of, number, passing_line, rate, result_line

MANY = {"loss": 0.5, **{f"metric_{i}": i / 8 for i in range(9)}}
MANY |= {f"val_{name}": value for name, value in MANY.items()}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.000"), (1, "1.000"), (0.123456, "0.1235"), (99.99, "99.99"), (123456, "1.235e+05"), (-0.5, "-0.5000")],
)
def test_numbers_have_four_significant_digits(value, text):
    """Always four, whatever the size."""
    assert number(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0s"), (59.94, "59.9s"), (59.96, "01:00"), (7200, "2:00:00")])
def test_durations_never_show_sixty_seconds(seconds, text):
    """A minute is written as a clock shows it."""
    assert duration(seconds) == text


def test_no_rate_without_time():
    """A clock that did not move tells no speed."""
    assert rate(10, 0.0) == ""


def test_figures_are_the_numbers_among_the_logs():
    """Counters, words and whole arrays are no figures; numpy's scalars are."""
    logs = {"epoch": 1, "size": 2, "loss": np.float32(0.5), "matrix": np.eye(2), "note": "x", "none": None}

    assert figures_of(logs) == {"loss": 0.5}


def test_figures_lose_the_prefix_that_is_asked_for():
    """A line that says what it is about need not say it at every figure."""
    assert figures_of({"test_loss": 0.5, "f1": 1.0}, "test_") == {"loss": 0.5, "f1": 1.0}


@pytest.mark.parametrize("width", range(100))
def test_a_line_is_never_wider_than_its_width(width):
    """Whatever the number of metrics, and for whatever has happened in between."""
    passing = [
        passing_line("Epoch 1/3", MANY, step, 120, 4.0, "240 examples/s", width) for step in (0, 1, 60, 120, 121)
    ]
    result = result_line("Epoch 1/3", MANY, 4.0, "240 examples/s", width)

    assert max(wcswidth(line) for line in [*passing, result]) <= width


@pytest.mark.parametrize("width", [60, 79, 80, 120])
def test_wide_characters_take_two_columns(width):
    """Counted by an independent library."""
    assert (
        wcswidth(result_line("Epoch 1/3", {"loss": 0.5, "正解率": 0.5, "適合率": 0.5}, 4.0, "9 examples/s", width))
        <= width
    )


@pytest.mark.parametrize("width", [50, 60, 80])
def test_the_losses_are_the_last_to_go(width):
    """With ten metrics and 50 columns the two losses are still there, and the number of the hidden is told."""
    line = result_line("Epoch 1/3", MANY, 4.0, "240 examples/s", width)
    hidden = int(line.rsplit("+", 1)[1])

    assert line.startswith("Epoch 1/3  loss 0.5000")
    assert "val_loss 0.5000" in line
    assert hidden + line.count("loss") + line.count("metric") == len(MANY)


def test_the_validations_metric_outlives_the_trainings():
    """What the model is judged by goes after what it learned from."""
    line = result_line("Epoch 1/3", {"loss": 1, "f1": 1, "val_loss": 1, "val_f1": 1}, 4.0, "", 57)

    assert line == "Epoch 1/3  loss 1.000  val_loss 1.000  val_f1 1.000  +1"


def test_without_a_width_nothing_is_left_out():
    """A log file has room for everything."""
    line = result_line("Epoch 1/3", MANY, 4.0, "240 examples/s")

    assert all(f"{name} " in line for name in MANY)
    assert line.endswith("4.0s  240 examples/s")


def test_the_bar_is_as_long_as_the_share_of_steps():
    """30 of 120 steps are a quarter of 20 columns."""
    line = passing_line("Epoch 1/3", {"loss": 0.5}, 30, 120, 4.0, width=100)

    assert line == f"Epoch 1/3  {'█' * 5}{' ' * 15}  30/120  loss 0.5000  00:12 left"


def test_a_pass_of_unknown_length_counts_steps():
    """No bar and no time left where nobody knows how long it takes."""
    assert passing_line("Prediction", {}, 7, None, 4.0, "9 examples/s", 80) == "Prediction  7 steps  9 examples/s"
