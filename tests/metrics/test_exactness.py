"""Values that do not depend on the batches, and what is kept for them."""

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk
from torch import Tensor, nn

from keraslike import Model
from keraslike.metrics import R2, REGISTRY, Accuracy, FunctionMetric, Pearson, get_metrics
from keraslike.metrics.kinds import MORE, VALUE
from keraslike.metrics.reading import classes

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
ROWS = 42
BATCH_SIZES = pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])


def evaluated(outputs: Tensor, targets: Tensor, loss: str, metrics: list[Any], batch_size: int) -> dict[str, float]:
    """Evaluate a network that gives its input."""
    model = Model(nn.Identity(), None, loss, metrics=metrics, device="cpu")
    return model.evaluate(outputs, targets, batch_size=batch_size, return_dict=True, verbose=0)


@BATCH_SIZES
def test_classes(batch_size: int) -> None:
    """Of classes `evaluate` gives scikit-learn's numbers on all predictions, at every batch size."""
    torch.manual_seed(0)
    logits, y = torch.randn(ROWS, 4), torch.arange(ROWS) % 4
    names = ["accuracy", "f1_macro", "f1_micro", "f1_weighted", "precision_macro", "recall_macro"]

    def kappa(y_pred: Tensor, y_true: Tensor) -> float:
        return float(sk.cohen_kappa_score(y_true, y_pred))

    found = evaluated(logits, y, "cross_entropy", [*names, "balanced_accuracy", "roc_auc", kappa], batch_size)

    y_pred, proba = logits.numpy().argmax(1), logits.double().softmax(1).numpy()
    expected = {
        "loss": sk.log_loss(y, proba),
        "accuracy": sk.accuracy_score(y, y_pred),
        **{f"f1_{kind}": sk.f1_score(y, y_pred, average=kind) for kind in ("macro", "micro", "weighted")},
        "precision_macro": sk.precision_score(y, y_pred, average="macro"),
        "recall_macro": sk.recall_score(y, y_pred, average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score(y, y_pred),
        "roc_auc": sk.roc_auc_score(y, proba, multi_class="ovr"),
        "kappa": sk.cohen_kappa_score(y, y_pred),
    }
    assert found == pytest.approx(expected, abs=1e-6)


@BATCH_SIZES
def test_values(batch_size: int) -> None:
    """Of values `evaluate` gives scikit-learn's and scipy's numbers on all predictions, at every batch size."""
    torch.manual_seed(0)
    outputs = torch.randn(ROWS, 1)
    y = outputs[:, 0] + torch.randn(ROWS) / 2

    found = evaluated(outputs, y, "mse", ["mse", "mae", "r2", "pearson", "spearman", "kendalltau"], batch_size)

    pair = (y.double().numpy(), outputs[:, 0].double().numpy())
    expected = {
        "loss": sk.mean_squared_error(*pair),
        "mse": sk.mean_squared_error(*pair),
        "mae": sk.mean_absolute_error(*pair),
        "r2": sk.r2_score(*pair),
        "pearson": stats.pearsonr(*pair).statistic,
        "spearman": stats.spearmanr(*pair).statistic,
        "kendalltau": stats.kendalltau(*pair).statistic,
    }
    assert found == pytest.approx(expected, abs=1e-6)


def series(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Make float64 targets and values on which sums of squares lose their digits."""
    random = np.random.default_rng(2)
    y = random.normal(size=300)
    x = y + random.normal(size=300)
    made = {
        "plain": (y, x),
        "far from zero": (y + 1e6, x - 1e6),
        "large": (y * 1e9, x * 1e9),
        "small": (y * 1e-9, x * 1e-9),
        "first row far off": (np.r_[1e4, y], np.r_[-1e4, x]),
        "drifting": (y + np.arange(300) * 50, x + np.arange(300) * 50),
        "nearly alike": (y, y + x * 1e-7),
        "unlike": (y, x * 1e3),
    }
    return made[kind]


KINDS = ["plain", "far from zero", "large", "small", "first row far off", "drifting", "nearly alike", "unlike"]


@pytest.mark.parametrize("batch_size", [1, 3, 14, 301])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("metric", "truth"), [(R2, sk.r2_score), (Pearson, lambda y, x: stats.pearsonr(y, x).statistic)]
)
def test_sums_keep_their_digits(metric: Any, truth: Any, kind: str, batch_size: int) -> None:
    """Sums over batches give the value of the whole in float64 to 1e-12, also where the numbers are awkward."""
    y, x = series(kind)
    measured = metric(REGRESSION)

    for start in range(0, len(y), batch_size):
        measured.update(x[start : start + batch_size], y[start : start + batch_size])

    assert measured.compute() == pytest.approx(truth(y, x), abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("metric", ["spearman", "kendalltau"])
def test_what_is_kept_of_many_batches(metric: str) -> None:
    """What is kept of hundreds of batches of one row goes to scipy as one array."""
    y, x = series("plain")
    ((_, measured),) = get_metrics([metric], REGRESSION)

    for row in range(len(y)):
        measured.update(x[row : row + 1], y[row : row + 1])

    truth = {"spearman": stats.spearmanr, "kendalltau": stats.kendalltau}[metric]
    assert measured.compute() == pytest.approx(truth(y, x).statistic, abs=1e-12)


@pytest.mark.parametrize("kind", ["met", "missed"])
def test_r2_of_constant_targets(kind: str) -> None:
    """As in scikit-learn constant targets give 1 where they are met and 0 where not; columns are averaged."""
    y = np.column_stack([np.full(8, 5.0), np.arange(8.0)])
    x = y + np.array([0, 0.5]) if kind == "met" else y + 0.5
    measured = R2(REGRESSION)

    for rows in np.split(np.arange(8), [3, 4]):
        measured.update(x[rows], y[rows])

    assert measured.compute() == pytest.approx(sk.r2_score(y, x), abs=1e-12)


def test_a_constant_that_has_no_exact_mean_is_constant() -> None:
    """The mean of many 0.1 is not 0.1 in floating point; such a column has no correlation all the same."""
    measured = Pearson(REGRESSION)

    for start in range(0, 300, 7):
        measured.update(np.full(300, 0.1)[start : start + 7], np.arange(300.0)[start : start + 7])

    assert np.isnan(measured.compute())


def test_an_empty_batch_changes_nothing() -> None:
    """A batch without rows, first or later, adds nothing."""
    y, x = series("plain")
    measured = Pearson(REGRESSION)

    for rows in ([], range(150), [], range(150, 300)):
        measured.update(x[list(rows)], y[list(rows)])

    assert measured.compute() == pytest.approx(stats.pearsonr(y, x).statistic, abs=1e-12)


@pytest.mark.parametrize("wide", [3, 500])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_first_of_equal_logits_wins(wide: int, dtype: torch.dtype) -> None:
    """However wide the logits are, the class is that of NumPy's `argmax`: the first of equal ones, or the first NaN."""
    logits = torch.zeros(4, wide, dtype=dtype)
    logits[1, 1:] = 2
    logits[2, 2] = torch.nan

    assert classes(logits, SINGLE).tolist() == logits.double().numpy().argmax(1).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("metric", ["pearson", "spearman", "explained_variance"])
def test_what_is_kept_is_a_copy(metric: str) -> None:
    """A loop may write its next batch into the same memory."""
    outputs, targets = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 2.0, 4.0])
    ((_, measured),) = get_metrics([metric], REGRESSION)

    measured.update(outputs, targets)
    outputs.zero_()
    targets.fill_(9)

    assert measured.compute() == pytest.approx(1)


def share_of_top(y_pred: Tensor, y_true: Tensor) -> float:
    """Stands for a user's metric of classes."""
    return float((y_pred == y_true).double().mean())


def held(metric: Any, kind: str, rows: int) -> int:
    """Give the bytes that a metric holds after so many rows of 30,000 logits; whole storages count, not views."""
    random = torch.Generator().manual_seed(0)
    for _ in range(rows // 16):
        logits = torch.randn(16, 30_000, generator=random)
        targets = {
            SINGLE: torch.randint(30_000, (16,), generator=random),
            MULTI: (logits > 2).long(),
            REGRESSION: logits + 1,
        }
        metric.update(logits, targets[kind])
    return len(pickle.dumps(metric))


SUMMED = [
    *[(name, SINGLE) for name in REGISTRY if MORE in REGISTRY[name]().suits and VALUE not in REGISTRY[name]().suits],
    *[(name, MULTI) for name in ("accuracy", "f1_macro")],
    *[(name, REGRESSION) for name in ("mse", "mae", "r2", "pearson")],
]


@pytest.mark.parametrize(("name", "kind"), SUMMED)
def test_memory_of_sums_is_flat(name: str, kind: str) -> None:
    """What is kept as sums takes as much room after 1,024 rows as after 64: a few numbers per class at most."""
    sizes = [held(REGISTRY[name](kind), kind, rows) for rows in (64, 256)]

    if name in ("accuracy", "acc", "f1_macro"):
        sizes.append(held(REGISTRY[name](kind), kind, 1024))

    assert max(sizes) - min(sizes) < 4096
    assert max(sizes) < 6 * 8 * 30_000 + 2 * 8 * 30_000 + 10_000


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "top_k_accuracy", "mse", "r2", "pearson"])
def test_many_small_batches_take_no_room(name: str) -> None:
    """Parts of a few numbers wait before they are added, but never many of them."""
    metric = REGISTRY[name]()
    sizes = []

    for _ in range(400):
        metric.update(torch.randn(2, 3), torch.rand(2, 3) if metric.is_of_values else torch.tensor([0, 1]))
        sizes.append(len(pickle.dumps(metric)))

    assert max(sizes[200:]) <= max(sizes[:200]) + 256  # numbers get longer


@pytest.mark.parametrize("made", ["balanced_accuracy", share_of_top], ids=str)
def test_memory_of_what_needs_all_predictions(made: Any) -> None:
    """A metric that needs all classes keeps a class and a target per row, not the logits."""
    sizes = []
    for rows in (64, 128):
        ((_, metric),) = get_metrics([made], SINGLE)
        sizes.append(held(metric, SINGLE, rows))

    assert (sizes[1] - sizes[0]) / 64 < 200  # bytes a row, most of them the pickle's; its logits have 120,000


def test_accuracy_allocates_nothing_that_stays() -> None:
    """The metric that everybody has on holds no more Python memory after ten thousand steps than after one hundred."""
    metric, logits, targets = Accuracy(SINGLE), torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    tracemalloc.start()
    try:
        sizes = []
        for steps in (100, 10_000):
            for _ in range(steps):
                metric.update(logits, targets)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert sizes[1] - sizes[0] < 10_000


def test_predictions_that_are_no_numbers_give_nan() -> None:
    """A NaN among the predictions makes the value NaN; scikit-learn would raise and end a training."""
    outputs, targets = torch.tensor([1.0, torch.nan, 3.0]), torch.tensor([1.0, 2.0, 4.0])
    metrics = dict(get_metrics(["mse", "mae", "r2", "pearson", "spearman", "explained_variance"], REGRESSION))

    values = [metric(outputs, targets) for metric in metrics.values()]

    assert np.isnan(values).all()


def test_no_scalars_by_default() -> None:
    """A metric has further values only where it says so."""
    assert Accuracy().scalars() == FunctionMetric(share_of_top).scalars() == {}
    assert not Accuracy.takes_inputs


@pytest.mark.parametrize("shape", [(6, 3), (6, 1)], ids=["labels", "one label"])
def test_a_batch_of_no_rows_counts_nothing(shape: tuple[int, int]) -> None:
    """It has no value of its own, and leaves that of the others as it is."""
    logits, targets = torch.randn(shape), (torch.rand(shape) > 0.5).long()
    metric = Accuracy(MULTI)

    assert np.isnan(metric(logits[:0], targets[:0]))
    metric.update(logits, targets)
    assert metric.compute() == sk.accuracy_score(targets, (logits > 0).long())
