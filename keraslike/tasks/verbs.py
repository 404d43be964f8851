"""The verbs of a model that has a task: rows in, the user's own labels out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor, nn

from keraslike.data.budget import token_budget
from keraslike.data.encoding import Feature
from keraslike.data.loading import loading_of, refuse_loading
from keraslike.data.plain import refuse_weights
from keraslike.data.rows import Rows
from keraslike.data.splits import split_of
from keraslike.data.streams import is_stream
from keraslike.data.weights import Weights, as_weights
from keraslike.engine.device import described
from keraslike.engine.display import display
from keraslike.engine.prediction import predict_batches
from keraslike.engine.random_state import kept
from keraslike.errors import ArgumentError, DataError
from keraslike.metrics.reading import probabilities
from keraslike.recipes.micro_batches import device_type
from keraslike.recipes.verbs import TrainingVerbs
from keraslike.tasks.base import Task
from keraslike.tasks.feed import Feed, rows_for_fit
from keraslike.tasks.loaders import LoaderBatches, StreamBatches, is_loader, rows_of_loader
from keraslike.tasks.transformer import REGRESSION, SINGLE
from keraslike.tasks.undoing import unchanged_by_errors

if TYPE_CHECKING:
    from keraslike.tasks.blueprint import Blueprint


class TaskVerbs(TrainingVerbs):
    """Predicts and measures from rows.

    Attributes:
        task: what the network is for, or None.
    """

    task: Task | None
    _feed: Feed | None
    _blueprint: "Blueprint | None"
    _assembled_for: str | None

    @property
    def labels(self) -> list[Any] | None:
        """The user's labels in the order of the columns of `predict_proba`; None where there are none, or not yet."""
        labels = getattr(self.task, "labels", None)
        return None if labels is None else list(labels.names)

    def to(self, device: Any) -> Self:
        """Move the network, as Poutyne does; before it is built the device is remembered."""
        if "network" not in vars(self):
            self._given["device"] = device
            return self
        super().to(device)  # type: ignore[no-untyped-call]  # Poutyne is untyped
        return self

    def predict_logits(self, x: Any, *, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """Give the network's raw scores.

        Args:
            x: as in `predict`.
            batch_size: as in `predict`.
            verbose: as in `fit`; silent by default.

        Returns:
            A numpy array `(rows, outputs)`; `(outputs,)` for one text.

        Raises:
            NotFittedError: the network is not built yet.
        """
        outputs, _, is_one = self._outputs(x, batch_size, verbose)
        return outputs[0].numpy() if is_one else outputs.numpy()

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
        kind = self._required_task().problem_type or (REGRESSION if self.labels is None else SINGLE)
        if kind == REGRESSION:
            raise ArgumentError("a regression has no probabilities.", "a model that gives labels.", "use predict(x).")
        outputs, _, is_one = self._outputs(x, batch_size, verbose)
        given = probabilities(outputs, kind).numpy()
        return given[0] if is_one else given

    def _predict_rows(self, x: Any, batch_size: int | None, verbose: Any) -> Any:
        """Give one result per row; for one text, the result itself."""
        task = self._required_task()
        outputs, features, is_one = self._outputs(x, batch_size, verbose)
        results = task.decode(outputs, features)
        if is_one:
            return results[0].item() if hasattr(results[0], "item") and results[0].ndim == 0 else results[0]
        if task.problem_type == "regression":
            import numpy as np

            return np.asarray(results)
        return results

    def _outputs(self, x: Any, batch_size: int | None, verbose: Any) -> tuple[Tensor, Sequence[Feature], bool]:
        """Give the outputs of all features on the CPU, the features, and whether one single text was given."""
        task, feed = self._required_task(), self._required_feed()
        self._required_blueprint().require()
        is_one = isinstance(x, str) or (isinstance(x, tuple) and feed.is_one_pair(x))
        shown = display(verbose, None)
        with kept():
            if is_loader(x):
                batches: Any = LoaderBatches(x, feed, has_target=False)
                return predict_batches(self, batches, task.predict_batch, shown), [], False
            rows = self._rows_to_predict(x, is_one)
            own = feed.batches(rows, batch_size, has_notes=False, budget=self._token_budget())
            return predict_batches(self, own, task.predict_batch, shown), own.features, is_one

    def _rows_to_predict(self, x: Any, is_one: bool) -> Rows:
        feed = self._required_feed()
        if is_one:
            return feed.read([x], has_target=False)
        if isinstance(x, Sequence) and not isinstance(x, (str, bytes)) and len(x) == 0:
            raise DataError("there is nothing to predict: x is empty.", "at least one text.", "check how x was made.")
        x = split_of(x, "test")
        return feed.read(str(x) if isinstance(x, Path) else x, has_target=False)

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
        with self._unchanged_by_errors():
            feed.choose(options.get("text"), options.get("target"), options.get("prepare"))
            shuffled = seed if options.get("shuffle", True) else None
            is_endless = bool(options.get("steps_per_epoch")) and not hasattr(x, "__len__") and not isinstance(x, Path)
            if is_loader(x) or is_stream(x) or is_endless:
                refuse_beside_batches(x, y=y, validation_split=validation_split or None)
                refuse_weights(x, options.get("sample_weight"))
                refuse_loading(x, loading_of(options))
                self._settle(rows_of_loader(feed, x))
                batches: Any = LoaderBatches(x, feed, is_learned_from=True)
                if not is_loader(x):
                    batches = StreamBatches(x, feed, batch_size, shuffled, epochs_before=len(self.history))
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
        budget = None if options.get("validation_steps") or self.sees_order else self._token_budget()
        return self._required_feed().batches(rows, batch_size, budget=budget, sample_weight=sample_weight)

    def _token_budget(self) -> int:
        return token_budget(device_type(self))

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
                x, y = self._one_batch(rows)
                self._required_blueprint().is_settled = True
        answer = super().train_on_batch(x, y, **options)  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.forget_sums()
        return answer

    def evaluate_on_batch(self, x: Any, y: Any = None, **options: Any) -> Any:
        """Measure one batch: rows with a task, tensors without; answers as Poutyne does."""
        if self.task is not None:
            self._required_blueprint().require()
            x, y = self._one_batch(self._required_feed().read(x, y))
        with self.books_aside():
            answer = super().evaluate_on_batch(x, y, **options)
            self.forget_sums()
        return answer

    def predict_on_batch(self, x: Any, **options: Any) -> Any:
        """Give the outputs for one batch: the logits of rows with a task, the network's outputs without."""
        if self.task is not None:
            return self.predict_logits(x, batch_size=max(len(x), 1))
        return self.predict_generator([x], verbose=0, **options)

    def _one_batch(self, rows: Rows) -> Any:
        return next(iter(self._required_feed().batches(rows, len(rows), has_notes=False)))

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


def refuse_beside_batches(x: Any, **given: Any) -> None:
    """Refuse arguments that a source with an order of its own cannot honour."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        do = "put the labels into its rows." if names[0] == "y" else "split the rows yourself: validation_data=."
        raise ArgumentError(
            f"x is a {type(x).__name__}, which is read as it comes, and {names[0]} is given.",
            f"a {type(x).__name__} alone, which holds its own labels.",
            do,
        )
