"""The span of a context that answers a question: exact match and F1 of words, as SQuAD's script counts them."""

import re
import string
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from . import hand
from .run import Found, Run, fitted

STRIDE = 128
MOST_TOKENS = 30

Row = dict[str, Any]


def both(run: Run) -> list[list[Row]]:
    """Give the questions to learn from, and those to measure; with unanswerable ones under the name with _v2."""
    files = ("train_v2", "dev_v2") if run.name.endswith("_v2") else ("train", "test")
    return [run.rows(f"{run.name.removesuffix('_v2')}/{file}.jsonl") for file in files]


def with_keraslike(run: Run) -> Found:
    """Learn from rows as SQuAD has them."""
    train, test = both(run)
    model, seconds = fitted(run, "question-answering", train)
    predicted = [answer["answer"] for answer in model.predict(test)]
    return scored(seconds, test, predicted).beside(model.evaluate(test, verbose=0))


def by_hand(run: Run) -> Found:
    """Do the same by torch and transformers."""
    train, test = both(run)
    began = time.process_time()
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    encoded = windows(tokenizer, train)
    columns = inputs(encoded)
    spans = [span(encoded, index, train[row]) for index, row in enumerate(encoded["overflow_to_sample_mapping"])]
    places = [{"start_positions": start, "end_positions": end} for start, end in spans]
    features = [{**own, **place} for own, place in zip(columns, places, strict=True)]
    network = hand.loaded(run, AutoModelForQuestionAnswering)
    hand.fine_tune(run, network, lambda _: features)
    seconds = time.process_time() - began
    encoded = windows(tokenizer, test)
    logits = hand.outputs(
        network, inputs(encoded), lambda found: torch.stack([found.start_logits, found.end_logits], 1)
    )
    return scored(
        seconds, test, answers(encoded, logits, test, has_none=any(not row["answers"]["text"] for row in train))
    )


def windows(tokenizer: Any, rows: list[Row]) -> Any:
    """Tokenize questions and contexts, long contexts into windows that overlap."""
    texts = ([row[name] for row in rows] for name in ("question", "context"))
    longest = tokenizer.model_max_length
    cut = {"truncation": "only_second", "max_length": longest, "stride": min(STRIDE, longest // 4)}
    return tokenizer(*texts, **cut, return_overflowing_tokens=True, return_offsets_mapping=True)


def inputs(encoded: Any) -> list[hand.Feature]:
    """Give what goes through the network."""
    names = [name for name in encoded if name not in ("overflow_to_sample_mapping", "offset_mapping")]
    return [dict(zip(names, values, strict=True)) for values in zip(*(encoded[name] for name in names), strict=True)]


def span(encoded: Any, index: int, row: Row) -> tuple[int, int]:
    """Give the first and the last token of the first answer, (0, 0) where it is not all in the window."""
    if not row["answers"]["text"]:
        return 0, 0
    start = row["answers"]["answer_start"][0]
    end = start + len(row["answers"]["text"][0])
    offsets, parts = encoded["offset_mapping"][index], encoded.sequence_ids(index)
    context = [place for place, part in enumerate(parts) if part == 1]
    if offsets[context[0]][0] > start or offsets[context[-1]][1] < end:
        return 0, 0
    inside = [place for place in context if offsets[place][0] < end and offsets[place][1] > start]
    return inside[0], inside[-1]


def answers(encoded: Any, logits: Sequence[Any], rows: list[Row], *, has_none: bool) -> list[str]:
    """Give the text of the best span of each row's windows; none where that is likelier, if it is an answer."""
    best = [(-np.inf, "")] * len(rows)
    none = [np.inf] * len(rows)
    for index, (row, own) in enumerate(zip(encoded["overflow_to_sample_mapping"], logits, strict=True)):
        context = [place for place, part in enumerate(encoded.sequence_ids(index)) if part == 1]
        starts, ends = own[:, context].double().numpy()
        sums = np.add.outer(starts, ends)
        allowed = np.triu(np.ones_like(sums)) - np.triu(np.ones_like(sums), MOST_TOKENS)
        sums[allowed == 0] = -np.inf
        first, last = np.unravel_index(sums.argmax(), sums.shape)
        offsets = [encoded["offset_mapping"][index][context[place]] for place in (first, last)]
        best[row] = max(best[row], (float(sums[first, last]), rows[row]["context"][offsets[0][0] : offsets[1][1]]))
        none[row] = min(none[row], float(own[:, 0].sum()))
    return [text if not has_none or score >= null else "" for (score, text), null in zip(best, none, strict=True)]


# SQuAD's scores


def scored(seconds: float, rows: list[Row], predicted: list[str]) -> Found:
    """Compare answers; the standard errors are over the questions."""
    pairs = [(plain(answer), truths(row)) for answer, row in zip(predicted, rows, strict=True)]
    each = {
        "exact_match": [max(float(own == truth) for truth in known) for own, known in pairs],
        "answer_f1": [max(f1(own, truth) for truth in known) for own, known in pairs],
    }
    errors = {name: float(np.std(values) / len(values) ** 0.5) for name, values in each.items()}
    return Found(seconds, {name: float(np.mean(values)) for name, values in each.items()}, errors)


def plain(text: str) -> list[str]:
    """Give the words of a text, without capitals, punctuation and articles."""
    letters = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", letters).split()


def truths(row: Row) -> list[list[str]]:
    """Give the true answers; a single empty one where there is none."""
    return [words for text in row["answers"]["text"] if (words := plain(text))] or [[]]


def f1(own: list[str], truth: list[str]) -> float:
    """Give twice the words in common over all words of both."""
    if not own or not truth:
        return float(own == truth)
    return 2 * sum((Counter(own) & Counter(truth)).values()) / (len(own) + len(truth))
