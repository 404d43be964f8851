"""What a model answers when it is asked for what other libraries have."""

import pytest
from torch import nn

from keraslike import Model


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("compile", "give them to the constructor"),
        ("score", "evaluate(x, y) measures"),
        ("classes_", "labels holds them"),
        ("evalute", "did you mean 'evaluate'?"),
    ],
)
def test_another_librarys_word(name: str, hint: str):
    """A verb of Keras or scikit-learn gets our word for it, a misspelt one the nearest."""
    model = Model(nn.Linear(1, 1), "sgd", "mse", device="cpu")

    with pytest.raises(AttributeError) as raised:
        getattr(model, name)

    assert hint in str(raised.value)


def test_a_private_name_gets_no_hint():
    """Libraries that look for hooks of their own get Python's plain answer."""
    model = Model(nn.Linear(1, 1), "sgd", "mse", device="cpu")

    assert not hasattr(model, "_repr_html_")


def test_a_model_prints_what_it_is():
    """The repr names the network and the task."""
    assert repr(Model(nn.Linear(1, 1), "sgd", "mse", device="cpu")) == "<Model: Linear, task None>"
