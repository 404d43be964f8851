"""Metrics of rows whose targets, or whose package, cannot do: refused before the first step."""

import sys
from pathlib import Path
from typing import Any

import pytest
from poutyne import LambdaCallback

from keraslike import Model
from keraslike.errors import DataError, MissingDependencyError
from keraslike.metrics import RowMetric, bleu
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


def test_own_functions_are_not_checked() -> None:
    """A function of the user's takes what it takes."""
    RowMetric("same", lambda predictions, references: float(predictions == references)).check([object()])
