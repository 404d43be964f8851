"""Metrics of values where few tokens have a target: those of -100 are passed over, however a metric is named."""

from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.metrics import get_metrics
from tests.tasks.cases.sentence_ordering import TEXTS

SCORES = [torch.tensor([[0.5, 9.0, 2.5, 0.0], [9.0, 1.5, 0.0, 9.0]]), torch.tensor([[9.0, 1.5, 0.25]])]
TARGETS = [torch.tensor([[0, -100, 1, 2], [-100, 1, 0, -100]]), torch.tensor([[-100, 1, 0]])]
Y_PRED, Y_TRUE = [0.5, 2.5, 0.0, 1.5, 0.0, 1.5, 0.25], [0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 0.0]

EXPECTED: dict[Any, float] = {
    "mean_squared_error": sk.mean_squared_error(Y_TRUE, Y_PRED),
    "neg_mean_squared_error": -sk.mean_squared_error(Y_TRUE, Y_PRED),
    "rmse": sk.root_mean_squared_error(Y_TRUE, Y_PRED),
    "explained_variance": sk.explained_variance_score(Y_TRUE, Y_PRED),
    "max_error": sk.max_error(Y_TRUE, Y_PRED),
    "median_absolute_error": sk.median_absolute_error(Y_TRUE, Y_PRED),
    "pearsonr": stats.pearsonr(Y_TRUE, Y_PRED).statistic,
    "kendalltau": stats.kendalltau(Y_TRUE, Y_PRED).statistic,
    "LogCoshError": float(torch.log(torch.cosh(torch.tensor(Y_PRED).double() - torch.tensor(Y_TRUE))).mean()),
    "ConcordanceCorrCoef": 2
    * float(torch.cov(torch.tensor([Y_TRUE, Y_PRED]).double())[0, 1])
    / float(
        torch.tensor(Y_TRUE).double().var()
        + torch.tensor(Y_PRED).double().var()
        + (torch.tensor(Y_TRUE).double().mean() - torch.tensor(Y_PRED).double().mean()) ** 2
    ),
    sk.max_error: sk.max_error(Y_TRUE, Y_PRED),
}


@pytest.mark.parametrize("metric", EXPECTED, ids=str)
def test_tokens_without_a_target_are_passed_over(metric: Any) -> None:
    """What compares values sees one score for each token that has a target, of batches of any width."""
    ((_, made),) = get_metrics([metric])

    for scores, targets in zip(SCORES, TARGETS, strict=True):
        made.update(scores, targets)

    assert made.compute() == pytest.approx(EXPECTED[metric], abs=1e-5)


def test_in_sentence_ordering(tiny_bert: Path) -> None:
    """So it is in the task: the names of one number agree."""
    names = ["mse", "mean_squared_error", "neg_mean_squared_error", "mae", "mean_absolute_error"]
    model = Model(str(tiny_bert), task="sentence-ordering", metrics=names)

    model.fit(TEXTS, epochs=1, seed=0, verbose=0)
    found = model.evaluate(TEXTS, verbose=0)

    assert found["mean_squared_error"] == pytest.approx(found["mse"], rel=1e-5)
    assert found["neg_mean_squared_error"] == pytest.approx(-found["mse"], rel=1e-5)
    assert found["mean_absolute_error"] == pytest.approx(found["mae"], rel=1e-5)


def test_rows_of_several_widths_cannot_be_ranked() -> None:
    """What compares the numbers within a row says so where batches differ in width."""
    ((_, metric),) = get_metrics(["ndcg_score"])

    for scores, targets in zip(SCORES, TARGETS, strict=True):
        metric.update(scores, targets)

    with pytest.raises(ArgumentError, match=r"'ndcg_score' compares the numbers of a row(.|\n)*one width(.|\n)*'mae'"):
        metric.compute()
