"""The loss of spans: the mean of torch's two cross-entropies, of any split, whatever the padding."""

from copy import deepcopy
from itertools import accumulate

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BertConfig, BertForQuestionAnswering

from keraslike.errors import DataError
from keraslike.losses import SpanCrossEntropy

TOKENS = torch.tensor([7, 3, 9, 1, 5, 4, 9, 2, 6, 8, 3])
SPANS = torch.tensor([[1, 2], [0, 0], [8, 8], [0, 0], [2, 4], [-100, -100], [3, 7], [1, 1], [5, 5], [-100, 3], [0, 2]])
COUNTED = [1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1]
TARGETS = torch.cat([SPANS, TOKENS[:, None]], 1)
WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.25, 1.0, 1.0, 2.0, 0.5], dtype=torch.float64)

splits = pytest.mark.parametrize("split", [[11], [4, 4, 3], [2, 3, 1, 5], [1] * 11], ids=str)


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LOGITS = random_logits(11, 9, 2)


def alone(row: int, logits: Tensor = LOGITS) -> float:
    """Give the loss of one span by its definition, from its own tokens alone; 0 where it does not count."""
    if not COUNTED[row]:
        return 0.0
    own = logits[row, : TOKENS[row]]
    ends = [own[:, end].logsumexp(0) - own[SPANS[row, end], end] for end in (0, 1)]
    return float(sum(ends)) / 2


def parts_of(logits: Tensor, split: list[int]) -> list[tuple[Tensor, Tensor]]:
    """Cut the batch, every part as wide as its longest text."""
    ends = list(accumulate(split))
    places = [slice(*place) for place in zip([0, *ends], ends, strict=False)]
    return [(logits[place, : TOKENS[place].max()], TARGETS[place]) for place in places]


def test_is_the_loss_of_transformers_head():
    """Without padding it has the bits of the head's own loss, and so has its gradient."""
    config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    theirs = BertForQuestionAnswering(config).eval()
    ours = deepcopy(theirs)
    ids, spans = torch.arange(24).reshape(3, 8), torch.tensor([[1, 2], [0, 0], [7, 7]])

    expected = theirs(input_ids=ids, start_positions=spans[:, 0], end_positions=spans[:, 1]).loss
    outputs = ours(input_ids=ids)
    mean = SpanCrossEntropy().mean(torch.stack((outputs.start_logits, outputs.end_logits), -1), spans)
    expected.backward()
    mean.backward()

    assert torch.equal(mean, expected)
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    assert all(torch.equal(our.grad, their.grad) for our, their in pairs if their.grad is not None)


@splits
def test_any_split_has_the_gradient_of_the_whole(split: list[int]):
    """Totals of ragged parts, each padded to its own longest, over the whole's count: mean and gradient by hand."""
    loss, ours, theirs = SpanCrossEntropy(), LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    parts = parts_of(ours, split)
    count = sum(loss.count_of(None, targets) for _, targets in parts)

    total = sum(loss.total_of(logits, None, targets) for logits, targets in parts)
    (total / count).backward()
    rows = [row for row in range(11) if COUNTED[row]]
    by_hand = [
        F.cross_entropy(theirs[row : row + 1, : TOKENS[row], end], SPANS[row : row + 1, end])
        for row in rows
        for end in (0, 1)
    ]
    (sum(by_hand) / len(by_hand)).backward()

    assert loss.is_separable
    assert count == sum(COUNTED)
    assert (total / count).item() == pytest.approx(sum(alone(row) for row in range(11)) / 9, rel=1e-12)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [9, 10, 30, 512])
def test_padding_changes_nothing(width: int):
    """However far a batch is padded, and with whatever numbers, the loss is the same and padding gets no gradient."""
    logits = torch.cat([LOGITS, random_logits(11, width - 9, 2, seed=1) * 9], 1).requires_grad_()

    mean = SpanCrossEntropy().mean(logits, TARGETS)
    mean.backward()

    assert mean.item() == pytest.approx(sum(alone(row) for row in range(11)) / 9, rel=1e-12)
    assert not logits.grad[torch.arange(width) >= TOKENS[:, None]].any()


def test_without_lengths_all_columns_take_part():
    """Targets of two columns give what transformers' heads compute: padding is among the tokens to choose from."""
    spans, narrow, wide = torch.tensor([[1, 2]]), torch.zeros(1, 4, 2), torch.zeros(1, 8, 2)

    means = [SpanCrossEntropy().mean(logits, spans).item() for logits in (narrow, wide)]

    assert means == pytest.approx([torch.tensor(4.0).log().item(), torch.tensor(8.0).log().item()])


@splits
@pytest.mark.parametrize("verb", ["forward", "update"])
def test_the_epochs_value_is_the_whole_sets(split: list[int], verb: str):
    """What `compute` gives after any batches is the mean over all of them, also with a batch where nothing counts."""
    loss = SpanCrossEntropy()

    for logits, targets in parts_of(LOGITS, split):
        getattr(loss, verb)(logits, targets)

    assert loss.compute().item() == pytest.approx(sum(alone(row) for row in range(11)) / 9, rel=1e-12)


@splits
def test_sample_weights_weigh_each_span(split: list[int]):
    """The weighted mean is the sum of w x loss over the sum of the weights of the spans that count."""
    loss = SpanCrossEntropy()
    parts = list(zip(parts_of(LOGITS, split), WEIGHTS.split(split), strict=True))

    total = sum(loss.total(logits, targets, weight).item() for (logits, targets), weight in parts)
    count = sum(loss.count(targets, weight) for (_, targets), weight in parts)

    assert total == pytest.approx(sum(WEIGHTS[row].item() * alone(row) for row in range(11)), rel=1e-12)
    assert count == pytest.approx(sum(WEIGHTS[row].item() * COUNTED[row] for row in range(11)), rel=1e-12)


def test_an_empty_part_gives_zeros():
    """A part of no example at all has a count of 0, a total of 0, and a gradient of 0."""
    loss, logits = SpanCrossEntropy(), LOGITS.clone().requires_grad_()

    total = loss.total(logits[:0], TARGETS[:0])
    total.backward()

    assert (total.item(), loss.count(TARGETS[:0])) == (0, 0)
    assert not logits.grad.any()


def test_the_sum_is_torchs():
    """With reduction="sum" the batch's loss is the sum, what is shown is still the mean, and its name says so."""
    loss = SpanCrossEntropy(reduction="sum")

    value = loss(LOGITS, TARGETS)

    assert loss.is_sum
    assert value.item() == pytest.approx(sum(alone(row) for row in range(11)), rel=1e-12)
    assert loss.compute().item() == pytest.approx(value.item() / 9, rel=1e-12)
    assert (repr(loss), repr(SpanCrossEntropy())) == ("SpanCrossEntropy(reduction='sum')", "SpanCrossEntropy()")


def test_half_precision_is_summed_in_float32():
    """Logits of half precision give a float32 loss."""
    half = LOGITS.to(torch.bfloat16)

    mean = SpanCrossEntropy().mean(half, TARGETS)

    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(sum(alone(row, half.double()) for row in range(11)) / 9, rel=1e-5)


@pytest.mark.parametrize(
    ("outputs", "targets"), [((2, 5), (2, 2)), ((2, 5, 3), (2, 2)), ((2, 5, 2), (3, 2)), ((2, 5, 2), (2,))], ids=str
)
def test_shapes_that_do_not_fit(outputs: tuple[int, ...], targets: tuple[int, ...]):
    """Outputs and targets of other shapes are refused, with both shapes and what to write."""
    with pytest.raises(DataError, match=r"outputs have shape .* but the targets have") as error:
        SpanCrossEntropy().mean(torch.zeros(outputs), torch.zeros(targets, dtype=torch.long))

    assert f"{outputs}" in str(error.value)
    assert "torch.stack((start_logits, end_logits), -1)" in str(error.value)


def test_place_beyond_the_tokens():
    """A place that no token has is refused, with the number of tokens."""
    with pytest.raises(DataError, match="the outputs have 5 tokens") as error:
        SpanCrossEntropy().mean(torch.zeros(1, 5, 2), torch.tensor([[1, 5]]))

    assert "places from 0 to 4" in str(error.value)
