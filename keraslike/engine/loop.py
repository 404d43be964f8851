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

from keraslike.data.batches import OwnBatches, as_batch
from keraslike.data.order import EpochOrder
from keraslike.engine import gradients
from keraslike.engine.finite import StepGuard, Taken
from keraslike.engine.gradients import Prepared
from keraslike.engine.memory import Undo, told_of_memory
from keraslike.engine.random_state import Aside, kept
from keraslike.engine.step import Cutting, Step
from keraslike.engine.transfer import look_ahead
from keraslike.engine.watching import check_monitors
from keraslike.errors import DataError
from keraslike.tracking.history import History
from keraslike.tracking.logs import BatchLogs

if TYPE_CHECKING:
    from poutyne.framework.callbacks.callbacks import CallbackList


class Learner(gradients.Network, Protocol):
    """What the loop asks of the model."""

    batch_metrics_names: list[str]
    epoch_metrics_names: list[str]
    stop_training: bool

    def in_mode(self, *, training: bool) -> AbstractContextManager[None]:
        """Set training or evaluation mode, and put the old one back."""
        ...

    def keep(self, learned: gradients.Learned, *, is_learned_from: bool = False) -> Iterable[float]:
        """Add a batch to the sums of loss and metrics, and give the batch metrics."""
        ...

    def epoch_values(self) -> dict[str, float]:
        """Give loss and metrics of the epoch, and start them anew."""
        ...

    def take_scalars(self) -> dict[str, float]:
        """Give the further named scalars of loss and metrics, and start them anew."""
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
    cutting: Cutting
    epochs: int
    initial_epoch: int = 1
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    batches_per_step: int = 1
    clip_norm: float | None = None
    schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None
    epochs_before: int = 0
    aside: Aside = field(default_factory=Aside)

    def batches_of(self, epoch: int, model: Learner) -> Iterator[Prepared]:
        """Number the batches of one epoch from 1, cut them and move them to the device.

        A user's own iterator is advanced beside the random state, and never ahead of the step that needs its batch.
        """
        is_ahead, of_life = False, self.epochs_before + epoch - self.initial_epoch + 1
        sampler = getattr(self.batches, "sampler", None)
        if isinstance(sampler, EpochOrder):
            sampler.set_epoch(of_life)
        if isinstance(self.batches, OwnBatches):
            self.batches.set_epoch(of_life)
            self.batches.cut = self.cutting.cut  # for workers, which prepare the parts
            is_ahead = model.is_on_accelerator
        numbered = _numbered(self.beside(self.batches), self.steps_per_epoch)
        return look_ahead(numbered, lambda item: self._prepare(item, model), ahead=is_ahead)

    def _prepare(self, item: tuple[int, Any], model: Learner) -> Prepared:
        number, data = item
        return gradients.prepare(model, number, as_batch(data), self.cutting.cut)

    def beside(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Give our own batches as they are, and a user's so that they draw nothing from the random state."""
        is_ours = isinstance(batches, OwnBatches) and batches.sampler is None
        return batches if is_ours else _Advanced(batches, self.aside)


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
                    (where memory runs out: put all back, and again with micro-batches of half the size)
                callbacks look at the gradients, or change them     (on_backward_end)
                clip the gradients, change the weights, move the learning rate
                    (unless a loss or a gradient is not finite)
            validate
            the epoch's row goes into the history
    """
    schedule = run.schedule(model.optimizer) if run.schedule is not None else None
    undo = Undo(model.network, model.optimizer, model.loss_function)
    guard = StepGuard(model, undo, run.clip_norm, run.history, schedule, run.cutting.say)
    run.callbacks.on_train_begin({})
    for epoch in range(run.initial_epoch, run.epochs + 1):
        run.callbacks.on_epoch_begin(epoch, {})
        began = time.perf_counter()
        undo.watch()
        with model.in_mode(training=True):
            for batches in _grouped(run.batches_of(epoch, model), run.batches_per_step):
                with told_of_memory():
                    _take_step(model, run, epoch, Step(model, batches, run.cutting, undo), guard)
            guard.settle()
            row = {"epoch": epoch, "time": 0.0, **model.epoch_values()}
        with kept():
            row |= validate(model, run)
        row["time"] = time.perf_counter() - began
        if epoch == run.initial_epoch:
            check_monitors(run.callbacks.callbacks, row)
        run.callbacks.on_epoch_end(epoch, row)
        run.history.append(row)
        if model.stop_training:
            run.history.stop_reason = f"a callback stopped the training after epoch {epoch}"
            break
    run.callbacks.on_train_end({})


def _take_step(model: Learner, run: Run, epoch: int, step: Step, guard: StepGuard) -> None:
    """Change the weights once, by the mean gradient of all the batches."""
    losses = []
    for place, batch in enumerate(step.batches):
        run.callbacks.on_train_batch_begin(batch.number, {})
        began = time.perf_counter()
        learned = step.learn(place)
        metrics, loss = model.keep(learned, is_learned_from=True), learned.loss
        losses.append(loss)
        run.history.count_tokens(step.batches[place].parts)
        if len(losses) == len(step.batches):
            step.finish()
            run.callbacks.on_backward_end(batch.number)
            guard.take(Taken(epoch, step.batches, losses))
        if run.callbacks.callbacks:
            times = {"batch": batch.number, "size": learned.size, "time": time.perf_counter() - began}
            values = zip(model.batch_metrics_names, metrics, strict=True)
            logs: Any = BatchLogs({**times, "loss": loss, **dict(values), **learned.means()})
            run.callbacks.on_train_batch_end(batch.number, logs)


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
    further = {f"val_{name}": value for name, value in model.take_scalars().items()}
    return {name: float(value) for name, value in steps.metrics_logs.items()} | further


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


def _grouped(batches: Iterator[Prepared], size: int) -> Iterator[list[Prepared]]:
    """Give the batches of one optimizer step after the other; the last group may be shorter."""
    while group := list(islice(batches, size)):
        yield group
