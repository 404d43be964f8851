"""Tasks by name, and what other libraries call them."""

import pytest

from keraslike import TokenClassification
from keraslike.errors import ArgumentError
from keraslike.tasks import as_task


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ner", "token-classification"),
        ("summarization", "text2text"),
        ("translation_en_to_de", "text2text"),
        ("text2text-generation", "text2text"),
        ("qa", "question-answering"),
        ("sentiment-analysis", "text-classification"),
        ("zero-shot-classification", "text-classification"),
        ("masked_lm", "fill-mask"),
        ("Token_Classification", "token-classification"),
    ],
)
def test_names_of_other_libraries(given: str, meant: str):
    """What pipelines call it is told in our word."""
    with pytest.raises(ArgumentError, match=f"there is no task '{given}'(.|\n)*Do: write task='{meant}'"):
        as_task(given)


def test_misspelt_name():
    """A name that nobody knows is told with the nearest."""
    with pytest.raises(ArgumentError, match=r"there is no task 'fil-mask'(.|\n)*did you mean 'fill-mask'"):
        as_task("fil-mask")


def test_a_class_is_made():
    """A class stands for an object with its default options."""
    assert isinstance(as_task(TokenClassification), TokenClassification)
