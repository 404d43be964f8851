"""The variants of text classification: told from the data or set by name, with metrics that suit."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score
from torch.nn import functional as F

from keraslike import History, Model, TextClassification
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
THREE = [("bad", "good", "mixed")[(i // 2) % 3] for i in range(40)]
ROWS_OF_BITS = [[int(i % 3 == 0), int(i % 5 < 2), int(i % 2 == 0)] for i in range(40)]
TAGS = [[tag for tag, has in zip(("film", "long", "praise"), bits, strict=True) if has] for bits in ROWS_OF_BITS]
SCORES = [(1.5 if sentiment == "good" else -1.5) + i / 100 for i, sentiment in enumerate(SENTIMENTS)]
TWO_SCORES = [[score, 0.25 - score / 3 + i % 4 / 10] for i, score in enumerate(SCORES)]


def fitted(directory: str, x: Any, y: Any = None, task: Any = "text-classification", **options: Any) -> Model:
    model = Model(directory, task=task, device="cpu")
    model.fit(x, y, epochs=3, seed=1, learning_rate=1e-2, verbose=0, **options)
    return model


def logits_by_hand(model: Model, texts: list[str], pairs: list[str] | None = None) -> torch.Tensor:
    """Send each text through the transformer alone, without padding."""
    model.network.eval()
    with torch.no_grad():
        rows = zip(texts, pairs or [None] * len(texts), strict=True)
        encoded = [model.task.tokenizer(text, pair, return_tensors="pt") for text, pair in rows]
        return torch.cat([model.network.wrapped(**inputs).logits for inputs in encoded])


@pytest.mark.parametrize("targets", [SENTIMENTS, THREE], ids=["two classes", "three classes"])
def test_classes(targets: list[str], smallest_bert: str):
    """Words are classes: one output each, cross-entropy, accuracy and macro F1 as scikit-learn computes them."""
    model = fitted(smallest_bert, TEXTS, targets)

    values = model.evaluate(TEXTS, targets, verbose=0)

    predictions = model.predict(TEXTS)
    logits = logits_by_hand(model, TEXTS)
    ids = torch.tensor([model.labels.index(label) for label in targets])
    assert model.labels == sorted(set(targets))
    assert predictions == [model.labels[place] for place in logits.argmax(dim=1)]
    assert list(values) == ["loss", "accuracy", "f1_macro"]
    assert values["loss"] == pytest.approx(F.cross_entropy(logits, ids).item(), abs=1e-5)  # float32, padded or not
    assert values["accuracy"] == pytest.approx(accuracy_score(targets, predictions), abs=1e-12)
    assert values["f1_macro"] == pytest.approx(f1_score(targets, predictions, average="macro"), abs=1e-12)


def test_probabilities_of_classes(smallest_bert: str):
    """`predict_proba` gives the softmax of the logits, one column per label of `model.labels`."""
    model = fitted(smallest_bert, TEXTS, THREE)

    probabilities = model.predict_proba(TEXTS)

    expected = logits_by_hand(model, TEXTS).softmax(dim=1).numpy()
    assert isinstance(probabilities, np.ndarray)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)  # float32, padded or not


def test_pairs(smallest_bert: str):
    """Pairs of texts go through the tokenizer as pairs, in fit and predict."""
    others = TEXTS[1:] + TEXTS[:1]
    model = fitted(smallest_bert, list(zip(TEXTS, others, strict=True)), THREE)

    logits = model.predict_logits(list(zip(TEXTS, others, strict=True)))

    np.testing.assert_allclose(logits, logits_by_hand(model, TEXTS, others).numpy(), atol=1e-5)  # float32
    assert not np.allclose(logits, logits_by_hand(model, TEXTS).numpy(), atol=1e-3)


def test_pairs_are_found_in_a_table(smallest_bert: str):
    """The columns premise and hypothesis are a pair, and train as a list of pairs does."""
    others = TEXTS[1:] + TEXTS[:1]
    table = pd.DataFrame({"premise": TEXTS, "hypothesis": others, "label": THREE})

    model = fitted(smallest_bert, table)

    same = fitted(smallest_bert, list(zip(TEXTS, others, strict=True)), THREE)
    assert torch.equal(model.network.classifier.weight, same.network.classifier.weight)


def test_one_pair_gives_one_label(smallest_bert: str):
    """A tuple of two texts is one pair for a model of pairs, and gives one label."""
    pairs = list(zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True))
    model = fitted(smallest_bert, pairs, THREE)

    prediction = model.predict(pairs[3])

    assert prediction == model.predict(pairs)[3]


def test_one_text_gives_one_label(smallest_bert: str):
    """One text in, one label out; one row of probabilities and of logits."""
    model = fitted(smallest_bert, TEXTS, SENTIMENTS)

    prediction = model.predict(TEXTS[0])

    assert prediction == model.predict(TEXTS[:1])[0]
    assert isinstance(prediction, str)
    assert model.predict_proba(TEXTS[0]).shape == model.predict_logits(TEXTS[0]).shape == (2,)


def test_several_labels_as_names(smallest_bert: str):
    """Lists of names are several labels per text: a sigmoid each, micro and macro F1 as scikit-learn computes them."""
    model = fitted(smallest_bert, TEXTS, TAGS)

    values = model.evaluate(TEXTS, TAGS, verbose=0)

    logits = logits_by_hand(model, TEXTS)
    predictions = model.predict(TEXTS)
    bits = (logits > 0).int().numpy()
    expected_loss = F.binary_cross_entropy_with_logits(logits, torch.tensor(ROWS_OF_BITS).float())
    assert model.labels == ["film", "long", "praise"]
    assert predictions == [[model.labels[place] for place in np.flatnonzero(row)] for row in bits]
    assert list(values) == ["loss", "f1_micro", "f1_macro"]
    assert values["loss"] == pytest.approx(expected_loss.item(), abs=1e-5)  # float32, padded or not
    assert values["f1_micro"] == pytest.approx(
        f1_score(ROWS_OF_BITS, bits, average="micro", zero_division=0), abs=1e-12
    )
    assert values["f1_macro"] == pytest.approx(
        f1_score(ROWS_OF_BITS, bits, average="macro", zero_division=0), abs=1e-12
    )


def test_probabilities_of_several_labels(smallest_bert: str):
    """With several labels per text `predict_proba` gives a sigmoid per label, which need not add up to 1."""
    model = fitted(smallest_bert, TEXTS, TAGS)

    probabilities = model.predict_proba(TEXTS)

    np.testing.assert_allclose(probabilities, logits_by_hand(model, TEXTS).sigmoid().numpy(), atol=1e-6)  # float32


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda rows: np.array(rows, dtype=bool)])
def test_several_labels_as_rows_of_bits(kind: Any, smallest_bert: str):
    """Rows of 0 and 1 train to the weights of lists of names, and come back as rows of 0 and 1."""
    names = fitted(smallest_bert, TEXTS, TAGS)

    model = fitted(smallest_bert, TEXTS, kind(ROWS_OF_BITS))

    assert model.task.problem_type == "multi_label_classification"
    assert torch.equal(model.network.classifier.weight, names.network.classifier.weight)
    assert model.predict(TEXTS) == (logits_by_hand(model, TEXTS) > 0).int().tolist()


def test_a_text_without_labels(smallest_bert: str):
    """An empty list says that a text has none of the labels."""
    model = fitted(smallest_bert, TEXTS[:4], [["a"], [], ["a", "b"], ["b"]])

    values = model.evaluate(TEXTS[:4], [[], [], [], []], verbose=0)

    logits = logits_by_hand(model, TEXTS[:4])
    expected = F.binary_cross_entropy_with_logits(logits, torch.zeros(4, 2)).item()
    assert values["loss"] == pytest.approx(expected, abs=1e-5)  # float32


def test_regression(smallest_bert: str):
    """Fractional numbers are a regression: one output, squared error, and the four metrics that suit."""
    model = fitted(smallest_bert, TEXTS, SCORES)

    values = model.evaluate(TEXTS, SCORES, verbose=0)

    predictions = model.predict(TEXTS)
    kept, truth = predictions.astype(np.float64), np.array(SCORES, dtype=np.float32).astype(np.float64)
    assert predictions.shape == (40,)
    np.testing.assert_allclose(predictions, logits_by_hand(model, TEXTS)[:, 0].numpy(), atol=1e-5)  # float32
    assert list(values) == ["loss", "pearson", "spearman", "r2", "mae"]
    assert values["loss"] == pytest.approx(((kept - truth) ** 2).mean(), rel=1e-5)  # float32 batches
    assert values["pearson"] == pytest.approx(pearsonr(truth, kept)[0], abs=1e-9)
    assert values["spearman"] == pytest.approx(spearmanr(truth, kept)[0], abs=1e-9)
    assert values["r2"] == pytest.approx(r2_score(truth, kept), abs=1e-9)
    assert values["mae"] == pytest.approx(mean_absolute_error(truth, kept), abs=1e-9)


def test_one_text_gives_one_number(smallest_bert: str):
    """One text in, one plain float out."""
    model = fitted(smallest_bert, TEXTS, SCORES)

    prediction = model.predict(TEXTS[0])

    assert type(prediction) is float
    assert prediction == pytest.approx(model.predict(TEXTS)[0], abs=1e-6)  # float32, padded or not


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, pd.DataFrame])
def test_several_targets(kind: Any, smallest_bert: str):
    """Rows of fractional numbers are several targets: one output each, metrics averaged over the targets."""
    model = fitted(smallest_bert, TEXTS, kind(TWO_SCORES))

    values = model.evaluate(TEXTS, kind(TWO_SCORES), verbose=0)

    predictions = model.predict(TEXTS).astype(np.float64)
    truth = np.array(TWO_SCORES, dtype=np.float32).astype(np.float64)
    assert predictions.shape == (40, 2)
    assert values["r2"] == pytest.approx(r2_score(truth, predictions), abs=1e-9)
    assert values["mae"] == pytest.approx(mean_absolute_error(truth, predictions), abs=1e-9)
    assert values["pearson"] == pytest.approx(np.mean([pearsonr(truth[:, c], predictions[:, c])[0] for c in (0, 1)]))
    assert values["spearman"] == pytest.approx(np.mean([spearmanr(truth[:, c], predictions[:, c])[0] for c in (0, 1)]))


def test_several_target_columns(smallest_bert: str):
    """Columns named by target= are several targets, remembered for evaluate."""
    table = pd.DataFrame({"text": TEXTS, "valence": [a for a, _ in TWO_SCORES], "arousal": [b for _, b in TWO_SCORES]})

    model = fitted(smallest_bert, table, target=["valence", "arousal"])

    same = fitted(smallest_bert, TEXTS, TWO_SCORES)
    assert torch.equal(model.network.classifier.weight, same.network.classifier.weight)
    assert model.evaluate(table, verbose=0) == same.evaluate(TEXTS, TWO_SCORES, verbose=0)


STARS = [1 + i % 5 for i in range(40)]


@pytest.mark.parametrize(
    ("targets", "told", "named"),
    [
        (STARS, "single_label_classification", "regression"),
        ([float(star) for star in STARS], "single_label_classification", "regression"),
        ([[star] for star in STARS], "multi_label_classification", "multi_label_classification"),
        (ROWS_OF_BITS, "multi_label_classification", "regression"),
        ([[float(bit) for bit in row] for row in ROWS_OF_BITS], "regression", "multi_label_classification"),
    ],
    ids=["whole numbers", "whole floats", "lists of one", "rows of bits", "rows of floats"],
)
def test_problem_type_overrules_the_data(targets: list[Any], told: str, named: str, smallest_bert: str):
    """What the targets are is told from the data, and `problem_type=` overrules it in transformers' words."""
    guessed = fitted(smallest_bert, TEXTS, targets)
    chosen = fitted(smallest_bert, TEXTS, targets, task=TextClassification(problem_type=named))

    assert (guessed.task.problem_type, guessed.network.config.problem_type) == (told, told)
    assert (chosen.task.problem_type, chosen.network.config.problem_type) == (named, named)
    assert all(np.isfinite(row["loss"]) for row in chosen.history)


def test_whole_numbers_as_regression(smallest_bert: str):
    """`problem_type="regression"` makes numbers of stars: one output, fractional answers."""
    model = fitted(smallest_bert, TEXTS, STARS, task=TextClassification(problem_type="regression"))

    predictions = model.predict(TEXTS)

    assert model.labels is None
    assert predictions.shape == (40,)
    assert predictions.dtype == np.float32


def test_metrics_of_the_user(smallest_bert: str):
    """`metrics=` replaces the task's metrics; each is named as typed and read from classes or probabilities."""
    from sklearn.metrics import balanced_accuracy_score, log_loss

    model = Model(
        smallest_bert,
        task="text-classification",
        metrics=["f1_weighted", "cohen_kappa_score", balanced_accuracy_score, ("nats", "log_loss")],
        device="cpu",
    )
    model.fit(TEXTS, THREE, epochs=2, seed=1, learning_rate=1e-2, verbose=0)

    values = model.evaluate(TEXTS, THREE, verbose=0)

    predictions = model.predict(TEXTS)
    assert list(values) == ["loss", "f1_weighted", "cohen_kappa_score", "balanced_accuracy_score", "nats"]
    assert values["f1_weighted"] == pytest.approx(f1_score(THREE, predictions, average="weighted"), abs=1e-12)
    assert values["balanced_accuracy_score"] == pytest.approx(balanced_accuracy_score(THREE, predictions), abs=1e-12)
    assert values["nats"] == pytest.approx(log_loss(THREE, model.predict_proba(TEXTS)), abs=1e-5)  # float32


def test_no_metrics(smallest_bert: str):
    """`metrics=[]` shows the loss alone."""
    model = Model(smallest_bert, task="text-classification", metrics=[], device="cpu")

    history = model.fit(TEXTS, SENTIMENTS, epochs=1, seed=1, verbose=0)

    assert isinstance(history, History)
    assert list(history[0]) == ["epoch", "time", "loss"]


def test_batch_size_changes_no_result(smallest_bert: str):
    """`evaluate` and `predict` do not depend on the batch size beyond float32's rounding."""
    model = fitted(smallest_bert, TEXTS, THREE)

    results = [
        (model.evaluate(TEXTS, THREE, batch_size=size, verbose=0)["loss"], model.predict(TEXTS, batch_size=size))
        for size in (1, 7, 64)
    ]

    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6) == pytest.approx(results[2][0], abs=1e-6)
    assert results[0][1] == results[1][1] == results[2][1]


def test_validation_columns(smallest_bert: str):
    """Validation data give the same metrics under val_, those of `evaluate` on the same rows."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    history = model.fit(TEXTS[:30], THREE[:30], (TEXTS[30:], THREE[30:]), epochs=2, seed=1, verbose=0)

    values = model.evaluate(TEXTS[30:], THREE[30:], verbose=0)
    assert {name: history[-1][f"val_{name}"] for name in values} == pytest.approx(values, abs=1e-12)


def test_learns(tiny_bert: Path):
    """A few epochs tell "good" from "bad" texts far better than the majority's half."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=10, batch_size=8, learning_rate=5e-3, seed=0, verbose=0)

    assert model.evaluate(TEXTS, SENTIMENTS, verbose=0)["accuracy"] > 0.9


def test_the_number_of_targets_alone_says_regression(smallest_bert: str):
    """`TextClassification(targets=2)` is a regression with two numbers, built at once."""
    model = Model(smallest_bert, task=TextClassification(targets=2), device="cpu")

    assert model.task.problem_type == "regression"
    assert model.network.config.num_labels == 2
