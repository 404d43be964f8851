"""`LibraryMetric`: functions of scikit-learn and scipy, with what each wants to see."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit, softmax
from sklearn import metrics as sk

from keraslike.errors import ArgumentError
from keraslike.metrics import LibraryMetric, get_metrics
from keraslike.metrics.scikit import library_names

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
RANDOM = np.random.default_rng(3)
LOGITS = RANDOM.normal(size=(30, 3))
IDS = RANDOM.integers(3, size=30)
PROBABILITIES = softmax(LOGITS, 1)
POSITIVE = softmax(LOGITS[:, :2], 1)[:, 1]
YES_NO = RANDOM.integers(2, size=(30, 3))


def value(function: Any, logits: np.ndarray, targets: np.ndarray, problem_type: str) -> float:
    """Give the function's value over three ragged batches."""
    metric = LibraryMetric(function, problem_type)
    for rows in (slice(0, 13), slice(13, 14), slice(14, 30)):
        metric.update(logits[rows], targets[rows])
    return metric.compute()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sk.balanced_accuracy_score, sk.balanced_accuracy_score(IDS, LOGITS.argmax(1))),
        (sk.cohen_kappa_score, sk.cohen_kappa_score(IDS, LOGITS.argmax(1))),
        (sk.f1_score, sk.f1_score(IDS, LOGITS.argmax(1), average="macro")),
        (partial(sk.f1_score, average="micro"), sk.f1_score(IDS, LOGITS.argmax(1), average="micro")),
        (sk.roc_auc_score, sk.roc_auc_score(IDS, PROBABILITIES, multi_class="ovr")),
        (partial(sk.roc_auc_score, multi_class="ovo"), sk.roc_auc_score(IDS, PROBABILITIES, multi_class="ovo")),
        (sk.log_loss, sk.log_loss(IDS, PROBABILITIES)),
        (sk.top_k_accuracy_score, sk.top_k_accuracy_score(IDS, PROBABILITIES)),
        (sk.hinge_loss, sk.hinge_loss(IDS, LOGITS)),
    ],
    ids=str,
)
def test_several_classes(function: Any, expected: float) -> None:
    """Functions of classes get classes, those of scores all probabilities; averages are over classes."""
    assert value(function, LOGITS, IDS, SINGLE) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sk.f1_score, sk.f1_score(IDS % 2, POSITIVE > 0.5)),
        (sk.roc_auc_score, sk.roc_auc_score(IDS % 2, POSITIVE)),
        (sk.average_precision_score, sk.average_precision_score(IDS % 2, POSITIVE)),
        (sk.brier_score_loss, sk.brier_score_loss(IDS % 2, POSITIVE)),
        (sk.log_loss, sk.log_loss(IDS % 2, POSITIVE)),
        (sk.hinge_loss, sk.hinge_loss(IDS % 2, LOGITS[:, 1] - LOGITS[:, 0])),
    ],
    ids=str,
)
def test_two_classes(function: Any, expected: float) -> None:
    """Functions of scores get the second class's probability; F1 is that of the second class, as typed."""
    assert value(function, LOGITS[:, :2], IDS % 2, SINGLE) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sk.hamming_loss, sk.hamming_loss(YES_NO, LOGITS > 0)),
        (sk.jaccard_score, sk.jaccard_score(YES_NO, LOGITS > 0, average="macro")),
        (sk.roc_auc_score, sk.roc_auc_score(YES_NO, expit(LOGITS))),
        (sk.label_ranking_loss, sk.label_ranking_loss(YES_NO, expit(LOGITS))),
    ],
    ids=str,
)
def test_several_labels(function: Any, expected: float) -> None:
    """Functions of scores get each label's probability, others zeros and ones."""
    assert value(function, LOGITS, YES_NO, MULTI) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sk.explained_variance_score, sk.explained_variance_score(LOGITS[:, 1], LOGITS[:, 0])),
        (stats.kendalltau, stats.kendalltau(LOGITS[:, 1], LOGITS[:, 0]).statistic),
    ],
    ids=str,
)
def test_values(function: Any, expected: float) -> None:
    """In regression functions get the values; of scipy's results the statistic is taken."""
    assert value(function, LOGITS[:, :1], LOGITS[:, 1], REGRESSION) == pytest.approx(expected, abs=1e-12)


def test_classes_that_a_set_lacks_are_known_from_the_logits() -> None:
    """The log loss of a set in which a class is missing is computed over all the network's classes."""
    assert value(sk.log_loss, LOGITS, IDS % 2, SINGLE) == pytest.approx(
        sk.log_loss(IDS % 2, PROBABILITIES, labels=range(3)), abs=1e-12
    )


@pytest.mark.parametrize("function", [sk.f1_score, sk.precision_score, sk.recall_score, sk.jaccard_score], ids=str)
def test_the_average_does_not_depend_on_the_classes_seen(function: Any) -> None:
    """A network of three classes is averaged over classes, also where only two of them come up."""
    logits, targets = np.eye(3)[[0, 1, 1, 0, 1]], np.array([0, 1, 0, 0, 0])

    assert value(function, np.tile(logits, (6, 1)), np.tile(targets, 6), SINGLE) == pytest.approx(
        function(targets, logits.argmax(1), average="macro"), abs=1e-12
    )


def test_an_undefined_value_is_nan_without_a_warning() -> None:
    """The area under the curve of one class only is NaN, calmly."""
    assert math.isnan(value(sk.roc_auc_score, LOGITS[:, :2], IDS * 0, SINGLE))


def test_a_function_that_gives_no_number_is_refused() -> None:
    """A table is no metric; the error says so."""
    with pytest.raises(ArgumentError, match="'confusion_matrix' gives a ndarray"):
        value(sk.confusion_matrix, LOGITS, IDS, SINGLE)


@pytest.mark.parametrize("name", ["roc_auc_score", "log_loss", "r2_score", "v_measure_score", "kendalltau"])
def test_names_of_numbers_are_known(name: str) -> None:
    """Functions that compare targets with predictions and give a number may be named."""
    assert name in library_names()


@pytest.mark.parametrize("name", ["confusion_matrix", "roc_curve", "get_scorer", "silhouette_score", "auc"])
def test_names_of_other_things_are_not(name: str) -> None:
    """Tables, curves and what needs no targets are no metrics."""
    assert name not in library_names()


def test_a_batch_without_a_label_adds_nothing() -> None:
    """Targets of -100 are left out before the library sees them."""
    metric = LibraryMetric(sk.balanced_accuracy_score, SINGLE)

    metric.update(LOGITS, IDS)
    metric.update(torch.zeros(2, 3), torch.tensor([-100, -100]))

    assert metric.compute() == pytest.approx(sk.balanced_accuracy_score(IDS, LOGITS.argmax(1)), abs=1e-12)


def test_scikit_learn_still_keeps_the_parts_of_a_scorer() -> None:
    """A scorer has no public names for its function, keywords, sign and response method; these are the private ones."""
    parts = vars(sk.make_scorer(sk.fbeta_score, greater_is_better=False, response_method="predict", beta=2))

    assert parts.items() >= {"_score_func": sk.fbeta_score, "_sign": -1, "_response_method": "predict"}.items()
    assert parts["_kwargs"] == {"beta": 2}


@pytest.mark.parametrize(
    ("scorer", "name", "expected"),
    [
        (sk.make_scorer(sk.fbeta_score, beta=2, average="macro"), "fbeta_score", "beta"),
        (
            sk.make_scorer(sk.hinge_loss, greater_is_better=False, response_method="decision_function"),
            "neg_hinge_loss",
            "hinge",
        ),
        (sk.get_scorer("neg_log_loss"), "neg_log_loss", "log"),
        (
            sk.make_scorer(lambda y_true, y_pred: float(np.ptp(y_pred)), response_method="predict_proba"),
            "<lambda>",
            "own",
        ),
    ],
    ids=["with keywords", "of scores", "of probabilities", "of one's own"],
)
def test_a_scorer_gets_what_its_response_method_asks_for(scorer: Any, name: str, expected: str) -> None:
    """A scorer that `make_scorer` or `get_scorer` gave is a metric; its sign is kept."""
    ((shown, metric),) = get_metrics([scorer], SINGLE)
    metric.update(LOGITS[:7], IDS[:7])
    metric.update(LOGITS[7:], IDS[7:])

    assert shown == name
    assert metric.compute() == pytest.approx(
        {
            "beta": sk.fbeta_score(IDS, LOGITS.argmax(1), beta=2, average="macro"),
            "hinge": -sk.hinge_loss(IDS, LOGITS),
            "log": -sk.log_loss(IDS, PROBABILITIES),
            "own": np.ptp(PROBABILITIES),
        }[expected],
        abs=1e-12,
    )


def test_of_two_classes_only_one_of_which_is_there() -> None:
    """The log loss knows the network's classes, also where the set has one of them."""
    found = value(sk.log_loss, LOGITS[:, :2], IDS * 0, SINGLE)

    assert found == pytest.approx(sk.log_loss(IDS * 0, POSITIVE, labels=[0, 1]), abs=1e-12)


@pytest.mark.parametrize("function", [sk.mean_squared_log_error, sk.mean_gamma_deviance], ids=str)
def test_predictions_out_of_range_give_nan_and_targets_an_error(function: Any) -> None:
    """One bad validation does not end a training; targets that can never be measured are answered in words."""
    below = np.array([-2.0, 1.0, 3.0])
    above = np.array([1.0, 2.0, 4.0])

    assert math.isnan(LibraryMetric(function)(below, above))
    with pytest.raises(ArgumentError, match=f"'{function.__name__}' has no value for these targets"):
        LibraryMetric(function)(above, below)


def test_a_function_that_needs_more_is_answered() -> None:
    """A parameter without a default is asked for by name, with the line that fills it in."""
    with pytest.raises(ArgumentError, match="'fbeta_score' has no usual value for beta") as error:
        LibraryMetric(sk.fbeta_score)

    assert "functools.partial(fbeta_score, beta=...)" in error.value.do


def test_probabilities_of_half_precision_sum_to_one() -> None:
    """Outputs of bfloat16 are read in float32: scikit-learn wants rows that sum to 1."""
    logits = torch.from_numpy(LOGITS).bfloat16()
    metric = LibraryMetric(sk.roc_auc_score, SINGLE)

    metric.update(logits, torch.from_numpy(IDS))

    expected = sk.roc_auc_score(IDS, softmax(logits.double().numpy(), 1), multi_class="ovr")
    assert metric.compute() == pytest.approx(expected, abs=1e-6)


def test_several_columns_of_a_correlation_are_averaged() -> None:
    """Scipy's correlations take one column at a time."""
    targets = LOGITS[:, ::-1].copy()

    expected = np.mean([stats.pearsonr(*columns).statistic for columns in zip(targets.T, LOGITS.T, strict=True)])
    assert value(stats.pearsonr, LOGITS, targets, REGRESSION) == pytest.approx(expected, abs=1e-12)


def test_a_scorer_of_an_object_without_a_signature() -> None:
    """What does not tell its parameters is called with targets and predictions all the same."""
    metric = LibraryMetric(sk.make_scorer(max), SINGLE)

    assert metric.name == "max"
    assert metric(LOGITS[:1], IDS[:1]) == max(IDS[0], LOGITS[0].argmax())


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_one_logit_whose_labels_are_all_the_same(label: float) -> None:
    """One yes-or-no is two classes also where a set has one of them: scikit-learn is told of both."""
    logits, labels = LOGITS[:, :1], np.full((30, 1), label)

    expected = sk.log_loss(labels[:, 0], expit(logits[:, 0]), labels=[0, 1])
    assert value(sk.log_loss, logits, labels, MULTI) == pytest.approx(expected, abs=1e-12)


def test_constant_targets_have_no_explained_deviance() -> None:
    """Where the library divides by 0, the value is NaN, and the training goes on."""
    assert math.isnan(value(sk.d2_tweedie_score, LOGITS[:, :1], np.ones((30, 1)), REGRESSION))
