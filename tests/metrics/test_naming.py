"""`get_metrics`: every way to say a metric."""

import re
from collections.abc import Callable
from functools import partial

import poutyne
import pytest
import torch
import torchmetrics
from scipy import stats
from sklearn import metrics as sk
from torch import Tensor, nn

from keraslike.errors import ArgumentError
from keraslike.losses import CrossEntropy
from keraslike.metrics import REGISTRY, Accuracy, MetricWrapper, RowMetric, get_metrics, metric_names
from keraslike.metrics.kinds import LABELS, MORE, TWO

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


def share_of_zeros(y_pred: Tensor, y_true: Tensor) -> Tensor:
    """Stands for a user's function of (y_pred, y_true)."""
    return (y_true == 0).float().mean()


@pytest.mark.parametrize("name", REGISTRY)
def test_a_registered_name_keeps_its_spelling(name: str) -> None:
    """The metric is shown as it was typed, and knows the problem type."""
    suits = REGISTRY[name]().suits
    problem_type = SINGLE if TWO in suits or MORE in suits else MULTI if LABELS in suits else REGRESSION

    ((shown, metric),) = get_metrics([name], problem_type)

    assert (shown, type(metric), metric.problem_type) == (name, REGISTRY[name], problem_type)


@pytest.mark.parametrize(
    ("given", "shown", "function"),
    [
        ("balanced_accuracy_score", "balanced_accuracy_score", sk.balanced_accuracy_score),
        ("cohen_kappa", "cohen_kappa", sk.cohen_kappa_score),
        ("kendalltau", "kendalltau", stats.kendalltau),
        (sk.matthews_corrcoef, "matthews_corrcoef", sk.matthews_corrcoef),
        (stats.pearsonr, "pearsonr", stats.pearsonr),
        (("kappa", sk.cohen_kappa_score), "kappa", sk.cohen_kappa_score),
        (("kappa", "cohen_kappa_score"), "kappa", sk.cohen_kappa_score),
    ],
    ids=str,
)
def test_library_functions(given: object, shown: str, function: object) -> None:
    """scikit-learn's and scipy's functions are taken by name or themselves, alone or with a name."""
    ((name, metric),) = get_metrics([given])

    assert (name, metric.function) == (shown, function)


def test_a_partial_keeps_its_functions_name() -> None:
    """A function with some keywords given is named as the function."""
    beta = partial(sk.fbeta_score, beta=2, average="micro")

    ((name, metric),) = get_metrics([beta], SINGLE)

    assert name == "fbeta_score"
    assert metric.function is beta


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (poutyne.FBeta(metric="fscore", average="macro"), "fscore_macro"),
        (poutyne.SKLearnMetrics([sk.accuracy_score]), ["accuracy_score"]),
        (torchmetrics.PearsonCorrCoef(), "pearson_corr_coef"),
        (("mine", torchmetrics.MeanSquaredError()), "mine"),
    ],
    ids=["Poutyne's", "scikit-learn's in Poutyne", "torchmetrics'", "named"],
)
def test_objects_pass_through(given: object, shown: object) -> None:
    """Metrics of Poutyne and torchmetrics come back themselves, under Poutyne's name for them."""
    ((name, metric),) = get_metrics([given], SINGLE)

    assert name == shown
    assert metric is (given[1] if isinstance(given, tuple) else given)


@pytest.mark.parametrize("batch_size", [1, 7, 20])
def test_a_function_sees_the_classes_of_the_whole_epoch(batch_size: int) -> None:
    """A user's function (y_pred, y_true) is called once with classes, so that its value does not depend on batches."""
    logits, y = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3

    def kappa(y_pred: Tensor, y_true: Tensor) -> float:
        return float(sk.cohen_kappa_score(y_true, y_pred))

    ((name, metric),) = get_metrics([kappa], SINGLE)
    for start in range(0, 20, batch_size):
        metric.update(logits[start : start + batch_size], y[start : start + batch_size])

    assert name == "kappa"
    assert metric.compute() == pytest.approx(sk.cohen_kappa_score(y, logits.argmax(1)), abs=1e-12)


def recall(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Stands for a user's function in the order of Keras and scikit-learn."""
    return (y_pred * y_true).sum() / y_true.sum()


def recall_of_targets(predictions: Tensor, targets: Tensor, floor: float = 0.0) -> Tensor:
    """Stands for a user's function with other names and an option."""
    return recall(targets, predictions).clamp_min(floor)


def recall_by_position(a: Tensor, b: Tensor) -> Tensor:
    """Stands for a user's function whose names say nothing."""
    return recall(b, a)


def recall_by_keyword(*, y_pred: Tensor, y_true: Tensor) -> Tensor:
    """Stands for a user's function that takes nothing by position."""
    return recall(y_true, y_pred)


@pytest.mark.parametrize("function", [recall, recall_of_targets, recall_by_position, recall_by_keyword])
def test_arguments_are_given_by_name(function: Callable[..., Tensor]) -> None:
    """`y_pred` and `y_true` may stand in either order; by names that say nothing the predictions come first."""
    y_pred, y_true = torch.tensor([1, 1, 1, 0]), torch.tensor([1, 0, 0, 0])
    logits = torch.nn.functional.one_hot(y_pred).float()

    ((_, metric),) = get_metrics([function], SINGLE)

    assert metric(logits, y_true) == sk.recall_score(y_true, y_pred) == 1
    assert MetricWrapper(function)(y_pred, y_true) == 1


def test_only_what_is_named_is_given() -> None:
    """A function may ask for the targets only, and its options keep their defaults."""

    def share_of_ones(y_true: Tensor, factor: float = 2.0) -> float:
        return factor * float(y_true.float().mean())

    ((name, metric),) = get_metrics([share_of_ones], SINGLE)

    assert (name, metric(torch.zeros(4, 2), torch.tensor([1, 0, 0, 0]))) == ("share_of_ones", 0.5)


@pytest.mark.parametrize("function", [lambda: 0, lambda a, b, c: 0, lambda a: 0])
def test_other_arguments_are_refused(function: Callable[..., int]) -> None:
    """A function whose parameters mean nothing is answered at once with the names that there are."""
    with pytest.raises(ArgumentError, match="asks for") as error:
        get_metrics([function])

    assert {"y_pred", "y_score", "y_proba", "logits", "labels", "input_ids"} <= words(error.value.expected)


@pytest.mark.parametrize("function", [lambda y_true, y_other: 0, lambda y_pred, y_true, y_other: 0])
def test_what_is_not_there_is_named(function: Callable[..., int]) -> None:
    """A name that neither inputs nor targets hold is answered at the first batch, with the names that there are."""
    ((_, metric),) = get_metrics([function])

    with pytest.raises(ArgumentError, match="asks for y_other, which is not there") as error:
        metric.update(torch.zeros(2, 3), torch.tensor([0, 1]), {"input_ids": torch.zeros(2, 4)})

    assert {"labels", "input_ids"} <= words(error.value.expected)


def words(text: str) -> set[str]:
    """Give the words of a message."""
    return set(re.findall(r"\w+", text))


@pytest.mark.parametrize("metric", ["accuracy", Accuracy(), Accuracy, sk.accuracy_score, share_of_zeros], ids=str)
def test_one_metric_needs_no_list(metric: object) -> None:
    """A single metric gives what a list of it gives."""
    ((name, alone),), ((listed_name, listed),) = get_metrics(metric, SINGLE), get_metrics([metric], SINGLE)

    assert (name, type(alone)) == (listed_name, type(listed))


def test_objects_of_ours_learn_the_problem_type() -> None:
    """A metric object that was not told what logits mean is told; one that was keeps its own."""
    told, untold = Accuracy("multi_label_classification"), Accuracy()

    get_metrics([told, untold], SINGLE)

    assert (told.problem_type, untold.problem_type) == ("multi_label_classification", SINGLE)


def test_classes_are_made() -> None:
    """A metric's class stands for an object of it."""
    metrics = dict(get_metrics([Accuracy, torchmetrics.MeanSquaredError, CrossEntropy]))

    assert [type(metric) for metric in metrics.values()] == [Accuracy, torchmetrics.MeanSquaredError, CrossEntropy]


def test_a_loss_is_a_metric_too() -> None:
    """A loss's name gives the loss, whose epoch value is exact."""
    ((name, metric),) = get_metrics("cross_entropy")

    assert (name, type(metric)) == ("cross_entropy", CrossEntropy)


def test_none_is_no_metric() -> None:
    """None and an empty list ask for nothing."""
    assert get_metrics(None) == get_metrics([]) == []


def test_all_kinds_together_in_plain_poutyne() -> None:
    """What `get_metrics` gives is what `epoch_metrics` takes, with the values of their libraries."""
    logits, y = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    torchs = torchmetrics.classification.MulticlassAccuracy(3, average="micro")
    metrics = get_metrics(
        ["acc", "roc_auc_score", share_of_zeros, torchs, poutyne.FBeta(metric="fscore", average="micro")], SINGLE
    )
    model = poutyne.Model(nn.Identity(), None, CrossEntropy(), epoch_metrics=metrics)

    logs = model.evaluate(logits, y, batch_size=8, return_dict_format=True, verbose=False)

    accuracy = sk.accuracy_score(y, logits.argmax(1))
    names = ["test_acc", "test_multiclass_accuracy", "test_fscore_micro", "test_share_of_zeros"]
    assert [logs[name] for name in names] == pytest.approx([accuracy] * 3 + [7 / 20], abs=1e-6)
    assert logs["test_roc_auc_score"] == pytest.approx(
        sk.roc_auc_score(y, logits.softmax(1), multi_class="ovr"), abs=1e-12
    )


@pytest.mark.parametrize(
    ("given", "what", "do"),
    [
        ("acuracy", "no metric named 'acuracy'", "did you mean 'accuracy'?"),
        ("balanced_acuracy_score", "no metric named", "did you mean 'balanced_accuracy_score'?"),
        ("confusion_matrix", "no metric named", "metrics=['accuracy']"),
        ("zzzzzz", "no metric named 'zzzzzz'", "metrics=['accuracy']"),
        ("top5", "'top5' is one of Poutyne's", "batch_metrics=['top5']"),
        (3, "given as 3, a int", "metrics=['accuracy']"),
        (torchmetrics.classification.MulticlassAccuracy, "cannot be made without arguments", "MulticlassAccuracy(...)"),
    ],
    ids=str,
)
def test_what_is_not_understood_is_answered(given: object, what: str, do: str) -> None:
    """The error repeats what was given and says a line to type."""
    with pytest.raises(ArgumentError, match=what) as error:
        get_metrics([given])

    assert do in error.value.do


def same(predictions: list[str], references: list[str]) -> float:
    """Stands for a user's metric of rows."""
    return float(predictions == references)


@pytest.mark.parametrize("given", [same, RowMetric("same", same), "exact_match", "Exact_Match", ("em", same)], ids=str)
def test_metrics_of_rows(given: object) -> None:
    """A function that names predictions and references, an object of it, and a registered name are of rows."""
    ((_, metric),) = get_metrics([given])

    assert isinstance(metric, RowMetric)
    assert list(metric.values(["a"], ["a"]).values()) in ([1.0], [100.0])


def test_names_are_listed_once() -> None:
    """Every name stands for one metric, ours first."""
    names = metric_names()

    assert names[0] == "accuracy"
    assert len(names) == len(set(names))
    assert {"f1_macro", "roc_auc_ovr", "log_loss", "AUROC", "kendalltau"} <= set(names)


@pytest.mark.parametrize("given", [3, [("a", "accuracy", "c")], [("a",)]], ids=str)
def test_what_is_no_list_of_metrics_is_answered(given: object) -> None:
    """A number, or a tuple that is no pair, gets our answer instead of Python's."""
    with pytest.raises(ArgumentError, match="A metric was given as"):
        get_metrics(given)


def test_unknown_name_lists_a_few():
    """An unknown name is told with the nearest first, a few more, and where all are."""
    with pytest.raises(ArgumentError) as caught:
        get_metrics(["bleuu"])

    assert str(caught.value.expected).startswith("one of bleu, accuracy, ")
    assert "metric_names()" in str(caught.value.expected)
    assert str(caught.value.expected).count(",") <= 11
    assert caught.value.do == "did you mean 'bleu'?"


def test_seqeval():
    """Seqeval's metric is the F1 of entities."""
    assert get_metrics(["seqeval"])[0][1].name == "entity_f1"
