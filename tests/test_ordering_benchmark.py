"""The benchmark that the defaults of sentence ordering follow from, on sizes that take no time."""

import csv
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch

from keraslike import Model

WORDS = ["a", "film", "moving", "cast", "the"]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports the benchmark as its command does."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    module = import_module("ordering_recipe")
    monkeypatch.setattr(module, "single_threaded", lambda: None)
    return module


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with few stories, all alike."""
    (tmp_path / "stories5").mkdir()
    for part in ("train", "val"):
        with (tmp_path / "stories5" / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([[f"sentence{number}" for number in range(1, 6)], *[WORDS] * 40])
    return tmp_path


def test_rows_and_table(recipe: Any, data: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """There is a row for each entry and seed, once, and the table has mean and standard deviation over the seeds."""
    entries = [{**entry, "updates": 2} for entry in recipe.entries()[:2]]
    monkeypatch.setattr(recipe, "entries", lambda: entries)
    command = [
        "recipe",
        "--data",
        str(data),
        "--model",
        str(tiny_bert),
        "--seeds",
        "2",
        "--out",
        str(data / "rows.csv"),
    ]
    for more in ([], ["--table"]):
        monkeypatch.setattr("sys.argv", [*command, *more])
        recipe.main()
    with (data / "rows.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert [(row["marker"], row["seed"]) for row in rows] == [("sep", "0"), ("cls", "0"), ("sep", "1"), ("cls", "1")]
    losses = [float(row["loss"]) for row in rows if row["marker"] == "cls"]
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| whole | cls |"))
    assert f"| {mean(losses):.3f} ± {stdev(losses):.3f} |" in line


@pytest.mark.parametrize("change", [{}, {"dropout": False}, {"start": "zero"}, {"lr": 3e-4}, {"updates": 3}], ids=str)
def test_what_an_entry_changes(
    change: dict[str, Any], recipe: Any, data: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
):
    """The network starts where the entry says, drops out or not, and learns so often, at that rate at most."""
    seen: dict[str, Any] = {}

    def fit(model: Model, *args: Any, fit: Any = Model.fit, **options: Any) -> Any:
        seen["rates"] = {module.p for module in model.network.modules() if isinstance(module, torch.nn.Dropout)}
        seen["bias"] = model.network.wrapped.classifier.bias.item()
        history = fit(model, *args, **options)
        return seen.setdefault("history", history)

    monkeypatch.setattr(Model, "fit", fit)

    row = recipe.one(Namespace(data=data, model=tiny_bert), {**recipe.entries()[0], "updates": 2, **change, "seed": 0})

    rates = seen["history"].learning_rates
    assert len(rates) == row["updates"] == change.get("updates", 2)
    assert max(rates) <= change.get("lr", 1e-4)
    assert (seen["rates"] == {0.0}) == ("dropout" in change)
    assert seen["bias"] == (0.0 if "start" in change else 2.0)


def test_cut_stories(recipe: Any, data: Path):
    """Each keeps its first two to five sentences, the same in every run."""
    cut = recipe.stories(data / "stories5" / "train.csv", is_cut=True)

    assert {len(story) for story in cut} == {2, 3, 4, 5}
    assert all(story == WORDS[: len(story)] for story in cut)
    assert cut == recipe.stories(data / "stories5" / "train.csv", is_cut=True)
