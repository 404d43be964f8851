"""The verbs of a model with a task that learn: rows, task and network brought together."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from torch import nn

from keraslike.callbacks.anneal_on_plateau import annealing_of
from keraslike.data.loading import check_beside_loader, loading_of, refuse_beside_batches, refuse_loading
from keraslike.data.plain import refuse_weights
from keraslike.data.rows import Rows
from keraslike.data.streams import is_stream
from keraslike.data.weights import Weights, as_weights
from keraslike.engine.device import check_device, described
from keraslike.engine.display import say
from keraslike.engine.random_state import draw_seed
from keraslike.engine.watching import check_watched, names_of
from keraslike.errors import ArgumentError
from keraslike.recipes.schedule import check_schedule, is_plateau
from keraslike.tasks.base import Task
from keraslike.tasks.feed import rows_for_fit
from keraslike.tasks.keeping import check_references
from keraslike.tasks.loaders import LoaderBatches, StreamBatches, is_loader, rows_of_loader
from keraslike.tasks.predicting import PredictingVerbs
from keraslike.tasks.undoing import unchanged_by_errors
from keraslike.tracking.remarks import Remarks


class TaskVerbs(PredictingVerbs):
    """Brings rows, task and network together for training."""

    _assembled_for: str | None

    def to(self, device: Any) -> Self:
        """Move the network, as Poutyne does; before it is built the device is remembered.

        Raises:
            ArgumentError: the device is not there.
        """
        check_device(device)
        if "network" not in vars(self):
            self._given["device"] = device
            return self
        super().to(device)  # type: ignore[no-untyped-call]  # Poutyne is untyped
        return self

    def _task_batches(
        self,
        x: Any,
        y: Any,
        validation_data: Any,
        validation_split: float | None,
        batch_size: int,
        seed: int,
        *,
        options: dict[str, Any],
    ) -> tuple[Any, Any]:
        """Read and encode the data of `fit`, with the network built on the way."""
        feed = self._required_feed()
        check_schedule(options.get("schedule"), is_built="network" in vars(self))
        _check_class_weight(self._required_task(), options.get("class_weight"))
        with self._unchanged_by_errors():
            feed.choose(options.get("text"), options.get("target"), options.get("prepare"))
            shuffled = seed if options.get("shuffle", True) else None
            is_endless = bool(options.get("steps_per_epoch")) and not hasattr(x, "__len__") and not isinstance(x, Path)
            if is_loader(x) or is_stream(x) or is_endless:
                refuse_beside_batches(x, y=y, validation_split=validation_split or None)
                batches = self._batches_as_they_come(x, batch_size, shuffled, seed, options)
                valid = self._validation_batches(validation_data, batch_size, options)
            else:
                known, rows, held = rows_for_fit(feed, x, y, validation_data, validation_split, seed)
                self._settle(known)
                given = options.get("sample_weight")
                weight = None if given is None else as_weights(given, len(known), self.network)
                valid = None
                if held is not None:
                    valid = self._measured(held, batch_size, options, weight if validation_split else None)
                elif is_loader(validation_data):
                    valid = LoaderBatches(validation_data, feed)
                chosen: dict[str, Any] = {"seed": shuffled, "vary_seed": seed, "loading": loading_of(options)}
                batches = feed.batches(rows, batch_size, sample_weight=weight, **chosen)
            self._required_blueprint().is_settled = True
        return batches, valid

    def _batches_as_they_come(
        self, x: Any, batch_size: int, shuffled: int | None, seed: int, options: dict[str, Any]
    ) -> Any:
        """Give the batches of a loader, or of a stream that is never held whole."""
        feed = self._required_feed()
        check_beside_loader(x, shuffle=options.get("shuffle"))
        refuse_weights(x, options.get("sample_weight"))
        refuse_loading(x, loading_of(options))
        self._settle(rows_of_loader(feed, x))
        before: dict[str, Any] = {"epochs_before": len(self.history)}
        if is_loader(x):
            return LoaderBatches(x, feed, learning_seed=seed, **before)
        return StreamBatches(x, feed, batch_size, shuffled, seed, **before)

    @contextmanager
    def _unchanged_by_errors(self) -> Iterator[None]:
        """Leave model, task and network as they were if what is done inside ends in an error."""
        blueprint = self._required_blueprint()
        own = (self, self._required_task(), self._required_feed(), blueprint)
        with unchanged_by_errors(*own), blueprint.unchanged_by_errors():
            yield

    def _validation_batches(self, data: Any, batch_size: int, options: dict[str, Any]) -> Any:
        feed = self._required_feed()
        if data is None or is_loader(data):
            return None if data is None else LoaderBatches(data, feed)
        return self._measured(feed.pair(data), batch_size, options)

    def _measured(
        self, rows: Rows, batch_size: int, options: dict[str, Any], sample_weight: Weights | None = None
    ) -> Any:
        """Give validation rows in batches: sorted by length, unless only some of them are asked for."""
        check_references(self._required_task(), self.row_metrics, rows)
        budget = None if options.get("validation_steps") or self.sees_order else self._token_budget()
        known: dict[str, Any] = {"budget": budget, "sample_weight": sample_weight}
        return self._required_feed().batches(rows, batch_size, is_measured=True, **known)

    def _settle(self, rows: Rows | None) -> None:
        """Bring task, network and model together before learning."""
        network = self._required_blueprint().settle(rows)
        task = self._required_task()
        if vars(self).get("_bare") is not network or self._assembled_for != task.problem_type:
            self._assemble(network)

    def _assemble(self, network: nn.Module) -> None:
        raise NotImplementedError("Model knows its constructor's arguments, and assembles itself")

    def _notes(self, seed: int) -> list[str]:
        """Give where and with which seed a task is trained, and what the task has noted."""
        if self.task is None:
            return super()._notes(seed)
        notes, self.task.notes = self.task.notes, []
        columns = ", ".join(f"{name}={column!r}" for name, column in self._required_feed().columns.items())
        known = "; ".join(part for part in (self.task.summary, columns) if part)
        first = f"Training on {self._place()} with seed {seed}{f': {known}' if known else ''}."
        return [first, *self._precision_notes(), *notes]

    def _remarks(self, shown: list[Any]) -> list[Any]:
        """Let the task remark on an epoch, where it has something to say and somebody reads it."""
        if self.task is None or not shown or type(self.task).remark is Task.remark:
            return []
        return [Remarks(self.task.remark, lambda line: say(shown, [line]))]

    def _annealing(self, schedule: Any, valid_batches: Any) -> list[Any]:
        """Give the callback that cuts the rate on a plateau, where the schedule is that."""
        if not is_plateau(schedule):
            return []
        callback = annealing_of(schedule)
        if not self.may_name_scalars:
            of_rows = [metric.name for metric in self.row_metrics]
            check_watched(callback, names_of(self.metrics_names, of_rows, has_validation=valid_batches is not None))
        return [callback]

    def _place(self) -> str:
        """Say where, and in which numbers, where these are not the usual ones."""
        is_usual = self.precision.name == "float32"
        return described(self.device) if is_usual else f"{described(self.device)} in {self.precision.name}"

    def _restore(self, reading: dict[str, Any], prepare: Any) -> None:
        """Take up the choices of a saved model."""
        feed = self._required_feed()
        feed.columns, feed.has_pairs, feed.prepare = reading["columns"], reading["has_pairs"], prepare
        self._required_blueprint().is_settled = True

    # Poutyne's verbs of one batch, which take rows

    def train_on_batch(self, x: Any, y: Any = None, **options: Any) -> Any:
        """Take one optimizer step on one batch: rows with a task, tensors without; answers as Poutyne does."""
        if self.task is not None:
            with self._unchanged_by_errors():
                rows = self._required_feed().read(x, y, learns=True)
                self._required_feed().remember(rows)
                self._settle(rows)
                x, y = self._one_batch(rows, vary_seed=draw_seed() if self.task.varies else None)
                self._required_blueprint().is_settled = True
        answer = super().train_on_batch(x, y, **options)  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.forget_sums()
        return answer

    def evaluate_on_batch(self, x: Any, y: Any = None, **options: Any) -> Any:
        """Measure one batch: rows with a task, tensors without; answers as Poutyne does."""
        if self.task is not None:
            self._required_blueprint().require()
            x, y = self._one_batch(self._required_feed().read(x, y), is_measured=True)
        with self.books_aside():
            answer = super().evaluate_on_batch(x, y, **options)
            self.forget_sums()
        return answer

    def predict_on_batch(self, x: Any, **options: Any) -> Any:
        """Give the outputs for one batch: the logits of rows with a task, the network's outputs without."""
        if self.task is not None:
            return self.predict_logits(x, batch_size=max(len(x), 1))
        return self.predict_generator([x], verbose=0, **options)

    def _one_batch(self, rows: Rows, **how: Any) -> Any:
        """Give all features of some rows as one batch: windows and blocks may be more than the rows."""
        return next(iter(self._required_feed().batches(rows, sys.maxsize, has_notes=False, **how)))


def _check_class_weight(task: Task, class_weight: Any) -> None:
    """Refuse weights of classes where there are none."""
    if class_weight is None or task.has_classes:
        return
    raise ArgumentError(
        f"class_weight is given, but the targets of {task.name!r} are no classes.",
        "classes, such as those of 'text-classification'.",
        "leave class_weight out, or weigh rows: fit(..., sample_weight=...).",
    )
