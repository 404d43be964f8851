"""What Trainer, Lightning and Poutyne leave to the user: shuffling, marking, padding, the loss."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, load_dataset
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, AutoTokenizer

SENTENCES = [f"sentence{number}" for number in range(1, 6)]


@dataclass
class Recipe:
    """How to train.

    Args:
        model: directory of a body and its tokenizer.
        data: directory with train.csv and test.csv in the guide's columns.
        seed: of head, order, dropout and permutations.
        is_same: whether everyone trains by the values below; else by what each tool sets itself.
        updates: optimizer steps.
        batch_size: stories per step.
        lr: AdamW's highest rate.
        warmup: updates in which the rate rises; it then falls linearly to 0.
        weight_decay: AdamW's.
        clip_norm: largest norm of the gradients.
        layers: of the body, from below; None: all.
        changed: what keraslike alone does otherwise.
    """

    model: Path
    data: Path
    seed: int
    is_same: bool
    updates: int = 250
    batch_size: int = 16
    lr: float = 5e-5
    warmup: int = 25
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    layers: int | None = None
    changed: str = ""

    def network(self) -> Any:
        """Give the body with a head of one score per token."""
        torch.manual_seed(self.seed)
        size = {} if self.layers is None else {"num_hidden_layers": self.layers}
        return AutoModelForTokenClassification.from_pretrained(self.model, num_labels=1, **size)

    def tokenizer(self) -> Any:
        """Give the body's tokenizer."""
        return AutoTokenizer.from_pretrained(self.model)


def read(recipe: Recipe, part: str) -> Any:
    """Read one part's stories."""
    return load_dataset("csv", data_files=str(recipe.data / f"{part}.csv"), split="train", keep_default_na=False)


def encoded(recipe: Recipe, part: str, seed: int) -> Dataset:
    """Shuffle each story, mark each sentence, tokenize: `input_ids`, and `labels` -100 but at the markers."""
    tokenizer = recipe.tokenizer()

    def encode(story: dict[str, str], row: int) -> dict[str, Any]:
        order = np.random.default_rng((seed, row)).permutation(len(SENTENCES))
        shuffled = [story[SENTENCES[index]] for index in order]
        text = " ".join(f"{tokenizer.sep_token} {sentence}" for sentence in shuffled)
        ids = tokenizer(text, truncation=True)["input_ids"]
        marks = [place for place, token in enumerate(ids[:-1]) if token == tokenizer.sep_token_id]
        labels = np.full(len(ids), -100.0)
        labels[marks] = order[: len(marks)]
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}

    stories = read(recipe, part)
    return stories.map(encode, with_indices=True, remove_columns=stories.column_names, keep_in_memory=True)


@dataclass
class Pad:
    """Make a batch of stories, padded to the longest of them."""

    pad_token_id: int

    def __call__(self, stories: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Give `input_ids`, `attention_mask` and `labels`, each `(stories, tokens)`."""
        fills = {"input_ids": self.pad_token_id, "attention_mask": 0, "labels": -100.0}
        columns = {name: [torch.as_tensor(story[name]) for story in stories] for name in fills}
        pad = nn.utils.rnn.pad_sequence
        return {name: pad(columns[name], batch_first=True, padding_value=fill) for name, fill in fills.items()}


def ordering_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Give the squared error at the markers, summed per story, averaged over stories."""
    is_marked = labels != -100
    errors = torch.where(is_marked, scores.squeeze(-1) - labels, 0.0)
    return (errors**2).sum() / len(labels)
