"""Which direction is better, told from the name of a value."""

import pytest

from keraslike.engine.watching import mode_of

SMALLER = [
    "loss",
    "val_loss",
    "mae",
    "val_mean_squared_error",
    "perplexity",
    "CalibrationError",
    "EER",
    "bce",
    "smooth_l1",
]
SMALLER += ["brier_score_loss", "log_loss", "negative_log_likelihood", "kl_div", "HammingDistance", "wer"]

LARGER = ["accuracy", "val_f1_macro", "r2", "neg_log_loss", "val_neg_mean_squared_error", "d2_log_loss_score", "AUROC"]
LARGER += ["fscore_micro", "pearson", "matthews_corrcoef", "entity_f1", "explained_variance", "ExactMatch"]


@pytest.mark.parametrize("name", SMALLER)
def test_smaller_is_better(name):
    """Losses, errors and distances; a word counts, not a part of one."""
    assert mode_of(name) == "min"


@pytest.mark.parametrize("name", LARGER)
def test_larger_is_better(name):
    """All others, and what scikit-learn turns round."""
    assert mode_of(name) == "max"
