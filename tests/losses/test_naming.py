"""`as_loss`: every way to say a loss."""

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.errors import ArgumentError
from keraslike.losses import LOSSES, BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError, as_loss, model_loss


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


@pytest.mark.parametrize(
    "loss",
    [
        None,
        "nll_loss",
        "l1",
        "binary_cross_entropy",
        F.l1_loss,
        model_loss,
        share_of_misses,
        nn.CrossEntropyLoss(reduction="sum"),
        nn.MSELoss(reduction="none"),
        nn.L1Loss(),
        OwnCrossEntropy(),
        MeanSquaredError(),
    ],
    ids=str,
)
def test_others_come_back_as_they_are(loss: object) -> None:
    """What keraslike has no (sum, count) for is left to Poutyne or to the user; a loss of ours is itself."""
    assert as_loss(loss) is loss


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
    """A loss that asks for something else is answered at once with the names that there are."""

    def loss(y_pred: Tensor, y_true: Tensor, mask: Tensor) -> Tensor:
        return ((y_pred - y_true) * mask).mean()

    with pytest.raises(ArgumentError, match="asks for y_pred, y_true, mask"):
        as_loss(loss)


def test_what_comes_back_by_name_is_poutynes() -> None:
    """A name that is returned is one that `poutyne.Model` takes."""
    model = poutyne.Model(nn.Linear(1, 1), "sgd", as_loss("smooth_l1"))

    assert model.loss_function is not None


@pytest.mark.parametrize(
    ("name", "answer"), [("cros_entropy", "did you mean 'cross_entropy'?"), ("qqq", "loss_function='cross_entropy'")]
)
def test_a_misspelt_name_gets_the_nearest(name: str, answer: str) -> None:
    """The error repeats the name, lists the choices, and names the nearest one."""
    with pytest.raises(ArgumentError, match=f"no loss named '{name}'") as error:
        as_loss(name)

    assert answer in str(error.value)
    assert "mse" in error.value.expected
