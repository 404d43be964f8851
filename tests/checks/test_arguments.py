"""Arguments are checked at the door: every other library's word leads to one of ours."""

import inspect
import math
from typing import Any

import numpy as np
import poutyne
import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.checks import check_bound, check_numbers, check_options
from keraslike.checks.arguments import COUNTS, ELSEWHERE, HINTS, LATER, OTHER_WORDS, SIZES
from keraslike.errors import ArgumentError
from keraslike.recipes import EvaluateOptions, FitOptions

OURS = {*inspect.signature(Model.fit).parameters, *FitOptions.__annotations__}


@pytest.mark.parametrize("word", OTHER_WORDS)
def test_other_words_lead_to_ours(word: str):
    """Each foreign word is answered with an argument that fit has."""
    with pytest.raises(ArgumentError) as caught:
        check_options({word: 1}, FitOptions.__annotations__, "fit", sorted(OURS))

    assert caught.value.do == f"write {OTHER_WORDS[word]}=."
    assert OTHER_WORDS[word] in OURS


@pytest.mark.parametrize("word", [*OTHER_WORDS, *LATER])
def test_no_foreign_word_is_ours(word: str):
    """A word that fit understands is not refused."""
    assert word not in OURS


@pytest.mark.parametrize("word", LATER)
def test_later_words(word: str):
    """What keraslike will have is refused as not there yet."""
    with pytest.raises(ArgumentError, match=f"has no argument '{word}' yet"):
        check_options({word: 1}, FitOptions.__annotations__, "fit", sorted(OURS))


def test_known_words_pass():
    """What is known passes."""
    check_options(dict.fromkeys(FitOptions.__annotations__), FitOptions.__annotations__, "fit")


def test_a_word_like_no_other():
    """A word that comes near none gets the list of all."""
    with pytest.raises(ArgumentError) as caught:
        check_options({"zzzz": 1}, ["text"], "fit", ["epochs"])

    assert caught.value.expected == "one of epochs, text."
    assert caught.value.do is None


def test_foreign_word_for_what_a_verb_lacks():
    """A foreign word is translated only where the verb has our argument."""
    with pytest.raises(ArgumentError) as caught:
        check_options({"num_epochs": 3}, ["text"], "evaluate", ["x", "y"])

    assert caught.value.do is None or "epochs" not in caught.value.do


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_arguments(name: str):
    """What is checked as a count is an argument of fit or evaluate; None and ints pass."""
    check_numbers({name: None})
    check_numbers({name: 1})

    assert name in {*OURS, *EvaluateOptions.__annotations__}


@pytest.mark.parametrize("name", HINTS)
def test_hints(name: str):
    """Some counts come with a line on what was probably meant."""
    with pytest.raises(ArgumentError) as caught:
        check_numbers({name: 0})

    assert caught.value.do == HINTS[name]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 1.0, "2", True, [1], math.nan])
def test_no_counts(name: str, value: Any):
    """A count is a whole number of at least 1: no float, no word, no bool."""
    with pytest.raises(ArgumentError) as caught:
        check_numbers({name: value})

    assert caught.value.what == f"{name}={value!r} is not a count."
    assert caught.value.expected == "an int of at least 1."


def test_auto_is_a_micro_batch_size():
    """The word "auto" is one, of this count alone, and no other word is."""
    check_numbers({"micro_batch_size": "auto"})

    with pytest.raises(ArgumentError, match="batch_size='auto' is not a count"):
        check_numbers({"batch_size": "auto"})
    with pytest.raises(ArgumentError, match="micro_batch_size='automatic'"):
        check_numbers({"micro_batch_size": "automatic"})


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str):
    """A size is a number from 0 on, numpy's too; None stands for the default."""
    for value in (None, *([] if name == "clip_norm" else [0]), 1, 0.5, np.float32(0.5), np.int64(1)):
        check_numbers({name: value})
    for value in (-0.1, math.nan, "0.1", [0.1], True, -math.inf):
        with pytest.raises(ArgumentError, match=f"{name}=.* is no size(.|\n)*a finite number of at least 0, or None"):
            check_numbers({name: value})


@pytest.mark.parametrize("name", SIZES)
def test_sizes_without_end(name: str):
    """Only clipping may be at infinity, where it measures the norm and changes nothing."""
    if name == "clip_norm":
        check_numbers({name: math.inf})
        return
    with pytest.raises(ArgumentError, match=f"{name}=inf is no size"):
        check_numbers({name: math.inf})


@pytest.mark.parametrize("zero", [0, 0.0, np.float32(0)])
def test_clipping_to_nothing(zero: Any):
    """A norm of 0, which elsewhere means no clipping, would leave nothing to learn from."""
    with pytest.raises(ArgumentError, match=r"clip_norm=0 cuts every gradient(.|\n)*write clip_norm=None"):
        check_numbers({"clip_norm": zero})


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_numpys_counts(kind: Any):
    """What numpy counts with is a count, a seed and a number of processes; its bools are not."""
    for name in (*COUNTS, "seed", "workers"):
        check_numbers({name: kind(3)})
        with pytest.raises(ArgumentError, match=f"{name}="):
            check_numbers({name: np.True_})


def test_workers():
    """Processes are counted from 0: none."""
    for value in (None, 0, 1, 4):
        check_numbers({"workers": value})
    for value in (-1, False, True, 1.0, "2"):
        with pytest.raises(ArgumentError, match=f"workers={value!r} is not a number of processes"):
            check_numbers({"workers": value})


def test_seeds():
    """A seed is what every generator takes: 32 bits."""
    for value in (None, 0, 42, 2**32 - 1):
        check_numbers({"seed": value})
    for value in (-1, 2**32, 1.0, "42", True):
        with pytest.raises(ArgumentError, match=f"seed={value!r} is no seed"):
            check_numbers({"seed": value})


@pytest.mark.parametrize("word", ELSEWHERE)
def test_words_of_elsewhere(word: str):
    """What belongs to another verb, or to the model, is sent there, with what to write."""
    _, write = ELSEWHERE[word]

    with pytest.raises(ArgumentError) as caught:
        check_options({word: 1}, ["steps"], "evaluate", ["x", "y"])

    assert caught.value.what == f"evaluate() has no argument {word!r}."
    assert caught.value.expected == "one of x, y, steps."
    assert caught.value.do == write


@pytest.mark.parametrize("word", [word for word, (verb, _) in ELSEWHERE.items() if verb == "fit"])
def test_words_are_not_sent_where_they_come_from(word: str):
    """Fit does not send to fit."""
    with pytest.raises(ArgumentError) as caught:
        check_options({word: 1}, ["text"], "fit", ["learning_rate", "x"])

    assert "fit(..." not in (caught.value.do or "")


def test_a_misspelt_word_of_elsewhere():
    """What another verb has is found although it is misspelt."""
    with pytest.raises(ArgumentError) as caught:
        check_options({"treshold": 0.3}, ["text"], "evaluate", ["x", "y"])

    assert caught.value.do == ELSEWHERE["threshold"][1]


def test_a_misspelt_word():
    """The nearest name is offered."""
    with pytest.raises(ArgumentError) as caught:
        check_options({"epoch": 1}, ["text"], "fit", ["epochs"])

    assert caught.value.do == "did you mean 'epochs'?"


@pytest.mark.parametrize("optimizer", [None, "sgd", {"optim": "sgd"}, "auto"])
def test_unbound_optimizers_pass(optimizer: Any):
    """A name or a dict waits for the network."""
    check_bound(optimizer, [])


def test_unbound_callbacks_pass():
    """Callbacks without parameters wait for the network."""
    check_bound(None, [poutyne.EarlyStopping(), poutyne.TerminateOnNaN(), poutyne.StepLR(step_size=1)])


@pytest.mark.parametrize("kind", [poutyne.ClipNorm, poutyne.ClipValue])
def test_bound_callbacks(kind: Any):
    """Poutyne's clipping callbacks hold parameters."""
    callback = kind(nn.Linear(1, 1).parameters(), 1)

    with pytest.raises(ArgumentError, match=f"the callback {kind.__name__} holds parameters"):
        check_bound(None, [callback])


def test_bound_optimizer():
    """An optimizer object holds parameters."""
    with pytest.raises(ArgumentError, match=r"optimizer object \(Adam\)"):
        check_bound(torch.optim.Adam(nn.Linear(1, 1).parameters()), [])
