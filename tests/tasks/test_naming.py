"""Tasks by name, and what other libraries call them."""

import pytest

from keraslike import Model, TokenClassification
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


@pytest.mark.parametrize("task", ["multiple-choice", "question-answering", "fill-mask"])
def test_labels_for_a_task_without(task: str):
    """A task that takes no labels is named, and those that do."""
    with pytest.raises(ArgumentError) as error:
        as_task(task, ["yes", "no"])

    assert str(error.value) == (
        f"labels are given, but the task {task!r} takes none.\n"
        "  Expected: a task with labels: 'text-classification', 'image-classification', 'audio-classification', "
        "'token-classification'.\n"
        "  Do: give that task, or no labels."
    )


@pytest.mark.parametrize(
    ("arguments", "write"),
    [
        (("text-classification", "bert"), "Model('bert', task='text-classification')"),
        (("ner", "bert"), "Model('bert', task='token-classification')"),
        (("glue/rte", "bert"), "Model('bert', task='glue/rte')"),
        (("fill-mask",), "Model('bert-base-uncased', task='fill-mask')"),
    ],
)
def test_a_task_in_the_place_of_the_network(arguments: tuple[str, ...], write: str):
    """The two were swapped, or the network was left out: the line to type has both where they belong."""
    with pytest.raises(ArgumentError, match=f"'{arguments[0]}', which is the name of a task") as error:
        Model(*arguments)

    assert error.value.do == f"write {write}."
