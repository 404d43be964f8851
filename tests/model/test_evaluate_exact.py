"""One number per model and data set: evaluate and predict do not depend on batches, lengths or order."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
)
from torch import nn
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from keraslike import Model, ModelWrapper, TransformerCollator

ROWS = 38
SIZES = [1, 3, 14, ROWS]


def ragged_texts(texts):
    """Give texts whose lengths jump from row to row."""
    return [f"{text} " * (1 + 3 * (row % 5 == 2)) + "the story" * (row % 3) for row, text in enumerate(texts[:ROWS])]


def without_dropout(kind, folder, **config):
    torch.manual_seed(3)
    network = kind.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **config)
    with torch.no_grad():
        network.classifier.weight.normal_()  # logits that tell rows apart
    return network.double()


def logits_by_hand(network, tokenizer, texts):
    """Send every text through alone, so that nothing is padded."""
    with torch.no_grad():
        return torch.cat([network.eval()(**tokenizer(text, return_tensors="pt")).logits for text in texts])


@pytest.fixture(scope="module")
def classified(tiny_bert, texts_and_labels):
    """A model of texts, the texts, their labels, and the logits that each text has alone."""
    texts, labels = ragged_texts(texts_and_labels[0]), texts_and_labels[1][:ROWS]
    labels = ["bad" if row % 4 == 0 else label for row, label in enumerate(labels)]
    network = without_dropout(AutoModelForSequenceClassification, tiny_bert, num_labels=2)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    logits = logits_by_hand(network, tokenizer, texts)
    middle = (logits[:, 1] - logits[:, 0]).median().item()
    network.classifier.bias.data += torch.tensor([middle, 0.0])  # both classes are predicted
    logits = logits_by_hand(network, tokenizer, texts)
    metrics = ["accuracy", "f1_macro", "f1_micro", "precision_macro", "recall_macro", roc_auc_score]
    model = Model(
        network,
        None,
        task="text-classification",
        labels=["bad", "good"],
        tokenizer=tokenizer,
        metrics=metrics,
        device="cpu",
    )
    return model, texts, labels, logits


# A task over texts


@pytest.mark.parametrize("batch_size", SIZES)
def test_loss_and_metrics_of_texts(classified, batch_size):
    """Loss and metrics are scikit-learn's on pooled predictions, to 1e-6, for every batch size."""
    model, texts, labels, logits = classified
    y_true = np.array([["bad", "good"].index(label) for label in labels])
    y_pred, y_score = logits.argmax(1).numpy(), logits.softmax(1)[:, 1].numpy()

    values = model.evaluate(texts, labels, batch_size=batch_size, verbose=0)

    expected = {
        "loss": log_loss(y_true, logits.softmax(1).numpy()),
        "accuracy": accuracy_score(y_true, y_pred),
        "f1_macro": f1_score(y_true, y_pred, average="macro"),
        "f1_micro": f1_score(y_true, y_pred, average="micro"),
        "precision_macro": precision_score(y_true, y_pred, average="macro"),
        "recall_macro": recall_score(y_true, y_pred, average="macro"),
        "roc_auc_score": roc_auc_score(y_true, y_score),
    }
    assert values == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("batch_size", SIZES)
def test_predictions_in_the_users_order(classified, batch_size):
    """Whatever the lengths, the answer of a row stands where the row stood."""
    model, texts, _, logits = classified

    np.testing.assert_allclose(model.predict_logits(texts, batch_size=batch_size), logits.numpy(), rtol=0, atol=1e-6)
    assert model.predict(texts, batch_size=batch_size) == [["bad", "good"][c] for c in logits.argmax(1)]
    np.testing.assert_allclose(
        model.predict_proba(texts, batch_size=batch_size), logits.softmax(1).numpy(), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("order", ["shortest first", "longest first", "shuffled"])
def test_order_of_the_rows(classified, order):
    """Rows in another order give the same loss and metrics, and their answers in that order."""
    model, texts, labels, logits = classified
    by_length = sorted(range(ROWS), key=lambda row: len(texts[row]))
    places = {
        "shortest first": by_length,
        "longest first": by_length[::-1],
        "shuffled": np.random.default_rng(1).permutation(ROWS).tolist(),
    }[order]
    expected = model.evaluate(texts, labels, verbose=0)

    moved = [texts[place] for place in places]
    values = model.evaluate(moved, [labels[place] for place in places], verbose=0)

    assert values == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(model.predict_logits(moved), logits[places].numpy(), rtol=0, atol=1e-6)


def test_validation_is_evaluate(classified, tiny_bert):
    """The row of an epoch says of the validation data what evaluate says of them."""
    _, texts, labels, _ = classified
    network = without_dropout(AutoModelForSequenceClassification, tiny_bert, num_labels=2)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = Model(network, "auto", task="text-classification", tokenizer=tokenizer, device="cpu")

    row = model.fit(texts, labels, validation_data=(texts, labels), epochs=1, batch_size=7, verbose=0)[-1]

    logits = logits_by_hand(network, tokenizer, texts)
    y_true = torch.tensor([["bad", "good"].index(label) for label in labels])
    assert row["val_loss"] == pytest.approx(F.cross_entropy(logits, y_true).item(), abs=1e-6)
    assert row["val_accuracy"] == pytest.approx(accuracy_score(y_true, logits.argmax(1)), abs=1e-12)


@pytest.mark.parametrize("batch_size", SIZES)
def test_numbers_for_texts(tiny_bert, texts_and_labels, batch_size):
    """A regression's loss and metrics are scikit-learn's and scipy's, for every batch size."""
    texts = ragged_texts(texts_and_labels[0])
    y = np.sin(1.7 * np.arange(ROWS))
    network = without_dropout(AutoModelForSequenceClassification, tiny_bert, num_labels=1)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    outputs = logits_by_hand(network, tokenizer, texts)[:, 0].numpy()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    model = Model(network, optimizer, task="text-classification", tokenizer=tokenizer, device="cpu")
    model.fit(texts, y, epochs=1, verbose=0)  # at a rate of 0, to tell the task what it is

    values = model.evaluate(texts, y, batch_size=batch_size, verbose=0)

    expected = {
        "loss": mean_squared_error(y, outputs),
        "pearson": pearsonr(y, outputs).statistic,
        "spearman": spearmanr(y, outputs).statistic,
        "r2": r2_score(y, outputs),
        "mae": mean_absolute_error(y, outputs),
    }
    assert values == pytest.approx(expected, rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(model.predict(texts, batch_size=batch_size), outputs, rtol=1e-6, atol=1e-6)


# Without a task


@pytest.mark.parametrize("batch_size", SIZES)
def test_tensors(batch_size):
    """Tensors too, with a mean over labels that are there."""
    torch.manual_seed(0)
    x, y = torch.randn(ROWS, 6), torch.randint(3, (ROWS,))
    y[5:20] = -100
    network = nn.Linear(6, 3)
    logits = network(x).detach()
    counted = y != -100
    model = Model(network, None, "cross_entropy", metrics=["accuracy"], device="cpu")

    values = model.evaluate(x, y, batch_size=batch_size, return_dict=True, verbose=0)

    assert values["loss"] == pytest.approx(
        log_loss(y[counted], logits[counted].double().softmax(1), labels=[0, 1, 2]), abs=1e-6
    )
    assert values["accuracy"] == pytest.approx(accuracy_score(y[counted], logits[counted].argmax(1)), abs=1e-6)
    np.testing.assert_allclose(model.predict(x, batch_size=batch_size), logits.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_size", SIZES)
def test_tokens_of_a_loader(tiny_bert, texts_and_labels, batch_size):
    """Tokens with -100, each batch padded to its own width: the mean is over the labelled tokens of the data set."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts = ragged_texts(texts_and_labels[0])
    rows = [{"input_ids": ids, "labels": [i % 3 for i in ids]} for ids in tokenizer(texts)["input_ids"]]
    for row in rows[3:9]:
        row["labels"] = [-100] * len(row["labels"])
    network = without_dropout(AutoModelForTokenClassification, tiny_bert, num_labels=3)
    with torch.no_grad():
        logits = [network.eval()(input_ids=torch.tensor([row["input_ids"]])).logits[0] for row in rows]
    pooled, y_true = torch.cat(logits), torch.tensor([label for row in rows for label in row["labels"]])
    counted = y_true != -100
    y_pred = pooled.argmax(1)[counted]

    def loss(logits, labels):
        return F.cross_entropy(logits.transpose(1, 2), labels, reduction="sum"), (labels != -100).sum()

    for given, labels_stay in ((loss, False), ("auto", True)):
        collate = TransformerCollator(y_keys="labels", remove_labels=not labels_stay)
        model = Model(ModelWrapper(network), None, given, metrics=["accuracy"], device="cpu")
        loader = DataLoader(rows, batch_size=batch_size, collate_fn=collate)
        values = model.evaluate(loader, return_dict=True, verbose=0)
        assert values["loss"] == pytest.approx(F.cross_entropy(pooled, y_true).item(), abs=1e-6)
        assert values["accuracy"] == pytest.approx(accuracy_score(y_true[counted], y_pred), abs=1e-6)


# How much padding there was


def lengths_of(texts, folder):
    return [len(ids) for ids in AutoTokenizer.from_pretrained(folder)(texts)["input_ids"]]


WORDS = ["a", "a great film", "a film", "the story was great from the first scene", "great", "a great"]


@pytest.mark.parametrize(
    ("micro_batch_size", "parts"),
    [(None, [[0, 1, 2], [3, 4, 5]]), (2, [[0, 1], [2], [3, 4], [5]]), (1, [[0], [1], [2], [3], [4], [5]])],
)
def test_padding_of_a_hand_counted_case(tiny_bert, micro_batch_size, parts):
    """`tokens_real` are the texts' own tokens, `tokens_sent` with the padding of each part, `padding` its share."""
    lengths = lengths_of(WORDS, tiny_bert)
    assert lengths == [3, 5, 4, 10, 3, 4]  # with [CLS] and [SEP]
    sent = sum(len(part) * max(lengths[row] for row in part) for part in parts)
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    history = model.fit(
        WORDS,
        ["x", "y"] * 3,
        epochs=2,
        batch_size=3,
        micro_batch_size=micro_batch_size,
        shuffle=False,
        validation_data=(WORDS, ["x", "y"] * 3),
        verbose=0,
    )

    assert sent == {None: 15 + 30, 2: 10 + 4 + 20 + 4, 1: 29}[micro_batch_size]
    assert (history.tokens_real, history.tokens_sent) == (2 * 29, 2 * sent)
    assert history.padding == pytest.approx(1 - 29 / sent)


def test_padding_without_lengths():
    """Tensors have no padding that could be told."""
    x, y = torch.randn(8, 3), torch.randint(2, (8,))

    history = Model(nn.Linear(3, 2), "sgd", "cross_entropy", device="cpu").fit(x, y, verbose=0)

    assert (history.tokens_real, history.tokens_sent) == (0, 0)
    assert not history.padding


def test_whole_set_sorted_for_measuring(tiny_bert):
    """Evaluate and predict send fewer padded tokens than batches in the user's order would."""
    texts = ["a great film " * (12 if row % 8 == 0 else 1) for row in range(64)]
    lengths = lengths_of(texts, tiny_bert)
    model = Model(str(tiny_bert), task="text-classification", labels=["x", "y"], device="cpu")
    sent = []
    model.network.register_forward_pre_hook(lambda _, inputs: sent.append(inputs[0]["input_ids"].numel()))
    in_order = sum(16 * max(lengths[start : start + 16]) for start in range(0, 64, 16))

    model.evaluate(texts, ["x", "y"] * 32, batch_size=16, verbose=0)
    measured = sum(sent)
    sent.clear()
    model.predict(texts, batch_size=16)

    assert measured < 0.5 * in_order
    assert sum(sent) < 0.5 * in_order
    assert min(measured, sum(sent)) >= sum(lengths)
