"""Real texts of ragged length: short messages, sentences of reviews, and a few paragraphs of an encyclopedia.

Of 1,000 texts 245 are messages (`sms_spam`), 690 are sentences (`sentence_polarity`) and 65 are paragraphs
(`squad_new_wiki`). In tokens of BERT the median is about 25 and the 95th percentile about 118. The label is where the
text is from.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHARES = {"message": 0.245, "sentence": 0.69, "paragraph": 0.065}


def read_sources(folder: Path) -> dict[str, list[str]]:
    """Read all texts of each source, each once."""
    sources = {}
    for name, data in (("message", "sms_spam"), ("sentence", "sentence_polarity")):
        with (folder / data / "train.csv").open(encoding="utf-8", newline="") as file:
            sources[name] = [row["text"] for row in csv.DictReader(file)]
    with (folder / "squad_new_wiki" / "train.jsonl").open(encoding="utf-8") as file:
        sources["paragraph"] = [json.loads(line)["context"] for line in file]
    return {name: list(dict.fromkeys(texts)) for name, texts in sources.items()}


def made_up(count: int) -> dict[str, list[str]]:
    """Make texts of the three kinds where there is no data, for a quick look; lengths as ragged as the real ones."""
    lengths = {"message": 12, "sentence": 20, "paragraph": 60}
    return {name: [f"{name} {index} " * (length // 3) for index in range(count)] for name, length in lengths.items()}


def mixture(sources: dict[str, list[str]], count: int, seed: int) -> tuple[list[str], list[str]]:
    """Draw texts and labels; the shares are kept as exactly as the count allows, the order is drawn.

    Returns:
        Two lists of `count` strings.
    """
    generator = np.random.default_rng(seed)
    counts = {name: round(share * count) for name, share in SHARES.items()}
    counts["sentence"] += count - sum(counts.values())
    pairs = [
        (sources[name][index], name)
        for name, number in counts.items()
        for index in generator.permutation(len(sources[name]))[:number]
    ]
    pairs = [pairs[index] for index in generator.permutation(len(pairs))]
    return [text for text, _ in pairs], [label for _, label in pairs]


def described(lengths: Sequence[int]) -> str:
    """Say how ragged texts are, in tokens."""
    middle, high = np.percentile(lengths, [50, 95])
    return f"{len(lengths)} texts, median {middle:.0f} tokens, 95th percentile {high:.0f}, mean {np.mean(lengths):.1f}"
