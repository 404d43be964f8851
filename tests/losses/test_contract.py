"""Every loss of the registry against torch's own: the mean bit for bit, any split to 1e-12, weights by hand."""

from copy import deepcopy
from itertools import accumulate
from typing import Any

import poutyne
import pytest
import torch
from torch import Tensor, nn

from keraslike.losses import LOSSES, Loss, as_loss
from tests.losses.cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
splits = pytest.mark.parametrize("split", [[11], [4, 4, 3], [2, 3, 1, 5], [1] * 11], ids=str)
WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.25, 1.0, 1.0, 2.0, 0.5], dtype=torch.float64)

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # torch's KLDivLoss itself


def part(data: Any, start: int, end: int) -> Any:
    return tuple(item[start:end] for item in data) if isinstance(data, tuple) else data[start:end]


def parts_of(case: Case, leaves: Any, split: list[int]) -> list[tuple[Any, Any]]:
    ends = list(accumulate(split))
    places = list(zip([0, *ends], ends, strict=False))
    return [(part(case.activate(leaves), *place), part(case.targets, *place)) for place in places]


def gradients(leaves: Any) -> list[Tensor]:
    return [leaf.grad for leaf in (leaves if isinstance(leaves, tuple) else [leaves])]


def test_every_loss_has_a_case() -> None:
    """A loss that is added to the registry is tested here from the first moment."""
    assert {LOSSES[case.name] for case in CASES.values()} == set(LOSSES.values())


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_mean_has_torchs_bits(case: Case, dtype: torch.dtype) -> None:
    """`mean` and its gradient are those of torch's object, bit for bit."""
    loss, own, targets = case.loss(), case.module().to(dtype), case.typed(dtype)
    ours, theirs = case.leaves(dtype), case.leaves(dtype)

    mean, expected = loss.mean(case.activate(ours), targets), case.call(own, case.activate(theirs), targets)
    mean.backward()
    expected.backward()

    assert torch.equal(mean, expected)
    assert all(map(torch.equal, gradients(ours), gradients(theirs)))


@every_case
@splits
def test_any_split_has_the_gradient_of_the_whole(case: Case, split: list[int]) -> None:
    """Totals of ragged parts over the whole's count give the whole batch's mean and gradient."""
    loss, ours, theirs = case.loss(), case.leaves(), case.leaves()
    parts = parts_of(case, ours, split)
    count = sum(loss.count_of(None, targets) for _, targets in parts)

    totals = [loss.total_of(outputs, None, targets) for outputs, targets in parts]
    for total in totals:
        (total / count).backward(retain_graph=True)
    expected = case.call(case.module(), case.activate(theirs), case.targets)
    expected.backward()

    assert loss.is_separable
    torch.testing.assert_close(sum(totals) / count, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(ours), gradients(theirs), rtol=1e-12, atol=1e-12)


@every_case
@splits
@pytest.mark.parametrize("verb", ["forward", "update"])
def test_the_epochs_value_is_the_whole_sets(case: Case, split: list[int], verb: str) -> None:
    """What `compute` gives after any batches is the mean over all of them, also with a batch where nothing counts."""
    loss = case.loss()

    for outputs, targets in parts_of(case, case.leaves(), split):
        getattr(loss, verb)(outputs, targets)

    expected = case.call(case.module(), case.activate(case.leaves()), case.targets)
    assert loss.compute().item() == pytest.approx(expected.item(), rel=1e-12)


@every_case
@splits
def test_sample_weights_weigh_each_examples_share(case: Case, split: list[int]) -> None:
    """The weighted mean is the sum of w x loss over the sum of w x count, each example alone computed by torch."""
    loss, own = case.loss(), case.module()
    weights = WEIGHTS.split(split)
    parts = list(zip(parts_of(case, case.leaves(), split), weights, strict=True))

    total = sum(loss.total_of(outputs, None, targets, weight).item() for (outputs, targets), weight in parts)
    count = sum(loss.count_of(None, targets, weight) for (_, targets), weight in parts)

    alone = parts_of(case, case.leaves(), [1] * 11)
    shares = list(zip(WEIGHTS.tolist(), case.counts, alone, strict=True))
    assert total == pytest.approx(sum(w * c * case.call(own, *x).item() for w, c, x in shares if c), rel=1e-12)
    assert count == pytest.approx(sum(w * c for w, c, _ in shares), rel=1e-12)


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if "reduction" not in case.options], ids=lambda case: case.name
)
def test_the_sum_is_torchs(case: Case) -> None:
    """With reduction="sum" the batch's loss is torch's sum, and what is shown is still a mean."""
    loss = type(case.loss())(**{**case.options, **case.ours, "reduction": "sum"})
    own = case.own(**{**case.options, "reduction": "sum"})

    value = loss(case.activate(case.leaves()), case.targets)

    expected = case.call(own, case.activate(case.leaves()), case.targets)
    assert loss.is_sum
    assert torch.equal(value, expected)
    assert loss.compute().item() == pytest.approx(expected.item() / sum(case.counts), rel=1e-12)


@every_case
def test_an_empty_part_gives_zeros(case: Case) -> None:
    """A part of no example at all has a count of 0, a total of 0, and a gradient of 0."""
    if case.name == "ctc":
        pytest.skip("torch's CTC refuses a batch of none")
    loss, leaves = case.loss(), case.leaves()
    outputs, targets = part(case.activate(leaves), 0, 0), part(case.targets, 0, 0)

    total = loss.total(outputs, targets)
    total.backward()

    assert (total.item(), loss.count(targets)) == (0, 0)
    assert all(not gradient.any() for gradient in gradients(leaves))


@every_case
def test_torchs_object_becomes_ours(case: Case) -> None:
    """Torch's class, with its options, is read as the loss with the same options."""
    own = case.module()

    loss = as_loss(own)

    assert type(loss) is LOSSES[case.name]
    if case.name != "ctc":  # torch has the time first
        expected = case.call(own, case.activate(case.leaves()), case.targets)
        assert torch.equal(loss.mean(case.activate(case.leaves()), case.targets), expected)


@every_case
def test_torchs_function_becomes_ours(case: Case) -> None:
    """Torch's function is read as the loss; so is every name of it."""
    kind = LOSSES[case.name]

    assert type(as_loss(kind.func)) is kind
    assert {type(as_loss(name)) for name in kind.names} == {kind}


@every_case
def test_none_is_refused(case: Case) -> None:
    """A loss for each example is no loss to learn from, and the error says so."""
    with pytest.raises(ValueError, match="reduction='none'") as error:
        as_loss(case.own(**{**case.options, "reduction": "none"}))

    assert "mean, sum" in str(error.value)


class Given(nn.Module):
    """A network that gives the case's outputs, whatever the rows."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        leaves = case.outputs if isinstance(case.outputs, tuple) else (case.outputs,)
        self.leaves = nn.ParameterList(leaf.clone() for leaf in leaves)
        self.case = case

    def forward(self, rows: Tensor) -> Any:
        chosen = tuple(leaf[rows] for leaf in self.leaves)
        return self.case.activate(chosen if isinstance(self.case.outputs, tuple) else chosen[0])


@every_case
def test_inside_plain_poutyne(case: Case) -> None:
    """As loss function, batch metric and epoch metric of `poutyne.Model`, all three report the whole set's mean."""
    loss, rows = case.loss(), torch.arange(11)
    metrics = {"batch_metrics": [("batch", deepcopy(loss))], "epoch_metrics": [("epoch", deepcopy(loss))]}
    model = poutyne.Model(Given(case), "sgd", deepcopy(loss), **metrics)

    logs = model.evaluate(rows, case.targets, batch_size=3, return_dict_format=True, verbose=False)

    expected = case.call(case.module(), case.activate(case.leaves()), case.targets).item()
    assert [logs[key] for key in ("test_loss", "test_batch", "test_epoch")] == pytest.approx([expected] * 3, rel=1e-12)


@every_case
def test_plain_poutyne_learns_with_it(case: Case) -> None:
    """Poutyne's training step with our loss changes the weights as torch's own gradient does."""
    network, own = Given(case), Given(case)
    poutyne.Model(network, torch.optim.SGD(network.parameters(), 0.1), case.loss()).train_on_batch(
        torch.arange(11), case.targets
    )

    case.call(case.module(), own(torch.arange(11)), case.targets).backward()
    torch.optim.SGD(own.parameters(), 0.1).step()

    assert all(map(torch.equal, network.leaves, own.leaves))


@every_case
def test_repr_is_short(case: Case) -> None:
    """A loss shows its name and its options on one line."""
    shown = repr(case.loss())

    assert shown.startswith(f"{type(case.loss()).__name__}(")
    assert isinstance(case.loss(), Loss)
