import pytest

from keraslike.tracking import pace
from keraslike.tracking.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    return now


def test_counts_steps_examples_and_seconds(clock):
    """A pass lasts from its beginning to its last batch."""
    one = Pace("Epoch 1/1", started=clock[0])
    clock[0] += 2
    one.step(32)
    clock[0] += 1
    one.step(8)

    assert (one.steps, one.examples, one.seconds) == (2, 40, 3.0)


def test_lasts_no_time_before_the_first_batch(clock):
    """No batch, no time."""
    assert Pace("Epoch 1/1", started=clock[0]).seconds == 0.0


def test_a_pause_is_left_out(clock):
    """A validation in the middle of an epoch does not slow the training down."""
    one = Pace("Epoch 1/1", started=clock[0])
    clock[0] += 2
    one.step(32)
    clock[0] += 10
    one.pause(10)
    clock[0] += 2
    one.step(32)

    assert one.seconds == 4.0


def test_means_are_weighted_by_examples():
    """A short batch counts for less: (30 * 1 + 10 * 2) / 40."""
    one = Pace("Epoch 1/1")

    assert one.mean({"loss": 1.0}, 30) == {"loss": 1.0}
    assert one.mean({"loss": 2.0}, 10) == {"loss": 1.25}


def test_batches_of_unknown_size_weigh_the_same():
    """A size of 0 stands for unknown."""
    one = Pace("Epoch 1/1")
    one.mean({"loss": 1.0}, 0)

    assert one.mean({"loss": 2.0}, 0) == {"loss": 1.5}
