"""Callbacks that are looked at before the first step."""

from typing import Any

import poutyne
import pytest
from transformers import EarlyStoppingCallback

from keraslike.checks import check_callbacks
from keraslike.errors import ArgumentError

METRICS = ["accuracy"]


def test_one_callback_is_a_list_of_one():
    """A callback that is not in a list is taken as if it were."""
    callback = poutyne.LambdaCallback()

    assert check_callbacks(callback, METRICS, has_validation=False) == [callback]
    assert check_callbacks(None, METRICS, has_validation=False) == []


@pytest.mark.parametrize(
    ("monitor", "has_validation", "do"),
    [
        ("val_loss", False, "validation_split="),
        ("val_acuracy", True, "did you mean 'val_accuracy'?"),
        ("accuracy ", True, "did you mean 'accuracy'?"),
    ],
)
def test_a_monitor_that_no_epoch_has(monitor: str, has_validation: bool, do: str):
    """A callback that watches what there is not is refused before training, with what there is."""
    with pytest.raises(ArgumentError, match="watches") as raised:
        check_callbacks([poutyne.EarlyStopping(monitor=monitor)], METRICS, has_validation)

    assert "loss, accuracy" in str(raised.value)
    assert do in str(raised.value)


@pytest.mark.parametrize("monitor", ["loss", "val_loss", "accuracy", "val_accuracy"])
def test_a_monitor_that_there_is(monitor: str):
    """Every name of the history can be watched."""
    callback = poutyne.EarlyStopping(monitor=monitor)

    assert check_callbacks([callback], METRICS, has_validation=True) == [callback]


def test_a_checkpoint_of_every_epoch_watches_nothing(tmp_path):
    """A checkpoint that is written after every epoch has a monitor that it never looks at."""
    callback = poutyne.ModelCheckpoint(str(tmp_path / "weights"))

    assert check_callbacks([callback], METRICS, has_validation=False) == [callback]


@pytest.mark.parametrize("given", [[poutyne.LambdaCallback], ["early_stopping"]], ids=["class", "name"])
def test_no_callback(given: list[object]):
    """A class that was not called, or a name, is no callback."""
    with pytest.raises(ArgumentError, match="which is no callback"):
        check_callbacks(given, METRICS, has_validation=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            EarlyStoppingCallback(),
            r"the class EarlyStoppingCallback of transformers(.|\n)*poutyne\.EarlyStopping\(\.\.\.\)",
        ),
        ([EarlyStoppingCallback], r"the class EarlyStoppingCallback of transformers"),
        (poutyne.EarlyStopping, r"the class EarlyStopping, which(.|\n)*write EarlyStopping\(\.\.\.\)"),
        ("early_stopping", r"holds 'early_stopping', which is no callback(.|\n)*poutyne\.EarlyStopping\(\.\.\.\)"),
        ([3], r"holds 3, which is no callback"),
    ],
    ids=["object", "class", "own class", "name", "number"],
)
def test_what_is_no_callback(given: Any, message: str):
    """What Poutyne cannot call is named, with its library, and Poutyne's callback of that name."""
    with pytest.raises(ArgumentError, match=message):
        check_callbacks(given, METRICS, has_validation=False)
