"""`evaluate` on several data sets at once: one dict of floats, each name with its set's before it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import ArgumentError, DataError, LoadError
from tests.engine.letters import Letters, LettersTask, text_of
from tests.tiny import texts_with_labels

TEXTS = [text_of(3 + (7 * row) % 23, row) for row in range(21)]
NUMBERS = list(range(21))
TABLE = torch.arange(21) % 3
ROWS = [{"text": text, "label": number} for text, number in zip(TEXTS, NUMBERS, strict=True)]


@pytest.fixture
def model() -> Model:
    """A model of letters, which learns nothing here."""
    return Model(Letters(), None, task=LettersTask("cross_entropy", TABLE), metrics=["accuracy"], device="cpu")


@pytest.fixture
def plain() -> Model:
    """A model without a task."""
    torch.manual_seed(0)
    return Model(nn.Linear(3, 2), "sgd", "cross_entropy", metrics=["accuracy"], device="cpu")


def write(folder: Path) -> str:
    pd.DataFrame(ROWS[9:]).to_csv(folder / "part.csv", index=False)
    return str(folder / "part.csv")


CONTAINERS: dict[str, Callable[[Path], Any]] = {
    "x and y": lambda folder: (TEXTS[9:], NUMBERS[9:]),
    "columns": lambda folder: {"text": TEXTS[9:], "label": NUMBERS[9:]},
    "DataFrame": lambda folder: pd.DataFrame(ROWS[9:]),
    "Dataset": lambda folder: datasets.Dataset.from_list(ROWS[9:]),
    "DatasetDict": lambda folder: datasets.DatasetDict(test=datasets.Dataset.from_list(ROWS[9:])),
    "rows": lambda folder: ROWS[9:],
    "pairs": lambda folder: list(zip(TEXTS[9:], NUMBERS[9:], strict=True)),
    "generator": lambda folder: (row for row in ROWS[9:]),
    "path": write,
    "Path": lambda folder: Path(write(folder)),
    "DataLoader": lambda folder: DataLoader(ROWS[9:], batch_size=5, collate_fn=list),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_with_a_task(model: Model, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each set is anything that evaluate takes; its values are those of measuring it alone."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    first, second = (model.evaluate(TEXTS[part], NUMBERS[part], verbose=0) for part in (slice(9), slice(9, None)))

    both = model.evaluate({"matched": (TEXTS[:9], NUMBERS[:9]), "mismatched": CONTAINERS[kind](tmp_path)}, verbose=0)

    alone = {"matched": first, "mismatched": second}
    expected = {f"{name}_{metric}": value for name, values in alone.items() for metric, value in values.items()}
    assert list(both) == ["matched_loss", "matched_accuracy", "mismatched_loss", "mismatched_accuracy"]
    assert both == pytest.approx(expected, rel=1e-10)
    assert {type(value) for value in both.values()} == {float}


def test_without_a_task(plain: Model):
    """A dict is given here too, since Poutyne's pair has no place for two sets; weights stand in each set."""
    x, y, weight = torch.randn(12, 3), torch.arange(12) % 2, np.linspace(0, 1, 12)
    loss, accuracy = plain.evaluate(x, y, verbose=0)
    weighed, _ = plain.evaluate(x, y, sample_weight=weight, verbose=0)
    loader = DataLoader(TensorDataset(x, y), batch_size=5)

    values = plain.evaluate(
        {"pair": (x, y), "set": TensorDataset(x, y), "loader": loader, "w": (x, y, weight)}, verbose=0
    )

    assert values["pair_loss"] == pytest.approx(loss)
    assert (values["set_loss"], values["loader_loss"]) == pytest.approx((loss, loss), rel=1e-6)
    assert values["loader_accuracy"] == pytest.approx(accuracy)
    assert values["w_loss"] == pytest.approx(weighed)


def test_one_set_by_name(model: Model):
    """One set in a dict is prefixed too."""
    assert list(model.evaluate({"held": (TEXTS, NUMBERS)}, verbose=0)) == ["held_loss", "held_accuracy"]


@pytest.mark.parametrize("names", [("train", "test"), ("validation", "test"), ("dev",)])
def test_names_of_splits(model: Model, names: tuple[str, ...]):
    """A plain dict under the names of splits is several sets too; only a DatasetDict means its test split."""
    held = (TEXTS[9:], NUMBERS[9:])
    alone = model.evaluate(*held, verbose=0)

    found = model.evaluate(dict.fromkeys(names, (TEXTS, NUMBERS)) | {names[-1]: held}, verbose=0)

    assert list(found) == [f"{name}_{metric}" for name in names for metric in ("loss", "accuracy")]
    assert found[f"{names[-1]}_loss"] == pytest.approx(alone["loss"], rel=1e-10)


def test_columns_under_names_of_splits(model: Model):
    """Columns of a plain dict are never taken for splits, of which one would be measured and the others left out."""
    with pytest.raises(DataError, match="'dev'"):
        model.evaluate({"dev": TEXTS, "test": TEXTS}, verbose=0)


POEMS = ["a rose is a rose", "the film was great", "what a great film", "a moving story"]


def write_poems(folder: Path) -> str:
    (folder / "poems.txt").write_text("\n".join(POEMS[2:]), encoding="utf-8")
    return str(folder / "poems.txt")


@pytest.mark.parametrize("names", [("dev", "test"), ("old", "new")])
@pytest.mark.parametrize("give", [lambda folder: POEMS[2:], write_poems], ids=["lists", "a file"])
def test_sets_of_plain_texts(give: Callable[[Path], Any], names: tuple[str, str], tiny_bert: Path, tmp_path: Path):
    """Lists of texts and names of files are sets for a task that learns from texts alone; none is left out."""
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")
    alone = [model.evaluate(texts, verbose=0) for texts in (POEMS, POEMS[2:])]

    found = model.evaluate({names[0]: POEMS, names[1]: give(tmp_path)}, verbose=0)

    expected = {f"{name}_{key}": value for name, own in zip(names, alone, strict=True) for key, value in own.items()}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "texts"),
    [
        ("fill-mask", texts_with_labels()[0]),
        ("sentence-ordering", [["a film", "the story", "a cast"], ["a cast", "a film"]]),
    ],
)
def test_a_list_beside_a_table(task: str, texts: list[Any], tiny_bert: Path):
    """Where there are no targets, a list of rows is a set like a table of them."""
    model = Model(str(tiny_bert), task=task, device="cpu")
    model.fit(texts, epochs=1, seed=0, verbose=0)
    table = pd.DataFrame({"text" if task == "fill-mask" else "sentences": texts})

    values = model.evaluate({"list": texts, "table": table}, verbose=0)

    alone = model.evaluate(texts, verbose=0)
    assert values == {f"{name}_{metric}": value for name in ("list", "table") for metric, value in alone.items()}


def test_a_column_that_was_learned_from_is_no_set(tiny_bert: Path):
    """The name of the column that was trained on says that a dict of lists holds columns."""
    table = {"title": ["one", "two", "three", "four"], "poem": POEMS}
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")
    model.fit(table, text="poem", epochs=1, verbose=0)

    assert model.evaluate(table, verbose=0) == model.evaluate(POEMS, verbose=0)


@pytest.mark.parametrize("beside", [lambda words, tags: (words, tags), lambda words, tags: None], ids=["x, y", "file"])
def test_files_of_words_by_their_names(beside: Callable[..., Any], tiny_bert: Path, tmp_path: Path):
    """The name of a file in CoNLL's form is a set, beside another and beside words and tags."""
    words, tags = [["a", "great", "film"], ["boring"]], [["O", "B-good", "O"], ["B-bad"]]
    lines = "\n\n".join("\n".join(map(" ".join, zip(*row, strict=True))) for row in zip(words, tags, strict=True))
    (tmp_path / "test.txt").write_text(lines + "\n", encoding="utf-8")
    model = Model(str(tiny_bert), task="token-classification", device="cpu")
    model.fit(words, tags, epochs=1, verbose=0)
    alone = model.evaluate(words, tags, verbose=0)
    path = str(tmp_path / "test.txt")

    found = model.evaluate({"dev": beside(words, tags) or path, "test": path}, verbose=0)

    expected = {f"{name}_{key}": value for name in ("dev", "test") for key, value in alone.items()}
    assert found == pytest.approx(expected)


def test_a_datasetdict_means_its_test_split(model: Model):
    """Its other splits are for training and validation."""
    parts = datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS), test=datasets.Dataset.from_list(ROWS[9:]))

    assert model.evaluate(parts, verbose=0) == model.evaluate(ROWS[9:], verbose=0)


def test_columns_stay_columns(model: Model):
    """A dict of columns is one set, as ever."""
    assert list(model.evaluate({"text": TEXTS, "label": NUMBERS}, verbose=0)) == ["loss", "accuracy"]


class Two(nn.Module):
    """Takes its inputs as a dict."""

    def forward(self, x: dict[str, Any]) -> torch.Tensor:
        left, right = x["b"] if isinstance(x["b"], tuple) else (x["b"], 0.0)
        return x["a"] + left + right


@pytest.mark.parametrize("second", [torch.ones(4, 2), (torch.ones(4, 2), torch.ones(4, 2))])
def test_inputs_stay_inputs(second: Any):
    """A dict of tensors, nested ones too, is a network's inputs where y stands beside it."""
    model = Model(Two(), None, "mse", device="cpu")

    loss = model.evaluate({"a": torch.zeros(4, 2), "b": second}, torch.zeros(4, 2), verbose=0)

    assert loss == (1.0 if torch.is_tensor(second) else 4.0)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"y": NUMBERS}, r"several data sets \('a', 'b'\), and y is given(.|\n)*within each set(.|\n)*\(x, y\)"),
        ({"sample_weight": [1.0] * 21}, r"and sample_weight is given(.|\n)*\(x, y, sample_weight\)"),
        ({"return_dict": False}, r"and return_dict=False is given(.|\n)*one dict(.|\n)*evaluate\(x\['a'\]"),
    ],
)
def test_what_cannot_be_meant(model: Model, given: dict[str, Any], text: str):
    """Targets, weights and Poutyne's form belong to one set."""
    with pytest.raises(ArgumentError, match=text):
        model.evaluate({"a": (TEXTS, NUMBERS), "b": ROWS}, verbose=0, **given)


@pytest.mark.parametrize("given", [{"y": torch.zeros(4)}, {"return_pred": True}])
def test_what_cannot_be_meant_without_a_task(plain: Model, given: dict[str, Any]):
    """The same for tensors: a Dataset holds its own targets, and outputs have no place in the dict."""
    with pytest.raises(ArgumentError, match=r"several data sets \('a'\), and (y|return_pred) is given"):
        plain.evaluate({"a": TensorDataset(torch.zeros(4, 3), torch.zeros(4))}, verbose=0, **given)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ((TEXTS, NUMBERS[:3]), DataError, "in the set 'b': x has 21 texts but y has 3 labels"),
        ("no_such_file.csv", LoadError, "in the set 'b': there is no file 'no_such_file.csv'"),
    ],
)
def test_errors_name_the_set(model: Model, value: Any, kind: type[Exception], text: str):
    """All sets are read before the first is measured; an error says which it is in."""
    with pytest.raises(kind, match=text):
        model.evaluate({"a": (TEXTS, NUMBERS), "b": value}, verbose=0)


def test_lines_name_the_set(model: Model, capsys: pytest.CaptureFixture[str]):
    """Each set leaves its own line."""
    model.evaluate({"matched": (TEXTS, NUMBERS), "mismatched": ROWS})

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Evaluation of matched", "Evaluation of mismatched"]
