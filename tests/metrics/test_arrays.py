"""Functions that want NumPy's arrays, and Hugging Face's `compute_metrics`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.spatial.distance import cosine
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn
from transformers import EvalPrediction

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.metrics import FunctionMetric, RowMetric, get_metrics

SINGLE, REGRESSION = "single_label_classification", "regression"
LOGITS = torch.randn(17, 3, generator=torch.Generator().manual_seed(1))
TARGETS = torch.arange(17) % 3
BATCH_SIZES = pytest.mark.parametrize("batch_size", [1, 4, 17])


def measured(metric: Any, batch_size: int = 5, logits: Tensor = LOGITS, targets: Tensor = TARGETS) -> float:
    """Give a metric's value over batches."""
    for x, y in zip(logits.split(batch_size), targets.split(batch_size), strict=True):
        metric.update(x, y)
    value: float = metric.compute()
    return value


def kinds_seen(*given: Any) -> set[type]:
    """Give the types of what a function got."""
    return {type(value) for value in given}


def by_annotation(y_pred: np.ndarray, y_true: np.ndarray) -> float:
    assert kinds_seen(y_pred, y_true) == {np.ndarray}
    return float(np.mean(y_pred == y_true))


def by_alias(y_true: npt.NDArray[np.int64], y_pred: Any) -> float:
    return by_annotation(y_pred, y_true)


def by_string(y_true: "np.ndarray | None", y_pred: Any) -> float:
    return by_annotation(y_pred, y_true)


def by_use(y_true: Any, y_pred: Any) -> float:
    return float(np.mean(y_true.astype(float) == y_pred.astype(float)))


@pytest.mark.parametrize("function", [by_annotation, by_alias, by_string, by_use])
@BATCH_SIZES
def test_a_function_that_wants_numpy_gets_numpy(function: Any, batch_size: int) -> None:
    """It says so by an annotation; or tensors make it fail, and it is called once more with arrays."""
    ((name, metric),) = get_metrics([function], SINGLE)

    value = measured(metric, batch_size)

    assert name == function.__name__
    assert value == pytest.approx(accuracy_score(TARGETS, LOGITS.argmax(1)), abs=1e-12)


def test_others_get_tensors() -> None:
    """A function that says nothing gets tensors."""
    seen: list[Any] = []

    def look(y_pred: Any, y_true: Any) -> float:
        seen.extend([y_pred, y_true])
        return 0.0

    measured(FunctionMetric(look))

    assert kinds_seen(*seen) == {Tensor}


def test_functions_of_numpy_and_scipy_get_arrays() -> None:
    """They are called with predictions and targets, as two arrays of the whole epoch."""
    values, targets = LOGITS[:, 0], LOGITS[:, 0] + LOGITS[:, 1]
    ((name, metric),) = get_metrics([cosine], REGRESSION)

    value = measured(metric, 5, values, targets)

    assert name == "cosine"
    assert value == pytest.approx(cosine(values.double().numpy(), targets.double().numpy()), abs=1e-12)


def test_outputs_and_inputs_are_arrays_too() -> None:
    """Whatever is named comes as arrays, in dicts and tuples too."""

    def look(logits: np.ndarray, outputs: Any, input_ids: Any) -> float:
        assert kinds_seen(logits, outputs["hidden"][0], input_ids) == {np.ndarray}
        return float(len(logits))

    metric = FunctionMetric(look)
    metric.update({"logits": LOGITS, "hidden": (LOGITS,)}, TARGETS, {"input_ids": TARGETS})

    assert metric.compute() == 17


@pytest.mark.parametrize("failure", [TypeError, AttributeError, KeyError])
def test_a_function_that_fails_either_way_shows_its_own_failure(failure: type[Exception]) -> None:
    """What it raises with tensors is what the user sees."""

    def fails(y_pred: Any, y_true: Any) -> float:
        raise failure(type(y_pred).__name__)

    with pytest.raises(failure, match="Tensor"):
        measured(FunctionMetric(fails))


def test_rows_as_arrays() -> None:
    """A metric of rows that is annotated so gets arrays instead of lists."""

    def share(predictions: np.ndarray, references: np.ndarray) -> float:
        return float((predictions == references).mean())

    ((name, metric),) = get_metrics([share])

    assert isinstance(metric, RowMetric)
    assert (name, metric.values(["a", "b"], ["a", "c"])) == ("share", {"share": 0.5})


def compute_metrics(eval_pred: Any) -> dict[str, float]:
    """Stands for the function of Hugging Face's course."""
    logits, labels = eval_pred
    predictions = np.argmax(logits, axis=-1)
    return {"accuracy": accuracy_score(labels, predictions), "f1": f1_score(labels, predictions, average="macro")}


def by_attributes(p: Any) -> dict[str, float]:
    return compute_metrics((p.predictions, p.label_ids))


def by_annotated(result: EvalPrediction) -> dict[str, float]:
    return by_attributes(result)


def with_keyword(pred: Any, average: str = "macro") -> dict[str, float]:
    return by_attributes(pred)


class Computer:
    """Stands for an object that can be called."""

    def __call__(self, eval_preds: Any) -> dict[str, float]:
        return by_attributes(eval_preds)


@pytest.mark.parametrize("function", [compute_metrics, by_attributes, by_annotated, Computer(), with_keyword])
@BATCH_SIZES
def test_compute_metrics(function: Any, batch_size: int) -> None:
    """A function of one `EvalPrediction` gets the whole epoch as arrays; all that its dict names is shown."""
    ((_, metric),) = get_metrics([function], SINGLE)

    value = measured(metric, batch_size)

    expected = compute_metrics((LOGITS.numpy(), TARGETS.numpy()))
    assert metric.scalars() == pytest.approx(expected, abs=1e-12)
    assert value == expected["accuracy"]


def test_compute_metrics_of_tokens_sees_minus_100() -> None:
    """Targets keep their shape, and -100 stands where nothing counts or a batch was narrower, as in the Trainer."""
    seen: list[EvalPrediction] = []

    def look(eval_pred: EvalPrediction) -> dict[str, float]:
        seen.append(eval_pred)
        return {"rows": len(eval_pred.label_ids)}

    ((_, metric),) = get_metrics([look], SINGLE)
    metric.update(torch.ones(1, 3, 2), torch.tensor([[1, -100, 0]]))
    metric.update(torch.ones(1, 2, 2), torch.tensor([[1, 1]]))

    assert metric.compute() == 2
    assert seen[0].label_ids.tolist() == [[1, -100, 0], [1, 1, -100]]
    assert seen[0].predictions.shape == (2, 3, 2)


def test_compute_metrics_in_our_model() -> None:
    """`evaluate` shows every number of the dict; the first one is the function's own."""
    model = Model(nn.Identity(), None, "cross_entropy", metrics=[compute_metrics], device="cpu")

    found = model.evaluate(LOGITS, TARGETS, batch_size=4, return_dict=True, verbose=0)

    expected = compute_metrics((LOGITS.numpy(), TARGETS.numpy()))
    assert found == pytest.approx({"loss": found["loss"], "compute_metrics": expected["accuracy"], **expected})


@pytest.mark.parametrize("function", [lambda a: 0, lambda *, eval_pred: 0])
def test_what_is_neither_is_refused(function: Any) -> None:
    """One parameter that says nothing is a mistake as likely as not."""
    with pytest.raises(ArgumentError, match="asks for"):
        get_metrics([function])
