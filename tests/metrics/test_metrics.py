"""Every metric against scikit-learn or scipy: the same number, whatever the batches."""

import math
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import poutyne
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk
from torch import Tensor, nn

from keraslike.errors import ArgumentError
from keraslike.metrics import MAE, MSE, R2, REGISTRY, Accuracy, F1Macro, Metric, get_metrics
from keraslike.metrics.kinds import LABELS, MORE, TWO, VALUE, VALUES

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
ROWS = 23
SPLITS = [[23], [8, 8, 7], [1, 5, 3, 14], [1] * 23]

Arrays = Callable[[np.ndarray, np.ndarray], float]


def averaged(score: Callable[..., float], average: str) -> Arrays:
    return lambda y_true, y_pred: score(y_true, y_pred, average=average, zero_division=0)


def by_column(statistic: Callable[..., Any]) -> Arrays:
    def mean(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        columns = zip(y_true.reshape(ROWS, -1).T, y_pred.reshape(ROWS, -1).T, strict=True)
        return float(np.mean([statistic(*column).statistic for column in columns]))

    return mean


def of_second_class(score: Callable[..., float]) -> Arrays:
    def second(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        is_binary = y_true.ndim == 1 and max(y_true.max(), y_pred.max()) < 2
        return score(y_true, y_pred, average="binary" if is_binary else "macro", zero_division=0)

    return second


SCORES = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}
TRUTHS: dict[str, Arrays] = {
    "accuracy": sk.accuracy_score,
    "binary_accuracy": lambda y_true, y_pred: 1 - sk.hamming_loss(y_true, y_pred),
    **{
        f"{name}_{average}": averaged(score, average)
        for name, score in SCORES.items()
        for average in ("binary", "macro", "micro", "weighted")
    },
    **{name: of_second_class(score) for name, score in SCORES.items()},
    "kendall": by_column(stats.kendalltau),
    "pearson": by_column(stats.pearsonr),
    "spearman": by_column(stats.spearmanr),
    "r2": sk.r2_score,
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
}


def logits_and_targets(kind: str) -> tuple[Tensor, Tensor]:
    """Make float64 outputs and targets of one kind; class 3 of five is in no target and 4 in nothing."""
    random = torch.Generator().manual_seed(7)
    wide = torch.randn(ROWS, 5, dtype=torch.float64, generator=random)
    wide[:, 4] = -9
    made = {
        "classes": (wide, torch.randint(3, (ROWS,), generator=random)),
        "two classes": (wide[:, :2], torch.randint(2, (ROWS,), generator=random)),
        "labels": (wide, torch.randint(2, (ROWS, 5), generator=random) * torch.tensor([1, 1, 1, 0, 0])),
        "one label": (wide[:, :1], torch.randint(2, (ROWS,), generator=random)),
        "value": (wide[:, :1], wide[:, 0] + wide[:, 1]),
        "values": (wide[:, :3], wide[:, :3] + wide[:, 1:4]),
    }
    return made[kind]


def as_arrays(kind: str, logits: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Give y_true and y_pred as one would for scikit-learn."""
    if kind in ("classes", "two classes"):
        return targets.numpy(), logits.numpy().argmax(1)
    if kind in ("labels", "one label"):
        return targets.numpy(), (logits.numpy() > 0).astype(int).reshape(targets.shape)
    return targets.numpy(), logits.numpy().reshape(targets.shape)


KINDS = {
    "classes": SINGLE,
    "two classes": SINGLE,
    "labels": MULTI,
    "one label": MULTI,
    "value": REGRESSION,
    "values": REGRESSION,
}
SUITED = {
    "classes": MORE,
    "two classes": TWO,
    "labels": LABELS,
    "one label": TWO,
    "value": VALUE,
    "values": VALUES,
}
NAMES = [name for name, metric in REGISTRY.items() if metric.name in TRUTHS]
OF_CLASSES = [name for name in NAMES if MORE in REGISTRY[name]().suits]
each_metric = pytest.mark.parametrize("name", NAMES)
CASES = [(name, kind) for name in NAMES for kind in KINDS if SUITED[kind] in REGISTRY[name]().suits]
each_case = pytest.mark.parametrize(("name", "kind"), CASES)


@each_case
@pytest.mark.parametrize("split", SPLITS, ids=str)
@pytest.mark.parametrize("is_told", [True, False], ids=["told", "from shapes"])
def test_any_batches_give_the_librarys_value(name: str, kind: str, split: list[int], is_told: bool) -> None:
    """The value over any batches is scikit-learn's or scipy's of the whole, to 1e-12, told the problem type or not."""
    logits, targets = logits_and_targets(kind)
    metric = REGISTRY[name](KINDS[kind] if is_told else None)

    for x, y in zip(logits.split(split), targets.split(split), strict=True):
        metric.update(x, y)

    expected = TRUTHS[metric.name](*as_arrays(kind, logits, targets))
    assert metric.compute() == pytest.approx(expected, abs=1e-12, rel=1e-12)


@each_case
def test_contract(name: str, kind: str) -> None:
    """A metric gives a float, its `forward` the batch's value with the state kept, and `reset` forgets."""
    logits, targets = logits_and_targets(kind)
    metric = REGISTRY[name](KINDS[kind])

    values = [metric(logits[:11], targets[:11]), metric(logits[11:], targets[11:])]
    whole = metric.compute()
    metric.reset()
    emptied = metric.compute()
    metric.update(logits[11:].numpy(), targets[11:].numpy())

    assert [type(value) for value in (*values, whole)] == [float] * 3
    assert math.isnan(emptied)
    assert metric.compute() == pytest.approx(values[1], rel=1e-12)


@each_case
def test_inside_plain_poutyne(name: str, kind: str) -> None:
    """Among the batch and the epoch metrics of `poutyne.Model` it reports the whole set's value under its name."""
    logits, targets = logits_and_targets(kind)
    metrics = {"batch_metrics": [REGISTRY[name](KINDS[kind])], "epoch_metrics": [REGISTRY[name](KINDS[kind])]}
    model = poutyne.Model(nn.Identity(), None, lambda outputs, targets: outputs.sum(), **metrics)

    logs = model.evaluate(logits, targets, batch_size=4, return_dict_format=True, verbose=False)

    expected = TRUTHS[REGISTRY[name].name](*as_arrays(kind, logits, targets))
    names = [f"test_{REGISTRY[name].name}{number}" for number in (1, 2)]
    assert [logs[name] for name in names] == pytest.approx([expected] * 2, abs=1e-12)


@pytest.mark.parametrize("name", REGISTRY)
def test_its_own_name_is_registered(name: str) -> None:
    """Each metric is found under the name that it shows."""
    metric = REGISTRY[name]()

    assert REGISTRY[metric.name] is type(metric)
    assert metric.__name__ == metric.name


@pytest.mark.parametrize("name", OF_CLASSES)
def test_targets_of_minus_100_do_not_count(name: str) -> None:
    """Class indices of -100 change nothing, in a batch with others or alone."""
    logits, targets = logits_and_targets("classes")
    with_gaps = torch.where(torch.arange(ROWS) % 3 == 0, -100, targets)
    with_gaps[-4:] = -100
    counted = with_gaps != -100
    metric = REGISTRY[name](SINGLE)

    for x, y in zip(logits.split(4), with_gaps.split(4), strict=True):
        metric(x, y)

    y_true, y_pred = as_arrays("classes", logits[counted], targets[counted])
    assert metric.compute() == pytest.approx(TRUTHS[metric.name](y_true, y_pred), abs=1e-12)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_nothing_counted_is_nan(name: str) -> None:
    """A batch in which no target counts has no value."""
    metric = REGISTRY[name](SINGLE)

    assert math.isnan(metric(torch.randn(2, 3), torch.tensor([-100, -100])))


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 5, 3)], ids=["torch's", "transformers'"])
def test_labels_at_every_position(shape: tuple[int, ...]) -> None:
    """The classes may be the second dimension, as for torch's cross-entropy, or the last; -100 marks padding."""
    logits, targets = torch.randn(shape), torch.randint(3, (4, 5))
    targets[:, 4] = -100

    value = Accuracy(SINGLE)(logits, targets)

    y_pred = logits.numpy().argmax(shape.index(3))[:, :4]
    assert value == pytest.approx(sk.accuracy_score(targets[:, :4].ravel(), y_pred.ravel()), abs=1e-12)


def test_probability_targets_mean_their_likeliest_class() -> None:
    """Soft targets that cross-entropy takes are read as the class with the highest probability."""
    logits, targets = torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[0.9, 0.1], [0.8, 0.2]])

    assert Accuracy(SINGLE)(logits, targets) == 0.5


def test_several_labels_as_floats() -> None:
    """Zeros and ones may be floats, as binary cross-entropy wants them, where the problem type is told."""
    logits, targets = logits_and_targets("labels")

    values = [F1Macro(MULTI)(logits, kind) for kind in (targets, targets.double(), targets.bool())]

    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("name", [f"{name}_{average}" for name in SCORES for average in ("macro", "micro", "weighted")])
def test_several_labels_of_which_none_is_there(name: str) -> None:
    """Where no label is there or predicted the value is 0, as scikit-learn's, without a warning."""
    nothing = torch.zeros(3, 4, dtype=torch.int64)

    value = REGISTRY[name](MULTI)(nothing - 1.0, nothing)

    assert value == TRUTHS[name](nothing.numpy(), nothing.numpy()) == 0


@pytest.mark.parametrize("name", ["pearson", "spearman", "kendall"])
@pytest.mark.parametrize("outputs", [torch.ones(4), torch.randn(4)[:1]], ids=["constant", "one row"])
def test_a_correlation_that_is_not_defined_is_nan(name: str, outputs: Tensor) -> None:
    """A constant column or a single row gives NaN, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = REGISTRY[name](REGRESSION)(outputs, torch.arange(4.0)[: len(outputs)])

    assert math.isnan(value)


@pytest.mark.parametrize(
    ("metric", "truth"), [(MAE, sk.mean_absolute_error), (MSE, sk.mean_squared_error), (R2, sk.r2_score)]
)
def test_targets_keep_their_precision(metric: type[Metric[Any]], truth: Arrays) -> None:
    """float64 targets against float32 outputs are compared in float64."""
    outputs, targets = torch.randn(9), torch.randn(9, dtype=torch.float64)

    value = metric()(outputs, targets)

    assert value == pytest.approx(truth(targets.numpy(), outputs.double().numpy()), abs=1e-12)


@pytest.mark.parametrize(
    ("logits", "targets", "problem_type"),
    [
        (torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64), SINGLE),
        (torch.zeros(4, 3), torch.zeros(4), REGRESSION),
        (torch.zeros(4, 3), torch.zeros(4, 2), MULTI),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_named(logits: Tensor, targets: Tensor, problem_type: str) -> None:
    """The error holds both shapes; nothing is broadcast."""
    with pytest.raises(ValueError, match=r"outputs have shape \(4, 3\) but the targets have \("):
        (MSE if problem_type == REGRESSION else Accuracy)(problem_type).update(logits, targets)


def test_values_have_no_accuracy() -> None:
    """A metric of classes says at once that float targets are values, and what to do if they are labels."""
    with pytest.raises(ArgumentError, match="'accuracy' compares classes") as error:
        Accuracy().update(torch.zeros(4, 1), torch.zeros(4))

    assert "Accuracy('multi_label_classification')" in error.value.do


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_on_a_gpu(name: str, kind: str) -> None:
    """The state lives where the batch is; the value is that of the CPU."""
    logits, targets = logits_and_targets(kind)
    metrics = [REGISTRY[name](KINDS[kind]), REGISTRY[name](KINDS[kind])]

    for metric, device in zip(metrics, ("cpu", "cuda"), strict=True):
        metric.update(logits.to(device), targets.to(device))

    assert metrics[0].compute() == pytest.approx(metrics[1].compute(), abs=1e-12)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_adding_a_batch_waits_for_no_gpu(kind: str) -> None:
    """Nothing is read from an accelerator before somebody asks for the value."""
    logits, targets = (tensor.to("cuda") for tensor in logits_and_targets(kind))
    names = [name for name, other in CASES if other == kind]
    listed = [*names, "explained_variance" if KINDS[kind] == REGRESSION else "zero_one_loss", lambda logits: 0.0]
    listed += ["top_3_accuracy"] if kind == "classes" else []
    metrics = [metric for _, metric in get_metrics(listed, KINDS[kind])]
    for metric in metrics:
        metric.update(logits, targets)  # the first use of a kernel may wait
        metric.reset()

    torch.cuda.set_sync_debug_mode("error")
    try:
        for metric, _ in product(metrics, range(70)):  # more than wait to be joined
            metric.update(logits, targets)
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert all(math.isfinite(metric.compute()) for metric in metrics)
