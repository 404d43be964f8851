"""Arguments are checked at the door: every other library's word leads to one of ours."""

import inspect
from typing import Any

import poutyne
import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.checks import check_bound, check_numbers, check_options
from keraslike.checks.arguments import COUNTS, HINTS, LATER, OTHER_WORDS
from keraslike.errors import ArgumentError
from keraslike.recipes import FitOptions

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
    """What is checked as a count is an argument of fit; None and ints pass."""
    check_numbers({name: None})
    check_numbers({name: 1})

    assert name in OURS


@pytest.mark.parametrize("name", HINTS)
def test_hints(name: str):
    """Some counts come with a line on what was probably meant."""
    with pytest.raises(ArgumentError) as caught:
        check_numbers({name: 0})

    assert caught.value.do == HINTS[name]


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
