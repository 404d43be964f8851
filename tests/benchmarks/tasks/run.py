"""One run of one side: what it is given, and what it gives."""

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

BATCH = 16
RATE = 5e-5


@dataclass(frozen=True)
class Run:
    """What both sides are given.

    Args:
        name: of the data set.
        data: directory with a directory for each data set.
        model: directory of a body and its tokenizer.
        seed: of the head, the order and dropout.
        epochs: passes over the training rows.
        updates: optimizer steps; None: as many as the epochs have.
        limit: rows that are read of a file; None: all.
    """

    name: str
    data: Path
    model: Path
    seed: int
    epochs: int
    updates: int | None = None
    limit: int | None = None

    def rows(self, file: str) -> list[dict[str, Any]]:
        """Read the rows of a CSV or JSON lines file of the data; the values of a CSV file stay strings."""
        with (self.data / file).open(encoding="utf-8", newline="") as lines:
            return list(islice(csv.DictReader(lines) if file.endswith(".csv") else map(json.loads, lines), self.limit))


@dataclass
class Found:
    """What a side gives.

    Args:
        seconds: CPU time of loading, tokenizing and training.
        scores: by name, computed by other libraries than keraslike from a side's answers.
        errors: standard errors of scores over the rows that they are means of.
        differs: the largest relative difference between a score and what keraslike's `evaluate` gives.
    """

    seconds: float
    scores: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)
    differs: float | None = None

    def beside(self, evaluated: dict[str, float]) -> "Found":
        """Note how far what `evaluate` gives is from the scores."""
        self.differs = max(
            abs(evaluated[name] / value - 1) if value else abs(evaluated[name]) for name, value in self.scores.items()
        )
        return self


def fitted(run: Run, task: Any, rows: Sequence[Any]) -> tuple[Any, float]:
    """Give keraslike's model, trained, and the CPU seconds that it took."""
    import keraslike

    length = {"epochs": run.epochs} if run.updates is None else {"epochs": 1, "steps_per_epoch": run.updates}
    began = time.process_time()
    model = keraslike.Model(str(run.model), task=task, device="cpu")
    model.fit(rows, batch_size=BATCH, learning_rate=RATE, seed=run.seed, verbose=0, **length)
    return model, time.process_time() - began
