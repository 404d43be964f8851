"""`Run`: what one call of a fit verb needs beside the model."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch

from keraslike.data.batches import OwnBatches, PairBatch, as_batch
from keraslike.data.order import EpochOrder
from keraslike.engine import gradients
from keraslike.engine.clock import Clock
from keraslike.engine.early_stop import EarlyStop
from keraslike.engine.gradients import Prepared
from keraslike.engine.random_state import Aside
from keraslike.engine.step import Cutting
from keraslike.engine.transfer import look_ahead
from keraslike.errors import DataError
from keraslike.tracking.history import History

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

    def books_aside(self) -> AbstractContextManager[None]:
        """Measure in the middle of a training, with sums of its own."""
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
    """What one call of a fit verb needs beside the model.

    Attributes:
        epochs: the number of the last epoch; None where nobody knows it. With `updates` or a `clock` it is the one that
            is expected.
        updates: optimizer steps after which the run is over, in the middle of an epoch too; None: after its last epoch.
        clock: measures the time after which it is over; None: it does not matter.
        validate_every: optimizer steps from one validation inside the epochs to the next; None: there are none.
        early_stop: looks at the validations, for the best one.
        aside: the random state of the training data; `valid_aside` that of the validation data, so that the one does
            not depend on the other.
    """

    batches: Iterable[Any]
    valid_batches: Iterable[Any] | None
    callbacks: "CallbackList"
    history: History
    cutting: Cutting
    epochs: int | None
    initial_epoch: int = 1
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    batches_per_step: int = 1
    clip_norm: float | None = None
    schedule: Callable[[torch.optim.Optimizer], Any] | None = None
    epochs_before: int = 0
    updates: int | None = None
    clock: Clock | None = None
    validate_every: int | None = None
    early_stop: EarlyStop | None = None
    aside: Aside = field(default_factory=Aside)
    valid_aside: Aside = field(default_factory=Aside)

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
        numbered = _numbered(beside(self.batches, self.aside), self.steps_per_epoch)
        return look_ahead(numbered, partial(self._prepare, model), ahead=is_ahead)

    def batches_to_measure(self) -> Iterable[Any]:
        """Give the validation data, which have something to give in every epoch."""
        return _NotEmpty(beside(() if self.valid_batches is None else self.valid_batches, self.valid_aside))

    def _prepare(self, model: Learner, item: tuple[int, Any]) -> Prepared:
        number, data = item
        batch = data if type(data) is PairBatch else as_batch(data)
        return gradients.prepare(model, number, batch, self.cutting.cut)


def beside(batches: Iterable[Any], aside: Aside) -> Iterable[Any]:
    """Give our own batches as they are, and a user's so that they draw nothing from the random state."""
    is_ours = isinstance(batches, OwnBatches) and batches.sampler is None
    return batches if is_ours else _Advanced(batches, aside)


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
                f"the data ran out {f'after {number} batches' if number else 'before the first batch'} of an epoch: a "
                "generator can be read only once.",
                f"at least {steps or 1} in every epoch.",
                "give a list or a torch Dataset, or fewer epochs or updates.",
            )
        if steps is None:
            return
