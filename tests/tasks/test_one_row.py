"""What the verbs make of one row: predict answers it as one, fit and evaluate ask for a list of rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from torch.utils.data import DataLoader

from keraslike import Model
from keraslike.data.tables import as_dict
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


NUMBERED = {f"sentence{place + 1}": sentence for place, sentence in enumerate(SENTENCES)}
STORIES = pd.DataFrame([{"storyid": number, "storytitle": "the story", **NUMBERED, "sentence4": ""} for number in "ab"])


@pytest.mark.parametrize(
    "frame",
    [STORIES, STORIES[STORIES.columns[::-1]], pd.DataFrame({"id": [1, 2], "sentences": [SENTENCES, SENTENCES[::-1]]})],
    ids=["numbered", "backwards", "a list"],
)
def test_a_row_of_a_frame_of_stories(frame: pd.DataFrame, orderer: Model):
    """Its sentences are those that a dict of it names, in the order of their numbers; titles are none."""
    expected = orderer.predict(frame)

    assert [orderer.predict(row) for _, row in frame.iterrows()] == expected
    assert [orderer.predict(row.to_dict()) for _, row in frame.iterrows()] == expected


ROWS_OF = {
    "text-classification": pd.DataFrame({"text": SENTENCES, "label": ["a", "b", "a"]}),
    "token-classification": pd.DataFrame({"text": SENTENCES, "tags": ["O B O", "O B", "O O B"]}),
    "sentence-ordering": STORIES,
    "fill-mask": pd.DataFrame({"text": ["a [MASK] film" + " the story" * 20, "the [MASK]"], "id": [1, 2]}),
}


@pytest.mark.parametrize("task", ROWS_OF)
def test_rows_of_a_frame_in_a_list(task: str, tiny_bert: Path):
    """A list, or a generator, of rows of a frame is the frame: to learn from, to measure, and to predict."""
    frame = ROWS_OF[task]
    models = [Model(str(tiny_bert), task=task, device="cpu") for _ in range(2)]
    rows = [row for _, row in frame.iterrows()]
    settings: dict[str, Any] = {"epochs": 1, "seed": 0, "verbose": 0}

    learned = [model.fit(x, **settings)[0]["loss"] for model, x in zip(models, (frame, rows), strict=True)]

    first, second = models
    assert learned[0] == learned[1]
    assert second.evaluate(rows, verbose=0) == first.evaluate(frame, verbose=0)
    assert second.predict(rows) == second.predict(iter(rows)) == second.predict(frame)
    assert second.predict(rows[:1]) == second.predict(frame[:1])


@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
@pytest.mark.parametrize("kind", [list, tuple])
def test_a_batch_of_two_rows_of_a_frame(kind: Any, task: str, tiny_bert: Path):
    """Two rows are no x and y, whether they come from a loader, in a tuple, or as a last batch of two."""
    frame = pd.concat([ROWS_OF[task], ROWS_OF[task][:2]], ignore_index=True)
    model = Model(str(tiny_bert), task=task, device="cpu")
    model.fit(frame, epochs=1, seed=0, verbose=0)
    rows = [row for _, row in frame.iterrows()]

    expected = model.predict_proba(frame, batch_size=1)

    for size in (2, 3):
        found = model.predict_proba(DataLoader(rows, batch_size=size, collate_fn=kind))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert model.evaluate(DataLoader(rows, batch_size=size, collate_fn=kind), verbose=0)["loss"] == pytest.approx(
            model.evaluate(frame, verbose=0)["loss"], abs=1e-6
        )
    assert model.predict(kind(rows[:2])) == model.predict(frame[:2])
    several = model.evaluate({"a": rows, "b": rows[:2]}, verbose=0)
    assert several == model.evaluate({"a": frame, "b": frame[:2]}, verbose=0)


def test_a_row_is_told_by_any_known_column():
    """Whether of inputs, of targets, or one that the model reads; a name of the user's own alone tells nothing."""
    frame = pd.DataFrame({"w": ["a film"], "label": ["good"]})

    assert as_dict(frame.iloc[0]) == {"w": "a film", "label": "good"}
    assert as_dict(frame[["w"]].iloc[0], ["w"]) == {"w": "a film"}
    assert as_dict(pd.Series({"Path": "1.png"})) == {"Path": "1.png"}
    assert isinstance(as_dict(frame[["w"]].iloc[0]), pd.Series)


def test_columns_of_a_frame_are_no_rows(tiny_bert: Path):
    """Two columns are x and y, whatever their index; words may come as a Series for each row."""
    texts = pd.DataFrame({"text": SENTENCES, "label": ["a", "b", "a"]}, index=["i", "ii", "iii"])
    tagger = Model(str(tiny_bert), task="token-classification", device="cpu")
    tagger.fit([pd.Series(words) for words in WORDS], TAGS, epochs=1, verbose=0)
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit((texts["text"], texts["label"]), epochs=1, verbose=0)

    assert model.labels == ["a", "b"]
    assert model.predict(texts["text"]) == model.predict(SENTENCES)
    assert tagger.predict([pd.Series(words) for words in WORDS[:3]]) == tagger.predict(WORDS[:3])


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
