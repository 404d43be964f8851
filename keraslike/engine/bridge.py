"""The overrides of Poutyne's engine: a `poutyne.Model` whose training loop is ours.

Every underscore name of Poutyne's that keraslike uses stands in this room, and a contract test holds its signature.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import poutyne
import torch
from poutyne import CallbackList
from poutyne.framework.callbacks.lr_scheduler import _PyTorchLRSchedulerWrapper
from poutyne.framework.callbacks.policies import OptimizerPolicy
from torch import nn

from keraslike.engine import gradients
from keraslike.engine.device import choose_device, is_on_cpu
from keraslike.engine.loop import Run, change_weights, train
from keraslike.engine.shapes import matched
from keraslike.losses import as_loss


class Engine(poutyne.Model):
    """A `poutyne.Model` that counts its losses and cuts its batches.

    Attributes:
        read_outputs: what loss and metrics see of the network's outputs; the outputs themselves unless a task picks
            the logits.
    """

    read_outputs: Callable[[Any], Any] | None = None

    def assemble(
        self,
        network: nn.Module,
        optimizer: Any,
        loss_function: Any,
        *,
        batch_metrics: list[Any] | None,
        epoch_metrics: list[Any] | None,
        device: Any,
    ) -> None:
        """Set the model up once the network exists: all of `poutyne.Model.__init__` runs here."""
        loss = None if loss_function is None else as_loss(loss_function)
        super().__init__(  # type: ignore[no-untyped-call]  # Poutyne is untyped
            network, optimizer, loss, batch_metrics=batch_metrics, epoch_metrics=epoch_metrics
        )
        chosen = choose_device(device, network)
        if chosen is not None and is_on_cpu(network) and str(chosen) == "cpu":
            self.device = chosen  # nothing is moved that is already there
        elif chosen is not None:
            self.to(chosen)

    # What the loop asks for

    def forward_pass(self, x: Any) -> Any:
        """Send a tuple of inputs through the network, over several GPUs where Poutyne's `device=[...]` asks for it."""
        if self.other_device is not None:
            devices: Any = [self.device, *self.other_device]
            outputs = nn.parallel.data_parallel(self.network, x, devices)
        else:
            outputs = self.network(*x)
        return outputs if self.read_outputs is None else self.read_outputs(outputs)

    def measure(self, outputs: Any, targets: Any) -> npt.NDArray[np.float64]:
        """Update the metrics with one batch and give the batch metrics, in the order of `batch_metrics_names`."""
        with torch.no_grad():
            values: npt.NDArray[np.float64] = self._compute_batch_metrics(outputs, targets)
            for metric in self.epoch_metrics:
                metric.update(outputs, targets)
        return values

    def epoch_values(self) -> dict[str, float]:
        """Give the loss and the metrics of the batches since the last call, and start them anew."""
        values = [self._get_loss(), *self._get_batch_metrics(), *self._get_epoch_metrics()]
        names = ["loss", *self.batch_metrics_names, *self.epoch_metrics_names]
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    def in_mode(self, *, training: bool) -> AbstractContextManager[None]:
        """Set training or evaluation mode, and put the old one back."""
        return self._set_training_mode(training)

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
        self.stop_training = False
        with self.sums_forgotten_on_error():
            train(self, run)

    def forget_sums(self) -> None:
        """Start the sums of loss and metrics anew."""
        for measure in (self.loss_function, *self.batch_metrics, *self.epoch_metrics):
            if measure is not None:
                measure.reset()

    @contextmanager
    def sums_forgotten_on_error(self) -> Iterator[None]:
        """Leave no half-filled sums behind where a run is interrupted."""
        try:
            yield
        except BaseException:
            self.forget_sums()
            raise

    # What Poutyne asks for

    @contextmanager
    def _set_training_mode(self, training: bool) -> Iterator[None]:
        """Set training or evaluation mode and gradients; put the old mode back, after an exception too."""
        before = self.network.training
        self.network.train(training)
        try:
            with torch.set_grad_enabled(training):
                yield
        finally:
            self.network.train(before)

    def preprocess_input(self, x: Any, y: Any = None) -> Any:
        """Make tensors of arrays and move them to the device; any Mapping becomes a dict, which Poutyne knows."""
        return super().preprocess_input(_plain(x), _plain(y))  # type: ignore[no-untyped-call]  # Poutyne is untyped

    def _compute_loss_and_metrics(
        self,
        x: Any,
        y: Any,
        *,
        return_loss_tensor: bool = False,
        return_pred: bool = False,
        convert_to_numpy: bool = True,
    ) -> tuple[Any, Any, Any]:
        """Measure one batch without learning from it (validation, evaluate)."""
        x, y = self.preprocess_input(x, y)
        outputs = self.forward_pass(x)
        y = matched(outputs, y)
        loss = self.loss_function(outputs, y)
        metrics = self.measure(outputs, y)
        predictions = None
        if return_pred:
            predictions = poutyne.torch_to_numpy(outputs) if convert_to_numpy else outputs
        return loss if return_loss_tensor else float(loss.detach()), metrics, predictions

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
        self.optimizer.zero_grad()
        learned = gradients.add_gradients(self, [self.preprocess_input(x, y)], None)
        metrics = self.measure(learned.outputs, learned.targets)
        change_weights(self, None)
        predictions = None
        if return_pred:
            predictions = poutyne.torch_to_numpy(learned.outputs) if convert_to_numpy else learned.outputs
        return float(learned.loss), metrics, predictions


def schedules_the_rate(callback: Any) -> bool:
    """Tell whether a callback of Poutyne's moves the learning rate itself."""
    return isinstance(callback, (_PyTorchLRSchedulerWrapper, OptimizerPolicy))


def _plain(data: Any) -> Any:
    """Make dicts of all Mappings (a `BatchEncoding` is none of dict's children), inside tuples and lists too."""
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    if type(data) in (tuple, list):
        return type(data)(_plain(value) for value in data)
    return data
