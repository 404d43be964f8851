"""No step with a NaN or an Inf reaches the weights.

On a CPU the losses are read, which costs nothing there, and one fused check runs over the gradients, or the norm that
clips them is reused. On an accelerator nothing waits: the flag stays on the device, masks the update inside the fused
optimizer, and is read one step later; where the optimizer is not fused it is read at once.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from keraslike.engine.gradients import Network, Prepared
from keraslike.engine.memory import Undo, is_out_of_memory
from keraslike.engine.momentum import complete_momentum, lacks_momentum
from keraslike.errors import NonFiniteError, OutOfMemoryError
from keraslike.tracking.history import History

IN_A_ROW = 3
"""So many skipped steps, one after the other, end the training."""

SHOWN = 8
"""So many row numbers stand in a message."""


class Taken(NamedTuple):
    """A step that was tried, as far as a message about it needs: rows and parameter are worked out only then."""

    epoch: int
    batches: Sequence[Prepared]
    losses: Sequence[Any]


class Before(NamedTuple):
    """The rates before a step whose flag is still on the device, and after it, and the schedule's state before it."""

    rates: list[float]
    moved: list[float]
    schedule: dict[str, Any] | None


class StepGuard:
    """Takes the optimizer's step where losses and gradients are finite, and keeps a record of those it skips.

    Args:
        model: its optimizer takes the steps.
        undo: puts back the buffers, such as BatchNorm's, that a skipped step has changed.
        clip_norm: the largest total norm of the gradients; None does not clip.
        history: keeps the rates of the steps that were taken, and a record of those that were not.
        schedule: moves the rate after every step that was taken.
        say: prints a line; the first skipped step is named on the screen.
    """

    def __init__(
        self,
        model: Network,
        undo: Undo,
        clip_norm: float | None,
        history: History,
        schedule: Any,
        say: Callable[[str], None],
    ) -> None:
        self.optimizer, self.precision, self.undo = model.optimizer, model.precision, undo
        self.clip_norm, self.history, self.schedule, self.say = clip_norm, history, schedule, say
        self.precision.update()  # what a step that an exception ended has left undone
        self._clipped = list(model.network.parameters())
        self._names = {id(parameter): name for name, parameter in model.network.named_parameters()}
        self._is_sgd = isinstance(model.optimizer, torch.optim.SGD)
        self._skipped_in_a_row = 0
        self._pending: tuple[Taken, Before, Tensor, list[tuple[str, Tensor]]] | None = None
        self._found_and_one = torch.zeros(()), torch.ones(())

    def take(self, step: Taken) -> bool:
        """Take the step, or skip it.

        Returns:
            whether it was taken; True also where that is known only later.

        Raises:
            NonFiniteError: too many steps were skipped, one after the other.
        """
        if self._pending is not None:
            self.settle()
        if self.clip_norm is None:  # as in _looked_at, without a generator at every step
            groups = self.optimizer.param_groups
            gradients = [grad for group in groups for p in group["params"] if (grad := p.grad) is not None]
        else:
            gradients = [grad for parameter in self.undo.parameters if (grad := parameter.grad) is not None]
        is_taken = False
        try:
            is_taken = self._take_late(step, gradients) if self._is_late(gradients) else self._take_now(step, gradients)
        finally:
            if self.precision.is_scaling:
                self.precision.update(is_skipped=not is_taken)
        return is_taken

    def settle(self) -> None:
        """Read the flag of the step before, where it was left on the device."""
        if self._pending is not None:
            (step, before, is_bad, norms), self._pending = self._pending, None
            if not is_bad.item():
                self._skipped_in_a_row = 0
            else:
                self._take_back(before)
                self._skip(step, next((name for name, norm in norms if not math.isfinite(norm.item())), None))

    def _take_now(self, step: Taken, gradients: list[Tensor]) -> bool:
        is_finite = all(map(math.isfinite, step.losses))
        norm = self._norm() if is_finite and self.clip_norm is not None else None
        if is_finite and (norm is None or not math.isfinite(norm.item())):
            is_finite = not self._find(gradients).item()
            norm = self._norm(torch.float64) if norm is not None else None  # squares overflow before gradients do
        if not is_finite:
            self.undo.put_buffers_back()
            self._skip(step, next((self._name(p) for p in self._learned() if not _is_finite(p.grad)), None))
            return False
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if norm is not None:
            self._clip(norm)
        self._step()
        self._skipped_in_a_row = 0
        self.history.keep_rates(rates)
        if self.schedule is not None:
            self.schedule.step()
        return True

    def _take_late(self, step: Taken, gradients: list[Tensor]) -> bool:
        """Let the fused optimizer look at the flag on the device; where it is set, moments and counters stay too."""
        is_bad = self._find(gradients)
        for loss in step.losses:
            is_bad = torch.maximum(is_bad, (~torch.isfinite(loss)).to(is_bad))
        norms = torch._foreach_norm(gradients)  # noqa: SLF001  # kept to name the parameter; get_total_norm calls it too
        before = self._before()
        norm = self._norm() if self.clip_norm is not None else None
        if norm is not None:  # one that overflows float32 is too much to be scaled back
            is_bad = torch.maximum(is_bad, (~torch.isfinite(norm)).to(is_bad))
            self._clip(norm)
        self.optimizer.grad_scale, self.optimizer.found_inf = None, is_bad
        try:
            self._step()
        finally:
            del self.optimizer.grad_scale, self.optimizer.found_inf
        self.undo.put_buffers_back(where=is_bad)
        names = [self._name(parameter) for parameter in self._learned()]
        self._pending = (step, before, is_bad, list(zip(names, norms, strict=True)))
        self.history.keep_rates(before.rates)
        if self.schedule is not None:
            self.schedule.step()
        before.moved.extend(group["lr"] for group in self.optimizer.param_groups)
        return True

    def _before(self) -> "Before":
        schedule = None if self.schedule is None else self.schedule.state_dict()
        return Before([group["lr"] for group in self.optimizer.param_groups], [], schedule)

    def _take_back(self, before: "Before") -> None:
        """Undo the move of the rate after a step that, as it is known now, was skipped."""
        self.history.forget_rates()
        if self.schedule is not None and before.schedule is not None:
            self.schedule.load_state_dict(before.schedule)
            for group, rate, moved in zip(self.optimizer.param_groups, before.rates, before.moved, strict=False):
                if group["lr"] == moved:  # else a callback has set another since
                    group["lr"] = rate

    def _looked_at(self) -> Iterable[nn.Parameter]:
        """Give the parameters whose gradients can reach the weights: by the norm that clips them, all do."""
        if self.clip_norm is not None:
            return self.undo.parameters
        return (parameter for group in self.optimizer.param_groups for parameter in group["params"])

    def _learned(self) -> list[nn.Parameter]:
        return [parameter for parameter in self._looked_at() if parameter.grad is not None]

    def _is_late(self, gradients: list[Tensor]) -> bool:
        if not gradients or gradients[0].is_cpu or self.precision.reads_each_step:
            return False
        is_fused = bool(getattr(self.optimizer, "_step_supports_amp_scaling", False))
        return is_fused and not lacks_momentum(self.optimizer)

    def _step(self) -> None:
        if self._is_sgd:
            complete_momentum(self.optimizer)
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(
                f"memory ran out in the step of {type(self.optimizer).__name__} itself, where nothing can be cut.",
                "room for the optimizer's moments beside the weights and the gradients.",
                'take an optimizer with fewer moments, such as optimizer={"optim": "sgd", "lr": 0.01}, or a smaller '
                "network; the weights may be changed in part.",
            ) from None

    def _name(self, parameter: nn.Parameter) -> str:
        return self._names.get(id(parameter), "a parameter of the loss")

    def _norm(self, dtype: torch.dtype | None = None) -> Tensor:
        gradients = [p.grad for p in self._clipped if p.grad is not None]
        return get_total_norm(gradients if dtype is None else [gradient.to(dtype) for gradient in gradients])

    def _clip(self, norm: Tensor) -> None:
        assert self.clip_norm is not None  # there is a norm
        clip_grads_with_norm_(self._clipped, self.clip_norm, norm)

    def _find(self, gradients: list[Tensor]) -> Tensor:
        """Give 1 where a gradient has a NaN or an Inf, else 0, on their device: by the check that GradScaler runs."""
        if not gradients:
            return torch.zeros(())
        found, one = self._found_and_one
        if not gradients[0].is_cpu or found.item():  # read at once on a CPU, where it can be used again
            device = gradients[0].device
            found, one = self._found_and_one = torch.zeros((), device=device), torch.ones((), device=device)
        try:
            torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, one)
        except (RuntimeError, NotImplementedError):  # sparse or complex gradients, or several devices
            return found + (not all(_is_finite(gradient) for gradient in gradients))
        return found

    def end_epoch(self) -> None:
        """Move the rate of a schedule that is stepped per epoch."""
        if self.schedule is not None and hasattr(self.schedule, "end_epoch"):
            self.schedule.end_epoch()

    def _skip(self, step: Taken, parameter: str | None) -> None:
        losses = [float(loss) for loss in step.losses]
        bad = [index for index, loss in enumerate(losses) if not math.isfinite(loss)]
        first = bad[0] if bad else -1
        looked_at = [step.batches[first]] if bad else step.batches
        rows = [int(row) for prepared in looked_at for row in prepared.batch.rows or ()]
        where = {"epoch": step.epoch, "batch": step.batches[first].number, "rows": rows or None}
        self.history.skipped.append({**where, "loss": losses[first], "parameter": parameter})
        if len(self.history.skipped) == 1:
            self.say(f"A step was skipped, the weights are as before. {told(self.history.skipped[0])}")
        self._skipped_in_a_row += not self.precision.forgives(is_loss_finite=not bad)
        if self._skipped_in_a_row >= IN_A_ROW:
            raise not_finite(self.history.skipped[-self._skipped_in_a_row :])


def not_finite(skipped: list[dict[str, Any]]) -> NonFiniteError:
    """Give the error for skipped steps that followed one another."""
    return NonFiniteError(
        f"{len(skipped)} optimizer steps in a row had losses or gradients that are not finite. {told(skipped[-1])}",
        "finite losses and gradients; none of these steps reached the weights.",
        "look at these rows for NaN or huge values; set a smaller learning_rate=, clip_norm=1.0, "
        'or Model(..., precision="float32").',
    )


def told(skipped: dict[str, Any]) -> str:
    """Tell in words which step was skipped, and why.

    Example:
        >>> told({"epoch": 1, "batch": 3, "rows": [4, 0], "loss": float("nan"), "parameter": "weight"})
        'Epoch 1, batch 3 (rows 4, 0): loss nan, gradient of weight not finite.'
    """
    rows = skipped["rows"]
    listed = "" if not rows else f" (rows {', '.join(map(str, rows[:SHOWN]))}{', ...' if len(rows) > SHOWN else ''})"
    of = f", gradient of {skipped['parameter']} not finite" if skipped["parameter"] else ""
    return f"Epoch {skipped['epoch']}, batch {skipped['batch']}{listed}: loss {skipped['loss']:.4g}{of}."


def _is_finite(gradient: Tensor | None) -> bool:
    if gradient is None:
        return True
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return bool(torch.isfinite(values).all())
