"""The contract of everything that can be named: the library's own value under any split, or an answer in words."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from scipy import stats
from scipy.special import expit, softmax
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import Tensor

from keraslike.errors import ArgumentError
from keraslike.losses.naming import LOSSES
from keraslike.metrics import REGISTRY, ROW_METRICS, get_metrics, metric_names
from keraslike.metrics.naming import OTHER_NAMES
from keraslike.metrics.scikit import library_names, scorer_names
from keraslike.metrics.torch_metric import LISTED

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
ROWS = 29
SPLITS = [[29], [8, 8, 8, 5], [1, 5, 3, 20], [1] * 29]
KINDS = {
    "two": SINGLE,
    "five": SINGLE,
    "gaps": SINGLE,
    "label": MULTI,
    "labels": MULTI,
    "value": REGRESSION,
    "values": REGRESSION,
}
OF_SEQUENCES = ("tau", "position_accuracy", "score_mean", "score_std", "perplexity")
OURS = [name for name in REGISTRY if name not in OF_SEQUENCES]
OF_SCIKIT = [name for name in dict.fromkeys([*scorer_names(), *library_names()]) if name not in OURS]
each_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind: str) -> tuple[Tensor, Tensor]:
    """Make float64 outputs and targets of one kind; every class and label is there, values are above 0."""
    random = torch.Generator().manual_seed(11)
    wide = torch.randn(ROWS, 5, dtype=torch.float64, generator=random)
    noise = torch.randn(ROWS, 5, dtype=torch.float64, generator=random)
    classes = (wide[:, :5] + noise).argmax(1)
    return {
        "two": (wide[:, :2], (wide[:, 1] + noise[:, 0] > 0).long()),
        "five": (wide, classes),
        "gaps": (wide, torch.where(torch.arange(ROWS) % 7 == 3, -100, classes)),
        "label": (wide[:, :1], (wide[:, 0] + noise[:, 0] > 0).long()),
        "labels": (wide[:, :3], (wide[:, :3] + noise[:, :3] > 0).long()),
        "value": (wide[:, :1].exp(), (wide[:, 0] + noise[:, 0]).exp()),
        "values": (wide[:, :3].exp(), (wide[:, :3] + noise[:, :3]).exp()),
    }[kind]


def counted(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Give outputs and targets as arrays, without the rows whose target is -100."""
    logits, targets = (tensor.numpy() for tensor in made(kind))
    is_there = targets != -100 if kind == "gaps" else slice(None)
    outputs = logits[is_there]
    return (outputs[:, 0] if kind == "value" else outputs), targets[is_there]


class Classifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier of scikit-learn's whose answers are read from logits, for scorers to ask."""

    def __init__(self, logits: np.ndarray, kind: str) -> None:
        self.logits, self.kind = logits, kind

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> Any:
        several = [np.arange(2)] * self.logits.shape[1]
        return {"labels": several, "label": np.arange(2)}.get(self.kind, np.arange(self.logits.shape[1]))

    def predict(self, rows: Any) -> np.ndarray:
        if self.kind == "label":
            return (self.logits[:, 0] > 0).astype(int)
        return (self.logits > 0).astype(int) if self.kind == "labels" else self.logits.argmax(1)

    def predict_proba(self, rows: Any) -> np.ndarray:
        if self.kind == "label":
            return np.hstack([1 - expit(self.logits), expit(self.logits)])
        return expit(self.logits) if self.kind == "labels" else softmax(self.logits, 1)

    def decision_function(self, rows: Any) -> np.ndarray:
        if self.kind == "label":
            return self.logits[:, 0]
        return self.logits[:, 1] - self.logits[:, 0] if self.kind == "two" else self.logits


class Regressor(RegressorMixin, BaseEstimator):
    """A fitted regressor of scikit-learn's that answers with the values it was given."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: Any) -> np.ndarray:
        return self.values


IN_FULL = {"jaccard": "jaccard_macro", "roc_auc": "roc_auc_ovr"}
"""Scorers that scikit-learn has for two classes only, and what they become for more."""


def scored(name: str, kind: str) -> float:
    """Ask scikit-learn's scorer, of an estimator with these answers."""
    outputs, targets = counted(kind)
    answers = Regressor(outputs) if KINDS[kind] == REGRESSION else Classifier(outputs, kind)
    name = IN_FULL.get(name, name) if kind in ("five", "gaps", "labels") else name
    return float(sk.get_scorer(name)(answers, np.zeros((len(targets), 1)), targets))


def called(name: str, kind: str) -> float:
    """Call scikit-learn's or scipy's function, with what it needs for more than two classes."""
    outputs, targets = counted(kind)
    if hasattr(stats, name):
        columns = [(targets, outputs)] if kind == "value" else list(zip(targets.T, outputs.T, strict=True))
        return float(np.mean([getattr(stats, name)(*column).statistic for column in columns]))
    function, is_many = getattr(sk, name), kind in ("five", "gaps", "labels")
    answers = Classifier(outputs, kind)
    if KINDS[kind] == REGRESSION:
        return float(function(targets, outputs))
    if name == "hinge_loss":
        return float(function(targets, answers.decision_function(None)))
    if name in ("roc_auc_score", "average_precision_score", "top_k_accuracy_score", "log_loss") or name.startswith(
        ("brier", "d2_brier", "d2_log", "label_ranking", "coverage", "dcg", "ndcg")
    ):
        scores = answers.predict_proba(None)
        keywords = {"multi_class": "ovr"} if name == "roc_auc_score" and is_many else {}
        return float(function(targets, scores[:, 1] if kind in ("two", "label") else scores, **keywords))
    of_two = ("f1_score", "precision_score", "recall_score", "jaccard_score")
    return float(
        function(targets, answers.predict(None), **({"average": "macro"} if is_many and name in of_two else {}))
    )


def truth(name: str, kind: str) -> float | None:
    """Give the library's own value; None where it has none, or where what it gives means nothing."""
    function = (
        sk.get_scorer(name)._score_func if name in scorer_names() else getattr(sk, name, getattr(stats, name, None))
    )
    is_of_values = function.__module__ in ("sklearn.metrics._regression", "scipy.stats._correlation") or hasattr(
        stats, name
    )
    is_probabilistic = any(word in function.__name__ for word in ("log_loss", "brier"))
    has_no_meaning = kind == "labels" and is_probabilistic  # their rows do not sum to 1
    if is_of_values != (KINDS[kind] == REGRESSION) and "dcg" not in name:
        return None
    if has_no_meaning or (function.__name__ == "top_k_accuracy_score" and kind in ("two", "label")):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return scored(name, kind) if name in scorer_names() else called(name, kind)
        except (ValueError, TypeError, AttributeError):
            return None


def values(name: Any, kind: str) -> list[float]:
    """Give the metric's value under each split."""
    logits, targets = made(kind)
    found = []
    for split in SPLITS:
        ((_, metric),) = get_metrics([name], KINDS[kind])
        for x, y in zip(logits.split(split), targets.split(split), strict=True):
            metric.update(x, y)
        found.append(metric.compute())
    return found


def refused(name: Any, kind: str) -> str:
    """Give what the metric says to targets it has no meaning for."""
    with pytest.raises(ArgumentError) as error:
        values(name, kind)
    assert error.value.expected
    assert error.value.do
    return str(error.value)


@each_kind
@pytest.mark.parametrize("name", OF_SCIKIT)
def test_scikit_learn(name: str, kind: str) -> None:
    """Scorers and functions give scikit-learn's value to 1e-12, or say why they have none, in our words."""
    expected = truth(name, kind)

    if expected is None:
        assert name.removesuffix("_score") in refused(name, kind)
    else:
        assert values(name, kind) == pytest.approx([expected] * len(SPLITS), abs=1e-12, rel=1e-12)


def of_torchmetrics(name: str, kind: str) -> float | None:
    """Call the class of torchmetrics as its documentation says; None where it has no such task."""
    logits, targets = (torch.from_numpy(array) for array in counted(kind))
    if KINDS[kind] == REGRESSION:
        made_of = getattr(torchmetrics.regression, name, None)
        several = {"num_outputs": 3} if name in SEVERAL_OUTPUTS and kind == "values" else {}
        several |= {"reduction": "mean"} if name == "CosineSimilarity" else {}
        if made_of is None or (name == "CosineSimilarity" and kind == "value"):
            return None
        return float(made_of(**several)(logits.float(), targets.float()).mean())
    made_of = getattr(torchmetrics.classification, name, None)
    is_single = name in ("CalibrationError", "CohenKappa", "HingeLoss")
    if made_of is None or (kind == "labels" and is_single) or (name == "ExactMatch" and kind != "labels"):
        return None
    macro = {"average": "macro"} if name in ("EER", "Specificity", "NegativePredictiveValue") else {}
    if kind in ("five", "gaps"):
        return float(made_of("multiclass", num_classes=5, **macro)(logits.softmax(1).float(), targets))
    if kind == "labels":
        return float(made_of("multilabel", num_labels=3, **macro)(logits.sigmoid().float(), targets).mean())
    positive = logits.softmax(1)[:, 1] if kind == "two" else logits[:, 0].sigmoid()
    return float(made_of("binary")(positive.float(), targets))


SEVERAL_OUTPUTS = ("ConcordanceCorrCoef", "LogCoshError", "NormalizedRootMeanSquaredError", "RelativeSquaredError")


@each_kind
@pytest.mark.parametrize("name", LISTED)
def test_torchmetrics(name: str, kind: str) -> None:
    """A listed class gives torchmetrics' value in its own precision, the same under every split, or says why not."""
    expected = of_torchmetrics(name, kind)

    if expected is None:
        assert f"{name!r} compares" in refused(name, kind)
        return
    found = values(name, kind)
    assert found == pytest.approx([expected] * len(SPLITS), abs=1e-5, rel=1e-5)
    assert max(found) - min(found) <= 1e-12


@each_kind
@pytest.mark.parametrize("name", OURS)
def test_ours(name: str, kind: str) -> None:
    """Our own names give the same value under every split, or say why they have none; test_metrics has their truth."""
    is_of_two = name.endswith("_binary") or name == "binary_accuracy"
    is_of_values = name in ("mae", "mse", "r2", "pearson", "spearman", "kendall")
    fits = {"five", "gaps"} if name.startswith("top_") else {"two", "label", "labels", "five", "gaps"}
    fits = {"two", "label"} | ({"labels"} & fits if name == "binary_accuracy" else set()) if is_of_two else fits
    fits = {"value", "values"} if is_of_values else fits

    if kind in fits and (name, kind) != ("top_5_accuracy", kind):
        found = values(name, kind)
        assert math.isfinite(found[0])
        assert found == pytest.approx([found[0]] * len(SPLITS), abs=1e-12)
    else:
        assert repr(REGISTRY[name].name) in refused(name, kind)


@pytest.mark.parametrize("name", OF_SEQUENCES)
def test_sequences(name: str) -> None:
    """Metrics of tokens give the same value under every split; their own tests have their truth."""
    random = torch.Generator().manual_seed(3)
    targets = torch.stack([torch.randperm(6, generator=random) for _ in range(ROWS)])
    targets[torch.rand(ROWS, 6, generator=random) < 0.3] = -100
    shape = (ROWS, 6, 6) if name == "perplexity" else (ROWS, 6)
    logits, found = torch.randn(shape, dtype=torch.float64, generator=random), []

    for split in SPLITS:
        ((_, metric),) = get_metrics([name])
        for x, y in zip(logits.split(split), targets.split(split), strict=True):
            metric.update(x, y)
        found.append(metric.compute())

    assert math.isfinite(found[0])
    assert found == pytest.approx([found[0]] * len(SPLITS), abs=1e-12)


def test_every_name_is_covered() -> None:
    """Whatever can be named is ours, scikit-learn's or scipy's, torchmetrics', a loss, or a metric of rows."""
    covered = {*OURS, *OF_SEQUENCES, *OF_SCIKIT, *LISTED, *ROW_METRICS, *LOSSES}

    assert set(metric_names()) == covered
    assert set(OF_SEQUENCES) <= set(REGISTRY)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("kind", ["five", "gaps"])
def test_top_k(k: int, kind: str) -> None:
    """The accuracy of the k likeliest classes is scikit-learn's, also where logits are equal."""
    from keraslike.metrics import TopKAccuracy

    logits, targets = made(kind)
    rounded = logits.round()
    metric = TopKAccuracy(k=k)

    metric.update(rounded, targets)

    is_there = targets != -100
    expected = sk.top_k_accuracy_score(targets[is_there], rounded[is_there].numpy(), k=k, labels=range(5))
    assert metric.compute() == pytest.approx(expected, abs=1e-12)
    assert metric.name == f"top_{k}_accuracy"


@pytest.mark.parametrize("name", [name for name in OF_SCIKIT + list(LISTED) if name not in library_names()])
@pytest.mark.parametrize("kind", ["two", "five"])
def test_a_batch_of_one_row_ends_no_training(name: str, kind: str) -> None:
    """Where a batch lacks classes, a metric has a value or NaN, but raises nothing."""
    logits, targets = made(kind)
    try:
        ((_, metric),) = get_metrics([name], SINGLE)
        metric.update(logits, targets)
    except ArgumentError:
        return  # it has no meaning for such a problem at all

    assert isinstance(metric(logits[:1], targets[:1]), float)


@pytest.mark.parametrize(("other", "ours"), OTHER_NAMES.items())
def test_what_others_call_it(other: str, ours: str) -> None:
    """Names that Keras, Hugging Face and papers use stand for ours, and are shown as typed."""
    ((shown, metric),) = get_metrics([other])
    ((_, expected),) = get_metrics([ours])

    assert (shown, type(metric), metric.name) == (other, type(expected), expected.name)


@pytest.mark.parametrize(
    ("typed", "name"), [("Accuracy", "accuracy"), ("MSE", "mse"), ("AUC", "roc_auc"), ("auroc", "AUROC"), ("F1", "f1")]
)
def test_case_does_not_matter(typed: str, name: str) -> None:
    """A name in another case is understood where none is spelled so."""
    ((shown, metric),) = get_metrics([typed])

    assert (shown, metric.name) == (typed, name)


def test_no_two_names_differ_by_case_alone() -> None:
    """Names of torchmetrics hide none of ours."""
    names = [name.lower() for name in [*REGISTRY, *ROW_METRICS, *scorer_names(), *library_names(), *OTHER_NAMES]]

    assert {name.lower() for name in LISTED}.isdisjoint(names)


@pytest.mark.parametrize("name", [*REGISTRY, *ROW_METRICS, *LISTED, *OTHER_NAMES])
def test_the_page_lists_every_name(name: str) -> None:
    """The page on metrics names all that are ours to choose; scikit-learn's stand in its own documentation."""
    page = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

    assert f'`"{name.lower()}"`' in page.read_text("utf-8").lower()


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True], ids=repr)
def test_k_is_a_whole_number(k: Any) -> None:
    """How many classes are looked at is 1 or more, or the value would be 0 for every network."""
    from keraslike.metrics import TopKAccuracy

    with pytest.raises(ArgumentError, match="no number of classes"):
        TopKAccuracy(k=k)
