"""Keeps what measuring gives for each feature, so that metrics of rows can be computed after the last batch."""

from collections.abc import Callable, Sequence, Sized
from typing import Any

import torch
from torch import Tensor

from keraslike.data.encoding import Feature
from keraslike.data.rows import Rows
from keraslike.errors import DataError
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
        is_whole: whether every batch has told its rows; padded tensors of a DataLoader do not.
    """

    def __init__(self, task: Task, metrics: Sequence[RowMetric], generate: Generate) -> None:
        self.task, self.metrics, self.generate = task, metrics, generate
        self.is_whole = True
        self._source: Rows | None = None
        self._truth: Sequence[Any] = ()
        self._starts = (0, 0)
        self._kept: dict[int, tuple[Feature, Tensor | None]] = {}
        self._references: dict[int, Any] = {}

    def add(self, batch: Any, outputs: Any) -> None:
        """Keep a batch's features, and their outputs on the CPU; those that come again in a further pass count once."""
        source = getattr(batch, "source", None)
        if source is None or ("target" not in source.columns and self.task.has_targets):
            self.is_whole = False
            return
        if source is not self._source:  # each batch of a loader has rows of its own
            rows_before = 0 if self._source is None else self._starts[1] + len(self._source)
            self._source, self._truth = source, self.task.references(source)
            self._starts = len(self._kept), rows_before
        first_place, first_row = self._starts
        places = range(len(batch.features)) if batch.places is None else map(int, batch.places)
        kept = outputs.detach().cpu() if self.task.decodes_logits else [None] * len(batch.features)
        for place, feature, output in zip(places, batch.features, kept, strict=True):
            row = first_row + feature["row"]
            self._kept[first_place + place] = ({**feature, "row": row}, output)
            self._references.setdefault(row, self._truth[feature["row"]])

    def values(self) -> list[tuple[str, dict[str, float]]]:
        """Give each metric's name and values over the rows that were measured; nothing where the truth is not known."""
        if not self._kept or not self.is_whole:
            return []
        kept = [self._kept[place] for place in sorted(self._kept)]
        features = [feature for feature, _ in kept]
        outputs: Any = [output for _, output in kept] if self.task.decodes_logits else self.generate(features)
        if self.task.decodes_logits and len({output.shape for output in outputs}) == 1:
            outputs = torch.stack(outputs)
        predictions = self.task.decode(outputs, features)
        check_answers(self.task, predictions, len(self._references))
        references = [self._references[row] for row in dict.fromkeys(feature["row"] for feature in features)]
        return [(metric.name, metric.values(predictions, references)) for metric in self.metrics]


def check_references(task: Task, metrics: Sequence[RowMetric], rows: Rows) -> None:
    """Refuse rows whose truth, or answers, a metric cannot compare, before anything is learned or measured.

    Raises:
        DataError: a metric of texts, for example, is held against a task whose truth is no text.
        MissingDependencyError: a metric needs a package that is not installed.
    """
    if metrics and ("target" in rows.columns or not task.has_targets):
        references = task.references(rows)
        answers = task.answers_like(references)
        for metric in metrics:
            metric.check(references, answers)


def check_answers(task: Task, answers: Sequence[Any], rows: int) -> None:
    """Refuse answers that are not one for each row.

    Raises:
        DataError: there are more, or fewer.
    """
    has_length = isinstance(answers, Sized)
    if has_length and len(answers) == rows:
        return
    made = f"{len(answers):,} answers" if has_length else f"{answers!r:.60}"
    raise DataError(
        f"the task {task.name!r} made {made} of {rows:,} rows.",
        "one answer for each row, in the order of the rows.",
        f"look at decode of {type(task).__name__}: the features of a row have its number under 'row'.",
    )
