"""The metrics of ordered sentences, beside numpy and scipy, text by text, under any split."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from sklearn.metrics import accuracy_score
from torch import Tensor

from keraslike.errors import DataError
from keraslike.metrics import REGISTRY, OrderingMetric

NAMES = ("position_accuracy", "tau", "score_mean", "score_std")
EACH = pytest.mark.parametrize("name", NAMES)
ROWS = 41


def texts(widest: int = 20, digits: int = 8) -> tuple[Tensor, Tensor]:
    """Make texts of one to eight marked tokens; scores rounded to few digits are often equal."""
    random = np.random.default_rng(3)
    scores = random.normal(2, 1.5, (ROWS, widest)).round(digits)
    targets = np.full((ROWS, widest), -100)
    for row in range(ROWS):
        size = 1 + row % 8
        targets[row, np.sort(random.choice(widest, size, replace=False))] = random.permutation(size)
    return torch.from_numpy(scores), torch.from_numpy(targets)


def truth(name: str, logits: Tensor, targets: Tensor) -> float:
    """Go over the texts with numpy, scikit-learn and scipy; texts of one sentence have no order and no spread."""
    found = []
    for row, wanted in zip(logits.numpy(), targets.numpy(), strict=True):
        scores, order = row[wanted != -100], wanted[wanted != -100]
        if name != "score_mean" and len(order) < 2:
            continue
        ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
        found.append(
            {
                "position_accuracy": lambda order=order, ranks=ranks: accuracy_score(order, ranks),
                "tau": lambda order=order, scores=scores: np.nan_to_num(kendalltau(scores, order).statistic),
                "score_mean": scores.mean,
                "score_std": scores.std,
            }[name]()
        )
    return float(np.mean(found))


@EACH
@pytest.mark.parametrize("digits", [8, 0], ids=["all different", "many equal"])
@pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])
def test_any_batches_give_the_mean_over_texts(name: str, batch_size: int, digits: int):
    """Agreement to 1e-12 with scipy on the same float64 scores, however the texts are cut; equal scores as tau-b."""
    logits, targets = texts(digits=digits)
    metric = REGISTRY[name]()

    for own, wanted in zip(logits.split(batch_size), targets.split(batch_size), strict=True):
        metric.update(own, wanted)

    assert metric.compute() == pytest.approx(truth(name, logits, targets), rel=1e-12, abs=1e-12)


@EACH
def test_what_is_marked_nowhere_does_not_matter(name: str):
    """The scores of other tokens, further padding, and a last dimension of one output change nothing."""
    logits, targets = texts()
    noisy = torch.where(targets == -100, 1e9, logits)
    wide = [torch.nn.functional.pad(tensor, (0, 5), value=value) for tensor, value in ((noisy, 7), (targets, -100))]

    values = [REGISTRY[name]()(*given) for given in ((logits, targets), wide, (logits.unsqueeze(-1), targets))]

    assert values[1:] == [values[0]] * 2


@EACH
def test_on_the_way_that_waits_for_no_device(name: str, monkeypatch: pytest.MonkeyPatch):
    """Where the width is not known without waiting, all tokens are compared, with the same result."""
    logits, targets = texts()
    expected = REGISTRY[name]()(logits, targets)
    monkeypatch.setattr("keraslike.metrics.ordering._is_free_to_read", lambda tensor: False)

    assert REGISTRY[name]()(logits, targets) == pytest.approx(expected, rel=1e-14)


def test_one_sentence_does_not_poison_the_mean():
    """A text of one sentence stands where it belongs whatever its score, so it has a mean alone."""
    logits, targets = torch.tensor([[0.0, 1.0], [5.0, 9.0]]), torch.tensor([[1, 0], [0, -100]])

    values = {name: REGISTRY[name]()(logits, targets) for name in NAMES}

    assert values == {"position_accuracy": 0.0, "tau": -1.0, "score_mean": 2.75, "score_std": 0.5}


def test_texts_without_a_value():
    """Of texts of one sentence alone there is no tau, and of none nothing at all."""
    logits, targets = torch.ones(2, 3), torch.tensor([[0, -100, -100], [-100, 0, -100]])

    assert np.isnan(REGISTRY["tau"]()(logits, targets))
    assert np.isnan(REGISTRY["score_std"]()(logits, targets))
    assert np.isnan(REGISTRY["position_accuracy"]()(logits, targets))
    assert np.isnan(REGISTRY["score_mean"]()(logits, torch.full((2, 3), -100)))
    assert np.isnan(REGISTRY["position_accuracy"]().compute())


@pytest.mark.parametrize("sentences", range(2, 30))
def test_tau_of_the_true_order_is_one(sentences: int):
    """The roots in tau-b are rounded, and tau is no more than 1 all the same, as in scipy."""
    order = torch.arange(sentences)[None]

    assert REGISTRY["tau"]()(order.double(), order) == pytest.approx(1.0, abs=1e-12)
    assert REGISTRY["tau"]()(order.double(), order) <= 1.0


@pytest.mark.parametrize(("name", "expected"), [("mse", 1.25), ("mae", 1.0)])
def test_metrics_of_values_pass_over_tokens_without_a_target(name: str, expected: float):
    """Scores of tokens are values where they have a target; -100 is none."""
    scores, targets = torch.tensor([[0.5, 9.0, 2.5, 0.0]]), torch.tensor([[0, -100, 1, -100]])

    assert REGISTRY[name]()(scores, targets) == pytest.approx(expected)


def test_scores_that_are_all_equal_have_no_order():
    """For scipy there is no tau; it counts 0, as chance does."""
    assert REGISTRY["tau"]()(torch.zeros(1, 3), torch.tensor([[2, 0, 1]])) == 0.0
    assert REGISTRY["score_std"]()(torch.zeros(1, 3), torch.tensor([[2, 0, 1]])) == 0.0


@EACH
def test_a_score_that_is_no_number_shows(name: str):
    """One NaN at a marker makes the value NaN; at another token it does not matter."""
    targets = torch.tensor([[0, 1, -100]])

    assert np.isnan(REGISTRY[name]()(torch.tensor([[0.0, torch.nan, 0.0]]), targets))
    assert np.isfinite(REGISTRY[name]()(torch.tensor([[0.0, 1.0, torch.nan]]), targets))


@EACH
@pytest.mark.parametrize("shape", [(2, 3, 2), (2, 4), (6,)], ids=str)
def test_outputs_that_are_no_scores_of_tokens(name: str, shape: tuple[int, ...]):
    """Logits of another shape are an error that names the metric."""
    assert issubclass(REGISTRY[name], OrderingMetric)
    with pytest.raises(DataError, match=rf"targets have(?s:.)*one score and one target per token(?s:.)*'{name}'"):
        REGISTRY[name]()(torch.zeros(shape), torch.zeros(2, 3, dtype=torch.int64))
