"""Metrics of rows whose targets, answers or package cannot do: refused before the first step."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from poutyne import LambdaCallback

from keraslike import Model
from keraslike.data.rows import Rows
from keraslike.errors import DataError, MissingDependencyError
from keraslike.metrics import RowMetric, bleu, get_metrics, row_metric
from keraslike.tasks.base import Task
from keraslike.tasks.keeping import check_references
from keraslike.tasks.question_answering import QuestionAnswering
from keraslike.tasks.text2text import Text2Text
from keraslike.tasks.text_classification import TextClassification
from keraslike.tasks.token_classification import TokenClassification
from tests.tasks.cases.sentence_ordering import TEXTS
from tests.tiny import texts_with_labels

NO_STEP = LambdaCallback(on_train_batch_begin=lambda *_: pytest.fail("a step was taken"))
SENTENCES = texts_with_labels()[0][:8]


@pytest.mark.parametrize("metric", ["bleu", "chrf", "chrf++", ("mine", bleu)], ids=str)
def test_metrics_of_texts_where_the_truth_is_no_text(tiny_bert: Path, metric: Any) -> None:
    """An order of sentences is no text: validation would end the training after its first epoch."""
    model = Model(str(tiny_bert), task="sentence-ordering", metrics=[metric])

    with pytest.raises(DataError, match=r"was given \[0, 1, 2, 3, 4\], a list, for row 0(.|\n)*a text"):
        model.fit(TEXTS, validation_data=TEXTS, epochs=1, verbose=0, callbacks=[NO_STEP])


def test_evaluate_refuses_it_before_measuring(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without validation the training needs no such metric, and `evaluate` refuses it before any batch."""
    model = Model(str(tiny_bert), task="sentence-ordering", metrics=["bleu"])
    model.fit(TEXTS, epochs=1, verbose=0)
    monkeypatch.setattr(type(model.network), "forward", lambda *_, **__: pytest.fail("a batch was measured"))

    with pytest.raises(DataError, match="'bleu' was given"):
        model.evaluate(TEXTS, verbose=0)


def test_rouge_without_its_package(tiny_t5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed is said before the first step, with what to type."""
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    monkeypatch.setitem(sys.modules, "rouge_score", None)
    model = Model(str(tiny_t5), task="text2text", metrics=["rouge"])

    with pytest.raises(MissingDependencyError, match=r'pip install "keraslike\[rouge\]"'):
        model.fit(SENTENCES, SENTENCES, (SENTENCES, SENTENCES), epochs=1, verbose=0, callbacks=[NO_STEP])


def test_texts_pass(tiny_t5: Path) -> None:
    """Texts, or lists of them, are what such a metric compares."""
    model = Model(str(tiny_t5), task="text2text", metrics=["bleu"])

    model.fit(SENTENCES, SENTENCES, validation_data=(SENTENCES, SENTENCES), epochs=1, verbose=0)

    assert 0 <= model.history[-1]["val_bleu"] <= 1


TAGS = ["entity_f1", "entity_precision", "entity_recall"]
ANSWERS = ["exact_match", "answer_f1"]
WRITTEN = ["bleu", "chrf", "chrf++", "rouge"]


@pytest.mark.parametrize(
    ("metrics", "labels", "shown"),
    [
        ([*TAGS, "seqeval"], ["good", "bad"], "'good', a str, (in|for) row 0"),
        ([*TAGS, *ANSWERS, *WRITTEN], [0, 1], "0, an? int, (in|for) row 0"),
        ([*ANSWERS, *WRITTEN], [["good"], ["bad", "long"]], r"\['good'\], a list, for row 0"),
    ],
    ids=["texts", "numbers", "several labels"],
)
def test_labels_of_texts(metrics: list[str], labels: list[Any], shown: str) -> None:
    """Labels are no tags of words, numbers are no texts, and of several labels none is the answer."""
    task = TextClassification()

    for metric in metrics:
        with pytest.raises(DataError, match=f"the metric '{re.escape(OTHER.get(metric, metric))}' was given {shown}"):
            check_references(task, row_metrics(metric), Rows({"text": ["a", "b"], "target": labels}))


OTHER = {"seqeval": "entity_f1"}


@pytest.mark.parametrize(
    ("metrics", "tags", "shown"),
    [
        ([*ANSWERS, *WRITTEN], ["O", "B-PER"], r"\['O', 'B-PER'\], a list, for row 0"),
        (TAGS, ["DET", "NOUN"], "'DET', a str, in row 0"),
    ],
    ids=["entities", "parts of speech"],
)
def test_labels_of_words(metrics: list[str], tags: list[str], shown: str) -> None:
    """A list of tags is not a list of right texts, and parts of speech mark no entities."""
    rows = Rows({"words": [["the", "Ann"]], "target": [tags]})

    for metric in metrics:
        with pytest.raises(DataError, match=f"the metric '{re.escape(metric)}' was given {shown}"):
            check_references(TokenClassification(), row_metrics(metric), rows)


@pytest.mark.parametrize("metric", WRITTEN)
def test_answers_of_questions_are_no_texts(metric: str) -> None:
    """What answers a question is a dict, also where the truth was given as a text."""
    rows = Rows({"question": ["who?"], "context": ["Ann ran"], "target": ["Ann"]})

    with pytest.raises(DataError, match=f"the metric '{re.escape(metric)}' was given .*, a dict, for row 0"):
        check_references(QuestionAnswering(), row_metrics(metric), rows)


@pytest.mark.parametrize(
    ("task", "metrics", "rows"),
    [
        (TokenClassification(), TAGS, {"words": [["Ann", "ran"], ["it"]], "target": [["B-PER", None], ["O"]]}),
        (
            QuestionAnswering(),
            ANSWERS,
            {"target": [{"text": ["Ann"], "answer_start": [0]}, ["Ann", "she"], "Ann", None]},
        ),
        (TextClassification(), [*ANSWERS, *WRITTEN], {"text": ["a", "b"], "target": ["good", "bad"]}),
        (Text2Text(), [*ANSWERS, *WRITTEN], {"text": ["a", "b"], "target": ["ein", ["zwei", "beide"]]}),
    ],
    ids=["tags", "answers", "labels as texts", "texts"],
)
def test_what_can_be_compared_passes(task: Task, metrics: list[str], rows: dict[str, Any]) -> None:
    """Tags, one of which may be missing; answers in every form; and texts, of which several may be right."""
    check_references(task, [one for metric in metrics for one in row_metrics(metric)], Rows(rows))


@pytest.mark.parametrize("metric", ["entity_f1", "exact_match"])
def test_fit_takes_no_step(tiny_bert: Path, metric: str) -> None:
    """`fit` says it before the first step."""
    model = Model(str(tiny_bert), task="text-classification", metrics=[metric])

    with pytest.raises(DataError, match=f"the metric '{metric}' was given [01], an int,") as error:
        model.fit(SENTENCES, [0, 1] * 4, validation_split=0.25, epochs=1, verbose=0, callbacks=[NO_STEP])

    assert "metrics=['accuracy']" in str(error.value.do)


def row_metrics(name: str) -> list[RowMetric]:
    return [metric for _, metric in get_metrics([name])]


def test_own_functions_are_not_checked() -> None:
    """A function of the user's takes what it takes."""
    RowMetric("same", lambda predictions, references: float(predictions == references)).check([object()])


def test_a_check_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the targets, and made-up answers where the task knows their form."""
    seen: list[Any] = []
    monkeypatch.setattr("keraslike.metrics.rows._CHECKS", [])
    monkeypatch.setattr("keraslike.metrics.rows.ROW_METRICS", {})
    row_metric("own", lambda references, answers: seen.append((references, answers)))(one := lambda a, b: 0.0)
    metrics = [RowMetric("own", one)]

    check_references(TextClassification(), metrics, Rows({"text": ["a"], "target": ["good"]}))
    check_references(Text2Text(), metrics, Rows({"text": ["a"], "target": ["ein"]}))

    assert seen == [(["good"], ["good"]), (["ein"], None)]
