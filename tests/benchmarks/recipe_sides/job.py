"""What each side is given, and what is measured of it by the same few lines."""

import csv
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sklearn import metrics
from torch.optim.optimizer import register_optimizer_step_post_hook

MILLION = 1e6


@dataclass(frozen=True)
class Job:
    """Fine-tune a classifier, and answer for other texts.

    Args:
        folder: holds `train.csv` and `test.csv`.
        target: the column of the labels, which are words; the texts are in "text".
        model: directory of a body and its tokenizer.
        seed: of the head, the order and dropout.
        epochs: passes over the training rows.
        rows: training rows, the first ones of the file; the files of the data sets here are shuffled.
        test_rows: rows that are measured, the first ones of the file.
    """

    folder: Path
    target: str
    model: Path
    seed: int
    epochs: int = 2
    rows: int = 1_500
    test_rows: int = 1_000

    @cached_property
    def train(self) -> tuple[list[str], list[str]]:
        """Texts and labels to learn from."""
        return self._columns("train", self.rows)

    @cached_property
    def test(self) -> tuple[list[str], list[str]]:
        """Texts and labels to be measured on."""
        return self._columns("test", self.test_rows)

    @cached_property
    def kinds(self) -> list[str]:
        """The labels, in the order of the network's outputs, which is keraslike's."""
        return sorted(set(self.train[1]))

    def _columns(self, part: str, rows: int) -> tuple[list[str], list[str]]:
        with (self.folder / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            found = list(islice(csv.DictReader(file), rows))
        return [row["text"] for row in found], [row[self.target] for row in found]


@dataclass
class Steps:
    """When optimizer steps ended, in CPU seconds of the process, and how many parameters the last one moved."""

    ended: list[float] = field(default_factory=list)
    moved: int = 0

    def epochs(self, count: int) -> list[float]:
        """Give the CPU seconds of each epoch; the first one without its first step, to whose end much is made ready."""
        steps = len(self.ended) // count
        if steps < 2 or steps * count != len(self.ended):
            raise AssertionError(f"{len(self.ended)} steps were made, which are not {count} epochs of two or more")
        marks = [self.ended[0], *self.ended[steps - 1 :: steps]]
        whole = [last - first for first, last in pairwise(marks)]
        return [whole[0] * steps / (steps - 1), *whole[1:]]


@contextmanager
def watched() -> Iterator[Steps]:
    """Watch the optimizer steps, whoever makes them: every torch optimizer calls such hooks."""
    steps = Steps()

    def stepped(optimizer: Any, *_: Any) -> None:
        steps.ended.append(time.process_time())
        learning = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        steps.moved = sum(one.numel() for one in learning)

    hook = register_optimizer_step_post_hook(stepped)
    try:
        yield steps
    finally:
        hook.remove()


@dataclass
class Learned:
    """What a side gives.

    Args:
        logits: of the test texts, `(texts, labels)`, in the order of `Job.kinds`.
        digest: of the bits of all weights.
        megabytes: of what has to be kept to answer again.
        seconds: CPU time from texts in memory to the trained network.
        evaluated: what keraslike's `evaluate` says of the test texts.
    """

    logits: torch.Tensor
    digest: str
    megabytes: float
    seconds: float
    evaluated: dict[str, float] = field(default_factory=dict)


def scores(job: Job, logits: torch.Tensor) -> dict[str, float]:
    """Score logits by torch and scikit-learn; the loss is the mean over the texts."""
    truth = torch.tensor([job.kinds.index(label) for label in job.test[1]])
    predicted = logits.argmax(-1)
    loss = F.cross_entropy(logits.double(), truth).item()
    macro = metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    return {"accuracy": metrics.accuracy_score(truth, predicted), "f1_macro": macro, "loss": loss}


def digest(network: Any) -> str:
    """Give sixteen letters that two networks share only if all their weights have the same bits."""
    found = hashlib.sha256()
    for weights in network.parameters():
        found.update(weights.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def megabytes(directory: Path) -> float:
    """Give the size of all files in a directory, in millions of bytes."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / MILLION


def features(tokenizer: Any, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Tokenize; nothing is padded."""
    columns = {**tokenizer(list(texts), truncation=True)}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def labelled(tokenizer: Any, job: Job) -> list[dict[str, Any]]:
    """Give the training rows as features with "labels"."""
    indices = [job.kinds.index(label) for label in job.train[1]]
    rows = features(tokenizer, job.train[0])
    return [{**row, "labels": index} for row, index in zip(rows, indices, strict=True)]
