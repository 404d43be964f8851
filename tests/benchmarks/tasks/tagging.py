"""A label for each word: entity F1 by seqeval for named entities, the accuracy of words for parts of speech."""

import time
from collections import Counter
from typing import Any

from seqeval.metrics import f1_score
from torch import Tensor
from transformers import AutoModelForTokenClassification, AutoTokenizer

from . import hand
from .run import Found, Run, fitted

COLUMN = {"wnut17": "ner_tags", "ud_ewt_pos": "upos"}

Tags = list[list[str]]


def both(run: Run) -> list[tuple[list[list[str]], Tags]]:
    """Give the words and tags to learn from, and those to measure."""
    parts = [run.rows(f"{run.name}/{part}.jsonl") for part in ("train", "test")]
    return [([row["tokens"] for row in rows], [row[COLUMN[run.name]] for row in rows]) for rows in parts]


def score(run: Run, truth: Tags, predicted: Tags) -> dict[str, float]:
    """Compare tags."""
    if run.name == "wnut17":
        return {"entity_f1": float(f1_score(truth, predicted, zero_division=0))}
    pairs = [pair for rows in zip(truth, predicted, strict=True) for pair in zip(*rows, strict=True)]
    return {"accuracy": sum(one == other for one, other in pairs) / len(pairs)}


def with_keraslike(run: Run) -> Found:
    """Learn from words and tags."""
    train, test = both(run)
    model, seconds = fitted(run, "token-classification", list(zip(*train, strict=True)))
    return Found(seconds, score(run, test[1], model.predict(test[0]))).beside(model.evaluate(*test, verbose=0))


def by_hand(run: Run) -> Found:
    """Do the same by torch and transformers."""
    (words, tags), (test_words, truth) = both(run)
    began = time.process_time()
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    counts = Counter(tag for row in tags for tag in row)
    labels, usual = sorted(counts), counts.most_common(1)[0][0]
    encoded = [tokenizer(row, is_split_into_words=True, truncation=True) for row in words]
    features = []
    for own, row in zip(encoded, tags, strict=True):
        ids = [-100] * len(own["input_ids"])
        for place, word in first_pieces(own).items():
            ids[place] = labels.index(row[word])
        features.append({**own, "labels": ids})
    network = hand.loaded(run, AutoModelForTokenClassification, num_labels=len(labels))
    hand.fine_tune(run, network, lambda _: features, hand.labels_of)
    seconds = time.process_time() - began
    encoded = [tokenizer(row, is_split_into_words=True, truncation=True) for row in test_words]
    classes = hand.outputs(network, [dict(own) for own in encoded], lambda found: found.logits.argmax(-1))
    named = [
        tagged(row, first_pieces(own), found, labels, usual)
        for row, own, found in zip(test_words, encoded, classes, strict=True)
    ]
    return Found(seconds, score(run, truth, named))


def first_pieces(encoded: Any) -> dict[int, int]:
    """Give the place of each word's first piece, and the word's number."""
    words = encoded.word_ids()
    return {
        place: word for place, word in enumerate(words) if word is not None and (place == 0 or words[place - 1] != word)
    }


def tagged(words: list[str], firsts: dict[int, int], classes: Tensor, labels: list[str], usual: str) -> list[str]:
    """Give a tag for each word, the usual one where it has no piece."""
    found = [usual] * len(words)
    for place, word in firsts.items():
        found[word] = labels[int(classes[place])]
    return found
