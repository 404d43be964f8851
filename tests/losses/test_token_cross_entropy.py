"""`TokenCrossEntropy` against torch's own cross-entropy of the tokens as rows."""

import pytest
import torch
import torch.nn.functional as F

from keraslike.errors import DataError
from keraslike.losses import TokenCrossEntropy

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(5, 4, 4, generator=GENERATOR, dtype=torch.float64)  # as many tokens as classes
TARGETS = torch.tensor([[0, 1, 2, 3], [1, 1, -100, -100], [-100] * 4, [2, -100, 0, -100], [3, 2, 1, 0]])
WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.25], dtype=torch.float64)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_mean_is_torchs(weight: torch.Tensor | None):
    """The mean has the bits of torch's function on one row per token, also where tokens and classes are as many."""
    loss = TokenCrossEntropy(weight)

    mean = loss.mean(LOGITS, TARGETS)

    assert torch.equal(mean, F.cross_entropy(LOGITS.view(-1, 4), TARGETS.view(-1), weight))


@pytest.mark.parametrize("split", [[2, 3], [1, 1, 1, 1, 1]], ids=str)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_parts_add_up(weight: torch.Tensor | None, split: list[int]):
    """Totals and counts of parts, one without any label among them, give the mean of the whole."""
    loss = TokenCrossEntropy(weight)
    parts = list(zip(LOGITS.split(split), TARGETS.split(split), strict=True))

    total, count = sum(loss.total(*part) for part in parts), sum(loss.count(targets) for _, targets in parts)

    expected = F.cross_entropy(LOGITS.view(-1, 4), TARGETS.view(-1), weight)
    torch.testing.assert_close(total / count, expected, rtol=1e-12, atol=0)


def test_sample_weights():
    """A row's tokens count as often as the row weighs."""
    weights = torch.tensor([1.0, 0.0, 2.0, 3.0, 0.5], dtype=torch.float64)
    loss = TokenCrossEntropy()

    total, count = loss.total(LOGITS, TARGETS, weights), loss.count(TARGETS, weights)

    sums = [F.cross_entropy(*row, reduction="sum") for row in zip(LOGITS, TARGETS, strict=True)]
    torch.testing.assert_close(total, sum(weight * own for weight, own in zip(weights, sums, strict=True)))
    assert count == 1 * 4 + 0 * 2 + 2 * 0 + 3 * 2 + 0.5 * 4


def test_class_weight():
    """A copy that weighs classes stays a loss of tokens."""
    loss = TokenCrossEntropy().with_class_weight(WEIGHT)

    mean = loss.mean(LOGITS, TARGETS)

    assert torch.equal(mean, F.cross_entropy(LOGITS.view(-1, 4), TARGETS.view(-1), WEIGHT))


@pytest.mark.parametrize("targets", [TARGETS[:, :3], TARGETS.double(), TARGETS[:4]], ids=["short", "floats", "few"])
def test_shapes_that_do_not_fit(targets: torch.Tensor):
    """Targets of another shape or dtype are refused with both shapes, never broadcast."""
    with pytest.raises(DataError) as error:
        TokenCrossEntropy().mean(LOGITS, targets)

    assert str(error.value) == (
        f"The network's outputs have shape (5, 4, 4) but the targets have {tuple(targets.shape)} and dtype "
        f"{targets.dtype}.\n  Expected: outputs of shape (batch, tokens, classes), and class indices (integers) of "
        "shape (batch, tokens).\n  Do: give one class index per token, -100 where there is none."
    )
