"""A batch that is cut gives the gradient of the whole batch, to 1e-10 in float64."""

import math
from typing import NamedTuple

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from keraslike import Model, ModelWrapper
from keraslike.data.batches import PairBatch, TensorBatches
from keraslike.data.cutting import Cut
from keraslike.engine.gradients import prepare
from keraslike.engine.joining import detached, joined
from keraslike.errors import ArgumentError
from keraslike.losses import CrossEntropy
from tests.engine.loops import gradient_of, make_data, make_mlp, weights_of

EXACT = {"rtol": 0, "atol": 1e-10}  # float64 sums in another order
ROWS = 7  # 2 + 2 + 2 + 1, 3 + 3 + 1, 5 + 2


class Kept(poutyne.Callback):
    """Keeps what callbacks see of the gradients before each optimizer step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_backward_end(self, batch_number):
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.model.network.parameters()]
        self.seen.append(torch.cat([gradient.flatten() for gradient in gradients]))


def gradient_by_fit(network, loss, x, y, micro_batch_size, rows=ROWS):
    """One optimizer step of `fit` on all the rows, and the gradient that its callbacks saw."""
    kept = Kept()
    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), loss, device="cpu")
    model.fit(x, y, batch_size=rows, micro_batch_size=micro_batch_size, shuffle=False, callbacks=[kept], verbose=0)
    assert len(kept.seen) == 1
    return kept.seen[0]


def one_hot(y):
    return F.one_hot(y, 3).double()


WEIGHT = torch.tensor([0.2, 3.0, 1.3], dtype=torch.float64)
CASES = {
    "cross_entropy": ("cross_entropy", F.cross_entropy, lambda y: y),
    "class weights": (nn.CrossEntropyLoss(WEIGHT), nn.CrossEntropyLoss(WEIGHT), lambda y: y),
    "smoothing and weights": (
        nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2),
        nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2),
        lambda y: y,
    ),
    "probabilities": ("cross_entropy", F.cross_entropy, lambda y: (one_hot(y) + 1) / 4),
    "ignored": ("cross_entropy", F.cross_entropy, lambda y: torch.where(torch.arange(len(y)) < 5, -100, y)),
    "bce": ("bce_with_logits", F.binary_cross_entropy_with_logits, one_hot),
    "bce with weights": (
        nn.BCEWithLogitsLoss(weight=WEIGHT, pos_weight=WEIGHT.flip(0)),
        nn.BCEWithLogitsLoss(weight=WEIGHT, pos_weight=WEIGHT.flip(0)),
        one_hot,
    ),
    "mse": ("mse", F.mse_loss, one_hot),
    "mean over examples": (F.smooth_l1_loss, F.smooth_l1_loss, one_hot),
}


@pytest.mark.parametrize("micro_batch_size", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("case", CASES)
def test_parts_of_a_batch(case, micro_batch_size):
    """However a batch is cut, ragged last part and parts without a label included, the gradient is that of its mean."""
    given, by_hand, target_of = CASES[case]
    x, y = make_data(ROWS, dtype=torch.float64)
    y = target_of(y)
    network = make_mlp(dtype=torch.float64)
    whole = gradient_of(network, by_hand(network(x), y))

    gradient = gradient_by_fit(network, given, x, y, micro_batch_size)

    torch.testing.assert_close(gradient, whole, **EXACT)


@pytest.mark.parametrize("micro_batch_size", [1, 2, 3, 5])
def test_one_number_per_row(micro_batch_size):
    """Targets of shape (n,) meet outputs of shape (n, 1) one by one, never broadcast, in every part."""
    x, y = make_data(ROWS, dtype=torch.float64)
    network = make_mlp(outputs=1, dtype=torch.float64)
    whole = gradient_of(network, (network(x)[:, 0] - y).square().mean())

    gradient = gradient_by_fit(network, "mse", x, y.double(), micro_batch_size)

    torch.testing.assert_close(gradient, whole, **EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_tokens_without_a_label(micro_batch_size, weight):
    """The mean is over the labelled tokens of the whole batch, also where a part, or an example, has none."""
    x, _ = make_data(ROWS, dtype=torch.float64)
    y = torch.randint(3, (ROWS, 5), generator=torch.Generator().manual_seed(2))
    y[:3] = -100  # the first part has no label, whether 1, 2 or 3 examples go through at once
    y[4, 1:] = -100
    network = nn.Sequential(make_mlp(outputs=15, dtype=torch.float64), nn.Unflatten(1, (3, 5)))
    whole = gradient_of(network, F.cross_entropy(network(x), y, weight=weight))

    gradient = gradient_by_fit(network, nn.CrossEntropyLoss(weight), x, y, micro_batch_size)

    torch.testing.assert_close(gradient, whole, **EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_no_label_at_all(micro_batch_size):
    """A batch in which nothing counts has a gradient of zero, never NaN."""
    x, y = make_data(ROWS, dtype=torch.float64)
    network = make_mlp(dtype=torch.float64)

    gradient = gradient_by_fit(network, "cross_entropy", x, torch.full_like(y, -100), micro_batch_size)

    assert torch.equal(gradient, torch.zeros_like(gradient))


# Transformers in float64, dropout off


def without_dropout(auto_class, folder, **config):
    return auto_class.from_pretrained(
        folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **config
    ).double()


@pytest.mark.parametrize("micro_batch_size", [1, 2, 3, 5])
def test_transformer_from_texts(tiny_bert, texts_and_labels, micro_batch_size):
    """A task pads every part to its own longest text; the gradient stays that of the padded whole."""
    texts, labels = (column[14 : 14 + ROWS] for column in texts_and_labels)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    network = without_dropout(AutoModelForSequenceClassification, tiny_bert, num_labels=2)
    targets = torch.tensor([["bad", "good"].index(label) for label in labels])
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    whole = gradient_of(network, F.cross_entropy(network(**inputs).logits, targets))
    kept = Kept()

    model = Model(network, task="text-classification", tokenizer=tokenizer, device="cpu")
    model.fit(
        texts,
        labels,
        epochs=1,
        batch_size=ROWS,
        micro_batch_size=micro_batch_size,
        shuffle=False,
        callbacks=[kept],
        verbose=0,
    )

    assert len({int(length) for length in inputs["attention_mask"].sum(1)}) > 1
    torch.testing.assert_close(kept.seen[0], whole, **EXACT)


class TokenLogits(nn.Module):
    """Token logits as torch's cross-entropy wants them: classes before tokens."""

    def __init__(self, transformer):
        super().__init__()
        self.transformer = ModelWrapper(transformer)

    def forward(self, inputs):
        return self.transformer(inputs)["logits"].transpose(1, 2)


@pytest.mark.parametrize("micro_batch_size", [1, 2, 3, 5])
def test_transformer_of_tokens(tiny_bert, texts_and_labels, micro_batch_size):
    """Tokens with -100 among a transformer's targets: the mean is over the labelled tokens of the batch."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    inputs = dict(tokenizer(texts_and_labels[0][14 : 14 + ROWS], padding=True, return_tensors="pt"))
    targets = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"] % 3, -100)
    targets[3] = -100
    network = TokenLogits(without_dropout(AutoModelForTokenClassification, tiny_bert, num_labels=3))
    whole = gradient_of(network, F.cross_entropy(network(inputs), targets))

    gradient = gradient_by_fit(network, "cross_entropy", inputs, targets, micro_batch_size)

    torch.testing.assert_close(gradient, whole, **EXACT)


# Several batches of a loader per optimizer step


@pytest.mark.parametrize("name", ["batches_per_step", "gradient_accumulation_steps"])
@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_batches_per_step(name, micro_batch_size):
    """The batches of one step are one batch to learn from, also the last group, which has fewer and shorter ones."""
    x, y = make_data(17, dtype=torch.float64)
    y[:4] = -100
    loss = nn.CrossEntropyLoss(WEIGHT)
    by_hand = make_mlp(dtype=torch.float64)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.5)
    for rows in (slice(0, 10), slice(10, 17)):  # 5 + 5, then 5 + 2
        optimizer.zero_grad()
        loss(by_hand(x[rows]), y[rows]).backward()
        optimizer.step()
    network = make_mlp(dtype=torch.float64)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.5), loss, device="cpu")
    model.fit(DataLoader(TensorDataset(x, y), batch_size=5), micro_batch_size=micro_batch_size, verbose=0, **{name: 2})

    torch.testing.assert_close(weights_of(network), weights_of(by_hand), **EXACT)


def test_last_group_with_one_batch():
    """A last group of one short batch is a step of its own, at its own mean."""
    x, y = make_data(12, dtype=torch.float64)
    by_hand = make_mlp(dtype=torch.float64)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.5)
    for rows in (slice(0, 10), slice(10, 12)):
        optimizer.zero_grad()
        F.cross_entropy(by_hand(x[rows]), y[rows]).backward()
        optimizer.step()
    network = make_mlp(dtype=torch.float64)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.5), "cross_entropy", device="cpu")
    model.fit_generator(DataLoader(TensorDataset(x, y), batch_size=5), epochs=1, batches_per_step=2, verbose=0)

    torch.testing.assert_close(weights_of(network), weights_of(by_hand), **EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 1, 3])
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_clipping_once_per_optimizer_step(micro_batch_size, batches_per_step):
    """What is clipped is the mean gradient of the whole step, once."""
    x, y = make_data(20, dtype=torch.float64)
    by_hand = make_mlp(dtype=torch.float64)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.5)
    size = 5 * batches_per_step
    for batch_x, batch_y in zip(x.split(size), y.split(size), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(by_hand(batch_x), batch_y).backward()
        assert nn.utils.clip_grad_norm_(by_hand.parameters(), 0.05) > 0.05
        optimizer.step()
    network = make_mlp(dtype=torch.float64)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.5), "cross_entropy", device="cpu")
    model.fit(
        DataLoader(TensorDataset(x, y), batch_size=5),
        clip_norm=0.05,
        micro_batch_size=micro_batch_size,
        batches_per_step=batches_per_step,
        verbose=0,
    )

    torch.testing.assert_close(weights_of(network), weights_of(by_hand), **EXACT)


@pytest.mark.parametrize(("batches_per_step", "updates"), [(1, 8), (2, 4), (3, 4)])
def test_schedule_once_per_optimizer_step(batches_per_step, updates):
    """The rate moves once per optimizer step over all epochs; `learning_rates` has the rate of each."""
    x, y = make_data(20)
    model = Model(make_mlp(), {"optim": "sgd", "lr": 0.8}, "cross_entropy", device="cpu")

    history = model.fit(
        DataLoader(TensorDataset(x, y), batch_size=5),
        epochs=2,
        schedule="linear",
        warmup=1,
        micro_batch_size=2,
        batches_per_step=batches_per_step,
        verbose=0,
    )

    by_hand = [0.0, *(0.8 * (updates - step) / (updates - 1) for step in range(1, updates))]
    assert history.learning_rates == pytest.approx(by_hand, rel=1e-12)


def test_callbacks_see_the_mean_once_per_optimizer_step():
    """`on_backward_end` comes once per optimizer step, with the mean gradient of its batches, before clipping."""
    x, y = make_data(17, dtype=torch.float64)
    network = make_mlp(dtype=torch.float64)
    groups = [
        gradient_of(network, F.cross_entropy(network(x[rows]), y[rows])) for rows in (slice(0, 10), slice(10, 17))
    ]
    kept = Kept()

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=5)
    model.fit(loader, batches_per_step=2, micro_batch_size=3, clip_norm=1e-3, callbacks=[kept], verbose=0)

    torch.testing.assert_close(kept.seen, groups, **EXACT)


# What the history says of the loss


@pytest.mark.parametrize("micro_batch_size", [None, 1, 3])
@pytest.mark.parametrize("batch_size", [4, 7, 20])
@pytest.mark.parametrize("case", ["cross_entropy", "class weights", "ignored", "bce", "mse", "mean over examples"])
def test_loss_of_an_epoch(case, batch_size, micro_batch_size):
    """The history's loss and val_loss are torch's mean over all rows, however they were batched and cut."""
    given, by_hand, target_of = CASES[case]
    x, y = make_data(20, dtype=torch.float64)
    y = target_of(y)
    network = make_mlp(dtype=torch.float64)
    exact = by_hand(network(x), y).item()

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0), given, device="cpu")
    history = model.fit(x, y, (x, y), batch_size=batch_size, micro_batch_size=micro_batch_size, verbose=0)

    assert history[0]["loss"] == pytest.approx(exact, rel=1e-12)
    assert history[0]["val_loss"] == pytest.approx(exact, rel=1e-12)


def test_loss_of_evaluate():
    """`evaluate` gives torch's mean over all rows for every batch size."""
    x, y = make_data(20, dtype=torch.float64)
    y[:5] = -100
    network = make_mlp(dtype=torch.float64)
    model = Model(network, "sgd", nn.CrossEntropyLoss(WEIGHT), device="cpu")

    losses = [model.evaluate(x, y, batch_size=size, return_dict=True, verbose=0)["loss"] for size in (1, 3, 8, 20)]

    assert losses == pytest.approx([F.cross_entropy(network(x), y, weight=WEIGHT).item()] * 4, rel=1e-12)


@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_loss_of_each_batch(batches_per_step):
    """A batch's logs have the mean loss of that batch and its size, however it was cut."""
    x, y = make_data(17, dtype=torch.float64)
    network = make_mlp(dtype=torch.float64)
    by_hand = [F.cross_entropy(network(x[start : start + 5]), y[start : start + 5]).item() for start in (0, 5, 10, 15)]
    logs = []

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", device="cpu")
    model.fit(
        DataLoader(TensorDataset(x, y), batch_size=5),
        batches_per_step=batches_per_step,
        micro_batch_size=2,
        callbacks=[poutyne.LambdaCallback(on_train_batch_end=lambda number, log: logs.append(dict(log)))],
        verbose=0,
    )

    assert [log["loss"] for log in logs] == pytest.approx(by_hand, rel=1e-12)
    assert [log["size"] for log in logs] == [5, 5, 5, 2]


def test_metrics_of_a_cut_batch():
    """Batch metrics see the parts' outputs put together in the batch's order, once per batch."""
    x, y = make_data(17)
    calls = []

    def seen(y_pred, y_true):
        calls.append((y_pred, y_true))
        return torch.tensor(math.pi)

    network = make_mlp()
    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", batch_metrics=[seen])
    history = model.fit(x, y, batch_size=10, micro_batch_size=3, shuffle=False, verbose=0)

    assert [len(y_true) for _, y_true in calls] == [10, 7]
    torch.testing.assert_close(torch.cat([y_pred for y_pred, _ in calls]), network(x).detach())
    assert torch.equal(torch.cat([y_true for _, y_true in calls]), y)
    assert history[0]["seen"] == pytest.approx(math.pi)


# How outputs are taken apart and put together


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


def test_a_batch_that_cannot_be_cut():
    """A batch in a named tuple is not cut in the dark: the error says which micro_batch_size works."""
    x, y = make_data(4)

    with pytest.raises(ArgumentError, match="type Pair cannot be cut") as caught:
        PairBatch(Pair(x, x), y).parts(Cut(size=2))

    assert caught.value.do == "set micro_batch_size=None."


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([torch.tensor([1, 2]), torch.tensor([3])], torch.tensor([1, 2, 3])),
        ([(torch.ones(1), torch.zeros(1)), (torch.ones(2), torch.zeros(2))], (torch.ones(3), torch.zeros(3))),
        ([[torch.ones(1)], [torch.ones(2)]], [torch.ones(3)]),
        (
            [Pair(torch.ones(1), torch.zeros(1)), Pair(torch.ones(2), torch.zeros(2))],
            Pair(torch.ones(3), torch.zeros(3)),
        ),
        ([{"a": torch.ones(1)}, {"a": torch.zeros(1)}], {"a": torch.tensor([1.0, 0.0])}),
        ([{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(2.0)}], {"loss": torch.tensor(2.0)}),
        ([None, None], None),
        ([(None, torch.ones(1))], (None, torch.ones(1))),
    ],
    ids=["tensor", "tuple", "list", "named tuple", "dict", "scalar", "none", "one part"],
)
def test_joined_parts(parts, whole):
    """Tensors are joined along the first dimension in containers of any kind; what has none is the last part's."""
    torch.testing.assert_close(joined(parts, [None] * len(parts), 0), whole, rtol=0, atol=0)


def test_detached_parts():
    """Outputs lose their graph in containers of any kind, and what is no tensor stays."""
    output = torch.ones(2, requires_grad=True) * 2

    without = detached((output, [output], Pair(output, output), {"a": output, "b": None}, "text"))

    first, (second,), pair, mapping, text = without
    assert not any(part.requires_grad for part in (first, second, pair.left, pair.right, mapping["a"]))
    assert isinstance(pair, Pair)
    assert (mapping["b"], text) == (None, "text")


def test_outputs_of_transformers_keep_their_class(tiny_bert):
    """Joined outputs of a transformer still give their logits as an attribute, without the graph."""
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    parts = [detached(network(input_ids=torch.tensor([[2, 7, 3]] * size))) for size in (2, 1)]

    whole = joined(parts, [None, None], 0)

    assert type(whole) is type(parts[0])
    assert whole.logits.shape == (3, 2)
    assert not whole.logits.requires_grad


class Halved(CrossEntropy):
    """A loss of a user's own that counts otherwise."""

    def count(self, targets, sample_weight=None):
        """Count each example twice."""
        return 2 * targets.numel()


@pytest.mark.parametrize(
    ("loss", "counts"),
    [
        (CrossEntropy(), [4, 4, 2]),
        (CrossEntropy(weight=torch.tensor([1.0, 2.0, 4.0])), [11.0, 10.0, 3.0]),
        (CrossEntropy(ignore_index=0), [3, 2, 1]),
        (Halved(), [8, 8, 4]),
    ],
    ids=["plain", "weights", "an index that is ignored", "a user's own"],
)
def test_counts_of_batches(loss, counts):
    """Batches of tensors are counted as the loss counts them, whether or not it is known that each row has a class."""
    targets = torch.tensor([0, 1, 2, 2, 0, 0, 2, 2, 0, 1])
    model = Model(nn.Linear(2, 3), "sgd", loss, device="cpu")

    batches = list(TensorBatches((torch.zeros(10, 2), targets), 4, None))

    assert all(batch.has_classes for batch in batches)
    assert [prepare(model, 1, batch, Cut()).counts for batch in batches] == [[count] for count in counts]


def test_counts_of_batches_without_some_labels():
    """Where rows have no class index, those that have one are counted, batch by batch."""
    targets = torch.tensor([0, 1, -100, 2, -100, -100])
    model = Model(nn.Linear(2, 3), "sgd", "cross_entropy", device="cpu")

    batches = TensorBatches((torch.zeros(6, 2), targets), 3, None)

    assert [prepare(model, 1, batch, Cut()).counts for batch in batches] == [[2], [1]]
