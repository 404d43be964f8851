"""The overrides of Poutyne's engine: a `poutyne.Model` whose training loop is ours.

Every underscore name of Poutyne's that keraslike uses stands in this room, and a contract test holds its signature.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import poutyne
import torch
from poutyne import CallbackList
from poutyne.framework.callbacks.lr_scheduler import _PyTorchLRSchedulerWrapper
from poutyne.framework.callbacks.policies import OptimizerPolicy
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from keraslike.data.batches import PairBatch, Part, as_batch
from keraslike.data.cutting import Cut
from keraslike.engine import gradients
from keraslike.engine.bookkeeping import Bookkeeping
from keraslike.engine.device import choose_device, is_on_cpu
from keraslike.engine.finite import StepGuard, Taken
from keraslike.engine.gradients import Learned
from keraslike.engine.loop import train
from keraslike.engine.measuring import measure
from keraslike.engine.memory import Undo
from keraslike.engine.precision import Precision, choose_precision
from keraslike.engine.run import Run
from keraslike.engine.savings import checkpoint_gradients, is_wanted
from keraslike.engine.step import Cutting, Step
from keraslike.engine.transfer import sender
from keraslike.losses import as_loss
from keraslike.losses.base import Loss
from keraslike.tracking.history import History
from keraslike.tracking.logs import BatchLogs


class Engine(Bookkeeping):
    """A `poutyne.Model` that counts its losses and cuts its batches.

    Attributes:
        read_outputs: what loss and metrics see of the network's outputs; the outputs themselves unless a task picks
            the logits.
        precision: in which numbers the network computes.
        training_loss: the loss to learn from, where classes are weighed; it is measured without weights.
        micro_batch_limit: how many examples go through at once in training since memory ran out; None: it has not.
        measuring_limit: the same for evaluate and predict.
    """

    read_outputs: Callable[[Any], Any] | None = None
    precision: Precision = Precision()
    training_loss: Any = None
    micro_batch_limit: int | None = None
    measuring_limit: int | None = None
    _sends_to: Any = None
    _sender: Callable[[Any], Any] = staticmethod(sender(None))

    def assemble(
        self,
        network: nn.Module,
        optimizer: Any,
        loss_function: Any,
        *,
        batch_metrics: list[Any] | None,
        epoch_metrics: list[Any] | None,
        device: Any,
        precision: Any = "float32",
        gradient_checkpointing: bool = False,
    ) -> None:
        """Set the model up once the network exists: all of `poutyne.Model.__init__` runs here."""
        loss = as_loss(_first_not_none(loss_function, self.compute_loss if self.has_own_loss else None), network)
        super().__init__(  # type: ignore[no-untyped-call]  # Poutyne is untyped
            network, optimizer, loss, batch_metrics=batch_metrics, epoch_metrics=epoch_metrics
        )
        self.open_books()
        chosen = choose_device(device, network)
        if chosen is not None and is_on_cpu(network) and str(chosen) == "cpu":
            self.device = chosen  # nothing is moved that is already there
        elif chosen is not None:
            self.to(chosen)
        place = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        is_transformer = any(hasattr(module, "save_pretrained") for module in network.modules())
        self.precision = choose_precision(precision, place, network, is_transformer=is_transformer)
        if is_wanted(gradient_checkpointing):
            checkpoint_gradients(network)

    # What the loop asks for

    @property
    def has_own_loss(self) -> bool:
        """Whether a subclass has its own `compute_loss`."""
        return type(self).compute_loss is not Engine.compute_loss

    @property
    def is_on_accelerator(self) -> bool:
        """Whether batches have to be moved off the CPU."""
        return self.device is not None and torch.device(self.device).type != "cpu"

    def compute_loss(self, outputs: Any, batch: Part) -> Any:
        """Give the loss of a batch, or of a micro-batch. A subclass may override this alone.

        Args:
            outputs: what the network gave (with a task, the logits).
            batch: its inputs `batch.x`, its targets `batch.y`, and `batch.weight`, the sample weights or None.

        Returns:
            the mean over what the loss function counts (examples, where it does not count); or `(sum, count)`; or
            either with a dict of further named scalars behind: numbers, or pairs (sum, count).
        """
        loss = self.loss_function
        if not isinstance(loss, Loss):
            given = loss.value_of(outputs, batch.x, batch.y, batch.weight)
            parts = [part for part in (given.loss, given.count, given.scalars or None) if part is not None]
            return tuple(parts) if len(parts) > 1 else given.loss
        count = loss.count_of(batch.x, batch.y, batch.weight)
        if batch.weight is None and count > 0:
            return loss.mean_of(outputs, batch.x, batch.y)
        total = loss.total_of(outputs, batch.x, batch.y, batch.weight)
        return total / count if count > 0 else total

    def forward_pass(self, x: Any) -> Any:
        """Send inputs through the network, a tuple or list of them as several arguments.

        Over several GPUs where Poutyne's `device=[...]` asks for it.
        """
        given = (x,) if type(x) is torch.Tensor else _arguments(x)
        network = self.network if self.other_device is None else self._on_several_devices
        outputs = self.precision.run(network, given)
        return outputs if self.read_outputs is None else self.read_outputs(outputs)

    def _on_several_devices(self, *given: Any) -> Any:
        devices: Any = [self.device, *(self.other_device or [])]
        return nn.parallel.data_parallel(self.network, given, devices)

    def send(self, data: Any) -> Any:
        """Make tensors of arrays and dicts of Mappings, and move them to the network's device."""
        if self.device is not self._sends_to:
            self._sends_to, self._sender = self.device, sender(self.device)
        return self._sender(data)

    @contextmanager
    def in_mode(self, *, training: bool) -> Iterator[None]:
        """Set training or evaluation mode, and in training the weighted loss; put the old ones back."""
        loss = self.measured_loss = self.loss_function
        if training and self.training_loss is not None:
            self.loss_function = self.training_loss
        try:
            with self._set_training_mode(training):
                yield
        finally:
            self.loss_function = loss

    def run_validation(self, steps: Any, callbacks: CallbackList) -> None:
        """Run Poutyne's validation over a step iterator of its own."""
        self._run_validation(steps, callbacks)

    def train_run(self, run: Run) -> None:
        """Train with everything in place: the optimizer's state on the device, the callbacks bound to this model."""
        self._transfer_optimizer_state_to_right_device()
        run.callbacks.set_model(self)
        params = {"epochs": run.epochs, "steps": run.steps_per_epoch}
        if run.validation_steps is not None:
            params["valid_steps"] = run.validation_steps
        run.callbacks.set_params(params)
        self.stop_training, self.is_in_training = False, True
        try:
            with self.sums_forgotten_on_error():
                train(self, run)
        finally:
            self.is_in_training = False

    # What Poutyne asks for

    @contextmanager
    def _set_training_mode(self, training: bool) -> Iterator[None]:
        """Set training or evaluation mode and gradients; put the old mode back, after an exception too."""
        before = self.network.training
        self.set_mode(training=training)
        try:
            with torch.set_grad_enabled(training):
                yield
        finally:
            self.set_mode(training=before)

    def preprocess_input(self, x: Any, y: Any = None) -> Any:
        """Give inputs as a tuple of arguments, and targets, as tensors on the device."""
        given = _arguments(self.send(x))
        return given if y is None else (given, self.send(y))

    def _validate(
        self,
        step_iterator: Any,
        return_pred: bool = False,
        return_ground_truth: bool = False,
        convert_to_numpy: bool = True,
    ) -> tuple[Any, Any]:
        """Measure all batches without learning from them (validation, evaluate)."""
        predictions: list[Any] | None = [] if return_pred else None
        truths: list[Any] | None = [] if return_ground_truth else None
        on_batch_end = step_iterator.on_batch_end
        step_iterator.on_batch_end = lambda number, logs: on_batch_end(number, BatchLogs(logs))
        keeper = self.row_keeper()
        with self._set_training_mode(False):
            for step, data in step_iterator:
                batch = as_batch(data)
                learned = measure(self, batch)
                if keeper is not None:
                    keeper.add(batch, learned.outputs)
                step.loss, step.batch_metrics, step.size = learned.loss, self.keep(learned), learned.size
                if predictions is not None:
                    predictions.append(poutyne.torch_to_numpy(learned.outputs) if convert_to_numpy else learned.outputs)
                if truths is not None:
                    truths.append(poutyne.torch_to_numpy(learned.targets) if convert_to_numpy else learned.targets)
        for owner, values in [] if keeper is None else keeper.values():
            self.add_scalars(values, owner)
        return predictions, truths

    def _compute_loss_and_metrics(
        self,
        x: Any,
        y: Any,
        *,
        return_loss_tensor: bool = False,
        return_pred: bool = False,
        convert_to_numpy: bool = True,
    ) -> tuple[Any, Any, Any]:
        """Measure one batch without learning from it (`evaluate_on_batch`)."""
        learned = measure(self, PairBatch(x, y))
        loss = torch.as_tensor(learned.loss) if return_loss_tensor else float(learned.loss)
        return loss, self.keep(learned), self._given_back(learned, return_pred, convert_to_numpy)

    def _fit_batch(
        self,
        x: Any,
        y: Any,
        *,
        callback: Any = None,
        step: Any = None,
        return_pred: bool = False,
        convert_to_numpy: bool = True,
    ) -> tuple[Any, Any, Any]:
        """Take one optimizer step on one batch (`train_on_batch`)."""
        why_whole = self.why_whole()
        cutting = Cutting(
            Cut(limit=None if why_whole else self.micro_batch_limit), why_whole, self.remember_limit, print
        )
        prepared = gradients.prepare(self, 1, PairBatch(x, y), cutting.cut)
        one = Step(self, [prepared], cutting, Undo(self.network, self.optimizer, self.loss_function))
        learned = one.learn(0)
        metrics = self.keep(learned, is_learned_from=True)
        one.finish()
        guard = StepGuard(self, one.undo, None, History(), None, print)
        guard.take(Taken(1, one.batches, [learned.loss]))
        guard.settle()
        return float(learned.loss), metrics, self._given_back(learned, return_pred, convert_to_numpy)

    def _given_back(self, learned: Learned, return_pred: bool, convert_to_numpy: bool) -> Any:
        if not return_pred:
            return None
        return poutyne.torch_to_numpy(learned.outputs) if convert_to_numpy else learned.outputs

    def remember_limit(self, limit: int) -> None:
        """Keep what an out-of-memory has taught."""
        self.micro_batch_limit = limit

    def why_whole(self) -> str | None:
        """Say in words why a batch must not be cut behind the user's back; None where it may be."""
        if self.has_own_loss:
            return "compute_loss is the model's own, and gives a mean"
        if not getattr(self.loss_function, "is_separable", False):
            return getattr(self.loss_function, "reason", None) or "the loss is a function that gives a mean"
        mixing = mixing_layer(self.network)
        return None if mixing is None else f"{mixing} computes over all examples that go through at once"


def _arguments(x: Any) -> Sequence[Any]:
    """Give a network's arguments: a tuple or list is several; a `PackedSequence`, which is a tuple too, is one."""
    return x if isinstance(x, (tuple, list)) and not isinstance(x, PackedSequence) else (x,)


def _first_not_none(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def mixing_layer(network: nn.Module) -> str | None:
    """Give the name of the first kind of layer that mixes examples in training, as BatchNorm does; None without one.

    Example:
        >>> mixing_layer(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
        'BatchNorm1d'
    """
    kinds = (nn.modules.batchnorm._BatchNorm,)  # noqa: SLF001  # torch's own base of all of them
    return next((type(module).__name__ for module in network.modules() if isinstance(module, kinds)), None)


def schedules_the_rate(callback: Any) -> bool:
    """Tell whether a callback, Poutyne's or ours, moves the learning rate itself."""
    kinds = (_PyTorchLRSchedulerWrapper, OptimizerPolicy)
    return isinstance(callback, kinds) or getattr(callback, "moves_the_rate", False) is True
