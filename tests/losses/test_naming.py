"""`as_loss`: every way to say a loss."""

import pytest
import torch
import torch.nn.functional as F
from poutyne import register_metric_func
from torch import Tensor, nn

from keraslike.errors import ArgumentError
from keraslike.losses import LOSSES, BinaryCrossEntropy, CrossEntropy, FunctionLoss, Loss, MeanSquaredError, as_loss


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cross_entropy", CrossEntropy),
        ("crossentropy", CrossEntropy),
        ("CrossEntropyLoss", CrossEntropy),
        ("bce_with_logits", BinaryCrossEntropy),
        ("BCEWithLogitsLoss", BinaryCrossEntropy),
        ("binary_cross_entropy_with_logits", BinaryCrossEntropy),
        ("mse", MeanSquaredError),
        ("mse_loss", MeanSquaredError),
        ("MSELoss", MeanSquaredError),
        (F.cross_entropy, CrossEntropy),
        (F.binary_cross_entropy_with_logits, BinaryCrossEntropy),
        (F.mse_loss, MeanSquaredError),
        (nn.CrossEntropyLoss(), CrossEntropy),
        (nn.BCEWithLogitsLoss(), BinaryCrossEntropy),
        (nn.MSELoss(), MeanSquaredError),
    ],
    ids=str,
)
def test_torchs_and_poutynes_words_become_ours(name: object, expected: type[Loss]) -> None:
    """Names (spelled as Poutyne allows), functions and objects of torch become a loss with count and total."""
    assert type(as_loss(name)) is expected


@pytest.mark.parametrize("name", LOSSES)
def test_every_registered_name_is_understood(name: str) -> None:
    """The registry's names give its classes."""
    assert type(as_loss(name)) is LOSSES[name]


def test_options_of_torchs_objects_are_kept() -> None:
    """Weights stay the same tensors, as buffers; the other options their values."""
    weight = torch.tensor([1.0, 2.0])

    cross_entropy = as_loss(nn.CrossEntropyLoss(weight, ignore_index=1, label_smoothing=0.2))
    binary = as_loss(nn.BCEWithLogitsLoss(weight, pos_weight=weight))

    assert (cross_entropy.ignore_index, cross_entropy.label_smoothing) == (1, 0.2)
    assert dict(cross_entropy.named_buffers())["weight"] is weight
    assert dict(binary.named_buffers(remove_duplicate=False)) == {"weight": weight, "pos_weight": weight}


def share_of_misses(y_pred: Tensor, y_true: Tensor, weight: float = 1.0) -> Tensor:
    """Stands for a user's function in the order of Poutyne."""
    return weight * (y_pred - y_true).abs().mean()


class OwnCrossEntropy(nn.CrossEntropyLoss):
    """A user's subclass, which may compute anything."""


@pytest.mark.parametrize("loss", [share_of_misses, F.normalize, OwnCrossEntropy(), "own_distance"], ids=str)
def test_others_become_functions(loss: object) -> None:
    """What keraslike has no (sum, count) for is called as it is; nothing says that it adds up over examples."""
    register_metric_func("own_distance")(share_of_misses)

    found = as_loss(loss)

    assert type(found) is FunctionLoss
    assert found.func is (share_of_misses if loss == "own_distance" else loss)
    assert not found.is_separable


@pytest.mark.parametrize("loss", [None, MeanSquaredError(), FunctionLoss(share_of_misses)], ids=str)
def test_ours_come_back_as_they_are(loss: object) -> None:
    """A loss of ours is itself, and None stays None."""
    assert as_loss(loss) is loss


def test_a_class_is_made() -> None:
    """A class of torch's or of ours is as good as its object."""
    assert type(as_loss(nn.MSELoss)) is MeanSquaredError
    assert type(as_loss(CrossEntropy)) is CrossEntropy


def test_a_class_that_needs_arguments_is_refused() -> None:
    """The error says which line makes it."""
    with pytest.raises(ArgumentError, match="OwnWeights cannot be made without arguments") as error:
        as_loss(OwnWeights)

    assert error.value.do == "loss_function=OwnWeights(...) with them."


class OwnWeights(nn.Module):
    """A loss that cannot be made without its weights."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights


def test_what_cannot_be_called_is_refused() -> None:
    """The error shows the value and lists what there is."""
    with pytest.raises(ArgumentError, match="given as 3, a int"):
        as_loss(3)


def test_a_sum_stays_a_sum() -> None:
    """Torch's reduction="sum" is kept: the gradient is that of the sum, and what is shown is the mean."""
    loss = as_loss(nn.MSELoss(reduction="sum"))

    value = loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))

    assert (loss.is_sum, value, loss.compute()) == (True, 5, 2.5)


def squared_excess(y_true: Tensor, y_pred: Tensor, weight: float = 1.0) -> Tensor:
    """Stands for a user's function in the order of Keras."""
    return weight * (y_pred - y_true).clamp_min(0).square().mean()


class SquaredExcess(nn.Module):
    """Stands for a user's loss with a weight of its own, in the order of Keras."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return squared_excess(y_true, y_pred) * self.weight


@pytest.mark.parametrize("loss", [squared_excess, SquaredExcess()], ids=["function", "module"])
def test_arguments_are_given_by_name(loss: object) -> None:
    """A loss of (y_true, y_pred) gets each by its name, whatever their order."""
    outputs, targets = torch.tensor([3.0, 0.0]), torch.tensor([1.0, 5.0])

    assert as_loss(loss)(outputs, targets) == 2
    assert as_loss(as_loss(loss))(outputs, targets) == 2


def test_a_loss_called_by_name_keeps_its_weights() -> None:
    """What a loss learns itself goes where the loss goes."""
    loss = as_loss(SquaredExcess())

    assert len(list(loss.parameters())) == 1


def test_other_arguments_are_refused() -> None:
    """A loss that can never be called is answered at once with the names that there are."""

    def loss(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        return first * second * third

    with pytest.raises(ArgumentError, match="asks for first, second, third"):
        as_loss(loss)


@pytest.mark.parametrize(
    ("name", "answer"), [("cros_entropy", "did you mean 'cross_entropy'?"), ("qqq", "loss_function='cross_entropy'")]
)
def test_a_misspelt_name_gets_the_nearest(name: str, answer: str) -> None:
    """The error repeats the name, lists the choices, and names the nearest one."""
    with pytest.raises(ArgumentError, match=f"no loss named '{name}'") as error:
        as_loss(name)

    assert answer in str(error.value)
    assert "mse" in error.value.expected
