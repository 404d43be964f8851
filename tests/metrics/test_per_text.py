"""The metrics of a guide to sentence ordering, which go over the texts: the listing's values under every split."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from sklearn.metrics import accuracy_score
from torch import Tensor, nn
from torch.utils.data import DataLoader

from keraslike import Model
from keraslike.metrics import FunctionMetric, MetricWrapper, get_metrics

ROWS, SENTENCES, MARKER = 40, 5, 1
BATCH_SIZES = pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])

Batch = tuple[Tensor, Tensor, dict[str, Tensor]]


def texts(widest: int = 24) -> Batch:
    """Make texts of 12 to 24 tokens, five of them a marker before a sentence, with logits, and the sentences' order.

    Behind a text's end ids, masks and logits are 0, and behind its labels stands -100.
    """
    random = np.random.default_rng(5)
    ids, logits = np.zeros((ROWS, widest), "int64"), np.zeros((ROWS, widest), "float32")
    labels = np.full((ROWS, SENTENCES + 1), -100)
    for row in range(ROWS):
        length = 12 if row < 3 else random.integers(12, widest + 1)
        ids[row, :length] = random.integers(2, 30, length)
        ids[row, np.sort(random.choice(length, SENTENCES, replace=False))] = MARKER
        logits[row, :length] = random.normal(size=length)
        labels[row, :SENTENCES] = random.permutation(SENTENCES)
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(ids > 0).long()}
    return torch.from_numpy(logits), torch.from_numpy(labels), inputs


def batches(batch_size: int, is_ragged: bool) -> Iterator[Batch]:
    """Cut the texts into batches; ragged ones are as wide as their longest text."""
    logits, labels, inputs = texts()
    for start in range(0, ROWS, batch_size):
        rows = slice(start, start + batch_size)
        width = int(inputs["attention_mask"][rows].sum(1).max()) if is_ragged else logits.shape[1]
        cut = {name: tensor[rows, :width] for name, tensor in inputs.items()}
        yield logits[rows, :width], labels[rows, : SENTENCES if is_ragged else None], cut


def listing(logits: Tensor, labels: Tensor, input_ids: Tensor, key: str) -> float:
    """The guide's loop over the texts of one batch, in NumPy."""
    found: dict[str, list[float]] = {"acc": [], "kendalls_tau": [], "mean_logits": [], "std_logits": []}
    for padded, ids, values in zip(labels.numpy(), input_ids.numpy(), logits.numpy(), strict=True):
        order = padded[padded != -100]
        predicted = np.argsort(np.argsort(values[ids == MARKER]))
        found["kendalls_tau"].append(kendalltau(order, predicted).statistic)
        found["acc"].append(accuracy_score(order, predicted))
        found["mean_logits"].append(values.mean())
        found["std_logits"].append(values.std())
    return float(np.mean(found[key]))


KEYS = ["acc", "kendalls_tau", "mean_logits", "std_logits"]


class Ranking:
    """The guide's metric as an object."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, logits: Tensor, labels: Tensor, input_ids: Tensor) -> float:
        return listing(logits, labels, input_ids, self.key)


def ranking(key: str) -> Callable[..., float]:
    """The guide's metric as a plain function."""

    def metric(logits: Tensor, labels: Tensor, input_ids: Tensor) -> float:
        return listing(logits, labels, input_ids, key)

    return metric


@BATCH_SIZES
@pytest.mark.parametrize("is_ragged", [False, True], ids=["even", "ragged"])
@pytest.mark.parametrize(
    "made", [ranking, Ranking, lambda key: partial(listing, key=key)], ids=["def", "object", "partial"]
)
@pytest.mark.parametrize("key", KEYS)
def test_metrics_per_text_under_every_split(made: Any, key: str, batch_size: int, is_ragged: bool) -> None:
    """A function that goes over the texts gives the value of all as one batch, however they are cut or padded."""
    ((_, metric),) = get_metrics([made(key)])

    assert metric.takes_inputs
    for logits, labels, inputs in batches(batch_size, is_ragged):
        metric.update(logits, labels, inputs=inputs)

    logits, labels, inputs = texts()
    assert metric.compute() == pytest.approx(listing(logits, labels, inputs["input_ids"], key), abs=1e-6)  # float32


@BATCH_SIZES
def test_metrics_per_text_among_targets(batch_size: int) -> None:
    """Inputs may also lie among the targets, as a collator with `y_keys` puts them; the logits in a dict of outputs."""
    ((_, metric),) = get_metrics([ranking("kendalls_tau")])

    for logits, labels, inputs in batches(batch_size, True):
        metric.update({"logits": logits, "loss": torch.zeros(())}, {"labels": labels, **inputs})

    logits, labels, inputs = texts()
    assert metric.compute() == pytest.approx(listing(logits, labels, inputs["input_ids"], "kendalls_tau"), abs=1e-12)


class Logits(nn.Module):
    """A network that finds its logits among its inputs."""

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"logits": inputs["logits"]}


@BATCH_SIZES
def test_in_our_model(batch_size: int) -> None:
    """`evaluate` gives the inputs to a metric that names them, and shows what it named beside its value."""
    taus = ranking("kendalls_tau")

    def tau(logits: Tensor, labels: Tensor, input_ids: Tensor) -> tuple[float, dict[str, float]]:
        return taus(logits, labels, input_ids), {"texts": len(labels)}

    logits, labels, inputs = texts()
    inputs["logits"] = logits
    rows = [({name: tensor[row] for name, tensor in inputs.items()}, labels[row]) for row in range(ROWS)]
    model = Model(Logits(), None, lambda outputs, targets: outputs["logits"].mean(), metrics=[tau], device="cpu")

    found = model.evaluate(DataLoader(rows, batch_size), return_dict=True, verbose=0)

    truth = listing(logits, labels, inputs["input_ids"], "kendalls_tau")
    assert (found["tau"], found["texts"]) == (pytest.approx(truth, abs=1e-12), ROWS)


@pytest.mark.parametrize("is_among_targets", [True, False])
def test_metric_wrapper_gives_names_too(is_among_targets: bool) -> None:
    """In `MetricWrapper` the values of a function by names are averaged over the texts, as in Poutyne."""
    metric = MetricWrapper(ranking("acc"))
    values = []

    for logits, labels, inputs in batches(14, False):
        targets = {"labels": labels, **inputs} if is_among_targets else labels
        values.append(float(metric({"logits": logits}, targets, inputs=None if is_among_targets else inputs)))

    logits, labels, inputs = texts()
    truth = listing(logits, labels, inputs["input_ids"], "acc")
    assert metric.takes_inputs
    assert np.average(values, weights=[14, 14, 12]) == pytest.approx(truth, abs=1e-12)
    assert float(metric.compute()[0]) == pytest.approx(truth, abs=1e-12)


def test_what_is_kept_is_a_copy() -> None:
    """A loop may write its next batch into the memory of the last one, inputs too."""
    logits, labels, inputs = texts()
    metric = FunctionMetric(ranking("acc"))
    truth = listing(logits, labels, inputs["input_ids"], "acc")

    metric.update(logits, labels, inputs=inputs)
    for tensor in (logits, labels, inputs["input_ids"]):
        tensor.zero_()

    assert metric.compute() == pytest.approx(truth, abs=1e-12)
