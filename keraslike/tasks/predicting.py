"""The verbs of a model with a task that answer: rows in, the user's own labels out."""

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from keraslike.data.budget import SortedBatches, token_budget
from keraslike.data.encoding import Feature
from keraslike.data.loading import check_beside_loader
from keraslike.data.rows import Rows
from keraslike.data.sets import TEXT_FILES, one_set
from keraslike.data.splits import split_of
from keraslike.data.tables import as_dict
from keraslike.engine.display import display
from keraslike.engine.prediction import predict_batches
from keraslike.engine.random_state import kept
from keraslike.errors import ArgumentError, DataError
from keraslike.metrics.rows import RowMetric
from keraslike.recipes.micro_batches import device_type
from keraslike.recipes.probing import PlanningVerbs
from keraslike.tasks.base import Task
from keraslike.tasks.feed import Feed
from keraslike.tasks.keeping import RowKeeper, check_answers
from keraslike.tasks.loaders import LoaderBatches, Remembering, is_loader
from keraslike.tasks.thresholds import at_threshold

if TYPE_CHECKING:
    from keraslike.tasks.blueprint import Blueprint


class PredictingVerbs(PlanningVerbs):
    """Predicts from rows.

    Attributes:
        task: what the network is for, or None.
        row_metrics: the metrics that compare decoded rows with the user's own targets.
    """

    task: Task | None
    row_metrics: Sequence[RowMetric] = ()
    _feed: Feed | None
    _blueprint: "Blueprint | None"

    @property
    def labels(self) -> list[Any] | None:
        """The user's labels in the order of the columns of `predict_proba`; None where there are none, or not yet."""
        labels = getattr(self.task, "labels", None)
        return None if labels is None else list(labels.names)

    def predict_logits(self, x: Any, *, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """Give the network's raw scores.

        Args:
            x: as in `predict`.
            batch_size: as in `predict`.
            verbose: as in `fit`; silent by default.

        Returns:
            A numpy array `(rows, outputs)`; `(outputs,)` for one text. Where the outputs are as wide as the texts are
            long, a list of arrays, one for each feature, each as wide as the batch it went through in.

        Raises:
            NotFittedError: the network is not built yet.
        """
        task = self._required_task()
        if not task.decodes_logits:
            raise ArgumentError(
                f"the task {task.name!r} answers by more than a pass through the network, so there are no raw scores.",
                "a task whose answers are read from the logits.",
                "use predict(x).",
            )
        outputs, _, is_one = self._outputs(x, batch_size, verbose)
        if is_one:
            return outputs[0].numpy()
        return outputs.numpy() if isinstance(outputs, Tensor) else [output.numpy() for output in outputs]

    def predict_proba(self, x: Any, *, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """Give the probability of each label; they add up to 1 unless a text has several labels.

        Args:
            x: as in `predict`.
            batch_size: as in `predict`.
            verbose: as in `fit`; silent by default.

        Returns:
            A numpy array `(rows, labels)` in the order of `model.labels`; `(labels,)` for one text.

        Raises:
            NotFittedError: the network is not built yet.
            ArgumentError: the model gives numbers, not labels.
        """
        self._required_blueprint().require()
        task = self._required_task()
        if self.labels is None:
            task.probabilities([], [])  # refuses, before anything goes through the network
        outputs, features, is_one = self._outputs(x, batch_size, verbose)
        given = _read_off(task, task.probabilities, outputs, features)
        if is_one:
            return given[0]
        return np.stack(given) if len({value.shape for value in given}) == 1 else given

    def _predict_rows(self, x: Any, batch_size: int | None, verbose: Any, threshold: Any = None) -> Any:
        """Give one result per row; for one text, the result itself."""
        task = self._required_task()
        self._required_blueprint().require()
        with at_threshold(task, threshold):
            outputs, features, is_one = self._outputs(x, batch_size, verbose)
            results = _read_off(task, task.decode, outputs, features)
        if is_one:
            return results[0].item() if hasattr(results[0], "item") and results[0].ndim == 0 else results[0]
        return task.answers(results)

    def _outputs(self, x: Any, batch_size: int | None, verbose: Any) -> tuple[Any, Sequence[Feature], bool]:
        """Give the outputs of all features on the CPU, the features, and whether one single text was given."""
        task, feed = self._required_task(), self._required_feed()
        self._required_blueprint().require()
        self._required_blueprint().warn_of_chance()
        check_beside_loader(x, batch_size)
        x = as_dict(x, feed.column_names)
        is_one = task.is_one(x, has_pairs=bool(feed.has_pairs))
        shown = display(verbose, None)
        with nullcontext() if task.draws else kept():
            if is_loader(x):
                batches: Any = Remembering(LoaderBatches(x, feed, has_target=False))
                return predict_batches(self, batches, task.predict_batch, shown), batches.features, False
            rows = self._rows_to_predict(x, is_one)
            own = feed.batches(rows, batch_size, has_notes=False, budget=self._token_budget())
            return predict_batches(self, own, task.predict_batch, shown), own.features, is_one

    def _rows_to_predict(self, x: Any, is_one: bool) -> Rows:
        task, feed = self._required_task(), self._required_feed()
        if is_one:
            _warn_of_file(x)
            return feed.with_pairs(feed.read([x], has_target=False))
        if isinstance(x, Sequence) and not isinstance(x, (str, bytes)) and len(x) == 0:
            raise DataError("there is nothing to predict: x is empty.", "at least one row.", "check how x was made.")
        x = split_of(task.open(x), "test")
        with one_set(x, "x", feed.column_names, task.sets(x)):
            return feed.with_pairs(feed.read(str(x) if isinstance(x, Path) else x, has_target=False))

    def row_keeper(self) -> RowKeeper | None:
        """Give what keeps the rows of one validation or evaluation, where a metric asks for them."""
        return RowKeeper(self._required_task(), self.row_metrics, self._generated) if self.row_metrics else None

    def _generated(self, features: Sequence[Feature]) -> Any:
        """Give the outputs of features by the task's `predict_batch`."""
        task = self._required_task()
        batches = SortedBatches(features, task.collate, None, self._token_budget())
        return predict_batches(self, batches, task.predict_batch, [])

    def _token_budget(self) -> int:
        return token_budget(device_type(self))

    def _required_task(self) -> Task:
        if self.task is None:
            raise ArgumentError(
                "this model has no task, so its outputs have no labels or probabilities.",
                "a model with a task.",
                'write Model(..., task="text-classification"), or use predict(x) for the outputs.',
            )
        return self.task

    def _required_feed(self) -> Feed:
        self._required_task()
        assert self._feed is not None  # made together with the task
        return self._feed

    def _required_blueprint(self) -> "Blueprint":
        self._required_task()
        assert self._blueprint is not None  # made together with the task
        return self._blueprint


def _read_off(
    task: Task, read: Callable[[Any, Sequence[Feature]], list[Any]], outputs: Any, features: Sequence[Feature]
) -> Any:
    """Give what `read` makes of outputs; of those without features, a loader's padded tensors, if it needs none.

    Raises:
        DataError: the answers are put together from what the user gave; or there are not as many as rows.
    """
    if len(features) == len(outputs):
        found = read(outputs, features)
        check_answers(task, found, len({int(row) for feature in features for row in np.ravel(feature["row"])}))
        return found
    try:
        found = read(outputs, features)
    except ValueError:  # it asks for a feature of each output
        found = []
    if len(found) == len(outputs):
        return found
    raise DataError(
        "the loader gives padded tensors, and the answers of this task need the rows that they were made of.",
        "a loader of rows.",
        "write DataLoader(rows, batch_size=..., collate_fn=list), or use predict_logits(x).",
    )


def _warn_of_file(text: Any) -> None:
    """Say that a text which is the name of a file was taken for a text, as every str is here."""
    if isinstance(text, str) and Path(text).suffix.lower() in TEXT_FILES and os.path.isfile(text):
        message = f"predict takes the str {text!r} for a text; predict(pathlib.Path({text!r})) reads the file."
        warnings.warn(message, UserWarning, stacklevel=5)
