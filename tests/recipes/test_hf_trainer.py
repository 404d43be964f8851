"""`recipe="hf-trainer"` beside the Trainer of transformers: the same bits, and where it deviates on purpose."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from keraslike import Model
from tests.engine.loops import make_data, make_mlp, weights_of
from tests.recipes.beside_tools import ROWS, SEED, Losses, Rows, WithLoss, fit


def trained(folder: Path, network: nn.Module, rows, collator=None, *, optimizer=None, evaluates=False, **options):
    """Train by the Trainer, its arguments its own but for the screen and the disk; give the losses that it logs."""
    quiet = {"use_cpu": True, "disable_tqdm": True, "report_to": [], "save_strategy": "no", "logging_steps": 1}
    quiet |= {"dataloader_pin_memory": False, "eval_strategy": "epoch" if evaluates else "no"}
    arguments = TrainingArguments(output_dir=str(folder), seed=SEED, **{**quiet, **options})
    data = {"train_dataset": rows, "eval_dataset": rows if evaluates else None, "data_collator": collator}
    trainer = Trainer(network, arguments, optimizers=(optimizer, None), **data)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def trained_mlp(folder: Path, **options):
    """Train a network with dropout on tensors."""
    network = make_mlp(dropout=0.3)
    losses = trained(folder, WithLoss(network), Rows(*make_data(ROWS)), **options)
    return network, losses


def test_tensors(tmp_path):
    """Without a word of the user's: the Trainer's batch size, rate, schedule, clipping, epochs, order and dropout."""
    network, losses = trained_mlp(tmp_path)

    ours, our_losses, history = fit("hf-trainer")

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses
    assert len(history) == 3
    assert len(history.learning_rates) == 3 * 7


def test_words_of_the_user(tmp_path):
    """What the user says wins, and the rest stays the Trainer's."""
    options = {"learning_rate": 1e-2, "weight_decay": 0.1}
    theirs = {"per_device_train_batch_size": 16, "num_train_epochs": 2, "max_grad_norm": 0.1, "warmup_steps": 3}
    network, losses = trained_mlp(tmp_path, lr_scheduler_type="cosine", **theirs, **options)

    words = {"batch_size": 16, "epochs": 2, "clip_norm": 0.1, "warmup": 3, "schedule": "cosine"}
    ours, our_losses, _ = fit("hf-trainer", **words, **options)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses


def test_rows_in_their_own_order(tmp_path):
    """With shuffle=False the loader still draws its number."""
    network, losses = trained_mlp(tmp_path, train_sampling_strategy="sequential")

    ours, our_losses, _ = fit("hf-trainer", shuffle=False)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses


def features_of(folder: Path, texts, labels):
    """Give what a Trainer learns from: tokenised texts with labels, and what pads them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(texts)["input_ids"]
    rows = [{"input_ids": ids, "label": label == "good"} for ids, label in zip(encoded, labels, strict=True)]
    return [{**row, "label": int(row["label"])} for row in rows], DataCollatorWithPadding(tokenizer)


@pytest.mark.parametrize("folder", ["tiny_bert", "tiny_distilbert"])
def test_texts(folder, request, tmp_path, texts_and_labels):
    """A transformer by its name: seed, draw the head, seed again, as a script with the Trainer does."""
    folder = request.getfixturevalue(folder)
    rows, collator = features_of(folder, *texts_and_labels)
    set_seed(SEED)
    network = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    losses = trained(tmp_path, network, rows, collator)

    model, ours = Model(str(folder), task="text-classification", device="cpu"), Losses()
    quiet = {"micro_batch_size": None, "seed": SEED, "verbose": 0, "callbacks": [ours]}
    model.fit(*texts_and_labels, batch_size=None, recipe="hf-trainer", **quiet)

    assert torch.equal(weights_of(model.network), weights_of(network))
    assert ours.kept == losses


# Where the Trainer is wrong


def test_validation_shifts_the_trainer(tmp_path):
    """Its evaluation draws from the random state, and so changes the dropout of the epochs that follow; ours does not.

    What is learned with validation is what the Trainer learns without.
    """
    with_it, _ = trained_mlp(tmp_path, evaluates=True)
    without, _ = trained_mlp(tmp_path)

    ours, _, _ = fit("hf-trainer", validation=True)

    assert not torch.equal(weights_of(with_it), weights_of(without))
    assert torch.equal(weights_of(ours), weights_of(without))


def test_loss_of_an_epoch(tmp_path):
    """It logs the mean of the batches' means, in which a short last batch counts too much; ours is over examples."""
    _, losses = trained_mlp(tmp_path, num_train_epochs=1)
    _, logged = trained_mlp(tmp_path, num_train_epochs=1, logging_strategy="epoch")

    _, _, history = fit("hf-trainer", epochs=1)

    sizes = [8] * 6 + [2]
    assert logged[0] == pytest.approx(np.mean(losses), rel=1e-6)
    assert history[0]["loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-6)
    assert history[0]["loss"] != pytest.approx(logged[0], rel=1e-4)


def without_dropout(folder: Path) -> nn.Module:
    """Give a transformer without dropout, always with the same weights."""
    set_seed(SEED)
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, **rates)


def test_accumulation(tiny_bert, tmp_path, texts_and_labels):
    """Four parts of 4 move a BERT as far as four batches would: its head ignores the count that the Trainer gives it.

    With micro_batch_size=4 the step is that of the batch of 16, up to the rounding of float32.
    """
    rows, collator = features_of(tiny_bert, *texts_and_labels)
    start = weights_of(without_dropout(tiny_bert))
    moved = {}
    for name, words in {"whole": (16, 1), "parts": (4, 4)}.items():
        network = without_dropout(tiny_bert)
        sizes = {"per_device_train_batch_size": words[0], "gradient_accumulation_steps": words[1], "max_steps": 1}
        constant = {"lr_scheduler_type": "constant", "max_grad_norm": 0.0}
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
        trained(tmp_path, network, rows, collator, optimizer=optimizer, **sizes, **constant)
        moved[name] = weights_of(network) - start
    network = without_dropout(tiny_bert)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = Model(network, optimizer, task="text-classification", tokenizer=tokenizer, device="cpu")
    words = {"batch_size": 16, "micro_batch_size": 4, "schedule": "constant", "clip_norm": None, "epochs": 1}

    model.fit(*texts_and_labels, recipe="hf-trainer", steps_per_epoch=1, seed=SEED, verbose=0, **words)

    ours = weights_of(model.network) - start
    assert float(moved["parts"].norm() / moved["whole"].norm()) == pytest.approx(4, rel=0.05)
    assert float((ours - moved["whole"]).norm() / moved["whole"].norm()) < 1e-5
