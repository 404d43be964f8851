"""The same rows give the same weights, whatever container and whatever type of label they come in."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, DataCollatorWithPadding

from keraslike import Model

LABELS: dict[str, list[Any]] = {
    "int from 0": [0, 1, 2],
    "int with gaps": [-5, 10, 200],
    "str": ["ham", "news", "spam"],
    "bool": [False, True],
}
PHRASES = ["a superb film", "the story was boring from the first scene", "what a cast !", "i found the ending clumsy ."]
TEXTS = [PHRASES[i % 4] if i % 5 == 0 else f"{PHRASES[i * 3 % 4]} {PHRASES[i // 4 % 4]} {i}" for i in range(200)]


class Pairs(torch.utils.data.Dataset[tuple[str, Any]]):
    """A torch Dataset of rows (text, label)."""

    def __init__(self, texts: list[str], labels: list[Any]) -> None:
        self.texts, self.labels = texts, labels

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[str, Any]:
        return self.texts[index], self.labels[index]


def dicts(texts: list[str], labels: list[Any]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


def arrow(texts: list[str], labels: list[Any]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": texts, "label": labels})


def write_csv(texts: list[str], labels: list[Any], path: Path) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *zip(texts, labels, strict=True)])
    return str(path)


def write_jsonl(texts: list[str], labels: list[Any], path: Path) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in dicts(texts, labels)), encoding="utf-8")
    return str(path)


CONTAINERS: dict[str, Callable[[list[str], list[Any], Path], tuple[Any, ...]]] = {
    "lists": lambda t, y, _: (t, y),
    "list of dicts": lambda t, y, _: (dicts(t, y),),
    "dict of lists": lambda t, y, _: ({"text": t, "label": y},),
    "numpy": lambda t, y, _: (np.array(t), np.array(y)),
    "DataFrame": lambda t, y, _: (pd.DataFrame({"text": t, "label": y}),),
    "Series": lambda t, y, _: (pd.Series(t), pd.Series(y)),
    "Dataset": lambda t, y, _: (arrow(t, y),),
    "DatasetDict": lambda t, y, _: (datasets.DatasetDict(train=arrow(t, y)),),
    "torch Dataset": lambda t, y, _: (Pairs(t, y),),
    "generator of rows": lambda t, y, _: ((row for row in dicts(t, y)),),
    "csv": lambda t, y, folder: (write_csv(t, y, folder / "rows.csv"),),
    "jsonl": lambda t, y, folder: (write_jsonl(t, y, folder / "rows.jsonl"),),
}

EACH_KIND = pytest.mark.parametrize("kind", LABELS)


def labels_of(kind: str) -> list[Any]:
    """Give labels that go with how the texts begin, so that a model can learn them."""
    return [LABELS[kind][PHRASES.index(next(filter(text.startswith, PHRASES))) % len(LABELS[kind])] for text in TEXTS]


def fitted(directory: str, *data: Any, **options: Any) -> Model:
    model = Model(directory, task="text-classification", device="cpu")
    model.fit(*data, epochs=6, seed=3, learning_rate=3e-2, verbose=0, **options)
    return model


def hash_of(model: Model) -> str:
    """Give one number for all bits of all weights."""
    weights = hashlib.sha256()
    for name, tensor in model.network.state_dict().items():
        weights.update(name.encode() + tensor.numpy().tobytes())
    return weights.hexdigest()


@cache
def from_lists(directory: str, kind: str, shuffle: bool = True) -> Model:
    return fitted(directory, TEXTS, labels_of(kind), shuffle=shuffle)


@EACH_KIND
@pytest.mark.parametrize("container", CONTAINERS)
def test_same_weights_and_labels(container: str, kind: str, smallest_bert: str, tmp_path: Path):
    """Rows in any container train to the weights of plain lists, bit for bit, and labels come back with their types."""
    lists = from_lists(smallest_bert, kind)

    model = fitted(smallest_bert, *CONTAINERS[container](TEXTS, labels_of(kind), tmp_path))

    assert hash_of(model) == hash_of(lists)
    assert [(type(label), label) for label in model.labels] == [(type(label), label) for label in LABELS[kind]]


@EACH_KIND
def test_predicts_labels_as_given(kind: str, smallest_bert: str):
    """`predict` gives the label of the largest logit, as the Python value that was given."""
    model = from_lists(smallest_bert, kind)

    predictions = model.predict(TEXTS)

    expected = [LABELS[kind][place] for place in model.predict_logits(TEXTS).argmax(axis=1)]
    assert [(type(label), label) for label in predictions] == [(type(label), label) for label in expected]
    assert len(set(predictions)) > 1


@EACH_KIND
@pytest.mark.parametrize("container", CONTAINERS)
def test_predicts_from_any_container(container: str, kind: str, smallest_bert: str, tmp_path: Path):
    """`predict` reads what `fit` reads, and passes over the labels in it; a file is a `Path`, since a str is a text."""
    model = from_lists(smallest_bert, kind)
    x = CONTAINERS[container](TEXTS, labels_of(kind), tmp_path)[0]
    x = x["train"] if container == "DatasetDict" else x

    predictions = model.predict(Path(x) if isinstance(x, str) else x)

    assert predictions == model.predict(TEXTS)


@EACH_KIND
@pytest.mark.parametrize("container", CONTAINERS)
def test_evaluates_from_any_container(container: str, kind: str, smallest_bert: str, tmp_path: Path):
    """`evaluate` gives the same numbers for the same rows in any container."""
    model = from_lists(smallest_bert, kind)
    data = CONTAINERS[container](TEXTS, labels_of(kind), tmp_path)
    data = (data[0]["train"],) if container == "DatasetDict" else data

    values = model.evaluate(*data, verbose=0)

    assert values == model.evaluate(TEXTS, labels_of(kind), verbose=0)


@EACH_KIND
def test_numpy_scalars_come_back_as_pythons(kind: str, smallest_bert: str):
    """Labels that are numpy scalars in a list come back as Python's own values."""
    labels = list(np.array(labels_of(kind)))

    model = fitted(smallest_bert, TEXTS, labels)

    assert hash_of(model) == hash_of(from_lists(smallest_bert, kind))
    assert {type(label) for label in model.predict(TEXTS)} == {type(LABELS[kind][0])}


def test_class_labels_come_back_as_names(smallest_bert: str):
    """The ids of a `ClassLabel` column are read as their names, in sorted order."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["spam", "ham"])}
    )
    labels = [i % 3 % 2 for i in range(200)]
    dataset = datasets.Dataset.from_dict({"text": TEXTS, "label": labels}, features=features)

    model = fitted(smallest_bert, dataset)

    assert model.labels == ["ham", "spam"]
    assert hash_of(model) == hash_of(fitted(smallest_bert, TEXTS, [["spam", "ham"][label] for label in labels]))


@EACH_KIND
def test_loader_of_rows_equals_unshuffled(kind: str, smallest_bert: str):
    """A DataLoader keeps its own order: an unshuffled one of rows trains as `shuffle=False` does."""
    loader = DataLoader(dicts(TEXTS, labels_of(kind)), batch_size=16)

    model = fitted(smallest_bert, loader)

    assert hash_of(model) == hash_of(from_lists(smallest_bert, kind, shuffle=False))


def test_loader_of_pairs_equals_unshuffled(smallest_bert: str):
    """A DataLoader of (text, label) rows, which torch puts into a list of columns, is read as such."""
    loader = DataLoader(Pairs(TEXTS, labels_of("str")), batch_size=16)

    model = fitted(smallest_bert, loader)

    assert hash_of(model) == hash_of(from_lists(smallest_bert, "str", shuffle=False))


def test_shuffling_changes_the_weights(smallest_bert: str):
    """Training data are shuffled unless `shuffle=False` says otherwise, so the two differ."""
    assert hash_of(from_lists(smallest_bert, "str")) != hash_of(from_lists(smallest_bert, "str", shuffle=False))


def tokenised(directory: str, labels: list[Any]) -> datasets.Dataset:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return arrow(TEXTS, labels).map(lambda rows: tokenizer(rows["text"]), batched=True, remove_columns=["text"])


@pytest.fixture
def no_bars() -> Iterator[None]:
    """Switch off the bars of `datasets.map`, which is the user's own call."""
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@EACH_KIND
def test_tokenised_dataset_equals_texts(kind: str, smallest_bert: str, no_bars: None):
    """A Dataset that the user has tokenised trains to the same weights as the raw texts."""
    model = fitted(smallest_bert, tokenised(smallest_bert, labels_of(kind)))

    assert hash_of(model) == hash_of(from_lists(smallest_bert, kind))
    assert model.predict(TEXTS) == from_lists(smallest_bert, kind).predict(TEXTS)


@pytest.mark.parametrize("kind", ["int from 0", "int with gaps", "bool"])
def test_loader_of_padded_batches_equals_texts(kind: str, smallest_bert: str, no_bars: None):
    """A DataLoader of `DataCollatorWithPadding` dicts trains to the same weights as the raw texts in the same order."""
    collator = DataCollatorWithPadding(AutoTokenizer.from_pretrained(smallest_bert))
    loader = DataLoader(tokenised(smallest_bert, labels_of(kind)), batch_size=16, collate_fn=collator)

    model = fitted(smallest_bert, loader)

    assert hash_of(model) == hash_of(from_lists(smallest_bert, kind, shuffle=False))
    assert model.labels == LABELS[kind]


def test_shuffled_loader_keeps_its_order_and_leaves_dropout_alone(smallest_bert: str):
    """What a loader draws for its own order comes from its generator and does not move the network's dropout."""
    order = torch.randperm(200, generator=torch.Generator().manual_seed(5)).tolist()
    rows = dicts([TEXTS[place] for place in order], [labels_of("str")[place] for place in order])
    loader = DataLoader(dicts(TEXTS, labels_of("str")), batch_size=16, sampler=order)

    model = fitted(smallest_bert, loader)

    assert hash_of(model) == hash_of(fitted(smallest_bert, rows, shuffle=False))
