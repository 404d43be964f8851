"""Classes and objects of torchmetrics, beside the contract of the registry."""

from functools import partial
from typing import Any

import pytest
import torch
import torchmetrics
from sklearn import metrics as sk
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MultilabelF1Score

from keraslike.errors import ArgumentError
from keraslike.metrics import TorchMetric, get_metrics
from keraslike.metrics.torch_object import TorchObject

SINGLE = "single_label_classification"


@pytest.mark.parametrize("kind", [torchmetrics.AUROC, torchmetrics.classification.Specificity])
def test_a_listed_class_stands_for_its_name(kind: type) -> None:
    """A class of torchmetrics that needs to be told the task is told, where it is on the list."""
    ((_, metric),), ((_, named),) = get_metrics([kind], SINGLE), get_metrics([kind.__name__], SINGLE)
    logits, targets = torch.randn(9, 3), torch.arange(9) % 3

    assert isinstance(metric, TorchMetric)
    assert metric(logits, targets) == named(logits, targets)


@pytest.mark.parametrize("name", ["CohenKappa", "log_loss"])
def test_a_class_that_the_network_does_not_have_is_answered(name: str) -> None:
    """A target beyond the outputs is answered in words, whichever library finds it."""
    ((_, metric),) = get_metrics([name], SINGLE)

    with pytest.raises(ArgumentError, match=f"'{name}' has no value for these targets"):
        metric(torch.rand(4, 3), torch.tensor([0, 1, 5, 1]))


@pytest.mark.parametrize("split", [[20], [8, 8, 4], [1] * 20], ids=str)
def test_objects_of_torchmetrics_give_the_whole_sets_value(split: list[int]) -> None:
    """An object of torchmetrics sees outputs and targets as they are, and its value is that of all of them."""
    random = torch.Generator().manual_seed(0)
    logits, y = torch.randn(20, 3, generator=random), torch.arange(20) % 3
    kinds = [
        partial(torchmetrics.classification.MulticlassAUROC, 3),
        partial(torchmetrics.CohenKappa, "multiclass", num_classes=3),
    ]
    metrics = get_metrics([kind() for kind in kinds], SINGLE)

    for _, metric in metrics:
        for x, targets in zip(logits.split(split), y.split(split), strict=True):
            metric.update(x, targets)

    expected = [float(kind()(logits, y)) for kind in kinds]
    assert [float(metric.compute()) for _, metric in metrics] == pytest.approx(expected, abs=1e-6)


def test_an_object_of_torchmetrics_for_two_classes() -> None:
    """It gets the second class's probability, without the rows whose target is -100, of tokens too."""
    torch.manual_seed(0)  # torchmetrics warns of a batch in which one of the classes is missing
    logits, y = torch.randn(6, 4, 2), torch.randint(2, (6, 4))
    y[:, 3] = -100
    given = torchmetrics.classification.BinaryAveragePrecision()
    ((_, metric),) = get_metrics([given], SINGLE)

    values = [float(metric(x, targets)) for x, targets in zip(logits.split(2), y.split(2), strict=True)]
    found = metric.compute()
    metric.reset()

    expected = sk.average_precision_score(y[:, :3].ravel(), logits.softmax(2)[:, :3, 1].ravel())
    assert float(found) == pytest.approx(expected, abs=1e-6)
    assert len(values) == 3
    assert given.update_count == 0


@pytest.mark.parametrize(
    ("metric", "logits", "targets"),
    [
        (torchmetrics.classification.BinaryAccuracy(), torch.tensor([0.9, 0.1]), torch.tensor([1.0, 0.0])),
        (torchmetrics.classification.MulticlassExactMatch(3), torch.eye(3)[None], torch.tensor([[0, 1, 2]])),
        (
            torchmetrics.classification.MultilabelF1Score(2),
            torch.tensor([[2.0, -1.0], [-1.0, 2.0]]),
            torch.eye(2).long(),
        ),
    ],
    ids=["values", "examples", "labels"],
)
def test_other_objects_of_torchmetrics(metric: torchmetrics.Metric, logits: Tensor, targets: Tensor) -> None:
    """Beside float targets nothing is turned into probabilities; metrics of whole examples see them as they are."""
    ((_, given),) = get_metrics([metric])

    given.update(logits, targets)

    assert float(given.compute()) == 1


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            MulticlassAccuracy(5),
            r"MulticlassAccuracy with num_classes=5 refuses(.|\n)*MulticlassAccuracy\(num_classes=2",
        ),
        (MultilabelF1Score(2), r"MultilabelF1Score with num_labels=2 refuses(.|\n)*one label or several"),
    ],
    ids=["classes", "labels"],
)
def test_object_of_another_size(metric: Any, message: str):
    """Torchmetrics' complaint comes with the metric's name and the size that would do."""
    wrapped = TorchObject(metric, "single_label_classification")

    with pytest.raises(ArgumentError, match=message):
        wrapped.update(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    with pytest.raises(ArgumentError, match=message):
        wrapped(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
