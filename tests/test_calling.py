"""`called_by_name`: a function gets what it names; and the nearest name to a misspelt one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from torch import nn

from keraslike.calling import Call, called_by_name, did_you_mean, name_of, nearest, parameters_of
from keraslike.errors import ArgumentError


def asked(function: Callable[..., Any], **more: Any) -> Any:
    """Call it with outputs, targets and inputs that tell what they are."""
    outputs, targets = {"logits": "logits", "loss": "loss"}, {"labels": "labels", "length": "length"}
    return called_by_name(function, has_inputs=True)(outputs, targets, {"input_ids": "ids", "own": "own"}, **more)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda logits, labels: (logits, labels), ("logits", "labels")),
        (lambda labels, logits: (labels, logits), ("labels", "logits")),
        (lambda input_ids, logits: (input_ids, logits), ("ids", "logits")),
        (lambda logits, own: (logits["logits"], own["labels"]), ("logits", "labels")),  # two: by position
        (lambda logits, labels, own: (logits, labels, own), ("logits", "labels", "own")),
        (lambda logits, labels, length, loss: (length, loss), ("length", "loss")),
        (lambda outputs, targets: (len(outputs), len(targets)), (2, 2)),
        (lambda y_pred, y_true: (len(y_pred), len(y_true)), (2, 2)),
        (lambda x, y: (len(x), len(y)), (2, 2)),
        (lambda logits, labels=1, scale=2: (logits, labels, scale), ("logits", 1, 2)),
        (lambda logits, *, labels: (logits, labels), ("logits", "labels")),
        (partial(lambda logits, labels, scale: (labels, scale), scale=3), ("labels", 3)),
        (lambda *parts: len(parts), 2),
        (lambda x, y, /: len(x), 2),
    ],
)
def test_each_gets_what_it_names(function: Callable[..., Any], expected: Any) -> None:
    """Names of the vocabulary are filled by name, without those that have a default; else two are given by position."""
    assert asked(function) == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda: None,
        lambda y: None,
        lambda x, y, z: None,
        lambda labels, other: None,
        lambda other, y_pred: None,
        lambda y_pred, y_true, mask: None,
        lambda y_true, logits, other, /: None,
    ],
)
def test_what_cannot_be_filled_is_refused_at_once(function: Callable[..., Any]) -> None:
    """Where no inputs come, names that nobody has are an error before the first call."""
    with pytest.raises(ArgumentError, match=r"(?s)asks for .*predictions, then targets"):
        called_by_name(function)


def test_inputs_are_known_where_they_come() -> None:
    """The names of transformers' inputs are known, but only to those who get inputs."""

    def loss(logits: Any, labels: Any, input_ids: Any) -> Any:
        return input_ids

    assert called_by_name(loss, has_inputs=True).takes_inputs
    with pytest.raises(ArgumentError):
        called_by_name(loss)


def test_more_names_may_be_known() -> None:
    """A caller that has more to give says so, and gives it."""
    call = called_by_name(lambda y_score, y_true: (y_score, y_true), more=("y_score",))

    assert call(None, 1, y_score=2) == (2, 1)
    assert not call.takes_inputs


def test_sample_weights_are_filled_where_they_are_named() -> None:
    """With a default too, but not where there are none."""
    assert asked(lambda logits, labels, sample_weight=7: sample_weight, sample_weight=3) == 3
    assert asked(lambda logits, labels, sample_weight=7: sample_weight) == 7
    assert asked(lambda logits, labels, sample_weight: sample_weight) is None
    assert asked(lambda x, y, sample_weight=7: sample_weight, sample_weight=3) == 3


def test_an_unknown_name_lists_what_there_is() -> None:
    """At the call it is known what there is, and the nearest."""
    with pytest.raises(ArgumentError, match="asks for own_, which is not there") as error:
        asked(lambda logits, labels, own_: None)

    assert "input_ids" in error.value.expected
    assert error.value.do == "did you mean 'own'?"


def test_of_a_module_forward_is_read() -> None:
    """A module's own signature is that of `forward`, while the module is what is called."""

    class Own(nn.Module):
        def forward(self, labels: Any, logits: Any) -> Any:
            return labels, logits

    assert asked(Own()) == ("labels", "logits")


def test_what_is_written_in_c_gets_two() -> None:
    """Without a signature to read, predictions and targets are given in this order."""
    assert called_by_name(max)(2, 3) == 3


def test_a_call_is_named_as_its_function() -> None:
    """Names in logs are the function's, also behind partials, or the class's."""
    call = Call(partial(partial(nearest, "a"), choices=[]))

    assert call.__name__ == name_of(nearest) == "nearest"
    assert name_of(nn.Identity()) == "Identity"


@pytest.mark.parametrize(
    ("name", "choice"), [("acuracy", "accuracy"), ("F_1", "f1"), ("text classification", "text-classification")]
)
def test_the_nearest_name(name: str, choice: str) -> None:
    """Case, blanks, `-` and `_` do not matter."""
    assert nearest(name, ["accuracy", "f1", "text-classification"]) == choice


def test_nothing_is_near() -> None:
    """Then the caller's other words are given."""
    assert nearest("qqq", ["accuracy"]) is None
    assert did_you_mean("qqq", ["accuracy"], "look there.") == "look there."


def test_parameters_a_user_can_write() -> None:
    """Neither `self` nor catch-alls."""
    assert parameters_of(lambda self, x, options, misspelt: None) == ["x"]
