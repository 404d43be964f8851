"""Keeps what measuring gives for each feature, so that metrics of rows can be computed after the last batch."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from keraslike.data.encoding import Feature
from keraslike.data.rows import Rows
from keraslike.metrics.rows import RowMetric
from keraslike.tasks.base import Task

Generate = Callable[[Sequence[Feature]], Any]


class RowKeeper:
    """The features of one validation or evaluation, and their outputs where `decode` reads those.

    Args:
        task: decodes.
        metrics: the metrics of rows.
        generate: gives the outputs of features by `predict_batch`, for tasks that do not decode logits.

    Attributes:
        is_whole: whether every batch has told its rows; those of a DataLoader do not.
    """

    def __init__(self, task: Task, metrics: Sequence[RowMetric], generate: Generate) -> None:
        self.task, self.metrics, self.generate = task, metrics, generate
        self.is_whole = True
        self._source: Rows | None = None
        self._kept: list[tuple[int, Feature, Tensor | None]] = []

    def add(self, batch: Any, outputs: Any) -> None:
        """Keep a batch's features, and their outputs on the CPU."""
        source, places = getattr(batch, "source", None), getattr(batch, "places", None)
        if source is None or places is None or ("target" not in source.columns and self.task.has_targets):
            self.is_whole = False
            return
        self._source = source
        rows = outputs.detach().cpu() if self.task.decodes_logits else [None] * len(places)
        self._kept += zip(map(int, places), batch.features, rows, strict=True)

    def values(self) -> dict[str, float]:
        """Give every metric of the rows that were measured; nothing where their truth is not known."""
        if not self._kept or not self.is_whole or self._source is None:
            return {}
        kept = sorted(self._kept, key=lambda item: item[0])
        features = [feature for _, feature, _ in kept]
        outputs: Any = [output for *_, output in kept] if self.task.decodes_logits else self.generate(features)
        if self.task.decodes_logits and len({output.shape for output in outputs}) == 1:
            outputs = torch.stack(outputs)
        predictions = self.task.decode(outputs, features)
        truth = self.task.references(self._source)
        references = [truth[row] for row in dict.fromkeys(feature["row"] for feature in features)]
        values: dict[str, float] = {}
        for metric in self.metrics:
            values |= metric.values(predictions, references)
        return values
