"""Loaders, streams and generators: the same rows as in a list, in the order and batches of the user."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, DataCollatorWithPadding

from keraslike import Model, TextClassification
from keraslike.errors import ArgumentError, DataError, LabelError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
SECONDS = TEXTS[::-1]
TRIPLES = list(zip(TEXTS, SECONDS, SENTIMENTS, strict=True))
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, SENTIMENTS, strict=True)]


def new(source: str, **options: Any) -> Model:
    return Model(source, task="text-classification", device="cpu", **options)


def fitted(source: str, *data: Any, **options: Any) -> Model:
    model = new(source)
    model.fit(*data, **{"epochs": 1, "seed": 3, "learning_rate": 1e-2, "batch_size": 16, "verbose": 0, **options})
    return model


def is_same(first: Model, second: Model) -> bool:
    one, two = first.network.state_dict(), second.network.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


# Loaders over a data set with a ClassLabel, whose ids are not in our order


def with_classes(texts: dict[str, Any]) -> datasets.Dataset:
    names = datasets.ClassLabel(names=["good", "bad"])
    dataset = datasets.Dataset.from_dict({**texts, "label": [names.str2int(label) for label in SENTIMENTS]})
    return dataset.cast_column("label", names)


@pytest.fixture(autouse=True)
def no_bars() -> Iterator[None]:
    """Switch off the bars of `datasets`, which come of the user's own calls."""
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.mark.parametrize("is_padded", [False, True], ids=["raw", "padded"])
def test_loader_over_class_labels(is_padded: bool, smallest_bert: str):
    """The ids that the loader yields are read as the names of the data set's `ClassLabel`."""
    tokenizer = AutoTokenizer.from_pretrained(smallest_bert)
    collate = {"collate_fn": DataCollatorWithPadding(tokenizer)} if is_padded else {}
    dataset = with_classes(dict(tokenizer(TEXTS)) if is_padded else {"text": TEXTS})

    model = fitted(smallest_bert, DataLoader(dataset, batch_size=16, **collate))

    lists = fitted(smallest_bert, TEXTS, SENTIMENTS, shuffle=False)
    assert model.labels == ["bad", "good"]
    assert is_same(model, lists)
    values = model.evaluate(DataLoader(dataset, batch_size=16, **collate), verbose=0)
    assert values["accuracy"] == lists.evaluate(TEXTS, SENTIMENTS, verbose=0)["accuracy"]


# Loaders of pairs


def test_loader_of_pairs_of_texts(smallest_bert: str):
    """(text, text, label) rows, put into columns by torch, are learned from and measured like a list of them."""
    lists = fitted(smallest_bert, TRIPLES, shuffle=False)

    model = fitted(smallest_bert, DataLoader(TRIPLES, batch_size=16))

    assert is_same(model, lists)
    assert model.evaluate(DataLoader(TRIPLES, batch_size=16), verbose=0)["accuracy"] == pytest.approx(
        lists.evaluate(TRIPLES, verbose=0)["accuracy"]
    )


@pytest.mark.parametrize("rows", [list(zip(TEXTS, SECONDS, strict=True)), TRIPLES], ids=["texts", "with labels"])
@pytest.mark.parametrize("batch_size", [2, 3, 16])
def test_predicts_both_texts_of_a_pair(rows: list[Any], batch_size: int, smallest_bert: str):
    """A loader of pairs is predicted from with both texts, whatever the number of rows in a batch."""
    model = fitted(smallest_bert, TRIPLES)

    logits = model.predict_logits(DataLoader(rows, batch_size=batch_size))

    expected = model.predict_logits(list(zip(TEXTS, SECONDS, strict=True)))
    np.testing.assert_allclose(logits, expected, atol=1e-5)  # other widths of padding


def test_loader_of_rows_of_0_and_1(smallest_bert: str):
    """Several labels per text, which torch turns into one column for each of their places, become rows again."""
    rows = [(text, [i % 2, i % 3 % 2, 1]) for i, text in enumerate(TEXTS)]

    model = fitted(smallest_bert, DataLoader(rows, batch_size=16))

    assert is_same(model, fitted(smallest_bert, rows, shuffle=False))


def test_a_loader_without_rows(smallest_bert: str):
    """Nothing is measured or predicted from no rows."""
    model = fitted(smallest_bert, ROWS)

    for verb in (model.predict, lambda x: model.evaluate(x, verbose=0)):
        with pytest.raises(DataError, match="gave no batch"):
            verb(DataLoader(ROWS, batch_size=64, drop_last=True))


@pytest.mark.parametrize("x", [[], {"text": []}, np.array([], dtype=str)], ids=["list", "dict", "numpy"])
def test_no_rows(x: Any, smallest_bert: str):
    """An empty container is no data."""
    model = fitted(smallest_bert, ROWS)

    with pytest.raises(DataError, match="x is empty"):
        model.predict(x)
    with pytest.raises(DataError, match="x is empty"):
        model.evaluate(x, [], verbose=0)


# Generators and streams


def test_generator_goes_on_from_epoch_to_epoch(smallest_bert: str):
    """With steps_per_epoch no row of a generator is lost: 200 rows are 5 steps of 8 in each of 5 epochs."""
    drawn: list[int] = []

    def rows() -> Iterator[dict[str, str]]:
        for i in range(200):
            drawn.append(i)
            yield ROWS[i % 40]

    model = new(smallest_bert, labels=["bad", "good"])

    history = model.fit(rows(), batch_size=8, steps_per_epoch=5, epochs=5, verbose=0)

    assert len(history) == 5
    assert drawn == list(range(200))


def orders_of(model: Model, source: Any, fits: int) -> list[list[str]]:
    """Give the texts in the order in which each fit encodes them."""
    seen: list[list[str]] = []
    encode_rows = model.task.encode_rows
    model.task.encode_rows = lambda rows: seen[-1].extend(rows.column("text")) or encode_rows(rows)
    for _ in range(fits):
        seen.append([])
        model.fit(source, epochs=1, seed=1, batch_size=40, steps_per_epoch=1, verbose=0)
    return seen


def test_a_second_fit_goes_on_with_new_orders(smallest_bert: str):
    """The order of a stream follows from the seed and the epoch of the model's life, as that of rows does."""
    stream = datasets.Dataset.from_list(ROWS).to_iterable_dataset()

    first, second = orders_of(new(smallest_bert, labels=["bad", "good"]), stream, 2)

    assert sorted(first) == sorted(second) == sorted(TEXTS)
    assert first != second


def test_a_stream_remembers_its_columns(smallest_bert: str):
    """What a stream calls its columns is known to later calls, and saved."""
    renamed = [{"note": "n", "words": text, "feeling": label} for text, label in zip(TEXTS, SENTIMENTS, strict=True)]
    model = new(smallest_bert, labels=["bad", "good"])
    stream = datasets.Dataset.from_list(renamed).to_iterable_dataset()
    model.fit(stream, text="words", target="feeling", steps_per_epoch=2, epochs=1, verbose=0)

    assert model.predict(renamed) == model.predict(TEXTS)
    assert model._feed.state()["columns"] == {"text": "words", "target": "feeling"}


@pytest.mark.parametrize("way", ["stream", "generator", "loader", "train_on_batch"])
def test_pairs_are_remembered(way: str, smallest_bert: str):
    """A model that learned from pairs batch by batch takes one tuple of two texts for one pair."""
    rows = [{"text": a, "text_pair": b, "label": label} for a, b, label in TRIPLES]
    model = new(smallest_bert, labels=["bad", "good"])

    class Endless(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(rows)

    if way == "train_on_batch":
        model.train_on_batch(rows[:8])
    else:
        stream = datasets.Dataset.from_list(rows).to_iterable_dataset()
        sources: dict[str, Any] = {
            "stream": stream,
            "generator": iter(rows),
            "loader": DataLoader(Endless(), batch_size=8),
        }
        model.fit(sources[way], steps_per_epoch=2, batch_size=8, epochs=1, verbose=0)

    assert model.predict((TEXTS[0], TEXTS[1])) in ("bad", "good")


def test_rows_of_0_and_1_in_a_stream(smallest_bert: str):
    """Where no label is called 0 or 1, rows of 0 and 1 say which of the named labels a text has."""
    task = TextClassification("multi_label_classification", labels=["a", "b", "c"])
    rows = [{"text": text, "label": [i % 2, i % 3 % 2, 1]} for i, text in enumerate(TEXTS)]
    model = Model(smallest_bert, task=task, device="cpu")

    history = model.fit(iter(rows), steps_per_epoch=2, batch_size=8, epochs=1, verbose=0)

    assert np.isfinite(history[0]["loss"])


def test_lists_of_labels_0_and_1_are_labels(smallest_bert: str):
    """Whether rows of 0 and 1 are labels or places is told from the training data, not anew in each call."""
    rows = [[0, 1], [0, 2], [1, 2], [2]] * 10
    model = fitted(smallest_bert, TEXTS, rows)

    encoded = model.task._encode_targets([[0, 1, 1], [1, 0, 0]])

    assert encoded.tolist() == [[1, 1, 0], [1, 1, 0]]


# What a source with an order of its own cannot honour


@pytest.mark.parametrize("given", [{"y": SENTIMENTS}, {"validation_split": 0.2}], ids=str)
@pytest.mark.parametrize("kind", ["loader", "stream", "generator"])
def test_refused_beside_batches(kind: str, given: dict[str, Any], smallest_bert: str):
    """y= and validation_split= are for rows; beside a loader, stream or generator they are refused in three parts."""
    stream = datasets.Dataset.from_list(ROWS).to_iterable_dataset()
    x = {"loader": DataLoader(ROWS), "stream": stream, "generator": iter(ROWS)}[kind]

    with pytest.raises(ArgumentError, match=f"{next(iter(given))} is given") as caught:
        new(smallest_bert, labels=["bad", "good"]).fit(x, steps_per_epoch=2, epochs=1, verbose=0, **given)

    assert "Expected: " in str(caught.value)
    assert "Do: " in str(caught.value)


def test_y_beside_a_loader_in_evaluate(smallest_bert: str):
    """The same in evaluate."""
    with pytest.raises(ArgumentError, match="y is given"):
        fitted(smallest_bert, ROWS).evaluate(DataLoader(ROWS), SENTIMENTS, verbose=0)


# Splits


def splits(**parts: list[Any]) -> datasets.DatasetDict:
    return datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in parts.items()})


def test_predicts_the_test_split(smallest_bert: str):
    """Of a DatasetDict the test split is predicted, or the error names the splits."""
    model = fitted(smallest_bert, ROWS)

    assert len(model.predict(splits(train=ROWS, test=ROWS[:7]))) == 7
    with pytest.raises(DataError, match="no split for 'test' among 'train'"):
        model.predict(splits(train=ROWS))


def test_validates_on_the_validation_split(smallest_bert: str):
    """Of a DatasetDict as validation_data the validation split is measured."""
    data = splits(train=ROWS, validation=ROWS[:7])
    model = new(smallest_bert)

    history = model.fit(ROWS, validation_data=data, epochs=1, seed=0, verbose=0)

    assert history[0]["val_loss"] == pytest.approx(model.evaluate(ROWS[:7], verbose=0)["loss"], abs=1e-6)


# The user's data and the random state


def drawing() -> Iterator[dict[str, str]]:
    for row in ROWS:
        torch.rand(3)
        yield row


class Drawing(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return len(ROWS)

    def __getitem__(self, index: int) -> dict[str, str]:
        torch.rand(3)
        return ROWS[index]


def drawn_row(row: dict[str, Any]) -> dict[str, Any]:
    torch.rand(3)
    return row


@pytest.mark.parametrize("kind", ["generator", "torch Dataset", "prepare", "lazy prepare"])
def test_reading_leaves_head_and_dropout_alone(kind: str, smallest_bert: str):
    """Data that draw from the global random state while they are read train to the weights of the same rows."""
    options = {"prepare": drawn_row} if "prepare" in kind else {}
    x = {"generator": drawing(), "torch Dataset": Drawing(), "lazy prepare": datasets.Dataset.from_list(ROWS)}

    model = fitted(smallest_bert, x.get(kind, ROWS), **options)

    assert is_same(model, fitted(smallest_bert, ROWS))


# Files of strings


def csv_of(path: Path, labels: list[str]) -> str:
    lines = [f"{text},{label}\n" for text, label in zip([t.replace(",", "") for t in TEXTS], labels, strict=False)]
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return str(path)


def test_a_file_of_numbers_beside_one_of_words(smallest_bert: str, tmp_path: Path):
    """Targets of a CSV file have the type of the training labels, even where all of them look like numbers."""
    train = csv_of(tmp_path / "train.csv", ["01", "2"] * 20)
    valid = csv_of(tmp_path / "valid.csv", ["2"] * 5)

    model = fitted(smallest_bert, train, validation_data=valid)

    assert model.labels == ["01", "2"]
    assert np.isfinite(model.evaluate(valid, verbose=0)["loss"])
    assert len(model.fit(valid, epochs=1, verbose=0)) == 1


# What is refused


@pytest.mark.parametrize("options", [{}, {"labels": ["good"]}], ids=["learned", "named"])
def test_one_label_only(options: dict[str, Any], smallest_bert: str):
    """With one label there is nothing to tell apart."""
    with pytest.raises(LabelError, match="one label only: 'good'"):
        new(smallest_bert, **options).fit(TEXTS, ["good"] * 40, epochs=1, verbose=0)


@pytest.mark.parametrize("is_loaded", [False, True], ids=["built", "loaded"])
@pytest.mark.parametrize(
    "data",
    [(TEXTS, ["x", "y", "z", "w"] * 10), (TEXTS, [0.5, 1.5] * 20), (TEXTS, SENTIMENTS, (["a text"], ["ugly"]))],
    ids=["labels", "numbers", "validation"],
)
def test_a_refused_fit_changes_nothing(data: Any, is_loaded: bool, smallest_bert: str, tmp_path: Path):
    """A built or loaded model answers after a refused fit as before it."""
    model = new(smallest_bert, labels=["bad", "good"])
    if is_loaded:
        model.save(tmp_path / "saved")
        model = Model.load(tmp_path / "saved")
    before = model.predict_proba(TEXTS), model.network, model.labels, model.task.problem_type, vars(model).keys()
    described = model.network.config.id2label, model.network.config.problem_type

    with pytest.raises(LabelError):
        model.fit(*data, epochs=1, verbose=0)

    after = model.predict_proba(TEXTS), model.network, model.labels, model.task.problem_type, vars(model).keys()
    assert np.array_equal(before[0], after[0])
    assert before[1] is after[1]
    assert before[2:] == after[2:]
    assert described == (model.network.config.id2label, model.network.config.problem_type)


def test_a_checkpoints_head_after_a_refused_fit(smallest_bert: str, tmp_path: Path):
    """A checkpoint's own head and labels survive a fit that wanted others and was refused."""
    fitted(smallest_bert, ROWS).save(tmp_path / "saved")
    model = new(str(tmp_path / "saved"))
    before = model.predict_proba(TEXTS)

    with pytest.raises(LabelError, match="unknown label 'ugly'"):
        model.fit(TEXTS, ["x", "y", "z", "w"] * 10, (["a text"], ["ugly"]), epochs=1, verbose=0)

    assert model.labels == ["bad", "good"]
    assert np.array_equal(model.predict_proba(TEXTS), before)


def test_a_task_shared_by_two_models(smallest_bert: str):
    """Each model has a task of its own: what one learns is not the other's."""
    task = TextClassification()
    first, second = (Model(smallest_bert, task=task, device="cpu") for _ in range(2))

    first.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)
    second.fit(TEXTS, [0, 1, 2, 3] * 10, epochs=1, verbose=0)

    assert (first.labels, second.labels, task.labels) == (["bad", "good"], [0, 1, 2, 3], None)
