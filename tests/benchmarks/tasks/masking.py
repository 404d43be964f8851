"""Hidden words of plain text: the perplexity of their tokens, on masks that are the same for everybody."""

import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from . import hand
from .run import Found, Run, fitted

TOKENS = 60_000
BLOCK = 128

Token = tuple[int, int]


def both(run: Run, tokenizer: Any) -> list[list[str]]:
    """Give the paragraphs to learn from, about 60,000 tokens of them, and those to measure."""
    parts = [(run.data / run.name / f"{part}.txt").read_text(encoding="utf-8") for part in ("train", "test")]
    train, test = ([own.strip() for own in part.split("\n\n") if own.strip()][: run.limit] for part in parts)
    tokens = np.cumsum([len(ids) + 1 for ids in tokenizer(train, add_special_tokens=False)["input_ids"]])
    return [train[: int((tokens <= TOKENS).sum())], test]


def with_keraslike(run: Run) -> Found:
    """Learn from paragraphs."""
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    train, test = both(run, tokenizer)
    model, seconds = fitted(run, "fill-mask", train)
    measured = {"perplexity": perplexity(model.network.wrapped, test, tokenizer)}
    return Found(seconds, measured).beside(model.evaluate(test, verbose=0))


def by_hand(run: Run) -> Found:
    """Do the same by torch and transformers."""
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    train, test = both(run, tokenizer)
    began = time.process_time()
    network = hand.loaded(run, AutoModelForMaskedLM)
    packed = blocks(train, tokenizer)
    seed = run.seed + 1_000
    hand.fine_tune(run, network, lambda epoch: masked(packed, tokenizer, seed, epoch), hand.labels_of)
    seconds = time.process_time() - began
    return Found(seconds, {"perplexity": perplexity(network, test, tokenizer)})


def blocks(paragraphs: Iterable[str], tokenizer: Any) -> list[list[Token]]:
    """Join all paragraphs, a separator behind each, and cut them into blocks of (token, number of its word, or -1).

    A word is what stands between spaces.
    """
    flat, words = [], 0
    for paragraph in paragraphs:
        own = paragraph.split()
        encoded = tokenizer(own, is_split_into_words=True, add_special_tokens=False, verbose=False)
        numbers = [words + word for word in encoded.word_ids()]
        flat += [*zip(encoded["input_ids"], numbers, strict=True), (tokenizer.sep_token_id, -1)]
        words += len(own)
    size = min(BLOCK, tokenizer.model_max_length) - 2
    first, last = (tokenizer.cls_token_id, -1), (tokenizer.sep_token_id, -1)
    cut = (flat[start : start + size] for start in range(0, len(flat), size))
    return [[first, *block, *([] if block[-1] == last else [last])] for block in cut]


def masked(packed: list[list[Token]], tokenizer: Any, seed: int, epoch: int) -> list[hand.Feature]:
    """Hide words; with (0, 1) those that keraslike documents for measuring."""
    ordinary = np.setdiff1d(list(tokenizer.get_vocab().values()), tokenizer.all_special_ids)
    features = []
    for index, block in enumerate(packed):
        generator = np.random.default_rng((seed, epoch, index))
        ids, words = np.array(block).T
        own, numbers = np.unique(words[words >= 0], return_inverse=True)
        is_hidden = np.zeros(len(ids), bool)
        is_hidden[words >= 0] = (generator.random(len(own)) < 0.15)[numbers]
        fate, others = generator.random(len(ids)), generator.choice(ordinary, len(ids))
        seen = np.where(fate < 0.8, tokenizer.mask_token_id, np.where(fate < 0.9, others, ids))
        labels = np.where(is_hidden, ids, -100)
        known = {"attention_mask": np.ones(len(ids), int), "labels": labels}
        features.append({"input_ids": np.where(is_hidden, seen, ids), **known})
    return features


@torch.inference_mode()
def perplexity(network: Any, paragraphs: list[str], tokenizer: Any) -> float:
    """Measure a network."""
    network.eval()
    features = masked(blocks(paragraphs, tokenizer), tokenizer, 0, 1)
    total = tokens = 0.0
    for feature in features:
        batch = hand.pad([feature])
        if own := hand.labels_of(batch):
            total, tokens = total + own * network(**batch).loss.item(), tokens + own
    return math.exp(total / tokens)
