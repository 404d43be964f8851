"""The loop, on one screen."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from keraslike.engine.course import Course
from keraslike.engine.finite import StepGuard, Taken
from keraslike.engine.gradients import Prepared
from keraslike.engine.memory import Undo, told_of_memory
from keraslike.engine.run import Learner, Run
from keraslike.engine.step import Step
from keraslike.engine.watching import check_monitors
from keraslike.tracking.logs import BatchLogs


def train(model: Learner, run: Run) -> None:
    """Train a model.

    ::

        for each epoch, until the run is over
            for each optimizer step (one batch, or batches_per_step of them)
                clear the gradients
                for each micro-batch of each batch: forward, loss, backward
                    (where memory runs out: put all back, and again with micro-batches of half the size)
                callbacks look at the gradients, or change them     (on_backward_end)
                clip the gradients, change the weights, move the learning rate
                    (unless a loss or a gradient is not finite)
                validate inside the epoch, where it is time to        (validate_every, on_validation_end)
            validate                                                (on_validation_end)
            the epoch's row goes into the history
        put the best weights back, where they were looked for     (early_stop; also where an exception ends the run)
    """
    schedule = run.schedule(model.optimizer) if run.schedule is not None else None
    undo = Undo(model.network, model.optimizer, model.loss_function)
    guard = StepGuard(model, undo, run.clip_norm, run.history, schedule, run.cutting.say)
    course = Course(model, run, guard)
    run.callbacks.on_train_begin({})
    with course.best_at_the_end():
        for epoch in course.epochs():
            run.callbacks.on_epoch_begin(epoch, {})
            began = time.perf_counter()
            undo.watch()
            with model.in_mode(training=True), told_of_memory():
                for batches in _grouped(run.batches_of(epoch, model), run.batches_per_step):
                    if run.clock is not None:
                        course.move_rate()
                    _take_step(model, run, epoch, Step(model, batches, run.cutting, undo), guard)
                    if course.ends_epoch(epoch, batches[-1].number):
                        break
                guard.settle()
                row = {"epoch": epoch, "time": 0.0, **model.epoch_values()}
            row |= course.validate(epoch)
            row["time"] = time.perf_counter() - began
            if epoch == run.initial_epoch:
                check_monitors(run.callbacks.callbacks, row)
            run.callbacks.on_epoch_end(epoch, row)
            guard.end_epoch()
            run.history.append(row)
    run.callbacks.on_train_end({})


def _take_step(model: Learner, run: Run, epoch: int, step: Step, guard: StepGuard) -> None:
    """Change the weights once, by the mean gradient of all the batches."""
    losses, is_watched = [], bool(run.callbacks.callbacks)
    for place, batch in enumerate(step.batches):
        if is_watched:
            run.callbacks.on_train_batch_begin(batch.number, {})
        began = time.perf_counter() if is_watched else 0.0
        learned = step.learn(place)
        metrics, loss = model.keep(learned, is_learned_from=True), learned.loss
        losses.append(loss)
        parts = step.batches[place].parts  # others than before, where memory ran out
        if parts[0].sent_tokens:
            run.history.count_tokens(parts)
        if len(losses) == len(step.batches):
            step.finish()
            if is_watched:
                run.callbacks.on_backward_end(batch.number)
            guard.take(Taken(epoch, step.batches, losses))
        if is_watched:
            times = {"batch": batch.number, "size": learned.size, "time": time.perf_counter() - began}
            values = zip(model.batch_metrics_names, metrics, strict=True)
            logs: Any = BatchLogs({**times, "loss": loss, **dict(values), **learned.means()})
            run.callbacks.on_train_batch_end(batch.number, logs)


def _grouped(batches: Iterator[Prepared], size: int) -> Iterator[Sequence[Prepared]]:
    """Give the batches of one optimizer step after the other; the last group may be shorter."""
    return zip(batches) if size == 1 else iter(lambda: list(islice(batches, size)), [])
