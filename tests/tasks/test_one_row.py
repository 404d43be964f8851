"""What the verbs make of one row: predict answers it as one, fit and evaluate ask for a list of rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from keraslike import Model
from keraslike.errors import DataError
from tests.tasks.cases.token_classification import TAGS, WORDS

ROWS = Dataset.from_dict({"tokens": WORDS, "ner_tags": TAGS})
SENTENCES = ["a great film", "the story", "a clumsy cast"]


@pytest.fixture(scope="module")
def tagger(tiny_bert: Path) -> Model:
    model = Model(str(tiny_bert), task="token-classification", device="cpu")
    model.fit(ROWS, epochs=1, learning_rate=5e-3, seed=0, verbose=0)
    return model


@pytest.fixture(scope="module")
def orderer(tiny_bert: Path) -> Model:
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")
    model.fit([SENTENCES], epochs=1, seed=0, verbose=0)
    return model


def test_a_row_of_a_dataset_is_answered_as_one(tagger: Model):
    """A label for each word, as for the list of its words; with it in a list there is a list of answers."""
    expected = tagger.predict(WORDS[:3])

    assert [tagger.predict(ROWS[row]) for row in range(3)] == expected
    assert [tagger.predict(np.array(words)) for words in WORDS[:3]] == expected
    assert tagger.predict([ROWS[0]]) == expected[:1]
    assert tagger.predict(ROWS[:3]) == expected
    assert tagger.predict_proba(ROWS[0]).shape == (len(WORDS[0]), len(tagger.labels or ()))


def test_a_row_of_a_frame(tagger: Model, tiny_bert: Path):
    """What `iloc` and `iterrows` give is a row like a dict's; a Series without names of columns is a column."""
    frame = pd.DataFrame({"tokens": WORDS, "ner_tags": TAGS})
    texts = pd.DataFrame({"text": SENTENCES, "label": ["a", "b", "a"]})
    classifier = Model(str(tiny_bert), task="text-classification", device="cpu")
    classifier.fit(texts, epochs=1, seed=0, verbose=0)

    assert [tagger.predict(row) for _, row in frame[:3].iterrows()] == tagger.predict(WORDS[:3])
    assert classifier.predict(texts["text"]) == classifier.predict(SENTENCES)
    with pytest.raises(DataError, match=r"put a single row into a list: \[x\]"):
        classifier.predict(texts.iloc[0])


@pytest.mark.parametrize("verb", ["fit", "evaluate", "train_on_batch"])
def test_a_row_of_a_dataset_is_not_learned_from(verb: str, tagger: Model):
    """Read as a table it would be rows of a word each."""
    with pytest.raises(DataError, match=r"x is a dict that holds one row(.|\n)*put a single row into a list: \[x\]"):
        getattr(tagger, verb)(ROWS[0])


@pytest.mark.parametrize("words", [["film"], [""]], ids=["a word", "no piece"])
def test_words_without_any_label_are_not_measured(words: list[str], tagger: Model):
    """There is no loss of no words: evaluate and validation refuse what fit does, rather than give not-a-number."""
    labels = [None] if words[0] else ["O"]

    with pytest.raises(DataError, match="no row has a word with a label that counts"):
        tagger.evaluate([words], [labels], verbose=0)
    with pytest.raises(DataError, match="no row has a word with a label that counts"):
        tagger.fit(ROWS, validation_data=([words], [labels]), epochs=1, verbose=0)


@pytest.mark.parametrize(
    "x",
    [
        {"sentences": SENTENCES, "id": 1},
        {"sentence1": SENTENCES[0], "sentence2": SENTENCES[1], "sentence3": SENTENCES[2], "sentence4": ""},
        np.array(SENTENCES),
        pd.Series(SENTENCES),
    ],
    ids=["a list", "numbered", "array", "Series"],
)
def test_one_text_is_ordered_as_one(x: Any, orderer: Model):
    """The sentences of one text have one order, in whatever they come."""
    assert orderer.predict(x) == orderer.predict(SENTENCES)


def test_a_sentence_that_is_missing_is_named(orderer: Model):
    """It is the sentence that is wrong, not the text."""
    with pytest.raises(DataError, match=r"sentence 2 of row 0 \(counted from 0\) is None"):
        orderer.predict(["a film", None])


def test_a_context_that_is_missing_is_named(tiny_bert: Path):
    """A pair one of whose texts is missing is still one row."""
    model = Model(str(tiny_bert), task="question-answering", device="cpu")
    answers = {"text": ["film"], "answer_start": [8]}
    model.fit([{"question": "what", "context": "a great film", "answers": answers}], epochs=1, verbose=0)

    with pytest.raises(DataError, match="has the context None"):
        model.predict(("what", None))
    with pytest.raises(DataError, match="has the question None"):
        model.predict((None, "a great film"))
