"""Exact match and F1 of answers against SQuAD's rules, written out by hand, and against torchmetrics."""

import re
import string
from collections import Counter

import numpy as np
import pytest
from torchmetrics.functional.text import squad

from keraslike.metrics import ROW_METRICS, answer_f1, exact_match
from keraslike.metrics.answers import normalised

GIVEN = ["1976", "the Hague", "in  The old city!", "Ann", "of", "", "a U.S. ally", "red red wine", "Über-Straße", "the"]
TRUE = [
    ["1976"],
    ["Hague", "Den Haag"],
    ["old city", "the city of Delft"],
    ["Bob"],
    ["a piece of paper, of course"],
    ["nothing said"],
    ["US ally", "ally"],
    ["red wine wine"],
    ["über strasse"],
    ["wine"],
]


def official(given: str, truths: list[str]) -> tuple[float, float]:
    """Give exact match and F1 of one question, step by step as the official script of v2.0 counts them."""

    def tokens(text: str) -> list[str]:
        text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    def f1(truth: str) -> float:
        gold, predicted = tokens(truth), tokens(given)
        same = sum((Counter(gold) & Counter(predicted)).values())
        if len(gold) == 0 or len(predicted) == 0:
            return float(gold == predicted)
        if same == 0:
            return 0.0
        precision, recall = same / len(predicted), same / len(gold)
        return 2 * precision * recall / (precision + recall)

    truths = [truth for truth in truths if tokens(truth)] or [""]
    return max(float(tokens(given) == tokens(truth)) for truth in truths), max(map(f1, truths))


def scores(given: list[str], true: list[list[str]]) -> tuple[float, float]:
    exact, f1 = zip(*(official(*pair) for pair in zip(given, true, strict=True)), strict=True)
    return float(np.mean(exact)), float(np.mean(f1))


def test_as_the_official_script_counts():
    """Both are the means over the questions of the best score against any true answer."""
    found = exact_match(GIVEN, TRUE), answer_f1(GIVEN, TRUE)

    assert found == pytest.approx(scores(GIVEN, TRUE), rel=1e-12)
    assert found[0] == pytest.approx(0.3)


def test_true_answers_of_articles_alone():
    """v2.0 passes over true answers of which nothing is left; where all are such, the right answer is none."""
    given, true = ["the", "", "Ann", "a"], [["the", "Ann"], ["the", "Ann"], ["the", "Ann"], ["the"]]

    assert (exact_match(given, true), answer_f1(given, true)) == scores(given, true) == (0.5, 0.5)


def test_as_torchmetrics_counts():
    """torchmetrics, which follows v1.1 and counts in percent, gives the same."""
    predictions = [{"id": str(row), "prediction_text": text} for row, text in enumerate(GIVEN)]
    truths = [{"id": str(row), "answers": {"text": texts, "answer_start": [0]}} for row, texts in enumerate(TRUE)]

    theirs = squad(predictions, truths)

    assert 100 * exact_match(GIVEN, TRUE) == pytest.approx(theirs["exact_match"].item(), rel=1e-6)
    assert 100 * answer_f1(GIVEN, TRUE) == pytest.approx(theirs["f1"].item(), rel=1e-6)


@pytest.mark.parametrize(
    ("given", "true", "exact", "f1"),
    [
        ("", [], 1.0, 1.0),
        ("Ann", [], 0.0, 0.0),
        ("", ["Ann"], 0.0, 0.0),
        ("the", [], 1.0, 1.0),
        ("Ann", ["the", "Ann"], 1.0, 1.0),
        ("", ["the", "..."], 1.0, 1.0),
        ("Ann ran", ["Ann"], 0.0, 2 / 3),
    ],
)
def test_questions_without_an_answer(given: str, true: list[str], exact: float, f1: float):
    """Where there is no true answer, nothing is right and anything is wrong, as in v2.0."""
    assert (exact, f1) == pytest.approx(official(given, true))

    assert (exact_match([given], [true]), answer_f1([given], [true])) == pytest.approx((exact, f1))


@pytest.mark.parametrize(
    "truths",
    [
        {"text": ["Ann", "Ann B."], "answer_start": [0, 0]},
        [{"text": "Ann", "answer_start": 3}, {"text": "Ann B.", "answer_start": 3}],
        ["Ann", "Ann B."],
        "Ann B.",
    ],
    ids=lambda truths: type(truths).__name__,
)
@pytest.mark.parametrize(
    "given", ["ann b", {"answer": "ann b", "start": 0, "end": 5, "score": 0.5}, [{"answer": "ann b"}, {"answer": "x"}]]
)
def test_forms_of_answers(given: object, truths: object):
    """Texts and dicts are understood on both sides; of several answers that were given the first one counts."""
    assert exact_match([given], [truths]) == 1.0


@pytest.mark.parametrize("nothing", [None, [], {}, "", {"text": [], "answer_start": []}, {"answer": ""}], ids=str)
def test_forms_of_nothing(nothing: object):
    """No answer may be written in several ways, on both sides."""
    assert answer_f1([nothing, nothing], [nothing, "Ann"]) == 0.5


def test_normalisation_keeps_letters_beyond_ascii():
    """Case, ASCII punctuation, articles and spaces go; other letters and signs stay, as in the official script."""
    assert normalised("An «Élan» — the\tend.") == "«élan» — end"


def test_known_by_name():
    """Both are metrics of rows, by their names."""
    assert (ROW_METRICS["exact_match"], ROW_METRICS["answer_f1"]) == (exact_match, answer_f1)
