"""The course of a run between its steps: when the validation data are measured, and when it is over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from poutyne import CallbackList
from poutyne.framework.iterators import StepIterator
from torch import nn

from keraslike.engine.best_state import BestState
from keraslike.engine.finite import StepGuard
from keraslike.engine.random_state import kept
from keraslike.engine.run import Learner, Run
from keraslike.tracking.figures import figures_of, result_line
from keraslike.tracking.progress import Progress


class Course:
    """Decides between the steps of a run.

    An update is an optimizer step that was taken: skipped steps count for nothing here.

    Args:
        model: what learns.
        run: how far it goes, and what it looks at on its way.
        guard: takes the steps.
    """

    def __init__(self, model: Learner, run: Run, guard: StepGuard) -> None:
        self.model, self.run, self.guard = model, run, guard
        is_watched = run.early_stop is not None
        self._best = BestState(model.network, model.optimizer, model.loss_function) if is_watched else None
        self._validated_at, self._kept_at = 0, -1
        self._inside: dict[str, float] = {}  # what was measured inside the epoch, after its last update so far
        self._batches, self._is_cut = 0, False  # of the epoch that is under way
        if run.clock is not None:
            run.clock.start()

    @property
    def updates(self) -> int:
        """Optimizer steps that this run has taken."""
        return len(self.run.history.learning_rates)

    def epochs(self) -> Iterator[int]:
        """Give the numbers of the epochs until the run is over."""
        run = self.run
        is_open = run.updates is not None or run.clock is not None or run.epochs is None
        for epoch in count(run.initial_epoch) if is_open else range(run.initial_epoch, (run.epochs or 0) + 1):
            self._inside, self._is_cut = {}, False
            yield epoch
            if self._is_over(epoch):
                return

    def move_rate(self) -> None:
        """Let the rate follow the time, where it does."""
        if self.run.clock is not None and self.guard.schedule is not None and self.updates:
            self.guard.schedule.step()

    def ends_epoch(self, epoch: int, batch: int) -> bool:
        """Validate inside the epoch where it is time to, and tell whether the epoch ends before its last step.

        Args:
            epoch: its number.
            batch: the number of the last batch that was learned from.
        """
        self._batches, run = batch, self.run
        if run.updates is None and run.validate_every is None and run.clock is None:  # the usual run, without a detour
            return False
        line = self._validate_inside(epoch) if self._is_validation_due() else None
        is_asked = line is not None and self._stopped(epoch) is not None
        is_last = batch == self.run.steps_per_epoch
        self._is_cut = (is_asked or self._is_far_enough()) and not is_last
        if line is not None and not (self._is_cut or is_last):  # else the epoch's own line shows these figures
            self.run.cutting.say(line)
        return self._is_cut

    def _is_far_enough(self) -> bool:
        run, limit = self.run, self.run.updates
        if limit is not None and self.updates >= limit:
            self.guard.settle()  # the last step may prove to be skipped
        return (limit is not None and self.updates >= limit) or (run.clock is not None and run.clock.is_over)

    def validate(self, epoch: int) -> dict[str, float]:
        """Give the validation's part of the epoch's row: what was just measured, where no update came since."""
        if self.run.valid_batches is None:
            return {}
        if self._inside and self._validated_at == self.updates:
            return self._inside
        with kept():
            values = measure(self.model, self.run, self.run.callbacks)
        self._book(epoch, values)
        return values

    @contextmanager
    def best_at_the_end(self) -> Iterator[None]:
        """Put the best weights back at the end, where the run looked for them, also where an exception ends it."""
        try:
            yield
        except BaseException:
            if self.run.early_stop is not None and self.run.early_stop.best is not None:
                self._finish(is_whole=False)
            raise
        if self.run.history:
            self._finish(is_whole=True)

    def _finish(self, *, is_whole: bool) -> None:
        """Put the best weights back, and say which they are; a step that did not end may have changed the last ones.

        Where the copy of the best ones was not made to its end, nothing was learned since: the network still has them.
        """
        stop = self.run.early_stop
        if stop is None or self._best is None:
            return
        update = None if stop.best is None else stop.best["update"]
        is_last = self._kept_at != update or (is_whole and update == self.updates)
        if not is_last:
            self._best.put_back()
        self.run.history.best = None if stop.best is None else dict(stop.best)
        self.run.cutting.say(stop.told(by_updates=self.run.validate_every is not None, is_last=is_last))

    # Validation

    def _is_validation_due(self) -> bool:
        every = self.run.validate_every
        if every is None or self.updates % every or self.updates == self._validated_at:
            return False
        self.guard.settle()  # the last step may prove to be skipped
        return self.updates % every == 0 and self.updates != self._validated_at

    def _validate_inside(self, epoch: int) -> str:
        """Measure between two steps, leave everything as it is for the next one, and give the line that tells of it."""
        began = time.perf_counter()
        displays = CallbackList([callback for callback in self.run.callbacks.callbacks if _is_display(callback)])
        with kept(), _modes_kept(self.model.network), self.model.books_aside():
            self._inside = measure(self.model, self.run, displays)
        figures, seconds = figures_of(self._inside), time.perf_counter() - began
        line = result_line(f"Update {self.updates}", figures, seconds)
        self._book(epoch, self._inside)
        return line

    def _book(self, epoch: int, values: dict[str, float]) -> None:
        """Keep a validation, and show it to all who look at validations."""
        run, self._validated_at = self.run, self.updates
        row = {"epoch": epoch, "update": self.updates, **values}
        if run.validate_every is not None:
            run.history.validations.append(dict(row))
        if run.early_stop is not None and run.early_stop.look(row) and self._best is not None:
            self._best.keep()
            self._kept_at = self.updates
        for callback in run.callbacks.callbacks:
            look = getattr(callback, "on_validation_end", None)
            if callable(look):
                look(dict(row))

    # The end

    def _is_over(self, epoch: int) -> bool:
        """Tell whether the run is over with this epoch, and keep in the history why, where it came early."""
        run, history = self.run, self.run.history
        reason = self._stopped(epoch)
        if run.clock is not None and run.clock.is_over:
            reason = reason or f"{run.clock.seconds / 60:g} minutes were over after {self._place(epoch)}"
        is_full = run.updates is not None and self.updates >= run.updates
        if is_full and self._is_cut:
            reason = reason or f"updates={run.updates} were done after {self._place(epoch)}"
        history.stop_reason = history.stop_reason or reason
        return is_full or reason is not None

    def _stopped(self, epoch: int) -> str | None:
        """Say what has asked for an end, if anything has."""
        stop = self.run.early_stop
        if stop is not None and stop.is_over:
            return f"{stop.reason}, up to {self._place(epoch)}"
        if not self.model.stop_training:
            return None
        reasons = (getattr(callback, "stop_reason", None) for callback in self.run.callbacks.callbacks)
        told = next((reason for reason in reasons if isinstance(reason, str) and reason), None)
        return told or f"a callback stopped the training after {self._place(epoch)}"

    def _place(self, epoch: int) -> str:
        steps = self.run.steps_per_epoch
        of_steps = "" if steps is None else f" of {steps}"
        return f"{self._batches}{of_steps} batches of epoch {epoch}" if self._is_cut else f"epoch {epoch}"


def measure(model: Learner, run: Run, callbacks: CallbackList) -> dict[str, float]:
    """Measure the validation data, and give their part of the epoch's row."""
    steps = StepIterator(
        run.batches_to_measure(),
        run.validation_steps,
        model.batch_metrics_names,
        model.epoch_metrics_names,
        callbacks,
        mode="val",
    )
    model.run_validation(steps, callbacks)
    further = {f"val_{name}": value for name, value in model.take_scalars().items()}
    return {name: float(value) for name, value in steps.metrics_logs.items()} | further


@contextmanager
def _modes_kept(network: nn.Module) -> Iterator[None]:
    """Put every module's own mode back: a part of the network may not be in the mode of the whole."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, is_training in modes:
            module.training = is_training


def _is_display(callback: Any) -> bool:
    """Tell our display, which knows validations inside an epoch, from callbacks that know none."""
    return isinstance(callback, Progress)
