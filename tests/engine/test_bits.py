"""Weights after an epoch of `fit` are those of a loop written by hand, bit for bit."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from keraslike import Model
from tests.engine.loops import batches_by_hand, make_data, make_mlp, train_by_hand, weights_of

SEED = 7


def decaying_groups(network, weight_decay=0.01):
    """Matrices decay, biases and norms do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


OPTIMIZERS = {
    "auto": lambda network: torch.optim.AdamW(decaying_groups(network), lr=1e-3, fused=True),
    "sgd": lambda network: torch.optim.SGD(network.parameters(), lr=1e-2, fused=True),
    "adam": lambda network: torch.optim.Adam(network.parameters(), fused=True),
    "rmsprop": lambda network: torch.optim.RMSprop(network.parameters()),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_mlp_with_dropout(name):
    """Without a task: seeded once, the order of epoch e drawn from (seed, e), torch's own loss and optimizer."""
    x, y = make_data(50)
    by_hand = make_mlp(dropout=0.3)
    torch.manual_seed(SEED)
    optimizer = OPTIMIZERS[name](by_hand)
    for epoch in (1, 2):
        batches = [(x[rows], y[rows]) for rows in batches_by_hand(50, 16, SEED, epoch)]
        train_by_hand(by_hand, optimizer, F.cross_entropy, batches)

    model = Model(make_mlp(dropout=0.3), name, "cross_entropy", device="cpu")
    model.fit(x, y, epochs=2, batch_size=16, seed=SEED, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


LOSSES = {
    "cross_entropy": (F.cross_entropy, lambda y: y),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.1), lambda y: y),
    "weighted": (nn.CrossEntropyLoss(weight=torch.tensor([0.3, 1.7, 1.1])), lambda y: y),
    "bce_with_logits": (F.binary_cross_entropy_with_logits, lambda y: F.one_hot(y, 3).float()),
    "mse": (F.mse_loss, lambda y: F.one_hot(y, 3).float()),
    "smooth_l1": (F.smooth_l1_loss, lambda y: F.one_hot(y, 3).float()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    """A batch that goes through at once back-propagates torch's own mean, whatever the loss; also a bare function."""
    loss, target_of = LOSSES[name]
    x, y = make_data(50)
    y = target_of(y)
    by_hand = make_mlp()
    batches = [(x[rows], y[rows]) for rows in batches_by_hand(50, 16, SEED, 1)]
    train_by_hand(by_hand, torch.optim.SGD(by_hand.parameters(), lr=0.1), loss, batches)
    network = make_mlp()

    Model(network, torch.optim.SGD(network.parameters(), lr=0.1), loss, device="cpu").fit(
        x, y, batch_size=16, seed=SEED, verbose=0
    )

    assert torch.equal(weights_of(network), weights_of(by_hand))


def test_rows_in_their_own_order():
    """With shuffle=False the batches follow the rows."""
    x, y = make_data(50)
    by_hand = make_mlp(dropout=0.3)
    torch.manual_seed(SEED)
    batches = list(zip(x.split(16), y.split(16), strict=True))
    train_by_hand(by_hand, torch.optim.SGD(by_hand.parameters(), lr=0.1), F.cross_entropy, batches)
    network = make_mlp(dropout=0.3)

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", device="cpu")
    model.fit(x, y, batch_size=16, shuffle=False, seed=SEED, verbose=0)

    assert torch.equal(weights_of(network), weights_of(by_hand))


def test_validation_and_metrics_change_nothing():
    """Validation and metrics beside the training leave the weights as they are without them."""
    x, y = make_data(50)
    plain = Model(make_mlp(dropout=0.3), "sgd", "cross_entropy", device="cpu")
    measured = Model(
        make_mlp(dropout=0.3), "sgd", "cross_entropy", metrics=["accuracy"], batch_metrics=["accuracy"], device="cpu"
    )

    plain.fit(x, y, epochs=2, batch_size=16, seed=SEED, verbose=0)
    measured.fit(x, y, (x, y), epochs=2, batch_size=16, seed=SEED, verbose=0)

    assert torch.equal(weights_of(measured.network), weights_of(plain.network))


# A transformer, fine-tuned by its recipe


def fine_tune_by_hand(
    folder,
    texts,
    targets,
    outputs,
    loss=F.cross_entropy,
    *,
    epochs=1,
    batch_size=8,
    learning_rate=5e-5,
    warmup=0.1,
    clip_norm=1.0,
):
    """The recipe of a fine-tuning: AdamW without decay on biases and norms, linear schedule, clipping."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    random.seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=outputs)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        network.config.pad_token_id = tokenizer.pad_token_id
    optimizer = torch.optim.AdamW(decaying_groups(network), lr=learning_rate, fused=True)
    updates = epochs * math.ceil(len(texts) / batch_size)
    warm = math.ceil(warmup * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        for rows in batches_by_hand(len(texts), batch_size, SEED, epoch):
            inputs = tokenizer([texts[row] for row in rows], padding=True, return_tensors="pt")
            optimizer.zero_grad()
            logits = network(**inputs).logits
            wanted = targets[rows]
            loss(logits, wanted.reshape(logits.shape) if wanted.is_floating_point() else wanted).backward()
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
            optimizer.step()
            schedule.step()
    return network


def fine_tune(folder, texts, labels, **arguments):
    """The same by `fit`."""
    model = Model(str(folder), task="text-classification", device="cpu")
    model.fit(texts, labels, **{"epochs": 1, "batch_size": 8, "seed": SEED, "verbose": 0, **arguments})
    return model


@pytest.mark.parametrize("folder", ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2"])
def test_transformer_by_the_recipe(folder, request, texts_and_labels):
    """With a task: head drawn after seeding, AdamW 5e-5, 10 % warm-up, linear decay, clipping, dynamic padding."""
    folder = request.getfixturevalue(folder)
    texts, labels = texts_and_labels
    targets = torch.tensor([["bad", "good"].index(label) for label in labels])

    by_hand = fine_tune_by_hand(folder, texts, targets, 2)
    model = fine_tune(folder, texts, labels)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_transformer_over_epochs_with_other_choices(tiny_bert, texts_and_labels):
    """Every choice of the recipe can be another: rate, warm-up, clipping, epochs, and a last batch that is short."""
    texts, labels = texts_and_labels
    targets = torch.tensor([["bad", "good"].index(label) for label in labels])
    choices = {"learning_rate": 1e-3, "warmup": 0.25, "clip_norm": 0.1, "epochs": 2, "batch_size": 12}

    by_hand = fine_tune_by_hand(tiny_bert, texts, targets, 2, **choices)
    model = fine_tune(tiny_bert, texts, labels, **choices)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_transformer_with_several_labels(tiny_bert, texts_and_labels):
    """Several labels per text are learned by torch's binary cross-entropy, each label an output."""
    texts, _ = texts_and_labels
    labels = [[name for name in ("film", "great", "story") if name in text] or ["film"] for text in texts]
    targets = torch.tensor([[float(name in row) for name in ("film", "great", "story")] for row in labels])

    by_hand = fine_tune_by_hand(tiny_bert, texts, targets, 3, F.binary_cross_entropy_with_logits)
    model = fine_tune(tiny_bert, texts, labels)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


@pytest.mark.parametrize("width", [1, 3])
def test_transformer_with_numbers(tiny_bert, texts_and_labels, width):
    """One or several numbers per text are learned by torch's mean squared error."""
    texts, _ = texts_and_labels
    values = [[len(text) / 10 + 0.05 * column for column in range(width)] for text in texts]

    by_hand = fine_tune_by_hand(tiny_bert, texts, torch.tensor(values), width, F.mse_loss)
    model = fine_tune(tiny_bert, texts, [row[0] for row in values] if width == 1 else values)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_labels_named_at_the_start(tiny_bert, texts_and_labels):
    """A network built in the constructor trains to the same weights: its fresh head is drawn again after seeding."""
    texts, labels = texts_and_labels
    targets = torch.tensor([["bad", "good"].index(label) for label in labels])

    by_hand = fine_tune_by_hand(tiny_bert, texts, targets, 2)
    model = Model(str(tiny_bert), task="text-classification", labels=["bad", "good"], device="cpu")
    model.fit(texts, labels, epochs=1, batch_size=8, seed=SEED, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_loader_of_padded_dicts(tiny_bert, texts_and_labels):
    """An unshuffled DataLoader of tokenised, padded dicts trains to the weights of the texts with shuffle=False."""
    texts, labels = texts_and_labels
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    targets = [["bad", "good"].index(label) for label in labels]
    rows = [{**tokenizer(text), "labels": target} for text, target in zip(texts, targets, strict=True)]
    loader = torch.utils.data.DataLoader(
        rows, batch_size=8, collate_fn=lambda part: dict(tokenizer.pad(part, return_tensors="pt"))
    )

    from_texts = fine_tune(tiny_bert, texts, targets, shuffle=False)
    from_loader = fine_tune(tiny_bert, loader, None)

    assert torch.equal(weights_of(from_loader.network), weights_of(from_texts.network))
