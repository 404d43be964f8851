"""What single losses take, and what they refuse."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.errors import ArgumentError
from keraslike.losses import (
    CTC,
    AdaptiveSoftmax,
    BinaryCrossEntropy,
    CosineEmbedding,
    CrossEntropy,
    GaussianNLL,
    KLDivergence,
    Loss,
    MarginRanking,
    MeanAbsoluteError,
    MeanSquaredError,
    MultilabelMargin,
    MultilabelSoftMargin,
    MultiMargin,
    NegativeLogLikelihood,
    TripletMargin,
    as_loss,
)
from keraslike.losses.torch_loss import weigh


def logits() -> Tensor:
    return torch.randn(11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (CrossEntropy(label_smoothing=0.1), torch.tensor([-100, -100])),
        (CrossEntropy(), torch.tensor([-100, -100])),
        (CrossEntropy(torch.tensor([0.0, 1.0, 1.0])), torch.tensor([0, 0])),
    ],
    ids=["smoothed", "unlabelled", "weightless"],
)
def test_a_part_where_nothing_counts_gives_zeros(loss: Loss, targets: Tensor) -> None:
    """Where torch's mean is NaN, the total, the count, the batch's loss and the gradient are 0."""
    outputs = torch.randn(2, 3, requires_grad=True)

    value = loss(outputs, targets)
    value.backward()

    assert (value.item(), float(loss.count(targets)), loss.total(outputs, targets).item()) == (0, 0, 0)
    assert torch.equal(outputs.grad, torch.zeros(2, 3))


def test_smoothing_keeps_what_a_weightless_class_adds() -> None:
    """A batch of count 0 may have a smoothed sum, which torch's mean over the whole set holds too."""
    loss = CrossEntropy(torch.tensor([0.0, 1.0, 1.0]).double(), label_smoothing=0.1)
    own = nn.CrossEntropyLoss(loss.weight, label_smoothing=0.1)
    targets = torch.tensor([0, 0, 1, 2, 1, 0, 0, 0, 1, 2, 2])

    for x, y in zip(logits().split(2), targets.split(2), strict=True):
        loss(x, y)

    assert loss.compute().item() == pytest.approx(own(logits(), targets).item(), rel=1e-12)


def test_nothing_added_is_nan() -> None:
    """The mean over nothing is NaN rather than an error or 0."""
    assert CrossEntropy().compute().isnan()


def test_reset_forgets() -> None:
    """After `reset` only what is added then counts."""
    loss = MeanSquaredError()
    loss.add(torch.tensor(8.0), 2)

    loss.reset()
    loss.add(torch.tensor(9.0), torch.tensor(3))

    assert loss.compute().item() == 3


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 3, 2, 2)], ids=str)
def test_classes_at_every_position(shape: tuple[int, ...]) -> None:
    """Outputs (batch, classes, ...) have one label per position; labels of -100 do not count."""
    outputs, targets = torch.randn(shape), torch.randint(3, shape[:1] + shape[2:])
    targets[0, 0] = -100

    loss = CrossEntropy()

    assert torch.equal(loss.mean(outputs, targets), F.cross_entropy(outputs, targets))
    torch.testing.assert_close(loss.total(outputs, targets) / loss.count(targets), F.cross_entropy(outputs, targets))


def test_probabilities_at_every_position_count_positions() -> None:
    """Probability targets (batch, classes, positions) count batch times positions."""
    outputs, targets = torch.randn(4, 3, 5).double(), torch.rand(4, 3, 5).double()

    loss = CrossEntropy()

    assert loss.count(targets) == 20
    torch.testing.assert_close(loss.total(outputs, targets) / 20, F.cross_entropy(outputs, targets))


def test_one_example_without_a_batch_dimension() -> None:
    """Outputs (classes,) and a 0-dim index work as in torch."""
    outputs = torch.tensor([1.0, 2.0])

    loss = CrossEntropy()

    assert torch.equal(loss(outputs, torch.tensor(1)), F.cross_entropy(outputs, torch.tensor(1)))
    assert loss.count(torch.tensor([0.5, 0.5])) == 1


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool], ids=str)
def test_class_indices_of_any_integer_dtype(dtype: torch.dtype) -> None:
    """Indices that are not int64 are read as such."""
    outputs, targets = torch.randn(3, 2), torch.tensor([0, 1, 1])

    mean = CrossEntropy(torch.tensor([1.0, 2.0])).mean(outputs, targets.to(dtype))

    assert torch.equal(mean, F.cross_entropy(outputs, targets, torch.tensor([1.0, 2.0])))


@pytest.mark.parametrize(
    ("loss", "own"),
    [(BinaryCrossEntropy(), F.binary_cross_entropy_with_logits), (MeanSquaredError(), F.mse_loss)],
    ids=["yes or no", "squared error"],
)
@pytest.mark.parametrize(
    ("outputs_shape", "targets_shape"), [((4, 1), (4,)), ((4,), (4, 1)), ((4, 1), (4, 1))], ids=str
)
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64], ids=str)
def test_a_column_and_a_vector_are_matched(
    loss: Loss, own: object, outputs_shape: tuple[int, ...], targets_shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """(n,) against (n, 1) compares row with row instead of all with all, whatever the targets' dtype."""
    outputs, targets = torch.randn(4), torch.tensor([1, 0, 0, 1])

    mean = loss.mean(outputs.reshape(outputs_shape), targets.reshape(targets_shape).to(dtype))

    assert torch.equal(mean, own(outputs, targets.float()))


@pytest.mark.parametrize("loss", [CrossEntropy(), BinaryCrossEntropy(), MeanSquaredError()], ids=repr)
def test_half_precision_outputs_are_summed_in_float32(loss: Loss) -> None:
    """bfloat16 outputs give the loss of the same numbers in float32."""
    outputs, targets = torch.randn(4, 3).bfloat16(), torch.rand(4, 3)

    mean = loss.mean(outputs, targets)

    assert torch.equal(mean, loss.mean(outputs.float(), targets))


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (MeanSquaredError(), torch.zeros(4)),
        (BinaryCrossEntropy(), torch.zeros(4, 1)),
        (CrossEntropy(), torch.zeros(4, dtype=torch.int64)[:, None]),
        (CrossEntropy(), torch.zeros(4)),
    ],
    ids=["squared error", "yes or no", "indices as a column", "floats for classes"],
)
def test_shapes_that_do_not_fit_are_named(loss: Loss, targets: Tensor) -> None:
    """The error holds both shapes and says what to do; nothing is broadcast."""
    with pytest.raises(ValueError, match=r"outputs have shape \(4, 3\) but the targets have \(4,") as error:
        loss.mean(torch.zeros(4, 3), targets)

    assert "Do: give" in str(error.value)


def test_a_vector_where_rows_are_counted() -> None:
    """Losses that count rows take no vector for a column: it could be one example or many."""
    for loss in (MultilabelMargin(), MultilabelSoftMargin()):
        with pytest.raises(ValueError, match=r"outputs have shape \(4, 1\) but the targets have \(4,\)"):
            loss.total(torch.zeros(4, 1), torch.zeros(4))


def test_log_probabilities_need_indices() -> None:
    """Probabilities for `nll` are refused with the shapes, and are not read as class 0."""
    with pytest.raises(ValueError, match="class indices"):
        NegativeLogLikelihood().mean(torch.zeros(4, 3), torch.zeros(4, 3))


@pytest.mark.parametrize("reduction", ["none", "batchmean", "avg"])
def test_a_wrong_reduction_is_refused(reduction: str) -> None:
    """Only "mean" and "sum" give a number to learn from."""
    with pytest.raises(ArgumentError, match=f"reduction='{reduction}'") as error:
        CrossEntropy(reduction=reduction)

    assert error.value.expected.startswith("one of mean, sum")


def test_divergence_may_be_a_mean_over_batches() -> None:
    """`batchmean` is a mean of its own, with the examples as count."""
    loss = as_loss(nn.KLDivLoss(reduction="batchmean"))

    assert type(loss) is KLDivergence
    assert loss.count(torch.zeros(4, 3)) == 4


@pytest.mark.parametrize("outputs", [torch.zeros(4), (torch.zeros(4),), (torch.zeros(4),) * 3], ids=["one", "1", "3"])
@pytest.mark.parametrize("loss", [GaussianNLL(), MarginRanking(), CosineEmbedding()], ids=repr)
def test_losses_of_several_outputs_say_which(loss: Loss, outputs: object) -> None:
    """Where the network gives another number of outputs, the error lists what it is to return."""
    with pytest.raises(ValueError, match=r"a loss of 2") as error:
        loss.mean(outputs, torch.zeros(4))

    assert "Do: return" in str(error.value)


def test_triplets_need_no_targets() -> None:
    """Targets may be None: triplets are counted in the outputs, or in the inputs."""
    anchor, far, loss = torch.zeros(4, 2), torch.full((4, 2), 3.0), TripletMargin()

    value = loss((anchor, far, anchor), None)

    assert torch.equal(value, F.triplet_margin_loss(anchor, far, anchor))
    assert loss.count_of(anchor, None) == 4
    assert loss.count_of(anchor, None, torch.tensor([1.0, 0.0, 0.0, 0.5])) == 1.5
    assert loss.compute().item() == pytest.approx(value.item())


def test_speech_with_the_time_first_is_not_cut() -> None:
    """As torch has it, parts could not be put together; the reason says how they could."""
    log_probs, labels, lengths = (
        torch.randn(7, 4, 5).log_softmax(2),
        torch.ones(4, 2).long(),
        torch.tensor([2, 1, 2, 1]),
    )
    times = torch.tensor([7, 6, 7, 5])
    loss = as_loss(nn.CTCLoss())

    mean = loss.mean((log_probs, times), (labels, lengths))

    assert torch.equal(mean, F.ctc_loss(log_probs, labels, times, lengths))
    assert loss.count((labels, lengths)) == 4
    assert not loss.is_separable
    assert "batch_first=True" in loss.reason
    assert CTC(batch_first=True).reason is None


def test_adaptive_softmax_learns_in_the_network() -> None:
    """Torch's layer, a part of the network, is its loss; weights and splits as everywhere."""
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 10, cutoffs=[3, 6], div_value=2).double()
    outputs, targets, weights = (
        torch.randn(5, 8).double(),
        torch.tensor([0, 4, 9, 1, 5]),
        torch.tensor([1.0, 2, 0, 1, 1]),
    )

    loss = as_loss(layer)

    own = layer(outputs, targets)
    assert type(loss) is AdaptiveSoftmax
    assert torch.equal(loss(outputs, targets), own.loss)
    assert (loss.total(outputs, targets) / loss.count(targets)).item() == pytest.approx(own.loss.item(), rel=1e-12)
    assert loss.total(outputs, targets, weights).item() == pytest.approx(
        -(own.output * weights).sum().item(), rel=1e-12
    )
    assert loss.count(targets, weights) == 5


@pytest.mark.parametrize("loss", [CrossEntropy, NegativeLogLikelihood, MultiMargin], ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("own", [None, torch.tensor([1.0, 2.0, 1.0])], ids=["plain", "weighted"])
def test_class_weights_come_on_top(loss: type[Loss], own: Tensor | None) -> None:
    """A copy weighs the classes, times the weights that the loss has; the loss itself stays as it was."""
    plain, weights = loss(weight=own), torch.tensor([0.5, 1.0, 4.0])
    plain.add(torch.tensor(3.0), 1)
    outputs, targets = torch.randn(4, 3).log_softmax(1), torch.tensor([0, 1, 2, 2])

    weighed = plain.with_class_weight(weights)

    both = weights if own is None else weights * own
    assert torch.equal(weighed.mean(outputs, targets), loss(weight=both).mean(outputs, targets))
    assert plain.weight is own
    assert weighed.compute().isnan()


def test_several_labels_weigh_their_positive_examples() -> None:
    """Where a row has several labels, a class's weight is torch's `pos_weight`."""
    weights, outputs, targets = torch.tensor([0.5, 4.0]), torch.randn(3, 2), torch.tensor([[0.0, 1.0]] * 3)

    weighed = BinaryCrossEntropy().with_class_weight(weights)

    expected = F.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weights)
    assert torch.equal(weighed.mean(outputs, targets), expected)


def test_numbers_have_no_classes() -> None:
    """Class weights for a regression are refused in words."""
    with pytest.raises(ArgumentError, match="MeanAbsoluteError does not weigh classes"):
        MeanAbsoluteError().with_class_weight(torch.ones(2))


def test_there_are_as_many_sample_weights_as_examples() -> None:
    """Nothing is broadcast: the error holds both shapes."""
    with pytest.raises(ValueError, match=r"sample_weight has shape \(1,\) but the batch's losses \(4, 3\)"):
        weigh(torch.zeros(4, 3), torch.ones(1))


def test_sums_stay_on_the_device() -> None:
    """What cannot be read for free stays a tensor until it is asked for, in float64 (the `meta` device shows it)."""
    loss = MeanSquaredError()

    loss.add(torch.zeros((), device="meta"), torch.zeros((), device="meta"))

    assert loss.compute().device.type == "meta"
    assert loss.compute().dtype == torch.float64
    assert CrossEntropy().count(torch.zeros(3, dtype=torch.int64, device="meta")).device.type == "meta"


def test_a_loss_of_ones_own_needs_three_verbs() -> None:
    """A subclass says count, total and mean; the engine's verbs, the sums and Poutyne's come by themselves."""

    class Cubed(Loss):
        def count(self, targets: Tensor) -> int:
            return targets.numel()

        def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return (outputs - targets).abs().pow(3).sum()

        def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return self.total(outputs, targets) / self.count(targets)

    loss, x = Cubed(), torch.tensor([1.0, 3.0])

    assert (loss.count_of(None, x), loss.total_of(x, None, x * 2), loss.mean_of(x, None, x * 2)) == (2, 28, 14)
    assert loss(x, x * 2) == 14
    for given in (lambda: loss.count_of(None, x, x), lambda: loss.total_of(x, None, x, x)):
        with pytest.raises(ArgumentError, match=r"sample_weight was given, but Cubed\.(count|total) does not take it"):
            given()


def test_arrays_are_counted_before_they_move() -> None:
    """The engine counts targets where the data are, as tensors or as NumPy's arrays."""
    labels = torch.tensor([0, -100, 1])

    assert CrossEntropy().count_of(None, labels.numpy()) == CrossEntropy().count_of(None, labels) == 2
