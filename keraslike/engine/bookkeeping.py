"""What a `poutyne.Model` keeps of its batches: the sums of loss, metrics and further named scalars."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import poutyne
import torch
from torch import Tensor, nn

from keraslike.engine.gradients import Learned
from keraslike.engine.scalars import ScalarSums
from keraslike.errors import ArgumentError
from keraslike.metrics.base import Metric
from keraslike.metrics.function import FunctionMetric
from keraslike.metrics.reserved import RESERVED, check_names, is_taken

_NO_VALUES = np.empty(0)


class Bookkeeping(poutyne.Model):
    """A `poutyne.Model` that keeps sums and counts, and divides at the end.

    Attributes:
        is_in_training: whether a fit is under way.
        measured_loss: during a fit, the loss that measures: without the weights of classes.
        takes_inputs: whether a metric asks for the inputs.
        keeps_outputs: whether the outputs of a batch that is cut are kept until its last part.
        kept_modes: modules that are not in training mode with the network, one after the other: each with its mode.
        scalars: further named values that a loss has given, as sums over the epoch.
    """

    is_in_training = False
    measured_loss: Any = None
    takes_inputs = False
    keeps_outputs = True
    kept_modes: Sequence[tuple[nn.Module, bool]] = ()

    @property
    def has_own_loss(self) -> bool:
        """Whether a subclass has its own `compute_loss`."""
        raise NotImplementedError("Engine knows")  # declared here for those who keep books, answered in bridge.py

    _are_metrics_ours = False
    scalars: ScalarSums
    _scalars_of_metrics: dict[str, float]

    def set_mode(self, *, training: bool) -> None:
        """Set training or evaluation mode; in training, what is frozen stays in evaluation mode."""
        self.network.train(training)
        for module, mode in self.kept_modes if training else ():
            module.train(mode)

    @property
    def may_name_scalars(self) -> bool:
        """Whether a loss or metric is the user's own, and so may give further values by name."""
        is_ours = getattr(self.loss_function, "counts_items", False) and not self.has_own_loss
        return not is_ours or any(isinstance(metric, FunctionMetric) for metric in self.epoch_metrics)

    @property
    def sees_order(self) -> bool:
        """Whether a metric is a function of the user's own, which may hold the rows against something of theirs."""
        return any(isinstance(metric, FunctionMetric) for metric in self.epoch_metrics)

    def open_books(self) -> None:
        """Start without any sums, once the metrics are known.

        Raises:
            ArgumentError: a metric has a name under which the history keeps something else.
        """
        check_names(self.metrics_names)
        self.scalars, self._scalars_of_metrics = ScalarSums(), {}
        self.keeps_outputs = bool(self.batch_metrics or self.epoch_metrics)
        self._are_metrics_ours = not self.batch_metrics and all(isinstance(m, Metric) for m in self.epoch_metrics)
        self.takes_inputs = any(getattr(m, "takes_inputs", False) for m in (*self.batch_metrics, *self.epoch_metrics))

    def keep(self, learned: Learned, *, is_learned_from: bool = False) -> npt.NDArray[np.float64]:
        """Add a batch to the sums of loss and metrics, and give the batch metrics.

        A batch that is learned from, and whose loss is not finite, is left out, as its step is; on an accelerator,
        which is not waited for, of the loss alone. What is only measured counts as it is.
        """
        total, count = learned.total, learned.count
        if is_learned_from and isinstance(total, Tensor):
            is_finite = torch.isfinite(total)
            total, count = torch.where(is_finite, total, 0), torch.where(is_finite, count, 0)
        elif is_learned_from and not math.isfinite(total):
            return np.full(len(self.batch_metrics_names), np.nan)
        self.loss_function.add(total, count)
        if learned.scalars:
            self._refuse_taken(learned.scalars)
            self.scalars.add(learned.scalars)
        if self._are_metrics_ours:  # as in `measure`, without a detour
            for metric in self.epoch_metrics:
                metric.update(learned.outputs, learned.targets, learned.inputs)
            return _NO_VALUES
        return self.measure(learned.outputs, learned.targets, learned.inputs)

    def measure(self, outputs: Any, targets: Any, inputs: Any = None) -> npt.NDArray[np.float64]:
        """Update the metrics with one batch and give the batch metrics, in the order of `batch_metrics_names`."""
        if not self.batch_metrics and not self.epoch_metrics:
            return _NO_VALUES
        if self._are_metrics_ours:  # they keep no graph, and no_grad takes as long as counting
            for metric in self.epoch_metrics:
                metric.update(outputs, targets, inputs)
            return _NO_VALUES
        with torch.no_grad():
            for metric in self.epoch_metrics:
                _with_inputs(metric.update, metric, inputs)(outputs, targets)
            given = [_with_inputs(metric, metric, inputs)(outputs, targets) for metric in self.batch_metrics]
        values: npt.NDArray[np.float64] = self._compute_metric_array(given, self.original_batch_metrics_names)
        return values

    def epoch_values(self) -> dict[str, float]:
        """Give the loss and the metrics of the batches since the last call, and start them anew."""
        values = [self._get_loss(), *self._get_batch_metrics(), *self._get_epoch_metrics()]
        names = ["loss", *self.batch_metrics_names, *self.epoch_metrics_names]
        return {name: float(value) for name, value in zip(names, values, strict=True)} | self.take_scalars()

    @property
    def _taken(self) -> set[str]:
        return {"", *RESERVED, *self.metrics_names}

    def _refuse_taken(self, names: Iterable[str], beside: Iterable[str] = ()) -> None:
        """Refuse further named scalars that would hide another value."""
        taken = self._taken.union(beside)
        for name in names:
            if is_taken(name, taken):
                raise ArgumentError(
                    f"a loss or metric gives a further scalar named {name!r}, and that name is taken.",
                    f"a name other than {', '.join(sorted(taken - {''}))}.",
                    f"call it {name + '_2'!r}, for example." if name else None,
                )

    def add_scalars(self, values: dict[str, float], owner: str | None = None) -> None:
        """Keep further named values until `take_scalars`.

        Args:
            values: the values.
            owner: the metric that names them, if it cannot know which names are taken: its own then goes before these.

        Raises:
            ArgumentError: a name is taken, and there is no owner.
        """
        for name, value in values.items():
            beside = {*self._scalars_of_metrics, *self.scalars.names}
            shown = name
            while owner and is_taken(shown, self._taken | beside):
                shown = f"{owner}_{shown}"
            self._refuse_taken([shown], beside)
            self._scalars_of_metrics[shown] = value

    def row_keeper(self) -> Any:
        """Give what keeps the rows of one validation or evaluation; None where no metric asks for them."""
        return None

    def take_scalars(self) -> dict[str, float]:
        """Give the further named scalars of loss and metrics since the last call, and start them anew."""
        taken, self._scalars_of_metrics = self._scalars_of_metrics, {}
        return self.scalars.take() | taken

    def forget_sums(self) -> None:
        """Start the sums of loss and metrics anew."""
        for measure in (self.loss_function, *self.batch_metrics, *self.epoch_metrics):
            if measure is not None:
                measure.reset()
        self.take_scalars()

    @contextmanager
    def books_aside(self) -> Iterator[None]:
        """Let a callback measure in the middle of a training: with sums of its own, and the loss without weights."""
        if not self.is_in_training:
            yield
            return
        names = ("loss_function", "batch_metrics", "epoch_metrics", "scalars", "_scalars_of_metrics")
        before = {name: getattr(self, name) for name in names}
        self.loss_function = copy.copy(self.measured_loss)
        self.loss_function.__dict__["_sums"] = [0.0, 0.0]
        self.batch_metrics, self.epoch_metrics = copy.deepcopy((self.batch_metrics, self.epoch_metrics))
        self.scalars, self._scalars_of_metrics = ScalarSums(), {}
        for metric in (*self.batch_metrics, *self.epoch_metrics):
            metric.reset()
        try:
            yield
        finally:
            vars(self).update(before)

    @contextmanager
    def sums_forgotten_on_error(self) -> Iterator[None]:
        """Leave no half-filled sums behind where a run is interrupted."""
        try:
            yield
        except BaseException:
            self.forget_sums()
            raise

    def _get_epoch_metrics(self) -> Any:
        """Compute the epoch metrics, and keep their further named scalars before they are reset."""
        values = [metric.compute() for metric in self.epoch_metrics]
        for name, metric in zip(self.unflatten_epoch_metrics_names, self.epoch_metrics, strict=True):
            scalars = getattr(metric, "scalars", None)
            found = scalars() if callable(scalars) else {}
            self.add_scalars(found, str(name) if getattr(metric, "is_of_trainer", False) else None)
            metric.reset()
        return self._compute_metric_array(values, self.original_epoch_metrics_names)


def _with_inputs(call: Callable[..., Any], metric: Any, inputs: Any) -> Callable[..., Any]:
    """Give a metric's call, with the inputs where the metric asks for them."""
    return partial(call, inputs=inputs) if getattr(metric, "takes_inputs", False) else call
