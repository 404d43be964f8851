"""The loop, on one screen."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import torch
from poutyne.framework.iterators import StepIterator
from torch.optim.lr_scheduler import LRScheduler

from keraslike.data.batches import Batch, OwnBatches, as_batch
from keraslike.engine import gradients
from keraslike.engine.random_state import Aside, kept
from keraslike.errors import DataError
from keraslike.tracking.history import History
from keraslike.tracking.logs import BatchLogs

if TYPE_CHECKING:
    from poutyne.framework.callbacks.callbacks import CallbackList


class Learner(gradients.Network, Protocol):
    """What the loop asks of the model."""

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    batch_metrics_names: list[str]
    epoch_metrics_names: list[str]
    stop_training: bool

    def in_mode(self, *, training: bool) -> AbstractContextManager[None]:
        """Set training or evaluation mode, and put the old one back."""
        ...

    def measure(self, outputs: Any, targets: Any) -> Iterable[float]:
        """Update the metrics with one batch and give the batch metrics."""
        ...

    def epoch_values(self) -> dict[str, float]:
        """Give loss and metrics of the epoch, and start them anew."""
        ...

    def run_validation(self, steps: Any, callbacks: "CallbackList") -> None:
        """Measure the validation data."""
        ...


@dataclass
class Run:
    """What one call of a fit verb needs beside the model."""

    batches: Iterable[Any]
    valid_batches: Iterable[Any] | None
    callbacks: "CallbackList"
    history: History
    epochs: int
    initial_epoch: int = 1
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    batches_per_step: int = 1
    micro_batch_size: int | None = None
    clip_norm: float | None = None
    schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None
    epochs_before: int = 0
    aside: Aside = field(default_factory=Aside)

    def batches_of(self, epoch: int) -> Iterator[tuple[int, Batch]]:
        """Number the batches of one epoch from 1; a user's own iterator is advanced beside the random state."""
        if isinstance(self.batches, OwnBatches):
            self.batches.set_epoch(self.epochs_before + epoch - self.initial_epoch + 1)
        return ((n, as_batch(data)) for n, data in _numbered(self.beside(self.batches), self.steps_per_epoch))

    def beside(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Give our own batches as they are, and a user's so that they draw nothing from the random state."""
        return batches if isinstance(batches, OwnBatches) else _Advanced(batches, self.aside)


class _Advanced:
    """A user's source, every pass over it beside the network's random state."""

    def __init__(self, source: Iterable[Any], aside: Aside) -> None:
        self.source, self.aside = source, aside

    def __iter__(self) -> Iterator[Any]:
        return self.aside.iterate(self.source)


class _NotEmpty:
    """Validation data that have something to give in every epoch."""

    def __init__(self, source: Iterable[Any]) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Any]:
        return (data for _, data in _numbered(self.source, None))


def train(model: Learner, run: Run) -> None:
    """Train a model.

    ::

        for each epoch
            for each optimizer step (one batch, or batches_per_step of them)
                clear the gradients
                for each micro-batch of each batch: forward, loss, backward
                callbacks look at the gradients, or change them     (on_backward_end)
                clip the gradients, change the weights, move the learning rate
            validate
            the epoch's row goes into the history
    """
    schedule = run.schedule(model.optimizer) if run.schedule is not None else None
    run.callbacks.on_train_begin({})
    for epoch in range(run.initial_epoch, run.epochs + 1):
        run.callbacks.on_epoch_begin(epoch, {})
        began = time.perf_counter()
        with model.in_mode(training=True):
            for batches in _grouped(run.batches_of(epoch), run.batches_per_step):
                _take_step(model, run, batches, schedule)
        row = {"epoch": epoch, "time": 0.0, **model.epoch_values()}
        with kept():
            row |= validate(model, run)
        row["time"] = time.perf_counter() - began
        run.callbacks.on_epoch_end(epoch, row)
        run.history.append(row)
        if model.stop_training:
            run.history.stop_reason = f"a callback stopped the training after epoch {epoch}"
            break
    run.callbacks.on_train_end({})


def _take_step(model: Learner, run: Run, batches: list[tuple[int, Batch]], schedule: LRScheduler | None) -> None:
    """Change the weights once, by the mean gradient of all the batches."""
    model.optimizer.zero_grad()
    parts_of = [gradients.prepare(model, batch, run.micro_batch_size) for _, batch in batches]
    is_whole = len(batches) == 1 and len(parts_of[0]) == 1
    count = None if is_whole else sum(gradients.count_items(model.loss_function, parts) for parts in parts_of)
    for (number, _), parts in zip(batches, parts_of, strict=True):
        run.callbacks.on_train_batch_begin(number, {})
        began = time.perf_counter()
        learned = gradients.add_gradients(model, parts, count)
        metrics = model.measure(learned.outputs, learned.targets)
        if parts is parts_of[-1]:
            run.callbacks.on_backward_end(number)
            change_weights(model, run.clip_norm)
            run.history.learning_rates.append(model.optimizer.param_groups[0]["lr"])
            if schedule is not None:
                schedule.step()
        times = {"batch": number, "size": learned.size, "time": time.perf_counter() - began}
        values = zip(model.batch_metrics_names, metrics, strict=True)
        logs: Any = BatchLogs({**times, "loss": learned.loss, **dict(values)})
        run.callbacks.on_train_batch_end(number, logs)


def change_weights(model: Learner, clip_norm: float | None) -> None:
    """Clip the gradients to a total norm of at most `clip_norm`, then take the optimizer's step."""
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.network.parameters(), clip_norm)
    model.optimizer.step()


def validate(model: Learner, run: Run) -> dict[str, float]:
    """Measure the validation data, if there are any, and give their part of the epoch's row."""
    if run.valid_batches is None:
        return {}
    steps = StepIterator(
        _NotEmpty(run.beside(run.valid_batches)),
        run.validation_steps,
        model.batch_metrics_names,
        model.epoch_metrics_names,
        run.callbacks,
        mode="val",
    )
    model.run_validation(steps, run.callbacks)
    return {name: float(value) for name, value in steps.metrics_logs.items()}


def _numbered(source: Iterable[Any], steps: int | None) -> Iterator[tuple[int, Any]]:
    """Number what a source yields from 1: one pass over it, or `steps` of them, however many passes that takes.

    Nothing is drawn beyond the last step.

    Raises:
        DataError: the source, such as a generator that was read before, has nothing to yield.
    """
    number = 0
    while steps is None or number < steps:
        before = number
        for data in source:
            number += 1
            yield number, data
            if number == steps:
                return
        if number == before:
            raise DataError(
                f"the data ran out after {number} batches of an epoch: a generator can be read only once.",
                f"at least {steps or 1} in every epoch.",
                "give a list or a torch Dataset, or fewer epochs.",
            )
        if steps is None:
            return


def _grouped(batches: Iterator[tuple[int, Batch]], size: int) -> Iterator[list[tuple[int, Batch]]]:
    """Give the batches of one optimizer step after the other; the last group may be shorter."""
    while group := list(islice(batches, size)):
        yield group
