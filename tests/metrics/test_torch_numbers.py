"""Objects of torchmetrics that give several numbers, or stand in a collection; and its classes given themselves."""

from typing import Any

import pytest
import torch
import torchmetrics
from sklearn import metrics as sk
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassF1Score, MulticlassROC

from keraslike import Model
from keraslike.errors import ArgumentError
from keraslike.metrics import get_metrics

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
LOGITS, CLASSES = torch.randn(24, 3, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3
F1 = sk.f1_score(CLASSES, LOGITS.argmax(1), average=None)


def f1() -> torchmetrics.Metric:
    """Give F1 by class."""
    return MulticlassF1Score(3, average=None)


class Pair(torchmetrics.Metric):
    """Stands for a metric of the user's own, which counts rows and gives two numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def update(self, y_pred: Tensor, y_true: Tensor) -> None:
        """Count."""
        self.rows += len(y_pred)

    def compute(self) -> dict[str, int]:
        """Give both."""
        return {"rows": self.rows, "twice": 2 * self.rows}


def measured(metrics: Any, outputs: Tensor = LOGITS, targets: Tensor = CLASSES, loss: str = "cross_entropy") -> Any:
    """Evaluate a network that gives its input, in batches; without the loss."""
    model = Model(nn.Identity(), None, loss, metrics=metrics, device="cpu")
    found = model.evaluate(outputs, targets, batch_size=7, return_dict=True, verbose=0)
    return {name: value for name, value in found.items() if name != "loss"}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (f1(), [f"multiclass_f1_score_{place}" for place in range(3)]),
        (("f1", f1()), ["f1_0", "f1_1", "f1_2"]),
        ((["a", "b", "c"], f1()), ["a", "b", "c"]),
        ((("a", "b", "c"), f1()), ["a", "b", "c"]),
        (torchmetrics.ClasswiseWrapper(f1(), ["x", "y", "z"], prefix="f1_"), ["f1_x", "f1_y", "f1_z"]),
        (("f1", torchmetrics.ClasswiseWrapper(f1(), ["x", "y", "z"], prefix="of_")), ["f1_of_x", "f1_of_y", "f1_of_z"]),
        (torchmetrics.MetricCollection({"mine": f1()}), ["mine_0", "mine_1", "mine_2"]),
    ],
    ids=["places", "name", "names", "tuple", "dict", "dict with a name", "collection"],
)
def test_a_number_for_each_class(given: Any, names: list[str]) -> None:
    """Several numbers are shown by their places, their own names or the user's, and are scikit-learn's by class."""
    assert measured([given]) == pytest.approx(dict(zip(names, F1, strict=True)), abs=1e-6)


@pytest.mark.parametrize("split", [[24], [1] * 24, [10, 10, 4]], ids=str)
def test_several_numbers_do_not_depend_on_batches(split: list[int]) -> None:
    """They are those of the whole epoch, and a batch shows its own."""
    ((names, metric),) = get_metrics([f1()], SINGLE)

    for logits, targets in zip(LOGITS.split(split), CLASSES.split(split), strict=True):
        assert len(metric(logits, targets)) == len(names) == 3
    assert list(map(float, metric.compute())) == pytest.approx(F1, abs=1e-6)


def test_members_of_a_collection_stand_one_by_one() -> None:
    """They have the names that they have there; a name of the user's stands before."""
    members = [torchmetrics.Accuracy("multiclass", num_classes=3), torchmetrics.AUROC("multiclass", num_classes=3)]
    collection = torchmetrics.MetricCollection(members, prefix="the_")
    accuracy = sk.accuracy_score(CLASSES, LOGITS.argmax(1))
    area = sk.roc_auc_score(CLASSES, LOGITS.softmax(1), multi_class="ovr")

    alone, named = measured(collection), measured([("my", collection)])

    assert alone == pytest.approx({"the_MulticlassAccuracy": accuracy, "the_MulticlassAUROC": area}, abs=1e-6)
    assert named == pytest.approx({f"my_{name}": value for name, value in alone.items()}, abs=1e-6)


def test_several_columns_of_values() -> None:
    """A metric of several values gives one number for each."""
    outputs, targets = torch.randn(24, 2), torch.randn(24, 2)
    metrics = [torchmetrics.MeanSquaredError(num_outputs=2), torchmetrics.PearsonCorrCoef(num_outputs=2)]

    found = measured(metrics, outputs, targets, "mse")

    assert list(found)[2:] == ["pearson_corr_coef_0", "pearson_corr_coef_1"]
    assert [found["mean_squared_error_0"], found["mean_squared_error_1"]] == pytest.approx(
        sk.mean_squared_error(targets, outputs, multioutput="raw_values"), abs=1e-6
    )


def test_asking_leaves_the_metric_as_it_is() -> None:
    """Made-up rows go to a copy."""
    given = f1()

    get_metrics([given], SINGLE)

    assert given.update_count == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (MulticlassConfusionMatrix(3), r"MulticlassConfusionMatrix gives a Tensor of shape \(3, 3\)"),
        (MulticlassROC(3), "MulticlassROC gives a tuple"),
        ((["a", "b"], f1()), "gives 3 numbers(.|\n)*'a', 'b'"),
        ((["a"], torchmetrics.MetricCollection([f1()])), r"MetricCollection is given the names \['a'\]"),
    ],
    ids=["matrix", "curve", "names", "collection"],
)
def test_what_gives_no_such_numbers_is_refused(given: Any, message: str) -> None:
    """A matrix, a curve, or names that do not fit are an error before training."""
    with pytest.raises(ArgumentError, match=message):
        Model(nn.Identity(), None, "cross_entropy", metrics=[given])


def test_own_metrics_are_held_to_their_names() -> None:
    """A subclass of the user's is taken for one number, or for as many as are named."""
    assert measured([(["n", "m"], Pair())]) == {"n": 24.0, "m": 48.0}
    with pytest.raises(ArgumentError, match=r"Pair gives 2 numbers(.|\n)*\(\['rows', \.\.\.\], Pair\(\.\.\.\)\)"):
        measured([Pair()])


def test_numbers_that_the_data_alone_tell() -> None:
    """With `raw_values` the columns decide, so that they need names."""
    outputs, targets = torch.randn(24, 2), torch.randn(24, 2)
    raw = torchmetrics.R2Score(multioutput="raw_values")

    found = measured([(["a", "b"], raw)], outputs, targets, "mse")

    assert list(found.values()) == pytest.approx(sk.r2_score(targets, outputs, multioutput="raw_values"), abs=1e-5)
    with pytest.raises(ArgumentError, match="R2Score gives 2 numbers"):
        measured([torchmetrics.R2Score(multioutput="raw_values")], outputs, targets, "mse")


@pytest.mark.parametrize("kind", ["Accuracy", "F1Score", "Precision", "Recall", "FBetaScore"])
@pytest.mark.parametrize("task", ["two", "more", "labels"])
def test_classes_that_ask_for_a_task_are_told_it(kind: str, task: str) -> None:
    """A class itself is told task and sizes, and gives what scikit-learn does with torchmetrics' average (micro)."""
    width, problem_type = (2 if task == "two" else 3), MULTI if task == "labels" else SINGLE
    logits = torch.randn(30, width)
    targets = (torch.rand(30, 3) > 0.5).long() if task == "labels" else torch.arange(30) % width
    ((name, metric),) = get_metrics([getattr(torchmetrics, kind)], problem_type)

    found = metric(logits, targets)

    y_pred = (logits > 0).long() if task == "labels" else logits.argmax(1)
    if kind == "Accuracy":
        expected = float((y_pred == targets).double().mean())
    else:
        scores: dict[str, Any] = {"F1Score": sk.f1_score, "Precision": sk.precision_score, "Recall": sk.recall_score}
        average = "binary" if task == "two" else "micro"
        expected = float(scores.get(kind, sk.f1_score)(targets, y_pred, average=average))  # FBeta's beta is 1
    assert name == kind
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_class_of_probabilities() -> None:
    """What ranks gets probabilities, as an object of it with the same sizes does."""
    ((_, metric),) = get_metrics([torchmetrics.AveragePrecision], SINGLE)

    expected = torchmetrics.AveragePrecision("multiclass", num_classes=3)(LOGITS.softmax(1), CLASSES)
    assert metric(LOGITS, CLASSES) == pytest.approx(float(expected), abs=1e-6)


def test_classes_of_matrices_have_to_be_made() -> None:
    """What gives no single number is no metric by its class."""
    with pytest.raises(ArgumentError, match="ConfusionMatrix cannot be made without arguments"):
        get_metrics([torchmetrics.ConfusionMatrix], SINGLE)
