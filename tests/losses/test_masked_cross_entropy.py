"""The loss of hidden tokens: torch's own over all places that count, looked at alone."""

from itertools import accumulate, pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from keraslike.errors import DataError
from keraslike.losses import MaskedCrossEntropy

RANDOM = torch.Generator().manual_seed(0)
LOGITS = torch.randn(11, 6, 9, generator=RANDOM, dtype=torch.float64)
TARGETS = torch.randint(9, (11, 6), generator=RANDOM)
TARGETS[TARGETS % 4 == 0] = -100
TARGETS[3] = -100
WEIGHTS = torch.linspace(0, 2, 11, dtype=torch.float64)


def leaf(dtype: torch.dtype = torch.float64) -> Tensor:
    """Give logits that want a gradient."""
    return LOGITS.to(dtype).clone().requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_mean_is_torchs(dtype: torch.dtype):
    """The gradient of the mean is that of the flattened whole, bit for bit; the mean is, but for rounding."""
    ours, theirs = leaf(dtype), leaf(dtype)

    mean = MaskedCrossEntropy().mean(ours, TARGETS)
    expected = F.cross_entropy(theirs.flatten(0, 1), TARGETS.flatten())
    mean.backward()
    expected.backward()

    torch.testing.assert_close(mean, expected)
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("split", [[11], [4, 4, 3], [2, 1, 1, 7], [1] * 11], ids=str)
def test_any_split_has_the_gradient_of_the_whole(split: list[int]):
    """Totals of parts, one of them without a target, over the count of the whole have its gradient."""
    loss, ours, theirs = MaskedCrossEntropy(), leaf(), leaf()

    for start, end in pairwise([0, *accumulate(split)]):
        (loss.total(ours[start:end], TARGETS[start:end]) / loss.count(TARGETS)).backward()

    F.cross_entropy(theirs.flatten(0, 1), TARGETS.flatten()).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


def test_weights_of_examples():
    """An example counts as often as its weight says, at every place."""
    loss = MaskedCrossEntropy()

    total, count = loss.total(LOGITS, TARGETS, WEIGHTS), loss.count(TARGETS, WEIGHTS)

    each = F.cross_entropy(LOGITS.transpose(1, 2), TARGETS, reduction="none")
    assert float(total) == pytest.approx(float((each * WEIGHTS[:, None]).sum()), rel=1e-12)
    assert float(count) == pytest.approx(float(((TARGETS != -100) * WEIGHTS[:, None]).sum()), rel=1e-12)


@pytest.mark.parametrize(
    "targets", [TARGETS[:, :5], TARGETS.double(), TARGETS[:, 0]], ids=["other width", "floats", "one for each text"]
)
def test_targets_of_another_shape(targets: Tensor):
    """Targets that are not one class index for each place are refused, with both shapes."""
    with pytest.raises(DataError, match=r"shape \(11, 6, 9\) but the targets have .*\n.*\(batch, tokens, classes\)"):
        MaskedCrossEntropy().mean(LOGITS, targets)
