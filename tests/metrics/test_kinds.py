"""Metrics that mean nothing for a problem are answered in words."""

import pytest
import torch
from scipy import stats

from keraslike.errors import ArgumentError
from keraslike.metrics import R2, get_metrics

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


@pytest.mark.parametrize(
    ("name", "problem_type", "what"),
    [
        ("r2", SINGLE, "'r2' compares values, but the targets are classes"),
        ("mae", MULTI, "'mae' compares values, but the targets are labels"),
        ("roc_auc", REGRESSION, "'roc_auc' compares classes, but the targets are values"),
        ("neg_mean_squared_error", SINGLE, "'neg_mean_squared_error' compares values, but"),
        ("f1_samples", SINGLE, "'f1_samples' compares several labels for each row, but the targets are classes"),
        ("top_5_accuracy", MULTI, "'top_5_accuracy' compares more than two classes, but the targets are labels"),
        ("Specificity", REGRESSION, "'Specificity' compares classes, but the targets are values"),
        (R2(), SINGLE, "'r2' compares values, but"),
        (stats.spearmanr, SINGLE, "'spearmanr' compares values, but"),
    ],
    ids=str,
)
def test_what_does_not_suit_the_problem_is_refused_before_training(name: object, problem_type: str, what: str) -> None:
    """Where the problem alone says that a metric means nothing, it is answered at once, with others that do."""
    with pytest.raises(ArgumentError, match=what) as error:
        get_metrics([name], problem_type)

    assert "'accuracy'" in error.value.expected or "'pearson'" in error.value.expected


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("cohen_kappa_score", "labels", "one for each row, but the targets are several labels for each row"),
        ("f1_binary", "classes", "compares two classes, but the targets are more than two classes"),
        ("max_error", "values", "compares one value for each row, but the targets are several values"),
        ("ndcg", "value", "compares the order of several numbers for each row, but the targets are values"),
    ],
)
def test_what_does_not_suit_the_targets_is_refused_with_the_first_of_them(name: str, kind: str, what: str) -> None:
    """Where it takes a batch to know, the first batch is answered."""
    targets = {
        "labels": torch.ones(4, 3, dtype=torch.int64),
        "classes": torch.tensor([0, 1, 2, 0]),
        "values": torch.rand(4, 3),
        "value": torch.rand(4),
    }[kind]
    ((_, metric),) = get_metrics([name])

    with pytest.raises(ArgumentError, match=what):
        metric.update(torch.rand(4, 1) if kind == "value" else torch.rand(4, 3), targets)


def test_whole_numbers_are_values_for_a_metric_of_values() -> None:
    """Nobody has said what integer targets are: beside as many outputs a metric of values reads them as such."""
    ((_, metric),) = get_metrics(["mae"])

    assert metric(torch.tensor([[1.5], [2.0]]), torch.tensor([1, 4])) == 1.25


def test_a_metric_of_classes_is_refused_for_regression() -> None:
    """What cannot mean anything is an error before training starts."""
    with pytest.raises(ArgumentError, match="'f1' compares classes"):
        get_metrics(["f1"], REGRESSION)
