"""Loaders, streams and generators: batches whose order is not ours."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import AutoTokenizer, DataCollatorWithPadding

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from tests.tasks.cases.token_classification import TAGS, WORDS
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, SENTIMENTS, strict=True)]


@pytest.fixture(scope="module")
def fitted(tiny_bert: Path) -> Model:
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(TEXTS, SENTIMENTS, epochs=2, batch_size=32, seed=0, learning_rate=1e-2, verbose=0)
    return model


def padded(directory: Path, columns: dict[str, Any]) -> DataLoader[Any]:
    """Give a loader of padded batches, as users of transformers write it."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    encoded = tokenizer(TEXTS)
    values = {**encoded, **columns}
    rows = [{name: values[name][place] for name in values} for place in range(40)]
    return DataLoader(rows, batch_size=16, collate_fn=DataCollatorWithPadding(tokenizer))


def test_predicts_from_a_loader_of_rows(fitted: Model):
    """A loader of rows is predicted from in its own order; labels in it are passed over."""
    assert fitted.predict(DataLoader(ROWS, batch_size=16)) == fitted.predict(TEXTS)


def test_predicts_from_a_loader_of_texts(fitted: Model):
    """A loader of bare texts is a loader of rows."""
    assert fitted.predict(DataLoader(TEXTS, batch_size=16)) == fitted.predict(TEXTS)


@pytest.mark.parametrize("columns", [{}, {"labels": [0, 1] * 20}], ids=["without labels", "with labels"])
def test_predicts_from_a_loader_of_padded_batches(columns: dict[str, Any], fitted: Model, tiny_bert: Path):
    """A loader of padded batches is predicted from with or without labels in it."""
    logits = fitted.predict_logits(padded(tiny_bert, columns))

    np.testing.assert_allclose(logits, fitted.predict_logits(TEXTS, batch_size=16), atol=1e-6)  # the same widths


def test_evaluates_from_a_loader(fitted: Model):
    """A loader of rows is measured as the rows are."""
    loader = DataLoader(ROWS, batch_size=16)

    values = fitted.evaluate(loader, verbose=0)

    in_order = fitted.evaluate(TEXTS, SENTIMENTS, batch_size=16, steps=len(loader), verbose=0)  # not sorted by length
    assert values == pytest.approx(in_order, abs=1e-12)


def test_validates_with_a_loader(tiny_bert: Path):
    """A loader validates as the rows do."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    history = model.fit(TEXTS, SENTIMENTS, DataLoader(ROWS, batch_size=16), epochs=1, verbose=0)

    assert history[0]["val_loss"] == pytest.approx(model.evaluate(TEXTS, SENTIMENTS, verbose=0)["loss"], abs=1e-6)


@pytest.fixture(scope="module")
def tagger(tiny_bert: Path) -> Model:
    model = Model(str(tiny_bert), task="token-classification", device="cpu")
    model.fit(WORDS, TAGS, epochs=1, seed=0, verbose=0)
    return model


@pytest.mark.parametrize("batch_size", [2, 16, 38])
def test_rows_of_a_loader_are_rows(batch_size: int, tagger: Model):
    """A list of two rows is no (x, y), neither in the midst of the data nor as what is left over at their end."""
    rows = list(zip(WORDS, TAGS, strict=True))

    values = tagger.evaluate(DataLoader(rows, batch_size, collate_fn=list), verbose=0)

    assert values == pytest.approx(tagger.evaluate(WORDS, TAGS, verbose=0), abs=1e-6)  # metrics of rows too
    assert tagger.predict(DataLoader(WORDS, batch_size, collate_fn=list)) == tagger.predict(WORDS)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
@pytest.mark.parametrize(
    "collate",
    [
        list,
        lambda rows: tuple(zip(*rows, strict=True)),
        lambda rows: [list(column) for column in zip(*rows, strict=True)],
    ],
    ids=["rows", "tuple of columns", "list of columns"],
)
def test_what_a_collate_fn_may_give(collate: Any, batch_size: int, fitted: Model):
    """A `collate_fn` of the user's gives a list of rows, or x and y."""
    loader = DataLoader(list(zip(TEXTS, SENTIMENTS, strict=True)), batch_size, collate_fn=collate)

    assert fitted.evaluate(loader, verbose=0) == pytest.approx(fitted.evaluate(TEXTS, SENTIMENTS, verbose=0), abs=1e-6)


def test_answers_that_need_rows(tagger: Model):
    """Padded tensors do not tell the words: an error says how a loader of rows is written."""
    features = list(tagger.task.encode_rows(tagger._feed.read(WORDS, TAGS)))
    loader = DataLoader([{**tagger.task.collate(features)[0]}], batch_size=None)

    with pytest.raises(DataError, match=r"padded tensors(?s:.)*collate_fn=list"):
        tagger.predict(loader)


def test_a_generator_of_rows_of_words(tagger: Model):
    """A generator of rows is read as a list of them; so is a torch Dataset."""
    expected = tagger.evaluate(WORDS, TAGS, verbose=0)

    assert tagger.evaluate((pair for pair in zip(WORDS, TAGS, strict=True)), verbose=0) == expected
    assert tagger.evaluate(_Rows(), verbose=0) == expected
    assert tagger.predict(words for words in WORDS) == tagger.predict(WORDS)


class _Rows(Dataset[Any]):
    def __len__(self) -> int:
        return len(WORDS)

    def __getitem__(self, index: int) -> Any:
        return WORDS[index], TAGS[index]


def test_rows_that_are_measured_twice(tiny_bert: Path):
    """More validation steps than one pass has measure rows again, and metrics of rows count each once."""

    def rows(predictions: Any, references: Any) -> float:
        return float(len(predictions)) if len(predictions) == len(references) else -1.0

    model = Model(str(tiny_bert), task="text-classification", metrics=[rows], device="cpu")
    model.fit(TEXTS, SENTIMENTS, (TEXTS[:10], SENTIMENTS[:10]), epochs=1, validation_steps=7, batch_size=4, verbose=0)

    assert model.history[0]["val_rows"] == 10


def test_metrics_of_rows_of_a_task_that_packs(tiny_bert: Path):
    """Where many rows become one feature there is nothing to compare by row: refused before training."""
    with pytest.raises(ArgumentError, match="'fill-mask' packs several rows"):
        Model(str(tiny_bert), task="fill-mask", metrics=["exact_match"], device="cpu")


def test_a_loader_without_labels(tiny_bert: Path):
    """Padded batches to learn from need labels; the error lists the columns."""
    model = Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], device="cpu")

    with pytest.raises(DataError, match="no labels"):
        model.fit(padded(tiny_bert, {}), epochs=1, verbose=0)


def test_other_columns_for_one_evaluation(fitted: Model):
    """text= and target= of evaluate hold for that call alone."""
    table = {"words": TEXTS, "feeling": SENTIMENTS}

    values = fitted.evaluate(table, text="words", target="feeling", verbose=0)

    assert values == fitted.evaluate(ROWS, verbose=0)


def weights_after(directory: Path, x: Any, **options: Any) -> torch.Tensor:
    model = Model(str(directory), task="text-classification", labels=["bad", "good"], device="cpu")
    model.fit(x, epochs=1, seed=3, batch_size=16, verbose=0, **options)
    return model.network.classifier.weight.detach()


def test_stream_equals_rows_in_the_same_order(tiny_bert: Path):
    """An unshuffled stream trains as the unshuffled rows do."""
    stream = datasets.Dataset.from_list(ROWS).to_iterable_dataset()

    weights = weights_after(tiny_bert, stream, shuffle=False, steps_per_epoch=3)

    assert torch.equal(weights, weights_after(tiny_bert, ROWS, shuffle=False))


def test_stream_is_shuffled_by_the_seed(tiny_bert: Path):
    """A stream is shuffled in a buffer, the same way for the same seed."""
    first, second = (
        weights_after(tiny_bert, datasets.Dataset.from_list(ROWS).to_iterable_dataset(), steps_per_epoch=3)
        for _ in range(2)
    )

    assert torch.equal(first, second)
    assert not torch.equal(first, weights_after(tiny_bert, ROWS, shuffle=False))


def test_generator_with_steps_equals_rows(tiny_bert: Path):
    """With steps_per_epoch a generator of rows is drawn from, not read to its end."""
    weights = weights_after(tiny_bert, (row for row in ROWS), shuffle=False, steps_per_epoch=3)

    assert torch.equal(weights, weights_after(tiny_bert, ROWS, shuffle=False))


@pytest.mark.parametrize("micro_batch_size", [None, "auto"])
def test_workers_change_no_bit(tiny_bert: Path, micro_batch_size: Any):
    """Worker processes that cut and pad give the weights of one process."""
    helped = weights_after(tiny_bert, ROWS, workers=2, micro_batch_size=micro_batch_size)

    assert torch.equal(helped, weights_after(tiny_bert, ROWS, micro_batch_size=micro_batch_size))


def test_sampler_in_the_order_of_shuffling(tiny_bert: Path):
    """A sampler that gives the order of shuffling gives the weights of shuffling."""
    sampled = weights_after(tiny_bert, ROWS, sampler=np.random.default_rng((3, 1)).permutation(40).tolist())

    assert torch.equal(sampled, weights_after(tiny_bert, ROWS))


def test_rows_without_weight_are_left_out(tiny_bert: Path):
    """A step whose other rows weigh nothing is the step of the rows that weigh, whatever their common weight."""

    def weights_without_dropout(rows: list[Any], **options: Any) -> torch.Tensor:
        model = Model(str(tiny_bert), "sgd", task="text-classification", labels=["bad", "good"], device="cpu")
        for module in model.network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model.fit(rows, epochs=1, seed=3, learning_rate=0.5, shuffle=False, verbose=0, **options)
        return model.network.classifier.weight.detach()

    weights = [0.0 if row % 4 == 1 else 2.0 for row in range(40)]

    weighed = weights_without_dropout(ROWS, batch_size=16, sample_weight=weights)

    kept = [row for number, row in enumerate(ROWS) if number % 4 != 1]
    assert torch.allclose(weighed, weights_without_dropout(kept, batch_size=12), atol=1e-6)
    assert not torch.allclose(weighed, weights_without_dropout(ROWS, batch_size=16), atol=1e-3)


def test_columns_of_the_training_data(tiny_bert: Path):
    """A column that only an earlier fit named is said to be the training data's, one of this call the argument's."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit({"body": ["a", "b"], "mark": [0, 1]}, text="body", epochs=1, verbose=0)
    other = {"words": ["a", "b"], "mark": [0, 1]}

    with pytest.raises(ArgumentError, match="this model was fitted with the column 'body' as its text"):
        model.fit(other, epochs=1, verbose=0)
    with pytest.raises(ArgumentError, match="this model was fitted with the column 'body' as its text"):
        model.evaluate(other, verbose=0)
    with pytest.raises(ArgumentError, match="there is no column 'wods', as text= says"):
        model.evaluate(other, text="wods", verbose=0)


def test_validation_data_without_labels(tiny_bert: Path):
    """The message names the argument."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(DataError, match=r"validation_data has 2 texts but no labels(.|\n)*validation_data=\(texts"):
        model.fit(["a", "b"], [0, 1], validation_data=["a", "b"], epochs=1, verbose=0)
