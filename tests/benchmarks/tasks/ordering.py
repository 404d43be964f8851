"""Shuffled sentences put in order, the separator before each: Kendall's tau and accuracy of positions."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor
from transformers import AutoModelForTokenClassification, AutoTokenizer

from . import hand
from .run import Found, Run, fitted

Stories = list[list[str]]


def both(run: Run) -> list[Stories]:
    """Give the stories to learn from, and those to measure."""
    parts = [run.rows(f"{run.name}/{part}.csv") for part in ("train", "test")]
    return [[[row[f"sentence{number}"] for number in range(1, 6)] for row in rows] for rows in parts]


def permutations(stories: Stories, seed: int, epoch: int) -> list[list[int]]:
    """Draw an order for each story; with (0, 1) those that keraslike documents for measuring."""
    drawn = (np.random.default_rng((seed, epoch, row)) for row in range(len(stories)))
    return [generator.permutation(len(story)).tolist() for generator, story in zip(drawn, stories, strict=True)]


def score(given: Sequence[list[int]], predicted: Sequence[Sequence[int]]) -> dict[str, float]:
    """Compare the order in which sentences were given with what they were put in, first to last."""
    ranks = [np.argsort(order) for order in predicted]
    taus = [kendalltau(*pair).statistic for pair in zip(ranks, given, strict=True)]
    right = [np.mean(rank == order) for rank, order in zip(ranks, given, strict=True)]
    return {"tau": float(np.mean(taus)), "position_accuracy": float(np.mean(right))}


def with_keraslike(run: Run) -> Found:
    """Learn from stories."""
    from keraslike.tasks import SentenceOrdering

    train, test = both(run)
    task = SentenceOrdering(marker="sep", targets="index", start="zero")
    model, seconds = fitted(run, task, train)
    given = permutations(test, 0, 1)
    shuffled = [[story[index] for index in order] for story, order in zip(test, given, strict=True)]
    return Found(seconds, score(given, model.predict(shuffled))).beside(model.evaluate(test, verbose=0))


def by_hand(run: Run) -> Found:
    """Do the same by torch and transformers."""
    train, test = both(run)
    began = time.process_time()
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    network = hand.loaded(run, AutoModelForTokenClassification, num_labels=1)

    def encoded(stories: Stories) -> list[list[list[int]]]:
        return [tokenizer(story, add_special_tokens=False)["input_ids"] for story in stories]

    pieces = encoded(train)

    def features(epoch: int) -> list[hand.Feature]:
        orders = permutations(train, run.seed + 1_000, epoch)
        return [laid_out(story, order, tokenizer) for story, order in zip(pieces, orders, strict=True)]

    hand.fine_tune(run, network, features, loss=squared_error)
    seconds = time.process_time() - began
    given = permutations(test, 0, 1)
    laid = [laid_out(story, order, tokenizer) for story, order in zip(encoded(test), given, strict=True)]
    marked = [torch.tensor(feature.pop("labels")) != -100 for feature in laid]
    scores = hand.outputs(network, laid, lambda found: found.logits.squeeze(-1))
    predicted = [own[: len(where)][where].argsort().tolist() for own, where in zip(scores, marked, strict=True)]
    return Found(seconds, score(given, predicted))


def laid_out(sentences: list[list[int]], order: list[int], tokenizer: Any) -> hand.Feature:
    """Give one text, and at each sentence's separator its index in the true order."""
    ids, labels = [tokenizer.cls_token_id], [-100]
    for index in order:
        ids += [tokenizer.sep_token_id, *sentences[index]]
        labels += [index, *[-100] * len(sentences[index])]
    ids.append(tokenizer.sep_token_id)
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": [*labels, -100]}


def squared_error(network: Any, batch: hand.Batch) -> Tensor:
    """Give the squared error, summed over a story, averaged over stories."""
    labels = batch["labels"]
    scores = network(batch["input_ids"], attention_mask=batch["attention_mask"]).logits.squeeze(-1)
    return ((scores - labels)[labels != -100] ** 2).sum() / len(labels)
