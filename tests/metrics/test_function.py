"""`FunctionMetric`: a function of one's own gets what it names, of the whole epoch, whatever the batches."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from sklearn.metrics import accuracy_score, roc_auc_score
from torch import Tensor

from keraslike.errors import ArgumentError, DataError
from keraslike.metrics import FunctionMetric, get_metrics

SINGLE = "single_label_classification"
ROWS = 40
BATCH_SIZES = pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])


def test_what_a_function_sees() -> None:
    """Without logits or inputs it sees one row per label that counts, floats in float64."""
    logits = torch.tensor([[[1.0, 3.0], [2.0, 0.0]], [[0.0, 1.0], [5.0, 5.5]]])
    seen: dict[str, Any] = {}

    def look(y_true: Tensor, targets: Tensor, labels: Tensor, y_pred: Tensor, y_score: Tensor, y_proba: Tensor) -> int:
        seen.update(locals())
        return 0

    FunctionMetric(look, SINGLE)(logits, torch.tensor([[1, 0], [0, -100]]))

    assert seen["y_pred"].tolist() == [1, 0, 1]
    assert seen["y_true"].tolist() == seen["targets"].tolist() == seen["labels"].tolist() == [1, 0, 0]
    expected = logits.reshape(4, 2)[:3].double().softmax(1)
    torch.testing.assert_close(seen["y_proba"], expected, atol=1e-6, rtol=0)  # softmax in float32
    assert torch.equal(seen["y_proba"], seen["y_score"])


def test_what_a_function_of_logits_sees() -> None:
    """With logits it sees everything in its own shape, narrower batches padded: targets by -100, all else by 0."""
    seen: dict[str, Any] = {}

    def look(logits: Tensor, y_pred: Tensor, labels: Tensor, attention_mask: Tensor, outputs: Any) -> int:
        seen.update(locals())
        return 0

    metric = FunctionMetric(look, SINGLE)
    for width in (2, 1):
        outputs = {"logits": torch.ones(1, width, 3), "hidden": (torch.ones(1, width),), "mode": "plain"}
        metric.update(outputs, torch.ones(1, width, dtype=torch.int64), {"attention_mask": torch.ones(1, width).bool()})
    metric.compute()

    assert seen["logits"].tolist() == [[[1] * 3] * 2, [[1] * 3, [0] * 3]]
    assert seen["labels"].tolist() == [[1, 1], [1, -100]]
    assert seen["y_pred"].tolist() == [[0, 0], [0, 0]]
    assert seen["attention_mask"].tolist() == [[True, True], [True, False]]
    assert seen["outputs"]["hidden"][0].tolist() == [[1, 1], [1, 0]]
    assert seen["outputs"]["mode"] == "plain"
    assert seen["logits"].dtype == torch.float64


def test_y_pred_beside_inputs_with_classes_second() -> None:
    """Where the classes are the second dimension, as for torch's cross-entropy, `y_pred` has the targets' shape."""
    logits, labels = torch.randn(4, 3, 5), torch.randint(3, (4, 5))

    def share(y_pred: Tensor, labels: Tensor, input_ids: Tensor) -> Tensor:
        return (y_pred == labels).double().mean()

    value = FunctionMetric(share)(logits, labels, ({"input_ids": labels},))

    assert value == pytest.approx(accuracy_score(labels.ravel(), logits.numpy().argmax(1).ravel()), abs=1e-12)


@BATCH_SIZES
@pytest.mark.parametrize("name", ["y_score", "y_proba"])
def test_probabilities(name: str, batch_size: int) -> None:
    """`y_score` and `y_proba` are the probabilities, a column per class."""
    logits, targets = torch.randn(ROWS, 3, dtype=torch.float64), torch.arange(ROWS) % 3

    def by_score(y_true: Tensor, y_score: Tensor) -> float:
        return float(roc_auc_score(y_true, y_score, multi_class="ovr"))

    def by_proba(y_true: Tensor, y_proba: Tensor) -> float:
        return by_score(y_true, y_proba)

    metric = FunctionMetric({"y_score": by_score, "y_proba": by_proba}[name], SINGLE)
    for x, y in zip(logits.split(batch_size), targets.split(batch_size), strict=True):
        metric.update(x, y)

    truth = roc_auc_score(targets, logits.softmax(1), multi_class="ovr")
    assert metric.compute() == pytest.approx(truth, abs=1e-12)


def test_texts_among_the_inputs() -> None:
    """Inputs that are no tensors are put one after another; arrays become tensors."""

    def characters(texts: list[str], weights: Tensor, y_true: Tensor) -> float:
        return float(sum(map(len, texts)) * weights.sum() / len(y_true))

    metric = FunctionMetric(characters)
    metric.update(torch.zeros(2, 2), torch.zeros(2), {"texts": ["a", "bb"], "weights": np.ones(2)})
    metric.update(torch.zeros(1, 2), torch.zeros(1), {"texts": ["ccc"], "weights": np.ones(1)})

    assert metric.compute() == 6


def test_scalars() -> None:
    """Beside its number a function may name others, each a number or (sum, count); they outlast `reset`."""

    def errors(y_pred: Tensor, y_true: Tensor) -> tuple[Tensor, dict[str, Any]]:
        wrong = (y_pred != y_true).double()
        return wrong.mean(), {"wrong": wrong.sum(), "share": (wrong.sum(), len(wrong)), "none": (0, 0)}

    metric = FunctionMetric(errors, SINGLE)
    before = metric.scalars()
    for rows in (slice(0, 3), slice(3, 4)):
        metric.update(torch.eye(4, 2)[rows], torch.tensor([0, 0, 0, 0])[rows])
    value = metric.compute()
    metric.reset()

    scalars = metric.scalars()
    assert (before, value) == ({}, 0.25)
    assert (scalars.pop("wrong"), scalars.pop("share")) == (1, 0.25)
    assert math.isnan(scalars["none"])


def test_a_dict_alone() -> None:
    """Of a function that gives only named numbers the first one is the metric's value too."""
    ((_, metric),) = get_metrics([lambda y_pred, y_true: {"tau": kendalltau(y_true, y_pred), "rows": len(y_true)}])

    metric.update(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 2.0]))

    assert metric.compute() == pytest.approx(1 / 3)
    assert metric.scalars() == {"tau": pytest.approx(1 / 3), "rows": 3}


@pytest.mark.parametrize(
    ("result", "kind"),
    [(torch.ones(3), r"Tensor of shape \(3,\)"), ("high", "str"), ((1, 2), "tuple"), ({}, "dict"), (None, "NoneType")],
    ids=str,
)
def test_what_is_no_number_is_refused(result: Any, kind: str) -> None:
    """The error names the metric and what it gave."""

    def score(y_pred: Tensor, y_true: Tensor) -> Any:
        return result

    with pytest.raises(ArgumentError, match=rf"'score' gives a {kind}\."):
        FunctionMetric(score)(torch.zeros(2), torch.zeros(2))


@pytest.mark.parametrize("logits_too", [True, False])
def test_nothing_is_nan(logits_too: bool) -> None:
    """Before any batch there is no value, nor where no label counts."""
    metric = FunctionMetric((lambda logits: 1.0) if logits_too else lambda y_pred, y_true: 1.0, SINGLE)

    empty = metric.compute()
    unlabelled = FunctionMetric(lambda y_pred, y_true: 1.0, SINGLE)(torch.zeros(2, 3), torch.tensor([-100, -100]))

    assert math.isnan(empty)
    assert math.isnan(unlabelled)


def test_a_dict_without_the_key_is_named() -> None:
    """Outputs or targets in a dict need their usual key, or `MetricWrapper`."""
    with pytest.raises(DataError, match="start_logits") as error:
        FunctionMetric(lambda y_pred, y_true: 0)({"start_logits": torch.zeros(2, 3)}, torch.zeros(2))

    assert "'logits'" in error.value.expected


@pytest.mark.parametrize(
    ("function", "takes_inputs"),
    [
        (lambda y_pred, y_true: 0, False),
        (lambda logits, labels: 0, False),
        (lambda outputs, y_proba: 0, False),
        (lambda logits, attention_mask: 0, True),
    ],
)
def test_inputs_are_asked_for_only_where_named(function: Any, takes_inputs: bool) -> None:
    """Who names no input gets none, so that nothing is kept for it."""
    assert FunctionMetric(function).takes_inputs is takes_inputs
