"""BLEU, chrF and ROUGE against torchmetrics, numbers worked out by hand, and the package that ROUGE comes from."""

import math
import sys
from typing import Any

import pytest
from torchmetrics.functional.text import chrf_score, sacre_bleu_score

from keraslike.errors import ArgumentError, DataError, MissingDependencyError
from keraslike.metrics import ROW_METRICS, bleu, chrf, chrf_with_words, rouge

GIVEN = ["the cat sat on a mat", "it's (very) late, isn't it?", "", "ab", "Ein Haus  am See.", "the the the the"]
TRUE = ["the cat sat on the mat", "it is very late, isn't it?", "not empty", "ab", "ein Haus am See", "the cat"]
SEVERAL = [[truth, given[::-1] or "other", truth.upper()] for truth, given in zip(TRUE, GIVEN, strict=True)]
ALL = {"bleu": bleu, "chrf": chrf, "chrf++": chrf_with_words, "rouge": rouge}


@pytest.mark.parametrize("name", ALL)
def test_is_found_by_name(name: str):
    """Each is a metric of rows."""
    assert ROW_METRICS[name] is ALL[name]


@pytest.mark.parametrize("truths", [TRUE, SEVERAL], ids=["one", "several"])
def test_bleu_is_torchmetrics(truths: Any):
    """BLEU is that of torchmetrics for the whole corpus, also with several references."""
    listed = [[truth] if isinstance(truth, str) else truth for truth in truths]

    assert bleu(GIVEN, truths) == pytest.approx(float(sacre_bleu_score(GIVEN, listed)), abs=1e-12)


@pytest.mark.parametrize("truths", [TRUE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize(("function", "words"), [(chrf, 0), (chrf_with_words, 2)], ids=["chrf", "chrf++"])
def test_chrf_is_torchmetrics(function: Any, words: int, truths: Any):
    """So are chrF and chrF++, which are counted here: torchmetrics takes twenty times as long."""
    rows = [(given, truth) for given, truth in zip(GIVEN, truths, strict=True) if given]
    given, truths = map(list, zip(*rows, strict=True))

    expected = float(chrf_score(given, [[t] if isinstance(t, str) else t for t in truths], n_word_order=words))
    assert function(given, truths) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("function", "expected"), [(chrf, 0.6053386240447083), (chrf_with_words, 0.5994781059645657)])
def test_rows_with_nothing_right_count(function: Any, expected: float):
    """A row with nothing right counts as missed, as in sacreBLEU 2.6 (`eps_smoothing=True`); torchmetrics drops it."""
    assert "" in GIVEN
    assert function(GIVEN, TRUE) == pytest.approx(expected, rel=1e-12)


def test_bleu_by_hand():
    """Six words against six, one of them wrong: 5/6, 3/5, 2/4 and 1/3 of the runs are right."""
    expected = math.exp(sum(math.log(share) for share in (5 / 6, 3 / 5, 2 / 4, 1 / 3)) / 4)

    assert bleu(["the cat sat on a mat"], ["the cat sat on the mat"]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("truths", "expected"),
    [
        (["a b c d e f", "a b c d"], 1.0),  # all runs are right, and the shorter reference asks for no more
        (["a b c,d,", "a b c d"], (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)),  # the first has six words, not three
    ],
    ids=["words", "marks"],
)
def test_bleu_does_not_depend_on_the_references_order(truths: list[str], expected: float):
    """Of two references whose lengths are as near, the shorter one counts, as in sacreBLEU."""
    assert bleu(["a b c d e"], [truths]) == pytest.approx(expected, abs=1e-6)
    assert bleu(["a b c d e"], [truths[::-1]]) == pytest.approx(expected, abs=1e-6)


def test_chrf_of_a_reference_that_is_too_short():
    """Runs longer than the reference are wrong ones, as in torchmetrics; sacreBLEU leaves them out."""
    given, truths = ["ran fast", "cat mat"], ["ran fast", "a a"]

    expected = float(chrf_score(given, [[truth] for truth in truths], n_word_order=0))
    assert chrf(given, truths) == pytest.approx(expected, abs=1e-6)


def test_chrf_by_hand():
    """Of "abc" in "abcd" three of four letters, two of three pairs and one of two triples are found; no longer run."""
    recalls = (3 / 4, 2 / 3, 1 / 2)  # the precision is 1

    expected = sum(5 * recall / (4 + recall) for recall in recalls) / 6
    assert chrf(["abc"], ["abcd"]) == pytest.approx(expected, rel=1e-12)


def test_all_right_and_all_wrong():
    """What is written as it should be has 1, what has nothing of it 0."""
    for metric in (bleu, chrf, chrf_with_words):
        assert metric(["the cat sat there"], ["the cat sat there"]) == 1
        assert metric(["xyz"], ["the cat sat there"]) == 0


def test_rouge_by_hand():
    """ROUGE is the mean F1 of words, pairs, and the longest common run, with the best of several references."""
    pytest.importorskip("rouge_score")

    values = rouge(["the cat sat", "a dog"], ["the cat sat down", ["no", "a dog"]])

    assert values == pytest.approx({"rouge1": (6 / 7 + 1) / 2, "rouge2": (4 / 5 + 1) / 2, "rougeL": (6 / 7 + 1) / 2})


def test_rouge_is_missing(monkeypatch: pytest.MonkeyPatch):
    """Without its package the metric says what to type."""
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    monkeypatch.setitem(sys.modules, "rouge_score", None)

    with pytest.raises(MissingDependencyError, match=r'needs rouge-score[\s\S]*pip install "keraslike\[rouge\]"'):
        rouge(["a"], ["a"])


@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++"])
@pytest.mark.parametrize(
    ("given", "truths", "wrong"),
    [
        (["a", 3], ["a", "b"], "3, a int"),
        (["a"], [1], "1, a int"),
        (["a"], [[]], r"\[\], a list"),
        (["a"], [["b", 2]], r"\['b', 2\], a list"),
    ],
    ids=["prediction", "reference", "no reference", "references"],
)
def test_not_texts(name: str, given: Any, truths: Any, wrong: str):
    """Predictions or references that are no texts are refused, with their row."""
    with pytest.raises(DataError, match=rf"the metric '{name.replace('+', '[+]')}' was given {wrong}"):
        ALL[name](given, truths)


def test_no_rows():
    """Nothing has no score."""
    with pytest.raises(ArgumentError, match=r"'chrf' was given no rows"):
        chrf([], [])
