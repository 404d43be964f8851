"""How alike two texts are, a number: Pearson's correlation."""

import time
from typing import Any

from scipy.stats import pearsonr
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from . import hand
from .run import Found, Run, fitted

PAIR = ("sentence1", "sentence2")


def both(run: Run) -> list[list[dict[str, Any]]]:
    """Give the rows to learn from, and those to measure."""
    parts = [run.rows(f"{run.name}/{part}.csv") for part in ("train", "test")]
    return [[{**row, "score": float(row["score"])} for row in rows] for rows in parts]


def score(rows: list[dict[str, Any]], predicted: Any) -> dict[str, float]:
    """Compare numbers."""
    return {"pearson": float(pearsonr([row["score"] for row in rows], predicted).statistic)}


def with_keraslike(run: Run) -> Found:
    """Learn from pairs and numbers."""
    train, test = both(run)
    model, seconds = fitted(run, "text-classification", train)
    return Found(seconds, score(test, model.predict(test))).beside(model.evaluate(test, verbose=0))


def by_hand(run: Run) -> Found:
    """Do the same by torch and transformers."""
    train, test = both(run)
    began = time.process_time()
    tokenizer = AutoTokenizer.from_pretrained(run.model)

    def encoded(rows: list[dict[str, Any]]) -> list[hand.Feature]:
        return [dict(tokenizer(*(row[name] for name in PAIR), truncation=True)) for row in rows]

    features = [{**own, "labels": row["score"]} for own, row in zip(encoded(train), train, strict=True)]
    network = hand.loaded(run, AutoModelForSequenceClassification, num_labels=1, problem_type="regression")
    hand.fine_tune(run, network, lambda _: features)
    seconds = time.process_time() - began
    predicted = hand.outputs(network, encoded(test), lambda found: found.logits.squeeze(-1))
    return Found(seconds, score(test, [float(number) for number in predicted]))
