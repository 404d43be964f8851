"""Every loss against torch's own: the mean bit for bit, any split to 1e-12, and inside plain Poutyne."""

from copy import deepcopy
from typing import Any

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError

WEIGHT = torch.tensor([0.5, 1.0, 2.5], dtype=torch.float64)
POSITIVE = torch.tensor([1.5, 1.0, 3.0], dtype=torch.float64)
INDICES = torch.tensor([0, 2, -100, -100, -100, 1, 1, 0, 2, -100, 1])
YES_NO = torch.tensor([[0, 1, 1], [1, 0, 0]] * 5 + [[1, 1, 1]], dtype=torch.float64)
PROBABILITIES = torch.softmax(torch.randn(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), 1)

CASES: dict[str, tuple[type[Loss], type[nn.Module], dict[str, Any], Tensor]] = {
    "indices": (CrossEntropy, nn.CrossEntropyLoss, {}, INDICES),
    "weighted": (CrossEntropy, nn.CrossEntropyLoss, {"weight": WEIGHT}, INDICES),
    "other ignored index": (CrossEntropy, nn.CrossEntropyLoss, {"weight": WEIGHT, "ignore_index": 1}, INDICES % 3),
    "smoothed": (CrossEntropy, nn.CrossEntropyLoss, {"label_smoothing": 0.1}, INDICES),
    "smoothed, weighted": (CrossEntropy, nn.CrossEntropyLoss, {"weight": WEIGHT, "label_smoothing": 0.1}, INDICES),
    "probabilities": (CrossEntropy, nn.CrossEntropyLoss, {}, PROBABILITIES),
    "weighted probabilities": (CrossEntropy, nn.CrossEntropyLoss, {"weight": WEIGHT}, PROBABILITIES),
    "yes or no": (BinaryCrossEntropy, nn.BCEWithLogitsLoss, {}, YES_NO),
    "weighted yes or no": (
        BinaryCrossEntropy,
        nn.BCEWithLogitsLoss,
        {"weight": WEIGHT, "pos_weight": POSITIVE},
        YES_NO,
    ),
    "squared error": (MeanSquaredError, nn.MSELoss, {}, PROBABILITIES * 3),
}
every_case = pytest.mark.parametrize("case", CASES)
splits = pytest.mark.parametrize("split", [[11], [4, 4, 3], [2, 3, 1, 5], [1] * 11], ids=str)


def logits(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(11, 3, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()


def build(case: str, dtype: torch.dtype = torch.float64) -> tuple[Loss, nn.Module, Tensor]:
    ours, theirs, options, targets = CASES[case]
    return ours(**options), theirs(**options).to(dtype), targets.to(dtype) if targets.is_floating_point() else targets


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_mean_has_torchs_bits(case: str, dtype: torch.dtype) -> None:
    """`mean` and its gradient are those of torch's object, bit for bit."""
    loss, own, targets = build(case, dtype)
    ours, theirs = logits(dtype), logits(dtype)

    mean, expected = loss.mean(ours, targets), own(theirs, targets)
    mean.backward()
    expected.backward()

    assert torch.equal(mean, expected)
    assert torch.equal(ours.grad, theirs.grad)


@every_case
@splits
def test_any_split_has_the_gradient_of_the_whole(case: str, split: list[int]) -> None:
    """Totals of ragged parts over the whole's count give the whole batch's mean and gradient."""
    loss, own, targets = build(case)
    ours, theirs = logits(), logits()
    count = sum(float(loss.count(part)) for part in targets.split(split))

    totals = [loss.total(x, y) for x, y in zip(ours.split(split), targets.split(split), strict=True)]
    for total in totals:
        (total / count).backward(retain_graph=True)
    expected = own(theirs, targets)
    expected.backward()

    torch.testing.assert_close(sum(totals) / count, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


@every_case
@splits
@pytest.mark.parametrize("verb", ["forward", "update"])
def test_the_epochs_value_is_the_whole_sets(case: str, split: list[int], verb: str) -> None:
    """What `compute` gives after any batches is the mean over all of them, also with a batch where nothing counts."""
    loss, own, targets = build(case)

    for x, y in zip(logits().split(split), targets.split(split), strict=True):
        getattr(loss, verb)(x, y)

    assert loss.compute().item() == pytest.approx(own(logits(), targets).item(), rel=1e-12)


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


@every_case
def test_inside_plain_poutyne(case: str) -> None:
    """As loss function, batch metric and epoch metric of `poutyne.Model`, all three report the whole set's mean."""
    (loss, own, targets), network, x = build(case), nn.Linear(3, 3).double(), logits().detach()
    metrics = {"batch_metrics": [("batch", deepcopy(loss))], "epoch_metrics": [("epoch", deepcopy(loss))]}
    model = poutyne.Model(network, "sgd", deepcopy(loss), **metrics)

    logs = model.evaluate(x, targets, batch_size=3, return_dict_format=True, verbose=False)

    expected = own(network(x), targets).item()
    assert [logs[key] for key in ("test_loss", "test_batch", "test_epoch")] == pytest.approx([expected] * 3, rel=1e-12)


@every_case
def test_plain_poutyne_learns_with_it(case: str) -> None:
    """Poutyne's training step with our loss changes the weights as with torch's."""
    (loss, own, targets), x, networks = build(case), logits().detach(), [nn.Linear(3, 3).double() for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())

    for network, function in zip(networks, (loss, own), strict=True):
        poutyne.Model(network, "sgd", function).train_on_batch(x, targets)

    assert torch.equal(networks[0].weight, networks[1].weight)
