"""`as_dataset`: the same rows in any container give the same rows."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from keraslike.data.dataset import as_dataset
from keraslike.data.files import quiet
from keraslike.data.rows import LazyColumn
from keraslike.errors import DataError

STRANGE = ["NA", "null", "01", "True", 'say "hi", you', "two\nlines", "nan", "naïve 🙂", "-1.5", "N/A"]
TEXTS = [f"{STRANGE[i % 10]}" if i % 7 == 0 else f"text number {i}" for i in range(200)]

LABELS: dict[str, list[Any]] = {
    "int from 0": [i * 7 % 3 for i in range(200)],
    "int with gaps": [(-5, 10, 200)[i * 7 % 3] for i in range(200)],
    "str": [("ham", "spam", "NA")[i * 7 % 3] for i in range(200)],
    "bool": [i * 7 % 3 == 0 for i in range(200)],
}


class Pairs(torch.utils.data.Dataset[tuple[str, Any]]):
    def __init__(self, texts: list[str], labels: list[Any]) -> None:
        self.texts, self.labels = texts, labels

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[str, Any]:
        return self.texts[index], self.labels[index]


def dicts(texts: list[str], labels: list[Any]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


def write_csv(path: Path, texts: list[str], labels: list[Any], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([["text", "label"], *zip(texts, labels, strict=True)])
    return path


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return str(path)


def write_jsonl(path: Path, texts: list[str], labels: list[Any]) -> str:
    return write(path, "".join(json.dumps(row) + "\n" for row in dicts(texts, labels)))


def save_to_disk(path: Path, texts: list[str], labels: list[Any]) -> Path:
    dataset = datasets.Dataset.from_dict({"text": texts, "label": labels})
    with quiet():
        datasets.DatasetDict({"train": dataset}).save_to_disk(path)
    return path


CONTAINERS: dict[str, Callable[[list[str], list[Any], Path], tuple[Any, ...]]] = {
    "lists": lambda t, y, _: (t, y),
    "tuples": lambda t, y, _: (tuple(t), tuple(y)),
    "tuple of columns": lambda t, y, _: ((t, y),),
    "list of pairs": lambda t, y, _: (list(zip(t, y, strict=True)),),
    "list of dicts": lambda t, y, _: (dicts(t, y),),
    "dict of lists": lambda t, y, _: ({"text": t, "label": y},),
    "numpy": lambda t, y, _: (np.array(t), np.array(y)),
    "numpy objects": lambda t, y, _: (np.array(t, dtype=object), np.array(y, dtype=object)),
    "numpy labels of one column": lambda t, y, _: (t, np.array(y)[:, None]),
    "tensor of labels": lambda t, y, _: (t, y if isinstance(y[0], str) else torch.tensor(y)),
    "DataFrame": lambda t, y, _: (pd.DataFrame({"text": t, "label": y}),),
    "DataFrame and Series": lambda t, y, _: (pd.DataFrame({"text": t}), pd.Series(y)),
    "Series": lambda t, y, _: (pd.Series(t, index=range(500, 700)), pd.Series(y, dtype="category")),
    "frames of one column": lambda t, y, _: (pd.DataFrame({"words": t}), pd.DataFrame({"label": y})),
    "polars": lambda t, y, _: (pl.DataFrame({"text": t, "label": y}),),
    "polars Series": lambda t, y, _: (pl.Series(t), pl.Series(y)),
    "pyarrow": lambda t, y, _: (pa.table({"text": t, "label": y}),),
    "Dataset": lambda t, y, _: (datasets.Dataset.from_dict({"text": t, "label": y}),),
    "Dataset's columns": lambda t, y, _: (
        (d := datasets.Dataset.from_dict({"text": t, "label": y}))["text"],
        d["label"],
    ),
    "Dataset in torch's format": lambda t, y, _: (
        datasets.Dataset.from_dict({"text": t, "label": y}).with_format("torch"),
    ),
    "Dataset with a transform": lambda t, y, _: (
        datasets.Dataset.from_dict({"t": t, "y": y}).with_transform(lambda b: {"text": b["t"], "label": b["y"]}),
    ),
    "Dataset, chosen rows": lambda t, y, _: (
        datasets.Dataset.from_dict({"text": t[::-1], "label": y[::-1]}).select(range(199, -1, -1)),
    ),
    "DatasetDict": lambda t, y, _: (datasets.DatasetDict(train=datasets.Dataset.from_dict({"text": t, "label": y})),),
    "dict of splits": lambda t, y, _: ({"train": dicts(t, y), "test": []},),
    "IterableDataset": lambda t, y, _: (datasets.Dataset.from_dict({"text": t, "label": y}).to_iterable_dataset(),),
    "torch Dataset": lambda t, y, _: (Pairs(t, y),),
    "torch Subset": lambda t, y, _: (torch.utils.data.Subset(Pairs(t[::-1], y[::-1]), range(199, -1, -1)),),
    "generator of dicts": lambda t, y, _: ((row for row in dicts(t, y)),),
    "generator of pairs": lambda t, y, _: (zip(t, y, strict=True),),
    "csv": lambda t, y, path: (str(write_csv(path / "rows.csv", t, y)),),
    "tsv": lambda t, y, path: (write_csv(path / "rows.tsv", t, y, "\t"),),
    "csv of pandas": lambda t, y, path: (
        pd.DataFrame({"text": t, "label": y}).to_csv(path / "index.csv") or path / "index.csv",
    ),
    "jsonl": lambda t, y, path: (write_jsonl(path / "rows.jsonl", t, y),),
    "json of rows": lambda t, y, path: (write(path / "rows.json", json.dumps(dicts(t, y))),),
    "json of columns": lambda t, y, path: (write(path / "columns.json", json.dumps({"text": t, "label": y})),),
    "parquet": lambda t, y, path: (
        pd.DataFrame({"text": t, "label": y}).to_parquet(path / "rows.parquet") or path / "rows.parquet",
    ),
    "save_to_disk": lambda t, y, path: (save_to_disk(path / "saved", t, y),),
    "rows": lambda t, y, _: (as_dataset(t, y),),
}


def typed(values: Any) -> list[tuple[type, Any]]:
    return [(type(value), value) for value in values]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_any_container_any_label(container: str, kind: str, tmp_path: Path) -> None:
    """The same 200 examples give the same texts and targets, of the same Python types."""
    rows = as_dataset(*CONTAINERS[container](TEXTS, LABELS[kind], tmp_path))

    assert typed(rows.column("text")) == typed(TEXTS)
    assert typed(rows.column("target")) == typed(LABELS[kind])
    assert rows[7] == rows.take([7])[0]
    assert typed(rows.take([9, 3]).column("text")[:]) == typed([TEXTS[9], TEXTS[3]])


def test_class_labels_come_as_names() -> None:
    """The numbers of a ClassLabel become its names, also in lists."""
    names = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features(text=datasets.Value("string"), label=names, tags=datasets.Sequence(names))
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0], "tags": [[0, 1], None]}, features=features)

    rows = as_dataset(data)

    assert list(rows.column("target")) == ["yes", "no"]
    assert rows[0]["tags"] == ["no", "yes"]
    assert as_dataset(data.to_iterable_dataset()).column("target") == ["yes", "no"]


def test_missing_class_label() -> None:
    """The -1 of a test set without labels is no label."""
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["no", "yes"]))
    data = datasets.Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features)

    with pytest.raises(DataError, match="row 0 of the column 'label' has no label"):
        as_dataset(data)


def test_files_and_datasets_stay_on_disk(tmp_path: Path) -> None:
    """Texts of a file are read when asked for; taking rows reads nothing."""
    rows = as_dataset(write_csv(tmp_path / "a.csv", ["a", "b", "c"], [1, 2, 3]))

    text = rows.take([2, 0]).column("text")

    assert isinstance(text, LazyColumn)
    assert (text[0], text[-1], list(text), text[0:1]) == ("c", "a", ["c", "a"], ["c"])
    with pytest.raises(IndexError):
        text[2]


def test_progress_bars_stay_as_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reading a file draws nothing, and the user's choice of bars comes back."""
    as_dataset(write_csv(tmp_path / "a.csv", ["a"], [1]))

    assert capsys.readouterr() == ("", "")
    assert datasets.is_progress_bar_enabled()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["1", "-20", "0"], [1, -20, 0]),
        (["01", "1", "2"], ["01", "1", "2"]),
        (["True", "False", "True"], [True, False, True]),
        (["true", "False", "True"], ["true", "False", "True"]),
        (["1", "2.5", "1e-05"], [1.0, 2.5, 1e-05]),
        (["1.0", "2.0", "3.0"], [1.0, 2.0, 3.0]),
        (["nan", "1", "2"], ["nan", "1", "2"]),
        (["1_000", "1", "2"], ["1_000", "1", "2"]),
    ],
    ids=str,
)
def test_targets_of_a_csv_are_cast(written: list[str], expected: list[Any], tmp_path: Path) -> None:
    """Only what Python prints itself for ints, bools and floats is cast, and only if all are."""
    rows = as_dataset(write_csv(tmp_path / "a.csv", ["x", "y", "z"], written))

    assert typed(rows.column("target")) == typed(expected)


def test_strings_in_memory_stay_strings() -> None:
    """Only files that hold nothing but strings are cast."""
    assert as_dataset(["a", "b"], ["0", "1"]).column("target") == ["0", "1"]
