"""Names of metrics beside what the history keeps: nothing is hidden, nothing is lost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchmetrics
from sklearn.metrics import accuracy_score
from torch import Tensor, nn

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.metrics import get_metrics
from keraslike.metrics.reserved import RESERVED
from tests.tiny import texts_with_labels

LOGITS = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(12) % 2
ACCURACY = accuracy_score(TARGETS, LOGITS.argmax(1))


def loss(y_true: Tensor, y_pred: Tensor) -> float:
    return 7.0


def named(name: str) -> Any:
    def metric(y_true: Tensor, y_pred: Tensor) -> float:
        return 7.0

    metric.__name__ = name
    return metric


def make_model(metrics: Any = None, **arguments: Any) -> Model:
    return Model(nn.Identity(), None, "cross_entropy", metrics=metrics, device="cpu", **arguments)


def evaluate(model: Model) -> dict[str, float]:
    found: dict[str, float] = model.evaluate(LOGITS, TARGETS, return_dict=True, verbose=0)
    return found


@pytest.mark.parametrize("name", sorted({*RESERVED, *(f"val_{name}" for name in RESERVED), "val_cost"}))
@pytest.mark.parametrize("argument", ["metrics", "batch_metrics", "epoch_metrics"])
def test_a_name_of_something_else(argument: str, name: str) -> None:
    """A metric that would stand in the place of another value is refused at once, with the line to type."""
    with pytest.raises(ArgumentError, match=f"a metric is named {name!r}") as error:
        make_model(**{argument: [named("cost"), named(name)]})

    assert f"('my_{name}', {name})" in str(error.value.do)


@pytest.mark.parametrize(
    "metric",
    [
        ("loss", "accuracy"),
        ("loss", torchmetrics.MeanSquaredError()),
        torchmetrics.MetricCollection({"time": torchmetrics.Accuracy("binary")}),
        (["epoch", "b"], torchmetrics.F1Score("multiclass", num_classes=2, average=None)),
    ],
    ids=["tuple", "object", "collection", "list of names"],
)
def test_wherever_the_name_comes_from(metric: Any) -> None:
    """Names in tuples, collections and lists are looked at too."""
    with pytest.raises(ArgumentError, match="under that name the history keeps something else"):
        get_metrics([metric])


def test_the_line_to_type() -> None:
    """Under another name the function stands beside the loss."""
    found = evaluate(make_model(["accuracy", ("my_loss", loss)]))

    assert found["my_loss"] == 7
    assert found["loss"] == pytest.approx(F.cross_entropy(LOGITS, TARGETS).item())


def test_names_that_only_begin_alike() -> None:
    """What begins with val_, and hides nothing, is a name like others."""
    assert evaluate(make_model([named("val_cost"), named("losses")]))["val_cost"] == 7


def same(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    return float(np.mean([a == b for a, b in zip(predictions, references, strict=True)]))


def scores(predictions: Sequence[Any], references: Sequence[Any]) -> Mapping[str, float]:
    return {"accuracy": same(predictions, references), "rows": len(references)}


def test_metrics_of_rows(tiny_bert: Path) -> None:
    """A metric of rows stands under the name that it was given; of its dict, its own name goes before what is taken."""
    texts, labels = texts_with_labels()
    metrics = ["accuracy", ("mine", same), scores, ("others", scores)]
    model = Model(str(tiny_bert), task="text-classification", labels=["good", "bad"], metrics=metrics)

    model.fit(texts, labels, epochs=1, verbose=0)
    found = model.evaluate(texts, labels, verbose=0)

    names = {"loss", "accuracy", "mine", "scores_accuracy", "rows", "others_accuracy", "others_rows"}
    assert set(found) == names
    share = found["accuracy"]
    assert (found["mine"], found["scores_accuracy"], found["others_accuracy"]) == pytest.approx((share,) * 3)
    assert (found["rows"], found["others_rows"]) == (40, 40)


def compute_metrics(eval_pred: Any) -> dict[str, float]:
    """Give what Hugging Face's examples give, and some names that stand in every history."""
    logits, labels = eval_pred
    right = np.argmax(logits, axis=-1) == labels
    return {"accuracy": right.mean(), "wrong": 1 - right.mean(), "loss": 3.0, "val_loss": 4.0, "val_accuracy": 5.0}


def test_compute_metrics_beside_others() -> None:
    """The function's name goes before names that are taken; nothing is hidden, and nothing is lost."""
    found = evaluate(make_model(["accuracy", compute_metrics]))

    assert found == pytest.approx(
        {
            "loss": F.cross_entropy(LOGITS, TARGETS).item(),
            "accuracy": ACCURACY,
            "compute_metrics": ACCURACY,
            "compute_metrics_accuracy": ACCURACY,
            "wrong": 1 - ACCURACY,
            "compute_metrics_loss": 3,
            "compute_metrics_val_loss": 4,
            "compute_metrics_val_accuracy": 5,
        }
    )


def test_compute_metrics_twice() -> None:
    """Two of them, one under a name of its own, give all their numbers."""
    found = evaluate(make_model([compute_metrics, ("again", compute_metrics)]))

    assert (found["accuracy"], found["again_accuracy"]) == pytest.approx((ACCURACY, ACCURACY))
    assert (found["compute_metrics_loss"], found["again_loss"]) == (3, 3)


def test_compute_metrics_while_training() -> None:
    """No epoch ends over a name, and training and validation have the same ones."""
    model = Model(nn.Linear(2, 2), "sgd", "cross_entropy", metrics=["accuracy", compute_metrics], device="cpu")

    history = model.fit(LOGITS, TARGETS, validation_data=(LOGITS, TARGETS), epochs=2, verbose=0)

    names = {name for name in history[0] if not name.startswith("val_")} - {"epoch", "time"}
    assert {name.removeprefix("val_") for name in history[1] if name.startswith("val_")} == names
    assert [row["compute_metrics_accuracy"] for row in history] == [row["accuracy"] for row in history]


def test_compute_metrics_beside_numbers_of_the_loss() -> None:
    """What a loss names further is not hidden either."""

    def own_loss(y_pred: Tensor, y_true: Tensor) -> tuple[Tensor, dict[str, float]]:
        return F.cross_entropy(y_pred, y_true), {"wrong": 9.0}

    model = Model(nn.Identity(), None, own_loss, metrics=[compute_metrics], device="cpu")

    found = evaluate(model)
    assert (found["wrong"], found["compute_metrics_wrong"]) == pytest.approx((9, 1 - ACCURACY))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"a": "accuracy"}, "write metrics=[('a', 'accuracy')]."),
        ({"out": ["accuracy", evaluate]}, "write metrics=['accuracy', evaluate]."),
        ({}, "write metrics=[]."),
    ],
    ids=["name", "list", "empty"],
)
def test_a_dict(given: dict[str, Any], line: str) -> None:
    """Keras' dict of metrics is answered with the list that says the same."""
    with pytest.raises(ArgumentError, match="metrics is a dict") as error:
        get_metrics(given)

    assert error.value.do == line
