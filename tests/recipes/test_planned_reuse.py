"""What `plan` tells of a frozen body, whose features are computed once."""

import copy
from pathlib import Path
from typing import Any

import pytest
from transformers import BertModel

from keraslike import Model
from keraslike.recipes.reckoning import Reckoning, Spent
from tests.engine.loops import weights_of
from tests.recipes.frozen import counted

Rows = tuple[list[str], list[str]]


@pytest.fixture
def model(tiny_bert: Path) -> Model:
    """A text classifier."""
    return Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], device="cpu")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the reckoning was told."""
    found: list[dict[str, Any]] = []
    true = Reckoning.__init__

    def begin(self: Reckoning, run: Any, costs: Any, validation: Spent, later: Spent | None = None) -> None:
        found.append({"epochs": sorted(costs), "costs": costs, "validation": validation, "later": later})
        true(self, run, costs, validation, later)

    monkeypatch.setattr(Reckoning, "__init__", begin)
    monkeypatch.setattr("keraslike.recipes.forecasting.SECONDS", 0.0)
    return found


def test_later_epochs_without_the_body(
    model: Model, seen: list[dict[str, Any]], texts_and_labels: Rows, monkeypatch: pytest.MonkeyPatch
):
    """The second epoch is tried by itself, and is cheaper: there the body does not run. All is put back."""
    before = weights_of(model.network)
    plan = model.plan(*texts_and_labels, texts_and_labels, freeze="body", epochs=5, batch_size=8, seed=1)

    assert seen[0]["epochs"] == [1, 2]
    assert seen[0]["later"] is not None
    assert "used again" in str(plan)
    assert (weights_of(model.network) == before).all()
    assert "forward" not in vars(model.network.wrapped.bert)


def test_the_body_runs_for_each_text_once(model: Model, texts_and_labels: Rows, monkeypatch: pytest.MonkeyPatch):
    """However often the steps of later epochs are tried, the body runs for their texts once."""
    monkeypatch.setattr("keraslike.recipes.forecasting.SECONDS", 0.0)
    given: dict[str, Any] = {"freeze": "body", "batch_size": 8, "seed": 1}
    with counted(BertModel) as once:
        copy.deepcopy(model).plan(*texts_and_labels, epochs=1, **given)
    with counted(BertModel) as reused:
        model.plan(*texts_and_labels, epochs=9, **given)

    assert once["rows"] < reused["rows"] <= once["rows"] + len(texts_and_labels[0]) + 1


@pytest.mark.parametrize("options", [{"cache": False}, {"epochs": 1}, {"unfreeze": {2: 1}}, {"freeze": ["embeddings"]}])
def test_where_nothing_is_reused(
    options: dict[str, Any], model: Model, seen: list[dict[str, Any]], texts_and_labels: Rows
):
    """Where the run computes features anew the plan says nothing of them."""
    plan = model.plan(*texts_and_labels, **{"freeze": "body", "epochs": 3, "seed": 1, **options})

    assert seen[0]["later"] is None
    assert "used again" not in str(plan)


def test_nothing_is_written(model: Model, texts_and_labels: Rows, tmp_path: Path, seen: list[dict[str, Any]]):
    """A plan with a folder for features writes nothing there."""
    model.plan(*texts_and_labels, freeze="body", epochs=3, cache=tmp_path / "new")

    assert not (tmp_path / "new").exists()
    assert seen[0]["epochs"] == [1, 2]


def test_unknown_batches(model: Model, texts_and_labels: Rows, seen: list[dict[str, Any]]):
    """Of data that come as they are no step comes twice: all epochs are taken for the first one."""
    rows = [{"text": text, "label": label} for text, label in zip(*texts_and_labels, strict=True)]
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(rows, batch_size=8, collate_fn=list)  # type: ignore[arg-type]  # torch takes a list of rows for a Dataset
    model.plan(loader, freeze="body", epochs=3, seed=1)

    assert seen[0]["epochs"] == [1]
