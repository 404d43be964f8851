"""Tells what a run will take from a few of its own steps, taken by the engine's own loop."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from poutyne import CallbackList

from keraslike.data.batches import Indices, OwnBatches
from keraslike.engine import course
from keraslike.engine.random_state import kept
from keraslike.engine.run import Run
from keraslike.errors import DataError
from keraslike.recipes.coming import ChosenBatches, Coming, Numbers, Steps, amount_of
from keraslike.recipes.freezing import Freezing
from keraslike.recipes.peak_memory import PeakMemory, activation_bytes, standing_bytes
from keraslike.recipes.plan import Plan
from keraslike.recipes.reckoning import Costs, Reckoning, Spent
from keraslike.recipes.stopwatch import WARM_UP, Line, Stopwatch
from keraslike.tracking.history import History

Go = Callable[[Run], None]

SHARES = (0.5, 0.05, 0.95, 0.25, 0.75)
"""Which steps are tried, by their place in the order of their tokens: from all over the range, the middle first."""

SECONDS, ROUNDS = 2.0, 10
"""Rounds of these steps are repeated for so long, and so often at most: small networks need it for a steady figure."""

UNKNOWN_STEPS, PLAIN_STEPS = 14, 200
"""So many steps at most of data whose tokens are not known before; so many of data without tokens."""

VALIDATED = 10
"""So many batches of the validation data at most are measured."""


SHORT = 5.0
"""What comes before the first step is done twice where it takes fewer seconds: libraries are loaded the first time."""


class Planner:
    """A probe that gives the plan of a run.

    Attributes:
        found: the plan; None as long as nothing but libraries was loaded.
    """

    def __init__(self) -> None:
        self.found: Plan | None = None
        self._is_loaded = False
        self._memory, self._held = PeakMemory(is_on_accelerator=False), 0
        self._began = Spent(0.0, 0.0)

    def look(self) -> None:
        """See what is held, before anything is done."""
        held = self._memory.begin()
        self._held = self._held or held

    def start(self) -> None:
        """Start the clocks."""
        self._began = Spent(time.process_time(), time.perf_counter())

    def __call__(self, model: Any, run: Run, go: Go, copies: int) -> None:
        """Plan the run that `fit` has come to."""
        before = Spent(time.process_time() - self._began.cpu, time.perf_counter() - self._began.wall)
        if not self._is_loaded and before.wall < SHORT:
            self._is_loaded = True
            return
        memory, held = self._memory, self._held
        if model.is_on_accelerator:
            memory = PeakMemory(is_on_accelerator=True)
            held = memory.begin()
        self.found = Forecast(model, memory, copies, held, before).plan(run, go)


class Forecast:
    """Stands where `fit` trains, and tells what that would take.

    Args:
        model: the model that would learn.
        memory: reads the peak of the memory; it was begun before the data were read.
        copies: bytes on the CPU that are held only to put everything back.
        held: bytes that were held before.
        before: CPU and wall seconds that `fit` has spent so far: reading, encoding, building.
    """

    def __init__(self, model: Any, memory: PeakMemory, copies: int, held: int, before: Spent) -> None:
        self.model, self.memory, self.held, self.before = model, memory, held, before
        self.copies = 0 if model.is_on_accelerator else copies
        self.peaks = [memory.peak()]
        self.estimated = 0

    def plan(self, run: Run, go: Go) -> Plan:
        """Give the plan of a run.

        Args:
            run: what `fit` would do.
            go: trains by a run.

        Raises:
            DataError: nobody knows how long the run is.
        """
        if run.steps_per_epoch is None and run.updates is None and run.clock is None:
            raise DataError(
                "the data have no length, so nobody knows how many updates a run over them takes.",
                "a number of updates, or of batches in an epoch.",
                "give updates= or steps_per_epoch=.",
            )
        costs = {epoch: self._costs(run, go, epoch) for epoch in _phases(run)}
        validation, reused = self._validation(run), _reused(run)
        if reused is None:
            found = Reckoning(run, costs, validation)
        else:
            with reused():
                costs |= self._costs_of_reuse(run, go)
                self._validation(run)  # fills the memory
                found = Reckoning(run, costs, validation, self._validation(run))
        return self._told(run, found)

    # Training

    def _costs(self, run: Run, go: Go, epoch: int) -> Costs:
        """Take a few steps of an epoch, and draw lines through their times."""
        own, at_least = _probe(run, epoch), WARM_UP + len(SHARES) + 1
        watch = Stopwatch(own, SECONDS, at_least, self._warm, is_on_accelerator=self.model.is_on_accelerator)
        own.callbacks = CallbackList([*freezing_of(run), watch])
        go(own)
        self._note_peak(own)
        found = watch.readings
        has_sizes_alone = Coming.is_known(run) and not isinstance(own.batches, ChosenBatches)
        amounts = found.sizes if has_sizes_alone else found.amounts
        amount, sent, real = (float(np.mean(values)) for values in (amounts, found.sent, found.real))
        return Costs(Line.through(amounts, found.cpu), Line.through(amounts, found.wall), amount, sent, real)

    def _costs_of_reuse(self, run: Run, go: Go) -> dict[int, Costs]:
        """Take the steps once more, with the features that a frozen body has computed in the first epoch."""
        own = _probe(run, run.initial_epoch)
        if not isinstance(own.batches, ChosenBatches):
            return {}  # other steps each time
        own.updates, own.callbacks = WARM_UP + len(SHARES) + 1, CallbackList(freezing_of(run))
        go(own)  # fills the memory
        return {run.initial_epoch + 1: self._costs(run, go, run.initial_epoch)}

    def _warm(self) -> None:
        self.peaks.append(self.memory.peak())
        self.memory.begin()

    def _note_peak(self, run: Run) -> None:
        if self.memory.is_measured:
            self.peaks.append(self.memory.peak())
            return
        batch = next(iter(run.batches_of(run.initial_epoch, self.model)))
        with kept(), self.model.in_mode(training=True):
            activations = activation_bytes(self.model, batch.parts[0].x)
        self.estimated = max(self.estimated, activations + standing_bytes(self.model))

    # Validation

    def _validation(self, run: Run) -> Spent:
        """Give what one validation takes."""
        if run.valid_batches is None:
            return Spent(0.0, 0.0)
        chosen = _Validated(run)
        own = replace(run, valid_batches=chosen, validation_steps=len(chosen), history=History())
        watch = Stopwatch(own, float("inf"), len(chosen), is_on_accelerator=self.model.is_on_accelerator)
        with kept():
            course.measure(self.model, own, CallbackList([watch]))
        end = watch.rest()
        self.peaks.append(self.memory.peak())
        seen = watch.readings
        amounts = chosen.amounts[chosen.places][-len(seen.cpu) :]
        lines = [Line.through(amounts, seconds) for seconds in (seen.cpu, seen.wall)]
        pairs = zip(lines, end, strict=True)
        return Spent(*(line.total(chosen.amounts) + chosen.times * seconds for line, seconds in pairs))

    # The answer

    def _told(self, run: Run, found: Reckoning) -> Plan:
        peak, notes = max(self.peaks) - self.copies, []
        if not self.memory.is_measured:
            peak = self.estimated
            notes.append("memory: weights, gradients, moments and activations alone, reckoned and not measured")
        if run.early_stop is not None:
            peak += 0 if self.model.is_on_accelerator else standing_bytes(self.model, has_gradients=False)
            notes.append("early stopping may end the run sooner")
        if _reused(run) is not None:
            notes.append("from the second epoch on the features of the frozen body are used again")
        if found.is_guessed:
            notes.append("the data come as they are: the coming steps are taken for the mean of the first ones")
        total = found.total
        return Plan(
            updates=found.updates,
            epochs=None if run.steps_per_epoch is None else round(found.passes, 3),
            seconds=self.before.wall + total.wall,
            cpu_seconds=self.before.cpu + total.cpu,
            peak_bytes=int(peak),
            held_bytes=self.held,
            padding=1 - found.real / found.sent if found.sent else 0.0,
            tokens=round(found.sent),
            validations=found.validations,
            training_seconds=found.spent.wall,
            notes=tuple(notes),
        )


def _phases(run: Run) -> list[int]:
    """Give the epochs from which on the steps cost something else: the first one, and where layers begin to learn."""
    later = {epoch for freezing in freezing_of(run) for epoch in freezing.unfreeze if epoch > run.initial_epoch}
    return [run.initial_epoch, *sorted(later)]


def _reused(run: Run) -> Callable[[], AbstractContextManager[None]] | None:
    """Give what lets the features of a frozen body be used again inside; None where the run does not."""
    return next((freezing.reused for freezing in freezing_of(run) if freezing.reused is not None), None)


def freezing_of(run: Run) -> list[Freezing]:
    """Give what a run keeps as it is; it has to be told of the epochs."""
    return [callback for callback in run.callbacks.callbacks if isinstance(callback, Freezing)]


def _probe(run: Run, epoch: int) -> Run:
    """Give a run of a few steps of an epoch: of chosen ones where all are known, else of the first ones."""
    shown: Any = {"valid_batches": None, "history": History(), "early_stop": None, "validate_every": None}
    before = run.epochs_before + epoch - run.initial_epoch
    own = replace(run, **shown, clock=None, updates=None, epochs=epoch, initial_epoch=epoch, epochs_before=before)
    own.schedule = None if run.clock is not None else run.schedule
    is_known = Coming.is_known(run)
    steps = Coming(run).epoch(epoch) if is_known else None
    if steps is not None and steps.sent.any():
        own.batches, own.steps_per_epoch = ChosenBatches(run.batches, chosen(steps, run.batches_per_step)), None
    elif len(_phases(run)) == 1:
        own.updates = PLAIN_STEPS if is_known else UNKNOWN_STEPS  # from epoch to epoch
    return own


def chosen(steps: Steps, per_step: int) -> list[Indices]:
    """Choose batches from all over the range of tokens; the step with the largest part is the first, and comes again.

    Args:
        steps: those of an epoch.
        per_step: batches of a step; the last one of the epoch, which may have fewer, is not chosen then.

    Returns:
        The batches of `WARM_UP` steps, and of many rounds.
    """
    places = [place for place, group in enumerate(steps.groups) if len(group) == per_step] or [0]
    order = sorted(places, key=lambda place: steps.sent[place])
    largest = max(places, key=lambda place: steps.largest[place])
    spread = [order[round(share * (len(order) - 1))] for share in SHARES]
    sequence = [largest, spread[0], *[*spread, largest] * ROUNDS]
    return [key for place in sequence for key in steps.groups[place]]


def _known(batches: Any) -> Any:
    """Give batches that can be looked at without being made; None where they come as they are."""
    return batches if isinstance(batches, OwnBatches) and batches.sampler is None else None


class _Validated:
    """Some batches of the validation data, spread over them, each once.

    Attributes:
        amounts: of all batches, tokens or examples, shape `(batches,)`; those that come as they are count as alike.
        places: of the chosen ones.
        times: how many times the examples of the chosen ones there are.
    """

    def __init__(self, run: Run) -> None:
        self.source, known = run.batches_to_measure(), _known(run.valid_batches)
        amounts = [(1, 1)] * (run.validation_steps or VALIDATED)
        if known is not None:
            amounts = [(amount_of(batch), batch.size) for batch in islice(known, run.validation_steps)]
        both = np.array(amounts, dtype=np.float64)
        self.amounts: Numbers = both[:, 0]
        count = min(VALIDATED, len(both))
        self.places: Sequence[int] = np.linspace(0, len(both) - 1, count).round().astype(int).tolist()
        self.times = float(both[:, 1].sum() / both[self.places, 1].sum())

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Any]:
        wanted = set(self.places)
        for place, batch in enumerate(self.source):
            if place in wanted:
                yield batch
            if place >= self.places[-1]:
                return
