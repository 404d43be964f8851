"""The guide's ordering of sentences, its loss and metrics as plain functions: the same values under every split."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import kendalltau
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForTokenClassification

from keraslike import MetricWrapper, Model, ModelWrapper, TransformerCollator
from tests.engine import by_hand as hand

ROWS, BATCH, MARKER = 17, 7, 5  # batches of 7, 7, 3; the token in front of every sentence
SPLITS = [None, 1, 3]
EXACT = 1e-10


def make_network():
    """A token head with one output per token: where in the text the sentence behind a marker belongs."""
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=1,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return BertForTokenClassification(config).double()


def make_rows():
    """Texts of 3 to 6 sentences in a wrong order; some were cut, so that there are fewer markers than labels."""
    generator = np.random.default_rng(3)
    rows = []
    for number in range(ROWS):
        sentences = 3 + number % 4
        ids = [token for _ in range(sentences) for token in (MARKER, *generator.integers(6, 30, 1 + number % 3))]
        cut = len(ids) - 3 if number % 5 == 4 else len(ids)
        labels = generator.permutation(sentences).tolist()
        rows.append({"input_ids": [int(i) for i in ids[:cut]], "attention_mask": [1] * cut, "labels": labels})
    return rows


def make_loader(batch_size=BATCH):
    collate = TransformerCollator(y_keys=["labels", "input_ids"], remove_labels=True)
    return DataLoader(make_rows(), batch_size=batch_size, collate_fn=collate)


# By hand, one text at a time: nothing is padded


def ranked(network, row):
    """Give the logits of a text's tokens, those of its markers, and as many labels."""
    logits = network(input_ids=torch.tensor([row["input_ids"]])).logits[0, :, 0]
    scores = logits[torch.tensor(row["input_ids"]) == MARKER]
    return logits, scores, row["labels"][: len(scores)]


def loss_by_hand(network, rows):
    losses = [
        (scores - torch.tensor(labels)).square().sum() for _, scores, labels in (ranked(network, r) for r in rows)
    ]
    return torch.stack(losses).mean()


def metrics_by_hand(network, rows):
    values = []
    for row in rows:
        logits, scores, labels = (part if isinstance(part, list) else part.detach() for part in ranked(network, row))
        rank = np.argsort(np.argsort(scores.numpy()))
        tau = kendalltau(labels, rank).statistic
        values.append((accuracy_score(labels, rank), tau, logits.mean().item(), logits.std(correction=0).item()))
    return dict(zip(("acc", "kendalls_tau", "mean_logits", "std_logits"), np.mean(values, 0).tolist(), strict=True))


def trained_by_hand():
    network, rows = make_network(), make_rows()
    optimizer, total = hand.sgd(network, 0.02), 0.0
    for start in range(0, ROWS, BATCH):
        batch = rows[start : start + BATCH]
        optimizer.zero_grad()
        loss = loss_by_hand(network, batch)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    return network, total / ROWS


# The guide's loss, in every form that a user may write


def ordering_loss(logits, labels, input_ids, target_token_id=MARKER):
    """As in the guide: squared errors at the markers, summed over a text, averaged over the texts."""
    batch_loss = torch.tensor(0.0, dtype=torch.float64)
    for text_labels, text_logits, ids in zip(labels, logits, input_ids, strict=True):
        targets = text_labels[text_labels != -100].to(logits.dtype)
        scores = text_logits[ids == target_token_id].reshape(-1)
        batch_loss = batch_loss + F.mse_loss(scores, targets[: len(scores)], reduction="sum")
    return batch_loss / len(logits)


def plain(logits, labels, input_ids):
    return ordering_loss(logits, labels, input_ids)


def of_a_marker(target_token_id, logits, labels, input_ids):
    return ordering_loss(logits, labels, input_ids, target_token_id)


class OfAMarker:
    def __init__(self, target_token_id):
        self.target_token_id = target_token_id

    def __call__(self, logits, labels, input_ids):
        return ordering_loss(logits, labels, input_ids, self.target_token_id)


class TheGuides:
    """The guide's class: it picks what it needs out of outputs and targets itself."""

    def __init__(self, target_token_id):
        self.target_token_id = target_token_id

    def __call__(self, outputs, targets):
        return ordering_loss(outputs["logits"], targets["labels"], targets["input_ids"], self.target_token_id)


class AsAModule(nn.Module):
    def forward(self, input_ids, labels, logits):  # in any order
        return ordering_loss(logits, labels, input_ids)


def counted(logits, labels, input_ids):
    return ordering_loss(logits, labels, input_ids) * len(labels), len(labels)


LOSSES = {
    "function": plain,
    "default": ordering_loss,
    "partial": partial(of_a_marker, MARKER),
    "partial by keyword": partial(of_a_marker, target_token_id=MARKER),
    "instance": OfAMarker(MARKER),
    "guide": TheGuides(MARKER),
    "module": AsAModule(),
    "(sum, count)": counted,
}


def test_the_reference():
    """The listing's loss on a padded batch is what its texts give one at a time."""
    network = make_network()
    inputs, targets = next(iter(make_loader(ROWS)))

    value = ordering_loss(network(**inputs).logits, targets["labels"], inputs["input_ids"])

    assert value.item() == pytest.approx(loss_by_hand(network, make_rows()).item(), rel=1e-12)


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("form", LOSSES)
def test_learns_by_the_guides_loss(form, micro_batch_size):
    """It is called by what it names; weights and loss are those of the loop by hand, whatever goes through at once."""
    reference, loss = trained_by_hand()
    network = make_network()

    model = Model(ModelWrapper(network), hand.sgd(network, 0.02), LOSSES[form], device="cpu")
    history = model.fit(make_loader(), micro_batch_size=micro_batch_size, verbose=0)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("form", LOSSES)
def test_several_batches_per_step(form):
    """Two batches of different sizes and widths make one step at their common mean."""
    network, reference = make_network(), make_network()
    optimizer = hand.sgd(reference, 0.02)
    loss = loss_by_hand(reference, make_rows()[:14])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss_by_hand(reference, make_rows()[14:]).backward()
    optimizer.step()

    model = Model(ModelWrapper(network), hand.sgd(network, 0.02), LOSSES[form], device="cpu")
    model.fit(make_loader(), batches_per_step=2, micro_batch_size=3, verbose=0)

    assert hand.largest_difference(network, reference) <= EXACT


@pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])
@pytest.mark.parametrize("form", LOSSES)
def test_measured_by_the_guides_loss(form, batch_size):
    """Evaluated it is the mean over the texts, for every batch size."""
    network = make_network()
    expected = loss_by_hand(network, make_rows()).item()

    model = Model(ModelWrapper(network), None, LOSSES[form], device="cpu")
    values = model.evaluate(make_loader(batch_size), return_dict=True, verbose=0)

    assert values["loss"] == pytest.approx(expected, rel=EXACT)


# The guide's metrics


def ranking(logits, labels, input_ids, key):
    """As in the guide: for each text the ranks of its markers' logits, against its labels."""
    values = []
    for text_labels, text_logits, ids in zip(*map(np.asarray, (labels, logits, input_ids)), strict=True):
        scores = text_logits.reshape(-1)[ids == MARKER]
        right = text_labels[text_labels != -100][: len(scores)]
        rank = np.argsort(np.argsort(scores))
        values.append(accuracy_score(right, rank) if key == "acc" else kendalltau(right, rank).statistic)
    return float(np.mean(values))


def acc(logits, labels, input_ids):
    return ranking(logits, labels, input_ids, "acc")


class KendallsTau:
    __name__ = "kendalls_tau"

    def __call__(self, logits, labels, input_ids):
        return ranking(logits, labels, input_ids, "kendalls_tau")


def per_text(logits, attention_mask, statistic):
    """Give the mean over the texts of a statistic of their own tokens' logits; padding is none of them."""
    pairs = zip(np.asarray(logits), np.asarray(attention_mask), strict=True)
    return float(np.mean([statistic(text.reshape(-1)[mask == 1]) for text, mask in pairs]))


mean_logits = partial(per_text, statistic=np.mean)
mean_logits.__name__ = "mean_logits"


def std_logits(logits, attention_mask):
    return per_text(logits, attention_mask, np.std)


METRICS = [acc, KendallsTau(), mean_logits, std_logits]


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("batch_size", [3, 7, 14])
def test_metrics_while_learning(batch_size, micro_batch_size):
    """Function, instance, partial: each has the listing's value over the epoch, and over the validation data."""
    network = make_network()
    expected = metrics_by_hand(network, make_rows())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)

    model = Model(ModelWrapper(network), optimizer, plain, metrics=METRICS, device="cpu")
    history = model.fit(
        make_loader(batch_size), validation_data=make_loader(4), micro_batch_size=micro_batch_size, verbose=0
    )

    for name, value in expected.items():
        assert history[0][name] == pytest.approx(value, rel=1e-9, abs=1e-12)
        assert history[0][f"val_{name}"] == pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])
def test_metrics_measured(batch_size):
    """Evaluated they are the same for every batch size."""
    network = make_network()
    expected = metrics_by_hand(network, make_rows())

    model = Model(ModelWrapper(network), None, plain, metrics=METRICS, device="cpu")
    values = model.evaluate(make_loader(batch_size), return_dict=True, verbose=0)

    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)


def of_outputs(outputs, targets, metric_key):
    """The guide's metric behind its MetricWrapper: `outputs` are the logits, `targets` a dict."""
    return torch.tensor(ranking(outputs.detach(), targets["labels"], targets["input_ids"], metric_key))


@pytest.mark.parametrize("micro_batch_size", SPLITS)
@pytest.mark.parametrize("batch_size", [1, 3, 14, ROWS])
def test_wrapped_metrics_of_batches(batch_size, micro_batch_size):
    """The guide's partials behind a MetricWrapper are means over texts: exact while learning and evaluated."""
    network = make_network()
    expected = metrics_by_hand(network, make_rows())
    metrics = []
    for key in ("acc", "kendalls_tau"):
        metric = partial(of_outputs, metric_key=key)
        metric.__name__ = key
        metrics.append(MetricWrapper(metric))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)

    model = Model(ModelWrapper(network), optimizer, TheGuides(MARKER), batch_metrics=metrics, device="cpu")
    history = model.fit(make_loader(batch_size), micro_batch_size=micro_batch_size, verbose=0)
    values = model.evaluate(make_loader(batch_size), return_dict=True, verbose=0)

    for name in ("acc", "kendalls_tau"):
        assert [history[0][name], values[name]] == pytest.approx([expected[name]] * 2, rel=1e-6)
