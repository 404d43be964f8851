"""Perplexity against torch's and torchmetrics' own, over any split."""

import math

import pytest
import torch
from torch.nn import functional as F
from torchmetrics.text import Perplexity as Theirs

from keraslike.errors import ArgumentError
from keraslike.metrics import REGISTRY, Perplexity, get_metrics

RANDOM = torch.Generator().manual_seed(0)
LOGITS = torch.randn(11, 6, 9, generator=RANDOM, dtype=torch.float64)
TARGETS = torch.randint(9, (11, 6), generator=RANDOM)
TARGETS[TARGETS % 4 == 0] = -100
TARGETS[3] = -100


@pytest.mark.parametrize("split", [[11], [4, 4, 3], [2, 3, 1, 5], [1] * 11], ids=str)
def test_any_split_gives_the_whole(split: list[int]):
    """It is exp of torch's mean over all targets that count, whatever the batches, also with one that has none."""
    metric = Perplexity()

    for logits, targets in zip(LOGITS.split(split), TARGETS.split(split), strict=True):
        metric.update(logits, targets)

    expected = F.cross_entropy(LOGITS.flatten(0, 1), TARGETS.flatten()).exp()
    assert metric.compute() == pytest.approx(float(expected), rel=1e-12)


def test_as_torchmetrics():
    """It is torchmetrics' perplexity."""
    expected = Theirs(ignore_index=-100)(LOGITS, TARGETS)

    assert Perplexity()(LOGITS, TARGETS) == pytest.approx(float(expected), rel=1e-5)


def test_of_one_label():
    """Yes or no are two classes, the logit of no being 0."""
    logits, targets = LOGITS[:, 0, :1], TARGETS[:, 0] % 2
    both = torch.cat([torch.zeros_like(logits), logits], 1)

    value = Perplexity("multi_label_classification")(logits, targets[:, None])

    assert value == pytest.approx(Perplexity()(both, targets), rel=1e-12)


def test_by_name():
    """It is known as "perplexity"."""
    ((name, metric),) = get_metrics(["perplexity"], "single_label_classification")

    assert (name, type(metric), REGISTRY["perplexity"]) == ("perplexity", Perplexity, Perplexity)


def test_of_nothing_and_of_too_much():
    """Where nothing counts it is NaN, where no float is as large infinity."""
    nothing = Perplexity()(LOGITS[3:4], TARGETS[3:4])
    too_much = Perplexity()(torch.tensor([[0.0, 1e4]]), torch.tensor([0]))

    assert math.isnan(nothing)
    assert too_much == math.inf


@pytest.mark.parametrize("kind", ["regression"])
def test_refuses_values(kind: str):
    """Values have no perplexity."""
    with pytest.raises(ArgumentError, match="'perplexity'"):
        Perplexity(kind)


def test_half_precision():
    """Logits in half precision are summed in full."""
    value = Perplexity()(LOGITS.to(torch.bfloat16), TARGETS)

    assert value == pytest.approx(Perplexity()(LOGITS.to(torch.bfloat16).float(), TARGETS), rel=1e-6)
