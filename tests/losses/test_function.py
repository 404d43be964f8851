"""`FunctionLoss`: functions of the user's own, what they may ask for and what they may return."""

from functools import partial
from typing import Any

import numpy as np
import poutyne
import pytest
import torch
from torch import Tensor, nn

from keraslike.errors import ArgumentError, DataError
from keraslike.losses import FunctionLoss, Value, read_value

CLS = 2
IDS = torch.tensor(
    [[2, 7, 8, 2, 9, 2, 7, 0], [2, 5, 2, 6, 0, 0, 0, 0], [2, 4, 4, 2, 5, 0, 0, 0], [2, 9, 2, 8, 2, 7, 2, 6]]
)
LABELS = torch.tensor([[2, 0, 1, -100], [1, 0, -100, -100], [0, 1, 2, -100], [3, 1, 0, 2]])  # the third was cut


def logits() -> Tensor:
    return torch.randn(4, 8, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()


def listing(batch_logits: Tensor, batch_targets: Tensor, batch_input_ids: Tensor, target_token_id: int) -> Tensor:
    """The guide's listing, with the one name that it confuses put right."""
    loss_fn = nn.MSELoss(reduction="sum")
    batch_loss = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    for labels, logits, input_ids in zip(batch_targets, batch_logits, batch_input_ids, strict=True):
        true_labels = labels[labels != -100].reshape(-1)
        targets = true_labels.float()
        target_logits = logits[input_ids == target_token_id].reshape(-1)
        if target_logits.size(0) < targets.size(0):
            targets = targets[: target_logits.size(0)]
        batch_loss = batch_loss + loss_fn(targets, target_logits)
    return batch_loss / batch_logits.size(0)


def ordering(logits: Tensor, labels: Tensor, input_ids: Tensor, marker: int = CLS) -> Tensor:
    """A user's own version of it: per-text sums, averaged over the texts."""
    sums = [
        (text_logits[ids == marker].reshape(-1) - order[order != -100][: int((ids == marker).sum())]).square().sum()
        for text_logits, order, ids in zip(logits, labels, input_ids, strict=True)
    ]
    return torch.stack(sums).mean()


class Ordering:
    """The same as an object."""

    def __init__(self, marker: int) -> None:
        self.marker = marker

    def __call__(self, input_ids: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        return ordering(logits, labels, input_ids, self.marker)


class OrderingModule(nn.Module):
    """The same as a module, with a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, labels: Tensor, logits: Tensor, input_ids: Tensor) -> Tensor:
        return ordering(logits, labels, input_ids) * self.scale


def with_marker(logits: Tensor, labels: Tensor, input_ids: Tensor, marker: int) -> Tensor:
    return ordering(logits, labels, input_ids, marker)


@pytest.mark.parametrize(
    "loss",
    [ordering, partial(with_marker, marker=CLS), Ordering(CLS), OrderingModule()],
    ids=["function", "partial", "object", "module"],
)
@pytest.mark.parametrize("batch_size", [1, 3, 4])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: ({**x, "attention_mask": None},)], ids=["dict", "tuple"])
def test_the_guides_loss(loss: Any, batch_size: int, wrap: Any) -> None:
    """Written as a plain function that names what it wants, it gives the listing's value and gradient."""
    ours, theirs, wanted = logits(), logits(), FunctionLoss(loss)

    for start in range(0, 4, batch_size):
        rows = slice(start, start + batch_size)
        x = wrap({"input_ids": IDS[rows]})
        value = wanted.value_of({"logits": ours[rows], "loss": None}, x, LABELS[rows])
        examples = len(IDS[rows])
        wanted.add(*value.summed(examples))
        (value.loss * examples / 4).backward()
    expected = listing(theirs, LABELS, IDS, CLS)
    expected.backward()

    assert wanted.compute().item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_targets_may_be_a_dict() -> None:
    """`labels` is the item of that name, `targets` all of them, and other names are looked up there too."""

    def loss(logits: Tensor, labels: Tensor, targets: Any, shift: Tensor) -> Tensor:
        return logits.sum() + labels.sum() + len(targets) + shift

    y = {"labels": torch.ones(2), "shift": torch.tensor(10.0)}

    assert FunctionLoss(loss).value_of(torch.zeros(2), {"input_ids": IDS}, y).loss == 14


def test_labels_may_be_among_the_inputs() -> None:
    """Where there are no targets, the labels that went into the network are the labels."""

    def loss(outputs: Any, labels: Tensor) -> Tensor:
        return outputs["logits"].sum() + labels.sum()

    value = FunctionLoss(loss).value_of({"logits": torch.zeros(2)}, {"labels": torch.ones(2)}, None)

    assert value.loss == 2


@pytest.mark.parametrize(
    ("x", "answer"),
    [
        ({"input_ids": IDS}, "did you mean 'input_ids'?"),
        (IDS, "give inputs_id a default"),
    ],
    ids=["near", "nothing near"],
)
def test_what_is_not_there_is_named(x: Any, answer: str) -> None:
    """A misspelt name is answered with what there is, and with the nearest."""

    def loss(logits: Tensor, labels: Tensor, inputs_id: Tensor) -> Tensor:
        return logits.sum()

    with pytest.raises(ArgumentError, match="loss asks for inputs_id, which is not there") as error:
        FunctionLoss(loss).value_of(torch.zeros(2), x, torch.zeros(2))

    assert answer in str(error.value)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (torch.tensor(2.0), Value(torch.tensor(2.0))),
        (torch.tensor([[2.0]]), Value(torch.tensor(2.0))),
        (2.0, Value(torch.tensor(2.0))),
        (np.float32(2), Value(torch.tensor(2.0))),
        ((torch.tensor(6.0), 3), Value(torch.tensor(6.0), 3)),
        ((torch.tensor(6.0), torch.tensor([3])), Value(torch.tensor(6.0), torch.tensor(3))),
        ((torch.tensor(2.0), {"kl": 1.0}), Value(torch.tensor(2.0), None, {"kl": (1.0, None)})),
        ((torch.tensor(6.0), 3, {"kl": (1.0, 2)}), Value(torch.tensor(6.0), 3, {"kl": (1.0, 2)})),
    ],
    ids=str,
)
def test_what_may_be_returned(returned: Any, expected: Value) -> None:
    """A mean; a sum and its count; either with named numbers."""
    assert read_value(returned) == expected


@pytest.mark.parametrize(
    "returned",
    [None, "2", torch.zeros(3), (), (torch.tensor(1.0), "x"), (1, 2, 3), (torch.zeros(2), 2), [1.0]],
    ids=str,
)
def test_what_may_not(returned: Any) -> None:
    """Anything else is answered with what it was and what is expected."""
    with pytest.raises(DataError, match=r"(?s)mine returned .*one number"):
        read_value(returned, "mine")


@pytest.mark.parametrize("number", [torch.zeros(2), "x", (1.0, "x"), (1.0, 2, 3)], ids=str)
def test_named_numbers_are_numbers(number: Any) -> None:
    """The error names the one that is none."""
    with pytest.raises(DataError, match="the number 'kl' beside a loss is"):
        read_value((torch.tensor(1.0), {"kl": number}))


def test_named_numbers_keep_no_graph() -> None:
    """What is shown is not learned from: the graph of a batch is not kept for a progress bar."""
    leaf = torch.ones((), requires_grad=True)

    value = read_value((leaf * 2, {"half": leaf / 2, "share": (leaf * 3, 3)}))

    assert value.loss.requires_grad
    assert not value.scalars["half"][0].requires_grad
    assert not value.scalars["share"][0].requires_grad


def test_a_number_without_a_gradient_is_no_loss() -> None:
    """A loss computed with .item() cannot be learned from, which is said before the step."""

    def loss(y_pred: Tensor, y_true: Tensor) -> Tensor:
        return torch.tensor((y_pred - y_true).abs().mean().item())

    outputs = torch.ones(2, requires_grad=True)

    for given in (outputs, (outputs, outputs), {"logits": outputs}):
        with pytest.raises(DataError, match="gave a number without a gradient"):
            FunctionLoss(lambda outputs, targets: loss(logits_of(outputs), targets)).value_of(
                given, None, torch.ones(2)
            )
    with torch.no_grad():
        assert FunctionLoss(loss)(outputs, torch.zeros(2)) == 1
    assert FunctionLoss(loss)(outputs.detach(), torch.zeros(2)) == 1


def logits_of(outputs: Any) -> Tensor:
    if isinstance(outputs, dict):
        return outputs["logits"]
    return outputs[0] if isinstance(outputs, tuple) else outputs


def weighed(y_pred: Tensor, y_true: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    losses = (y_pred - y_true).abs()
    return losses.mean() if sample_weight is None else (losses * sample_weight).sum() / sample_weight.sum()


def test_sample_weights_go_where_they_are_named() -> None:
    """They are given where they are named, also with a default, and only where there are some."""
    y_pred, y_true, weights = torch.tensor([1.0, 4.0]), torch.zeros(2), torch.tensor([3.0, 1.0])

    assert FunctionLoss(weighed).value_of(y_pred, None, y_true, weights).loss == 7 / 4
    assert FunctionLoss(weighed).value_of(y_pred, None, y_true).loss == 2.5


def test_sample_weights_that_nobody_takes_are_refused() -> None:
    """Weights are never left out in silence."""
    with pytest.raises(ArgumentError, match=r"(?s)ordering does not take it.*sample_weight\): \.\.\."):
        FunctionLoss(ordering).value_of(torch.zeros(2), {"input_ids": IDS}, torch.zeros(2), torch.ones(2))


def test_it_cannot_weigh_classes() -> None:
    """Class weights for a bare function are refused in words."""
    with pytest.raises(ArgumentError, match="ordering is a function, which does not weigh classes"):
        FunctionLoss(ordering).with_class_weight(torch.ones(2))


def test_it_says_why_it_is_not_cut() -> None:
    """The reason names the function."""
    assert FunctionLoss(ordering).reason.startswith("ordering is a function, and whether")
    assert repr(FunctionLoss(partial(with_marker, marker=1))) == "FunctionLoss(with_marker)"


def test_a_modules_weights_are_its_own() -> None:
    """What the user's module learns is found, moved and copied with it."""
    module = OrderingModule()

    assert [*FunctionLoss(module).parameters()] == [module.scale]


def absolute(y_pred: Tensor, y_true: Tensor) -> Tensor:
    return (y_pred - y_true).abs().mean()


def absolute_sum(y_pred: Tensor, y_true: Tensor) -> tuple[Tensor, int]:
    return (y_pred - y_true).abs().sum(), y_true.numel()


@pytest.mark.parametrize("loss", [absolute, absolute_sum], ids=["mean", "sum and count"])
def test_inside_plain_poutyne(loss: Any) -> None:
    """As loss, batch metric and epoch metric of `poutyne.Model` it gives the mean over all examples."""
    x, y, network = torch.randn(5, 3), torch.randn(5, 2), nn.Linear(3, 2)
    metrics = {"batch_metrics": [("batch", FunctionLoss(loss))], "epoch_metrics": [("epoch", FunctionLoss(loss))]}
    model = poutyne.Model(network, "sgd", FunctionLoss(loss), **metrics)

    logs = model.evaluate(x, y, batch_size=2, return_dict_format=True, verbose=False)
    model.train_on_batch(x, y)

    expected = (network(x) - y).abs().mean().item()
    before = [logs[key] for key in ("test_loss", "test_batch", "test_epoch")]
    assert before == pytest.approx([before[0]] * 3)
    assert expected < before[0]
    assert network.weight.grad is not None


def test_nothing_counted_gives_the_sum() -> None:
    """A count of 0 is not divided by."""
    loss = FunctionLoss(lambda y_pred, y_true: (y_pred.sum() * 0, 0))

    assert loss(torch.ones(2), torch.ones(2)) == 0
    assert loss.compute().isnan()
