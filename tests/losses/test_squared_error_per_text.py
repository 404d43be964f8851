"""The loss of texts whose tokens are scored: a listing's loop over the texts, under any split, by hand."""

import pytest
import torch
from torch import Tensor, nn

from keraslike.errors import DataError
from keraslike.losses import SquaredErrorPerText

SPLITS = pytest.mark.parametrize("split", [[9], [4, 4, 1], [2, 3, 1, 3], [1] * 9], ids=str)
AVERAGED = pytest.mark.parametrize("is_averaged", [False, True], ids=["summed", "averaged"])


def texts() -> tuple[Tensor, Tensor]:
    """Make 9 texts of 12 tokens, one to five of them with a target; the last text has none."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(9, 12, generator=generator, dtype=torch.float64)
    targets = torch.full((9, 12), -100)
    for row in range(8):
        size = 1 + row % 5
        places = torch.randperm(12, generator=generator)[:size]
        targets[row, places] = torch.randperm(size, generator=generator)
    return scores, targets


def listing(scores: Tensor, targets: Tensor, is_averaged: bool) -> Tensor:
    """Go over the texts, as the guide does: torch's sum of squared errors of each, by the texts that have a target."""
    losses = []
    for row, wanted in zip(scores, targets, strict=True):
        is_marked = wanted != -100
        if is_marked.any():
            own = nn.functional.mse_loss(row[is_marked], wanted[is_marked].to(row), reduction="sum")
            losses.append(own / is_marked.sum() if is_averaged else own)
    return torch.stack(losses).sum() / len(losses)


@AVERAGED
def test_the_mean_is_the_listings(is_averaged: bool):
    """Value and gradient are those of a loop over the texts; a text without a target does not count."""
    scores, targets = texts()
    ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()

    mean, expected = SquaredErrorPerText(is_averaged).mean(ours, targets), listing(theirs, targets, is_averaged)
    mean.backward()
    expected.backward()

    torch.testing.assert_close(mean, expected, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-14, atol=1e-14)


@AVERAGED
@SPLITS
def test_any_split_has_the_gradient_of_the_whole(split: list[int], is_averaged: bool):
    """Totals of parts over the whole's count give the whole batch's mean and gradient."""
    scores, targets = texts()
    loss, ours, theirs = SquaredErrorPerText(is_averaged), scores.clone().requires_grad_(), scores.clone()
    parts = list(zip(ours.split(split), targets.split(split), strict=True))
    count = sum(loss.count_of(None, part) for _, part in parts)

    total = sum(loss.total_of(own, None, part) for own, part in parts)
    (total / count).backward()
    listing(theirs.requires_grad_(), targets, is_averaged).backward()

    assert (count, loss.is_separable) == (8, True)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


@SPLITS
def test_the_epochs_value_is_the_whole_sets(split: list[int]):
    """What `compute` gives after any batches is the mean over all texts."""
    scores, targets = texts()
    loss = SquaredErrorPerText()

    for own, part in zip(scores.split(split), targets.split(split), strict=True):
        loss.update(own, part)

    assert loss.compute().item() == pytest.approx(listing(scores, targets, False).item(), rel=1e-12)


@AVERAGED
def test_sample_weights_weigh_texts(is_averaged: bool):
    """The weighted mean is the sum of w x loss over the sum of w, of the texts that have a target."""
    scores, targets = texts()
    weights = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.25, 1.0, 9.0], dtype=torch.float64)
    loss = SquaredErrorPerText(is_averaged)

    total, count = loss.total(scores, targets, weights), loss.count(targets, weights)

    alone = [listing(scores[row : row + 1], targets[row : row + 1], is_averaged) for row in range(8)]
    expected = sum(weight * own for weight, own in zip(weights, alone, strict=False))
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=1e-12)
    assert count == float(weights[:8].sum())


def test_an_empty_part_gives_zeros():
    """Nothing that counts: a total of 0 with a gradient of 0, and a count of 0."""
    scores, targets = texts()
    leaf = scores.clone().requires_grad_()

    for part in (slice(0, 0), slice(8, 9)):
        total = SquaredErrorPerText(is_averaged=True).total(leaf[part], targets[part])
        total.backward()

        assert (total.item(), SquaredErrorPerText().count(targets[part])) == (0, 0)
    assert not leaf.grad.any()


def test_tokens_without_a_target_have_no_gradient():
    """Whatever the score there is, infinite ones included."""
    scores, targets = texts()
    leaf = torch.where(targets == -100, torch.inf, scores).requires_grad_()

    SquaredErrorPerText().mean(leaf, targets).backward()

    assert leaf.grad.isfinite().all()
    assert not leaf.grad[targets == -100].any()


def test_scores_of_one_output_per_token():
    """Outputs `(batch, tokens, 1)` are read as `(batch, tokens)`; in half precision sums are made in float32."""
    scores, targets = texts()

    wide = SquaredErrorPerText().mean(scores.unsqueeze(-1), targets)
    half = SquaredErrorPerText().mean(scores.half(), targets)

    assert wide == SquaredErrorPerText().mean(scores, targets)
    assert half.dtype == torch.float32


def test_shapes_that_do_not_fit():
    """Targets of another width are an error in words."""
    scores, targets = texts()

    with pytest.raises(DataError, match=r"shape \(9, 12\) but the targets have \(9, 11\)"):
        SquaredErrorPerText().mean(scores, targets[:, 1:])


def test_shows_what_differs():
    """The representation names what is not the default."""
    assert repr(SquaredErrorPerText()) == "SquaredErrorPerText()"
    assert repr(SquaredErrorPerText(True, "sum")) == "SquaredErrorPerText(is_averaged=True, reduction='sum')"
