"""What predict and evaluate say where answers mean nothing: heads by chance, names of files, pairs, wrong numbers."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification

import keraslike
from keraslike import Model
from keraslike.errors import DataError
from tests.engine.letters import Letters, LettersTask, text_of
from tests.tiny import texts_with_labels

TEXTS, LABELS = texts_with_labels()
PAIRS = list(zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True))
CHANCE = r"the head \(.*\) starts from random numbers and was not trained: what it gives is chance"
QUESTION = ("who ran", "al ran")
ASKED: dict[str, Any] = {
    "text-classification": TEXTS[:2],
    "token-classification": [["a", "film"]],
    "question-answering": [QUESTION],
    "sentence-ordering": [["al ran", "bo sat"]],
}


def classifier(source: Any, **options: Any) -> Model:
    return Model(source, task="text-classification", device="cpu", **{"labels": ["bad", "good"], **options})


# Heads that nobody has trained


@pytest.mark.parametrize("task", ASKED)
def test_a_head_by_chance(task: str, tiny_bert: Path):
    """Before any training one warning names what was drawn; it is said once, and at the user's own line."""
    labels = ["bad", "good"] if "classification" in task else None
    model = Model(str(tiny_bert), task=task, labels=labels, device="cpu")

    with pytest.warns(UserWarning, match=CHANCE) as told:
        model.predict(ASKED[task])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(ASKED[task])

    assert [warning.filename for warning in told] == [__file__]


@pytest.mark.parametrize("verb", ["evaluate", "predict_proba", "predict_logits"])
def test_each_verb_warns(verb: str, tiny_bert: Path):
    """Measuring, and every form of an answer, are by chance too."""
    model = classifier(str(tiny_bert))
    given = {"y": LABELS} if verb == "evaluate" else {}

    with pytest.warns(UserWarning, match=r"classifier.bias, classifier.weight.*Call fit\(\.\.\.\) first"):
        getattr(model, verb)(TEXTS, verbose=0, **given)


@pytest.mark.parametrize("kind", ["fitted", "loaded", "checkpoint", "module", "one batch"])
def test_heads_that_somebody_trained(kind: str, tiny_bert: Path, tmp_path: Path):
    """After fit or a batch of one's own, after load, and for a head of a checkpoint or module, nothing is said."""
    model = classifier(str(tiny_bert))
    if kind == "one batch":
        model.train_on_batch(TEXTS[:8], LABELS[:8])
    elif kind != "module":
        model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    if kind in ("loaded", "checkpoint"):
        model.save(tmp_path / "saved")
        model = keraslike.load(tmp_path / "saved") if kind == "loaded" else classifier(str(tmp_path / "saved"))
    if kind == "module":
        network = AutoModelForSequenceClassification.from_pretrained(tiny_bert)
        model = classifier(network, tokenizer=str(tiny_bert))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict(TEXTS[0]) in ("bad", "good")


# Names of files


@pytest.mark.parametrize(
    ("task", "ending"), [("token-classification", ".conll"), ("text-classification", ".jsonl"), ("fill-mask", ".txt")]
)
def test_texts_that_are_files(task: str, ending: str, tiny_bert: Path, tmp_path: Path):
    """A str is a text in every task that takes one; where a file has that name, it says how the file is read."""
    path = tmp_path / f"[MASK]{ending}"
    path.write_text("a\n")
    labels = ["bad", "good"] if "classification" in task else None
    model = Model(str(tiny_bert), task=task, labels=labels, device="cpu")

    with pytest.warns(UserWarning, match=rf"takes the str '.*\{ending}' for a text; predict\(pathlib\.Path\("):
        model.predict(str(path))


def test_texts_that_are_no_names(tiny_bert: Path):
    """A text too long for a name of a file is a text."""
    assert classifier(str(tiny_bert)).predict("a film " * 1000 + ".txt") in ("bad", "good")


# Answers


class Forgetful(LettersTask):
    """Forgets the answer of the last row."""

    def decode(self, outputs: Any, features: Sequence[Any]) -> list[Any]:
        return super().decode(outputs, features)[:-1]


def test_fewer_answers_than_rows():
    """A task that loses an answer is told, in predict and where a metric compares rows."""
    import torch

    texts = [text_of(5 + row, row) for row in range(6)]

    def same(predictions: Any, references: Any) -> float:
        return float(len(predictions) == len(references))

    model = Model(Letters(), None, task=Forgetful("cross_entropy", torch.arange(6) % 3), metrics=[same], device="cpu")
    said = (
        "the task 'letters' made 5 answers of 6 rows.\n"
        "  Expected: one answer for each row, in the order of the rows.\n"
        "  Do: look at decode of Forgetful: the features of a row have its number under 'row'."
    )

    with pytest.raises(DataError) as predicting:
        model.predict(texts)
    with pytest.raises(DataError) as measuring:
        model.evaluate(texts, list(range(6)), verbose=0)
    with pytest.raises(DataError, match="made 5 answers of 6 rows"):
        model.predict(DataLoader(texts, batch_size=4, collate_fn=list))

    assert str(predicting.value) == str(measuring.value) == said


# Pairs


@pytest.mark.parametrize("x", [TEXTS[:2], TEXTS[0]], ids=["list", "str"])
def test_single_texts_for_a_model_of_pairs(x: Any, tiny_bert: Path):
    """A model that has learned from pairs of texts has no answer for one text."""
    model = classifier(str(tiny_bert))
    model.fit(PAIRS, LABELS, epochs=1, verbose=0)

    with pytest.raises(DataError) as error:
        model.predict(x)

    assert str(error.value) == (
        "the rows hold one text each, and the model has learned from pairs of texts.\n"
        "  Expected: pairs of texts.\n"
        "  Do: give a list of pairs [(first, second), ...], or one pair (first, second)."
    )
    assert len(model.predict(PAIRS[:2])) == 2
    assert model.predict(PAIRS[0]) in ("bad", "good")
