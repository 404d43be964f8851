from functools import partial

import poutyne
import pytest
import sklearn.metrics
import torch
import torchmetrics
from torch import nn

from keraslike.errors import ArgumentError, DataError
from keraslike.metrics.wrapper import MetricWrapper

LOGITS = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [4.0, 1.0], [0.5, 1.0]])
LABELS = torch.tensor([0, 1, 1, 0, 0])  # three of five are right: rows 0, 1 and 3


def share_right(y_pred, y_true):
    return (y_pred.argmax(-1) == y_true).float().mean()


class ShareRight:
    def __call__(self, y_pred, y_true):
        return share_right(y_pred, y_true)


class Answers(nn.Module):
    """A network that answers with the dict it was asked with."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, inputs):
        return inputs


def batches(key="logits", y_key=None):
    """Two batches of 3 and 2 rows, so that a mean over batches is not the mean over rows."""
    parts = [slice(0, 3), slice(3, 5)]
    return [({key: LOGITS[part]}, LABELS[part] if y_key is None else {y_key: LABELS[part]}) for part in parts]


def evaluate(data, **metrics):
    model = poutyne.Model(Answers(), None, lambda y_pred, y_true: torch.zeros(()), **metrics)
    with torch.no_grad():
        return model.evaluate_generator(data, verbose=False, return_dict_format=True)


def test_reads_the_logits():
    """By default the output named logits is the prediction, and the targets go through as they are."""
    metric = MetricWrapper(share_right)

    value = metric({"loss": torch.tensor(9.0), "logits": LOGITS}, LABELS)

    assert value.item() == pytest.approx(0.6)


def test_pred_key_reads_another_output():
    """`pred_key` names the output."""
    metric = MetricWrapper(share_right, pred_key="start_logits")

    assert metric({"start_logits": LOGITS, "end_logits": None}, LABELS).item() == pytest.approx(0.6)


def test_y_key_reads_the_targets():
    """`y_key` names one of the targets, not one of the outputs."""
    metric = MetricWrapper(share_right, y_key="labels")
    outputs = {"logits": LOGITS, "labels": 1 - LABELS}

    assert metric(outputs, {"labels": LABELS, "input_ids": None}).item() == pytest.approx(0.6)


def test_tensors_pass_through():
    """Outputs that are a tensor are the prediction themselves."""
    assert MetricWrapper(share_right)(LOGITS, LABELS).item() == pytest.approx(0.6)


NAMED = [
    (share_right, "share_right"),
    (partial(share_right), "share_right"),
    (partial(partial(share_right)), "share_right"),
    (ShareRight(), "share_right"),
    (partial(ShareRight()), "share_right"),
    (nn.L1Loss(), "l1_loss"),
    (poutyne.Accuracy(), "acc"),
    ("accuracy", "acc"),
    ("f1", "fscore_macro"),
    (torchmetrics.MeanSquaredError(), "mean_squared_error"),
    (("mine", share_right), "mine"),
    (MetricWrapper(share_right), "share_right"),
]


@pytest.mark.parametrize(("metric", "name"), NAMED, ids=[f"{name}-{i}" for i, (_, name) in enumerate(NAMED)])
def test_the_name_is_the_metrics(metric, name):
    """Logs show the metric's own name: the function's behind partials, or the class's in snake case."""
    assert MetricWrapper(metric).__name__ == name


def test_a_partial_may_be_named():
    """A name given to a partial stays."""
    metric = partial(share_right)
    metric.__name__ = "acc"

    assert MetricWrapper(metric).__name__ == "acc"


def test_several_values():
    """A metric that gives several values has a list of names."""
    metric = poutyne.SKLearnMetrics([sklearn.metrics.roc_auc_score, sklearn.metrics.average_precision_score])

    assert MetricWrapper(metric).__name__ == ["roc_auc_score", "average_precision_score"]


@pytest.mark.parametrize("kind", ["batch_metrics", "epoch_metrics"])
@pytest.mark.parametrize("metric", [share_right, partial(share_right), ShareRight()])
def test_functions_are_averaged_over_rows(kind, metric):
    """In a plain `poutyne.Model` a function counts every row alike, as a batch metric and as an epoch metric."""
    logs = evaluate(batches(), **{kind: [MetricWrapper(metric)]})

    assert logs["test_share_right"] == pytest.approx(3 / 5)


@pytest.mark.parametrize("kind", ["batch_metrics", "epoch_metrics"])
def test_poutyne_metrics_keep_their_state(kind):
    """A `poutyne.Metric` gives the value of the whole epoch, in Poutyne's percent."""
    logs = evaluate(batches(y_key="labels"), **{kind: [MetricWrapper("accuracy", y_key="labels")]})

    assert logs["test_acc"] == pytest.approx(60)


@pytest.mark.parametrize("kind", ["batch_metrics", "epoch_metrics"])
def test_torchmetrics_keep_their_state(kind):
    """A metric of torchmetrics is computed over the whole epoch; the mean of its batches would be another number."""
    metric = torchmetrics.F1Score(task="multiclass", num_classes=2, average="macro")

    logs = evaluate(batches(), **{kind: [MetricWrapper(metric)]})

    expected = sklearn.metrics.f1_score(LABELS, LOGITS.argmax(-1), average="macro")
    assert logs["test_multiclass_f1_score"] == pytest.approx(expected, abs=1e-6)  # float32


def test_several_values_in_poutyne():
    """Every value of a metric with several is logged under its own name."""
    metric = poutyne.SKLearnMetrics([sklearn.metrics.accuracy_score, sklearn.metrics.f1_score])
    data = [({"classes": LOGITS.argmax(-1)}, LABELS)]

    logs = evaluate(data, epoch_metrics=[MetricWrapper(metric, pred_key="classes")])

    assert logs["test_accuracy_score"] == pytest.approx(3 / 5)
    assert logs["test_f1_score"] == pytest.approx(0.5)  # one hit, one false alarm, one miss


def test_every_evaluation_starts_anew():
    """The state of one evaluation does not reach the next."""
    metric = MetricWrapper("accuracy")
    evaluate(batches(), epoch_metrics=[metric])

    logs = evaluate([({"logits": LOGITS[:2]}, LABELS[:2])], epoch_metrics=[metric])

    assert logs["test_acc"] == 100


class Kept(nn.Module):
    """A metric with a state but without `update`: its forward adds."""

    def __init__(self):
        super().__init__()
        self.reset()

    def forward(self, y_pred, y_true):
        self.rows += len(y_pred)

    def compute(self):
        return self.rows

    def reset(self):
        self.rows = 0


def test_a_state_without_update():
    """A metric that adds in its `forward` is fed by it."""
    logs = evaluate(batches(), epoch_metrics=[MetricWrapper(Kept())])

    assert logs["test_kept"] == 5


def test_the_state_moves_with_the_wrapper():
    """The metric is a part of the wrapper, so that its state goes to the device of the outputs."""
    metric = MetricWrapper(torchmetrics.MeanSquaredError())

    metric.to("meta")

    assert metric.metric.sum_squared_error.device.type == "meta"


def test_an_output_that_is_missing():
    """A misspelt `pred_key` gets the names there are, and the nearest."""
    with pytest.raises(DataError) as caught:
        MetricWrapper(share_right, pred_key="logit")({"loss": 0, "logits": LOGITS}, LABELS)

    assert caught.value.what == "the outputs have no 'logit'."
    assert caught.value.expected == "one of: loss, logits."
    assert caught.value.do == "did you mean 'logits'?"


def test_a_target_that_is_missing():
    """A `y_key` like none of the targets is answered by their names."""
    with pytest.raises(DataError, match=r"the targets have no 'labels'[\s\S]*one of: order[\s\S]*set y_key="):
        MetricWrapper(share_right, y_key="labels").update({"logits": LOGITS}, {"order": LABELS})


@pytest.mark.parametrize(("targets", "described"), [(LABELS, "a Tensor of shape (5,)"), ([0, 1], "a list")])
def test_targets_that_are_no_dict(targets, described):
    """A `y_key` needs a dict of targets."""
    with pytest.raises(DataError) as caught:
        MetricWrapper(share_right, y_key="labels")({"logits": LOGITS}, targets)

    assert caught.value.what == f"the targets are {described}, but y_key='labels' asks for a dict of them."
    assert "TransformerCollator(y_keys=['labels'])" in caught.value.do


def test_a_misspelt_name():
    """A misspelt name of a metric gets the nearest one."""
    with pytest.raises(ArgumentError, match=r"named 'acuracy'[\s\S]*did you mean 'accuracy'\?"):
        MetricWrapper("acuracy")


def test_something_that_cannot_be_called():
    """A value in a metric's place is refused at once."""
    with pytest.raises(ArgumentError, match=r"given 0.5, a float"):
        MetricWrapper(0.5)
