import csv
import operator

import numpy as np
import poutyne
import pytest
import torch

from keraslike.tracking import BatchLogs
from keraslike.tracking.logs import plain


@pytest.fixture
def logs():
    return BatchLogs({"batch": 1, "size": 32, "loss": torch.tensor(0.5, requires_grad=True), "f1": lambda: 0.75})


PLAIN = {"batch": 1, "size": 32, "loss": 0.5, "f1": 0.75}


def test_values_are_plain_numbers(logs):
    """Counters stay ints; tensors and functions become floats."""
    assert {name: type(value) for name, value in logs.items()} == {
        "batch": int,
        "size": int,
        "loss": float,
        "f1": float,
    }


def test_nothing_is_computed_before_it_is_read():
    """Looking at names, or at another value, does not compute a value."""
    read = []
    logs = BatchLogs({"size": 32, "loss": lambda: read.append(1) or 0.5})

    assert (list(logs), len(logs), "loss" in logs, "acc" in logs, logs["size"]) == (
        ["size", "loss"],
        2,
        True,
        False,
        32,
    )
    assert read == []


def test_a_value_is_computed_once():
    """Many callbacks may read the same batch."""
    read = []
    logs = BatchLogs({"loss": lambda: read.append(1) or 0.5})

    assert [logs["loss"], logs.get("loss"), *logs.values()] == [0.5, 0.5, 0.5]
    assert read == [1]


def test_equals_a_dict_from_both_sides(logs):
    """Poutyne's own tests compare logs with dicts."""
    assert logs == PLAIN
    assert operator.eq(PLAIN, logs)
    assert logs != {**PLAIN, "loss": 0.25}


@pytest.mark.parametrize(
    "merge",
    [lambda logs, more: logs | more, lambda logs, more: {**logs, **more}, lambda logs, more: dict(logs, **more)],
)
def test_merges_with_dicts_into_a_plain_dict(logs, merge):
    """Loggers add rates to the logs; what comes out is a dict of numbers."""
    merged = merge(logs, {"lr": 0.1, "loss": 1.0})

    assert type(merged) is dict
    assert merged == {**PLAIN, "lr": 0.1, "loss": 1.0}


def test_merges_from_the_right(logs):
    """A dict on the left gives way to the logs."""
    assert {"lr": 0.1, "loss": 1.0} | logs == {"lr": 0.1, **PLAIN}


def test_merges_in_place(logs):
    """`|=` keeps the logs' kind."""
    logs |= {"lr": torch.tensor(0.5)}

    assert isinstance(logs, BatchLogs)
    assert logs["lr"] == 0.5


def test_copy_is_a_plain_dict(logs):
    """Who keeps a copy keeps numbers, no tensors."""
    copy = logs.copy()

    assert type(copy) is dict
    assert copy == PLAIN


def test_prints_like_a_dict(logs):
    """A callback that prints its logs shows numbers."""
    assert repr(logs) == repr(PLAIN)


def test_values_can_be_set_and_deleted(logs):
    """Callbacks may add to the logs and take away."""
    logs["lr"] = 0.1
    del logs["f1"]

    assert logs == {"batch": 1, "size": 32, "loss": 0.5, "lr": 0.1}


def test_an_unknown_name_is_a_key_error(logs):
    """As with a dict."""
    with pytest.raises(KeyError, match="accuracy"):
        logs["accuracy"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (torch.tensor([3]), 3),
        (torch.tensor([1.0, 2.0]), [1.0, 2.0]),
        (np.float32(0.5), 0.5),
        (np.array([True, False]), [True, False]),
        (None, None),
        ("word", "word"),
    ],
)
def test_plain(value, expected):
    """Whatever holds numbers gives Python's own."""
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


def test_poutynes_csv_logger_writes_them(model, tmp_path):
    """Poutyne's batch logger reads ours as it reads a dict."""
    logger = poutyne.CSVLogger(str(tmp_path / "log.csv"), batch_granularity=True)
    logger.set_model(model)
    logger.set_params({"epochs": 1, "steps": 1})
    logger.on_train_begin({})
    logger.on_epoch_begin(1, {})
    logger.on_train_batch_end(1, BatchLogs({"batch": 1, "size": 2, "time": 0.1, "loss": torch.tensor(0.5), "acc": 1.0}))
    logger.on_train_end({})

    with open(tmp_path / "log.csv", encoding="utf-8") as file:
        assert [row["loss"] for row in csv.DictReader(file)] == ["0.5"]
