"""`FunctionLoss`: a function of the user's own as a loss, called with what it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from poutyne import get_batch_size
from torch import Tensor

from keraslike.calling import called_by_name, name_of
from keraslike.errors import ArgumentError, DataError
from keraslike.losses.sums import Count, Sums, times

Scalars = dict[str, tuple[float | Tensor, Count | None]]
"""Named numbers beside a loss: each a sum and its count, or a mean over the examples and None."""


@dataclass(slots=True)
class Value:
    """What a loss of the user's own gave for a part.

    Attributes:
        loss: a 0-dim tensor with its graph: the sum where there is a count, else the mean.
        count: what the sum is to be divided by; None where `loss` is the mean.
        scalars: further numbers by name, without their graph.
    """

    loss: Tensor
    count: Count | None = None
    scalars: Scalars = field(default_factory=dict)

    def summed(self, examples: int) -> tuple[float | Tensor, Count]:
        """Give the sum, without its graph, and its count; a mean is one over the examples."""
        if self.count is None:
            return times(self.loss, examples), examples
        return self.loss.detach(), self.count


class FunctionLoss(Sums):
    """A bare function, a `partial`, an object that can be called, or an `nn.Module`, as a loss.

    It is called with what it names (as in `called_by_name`: `logits`, `labels`, the inputs' names, `sample_weight`), or
    with outputs and targets, by position. It returns the batch's mean, or a sum with its count, and may add named
    numbers, each a mean over the examples or a sum with its count:
    `loss`, `(sum, count)`, `(loss, {"name": number})`, `(sum, count, {"name": (sum, count)})`.

    A mean is taken to be one over the examples. Nothing says that it adds up over them, so "auto" never cuts its
    batches; what adds up, and with what count, a class says that inherits from `Loss`.

    Args:
        function: the loss. What an `nn.Module` holds is a part of this module.

    Attributes:
        keeps_sums: whether the object itself computes the value of the epoch, as Poutyne's losses do.

    Raises:
        ArgumentError: it asks for what there is not.

    Example:
        >>> def largest(logits, labels):
        ...     return (logits - labels).abs().max()
        >>> FunctionLoss(largest)(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
        tensor(3.)
    """

    problem_type: str | None = None
    counts_items = False
    is_separable = False
    is_sum = False

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.func: Any = function  # under this name Poutyne keeps a loss's function; a module becomes a part
        self.__name__ = name_of(function)
        self._call = called_by_name(function, has_inputs=True)
        self.keeps_sums = hasattr(function, "compute") and hasattr(function, "reset")

    @property
    def reason(self) -> str:
        """In words, why its batches are not cut."""
        return f"{self.__name__} is a function, and whether its values add up over examples is not known"

    def value_of(self, outputs: Any, x: Any = None, y: Any = None, sample_weight: Tensor | None = None) -> Value:
        """Give what the function gives for a part.

        Args:
            outputs: what the network gave.
            x: the inputs; what a Mapping holds may be asked for by name.
            y: the targets.
            sample_weight: one factor per example, shape `(batch,)`, for a function that names it.

        Raises:
            ArgumentError: the function names what is not there, or gets sample weights and names none.
            DataError: what it returns is no loss.
        """
        if sample_weight is not None and not self._call.takes_weight:
            self._refuse_weights()
        value = read_value(self._call(outputs, y, _named_inputs(x), sample_weight=sample_weight), self.__name__)
        if not value.loss.requires_grad and torch.is_grad_enabled():
            self._require_gradient(outputs)
        return value

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """Give the batch's loss, as a mean, and add it to the epoch's sums; this is what Poutyne calls."""
        value = self.value_of(outputs, None, targets)
        total, count = value.summed(get_batch_size(outputs, targets) if value.count is None else 0)
        self.add(total, count)
        return value.loss if value.count is None or not value.count > 0 else value.loss / value.count

    def compute(self) -> Any:
        """Give the value of the epoch; the object's own where it keeps sums, as Poutyne's do."""
        return self.func.compute() if self.keeps_sums else super().compute()

    def reset(self) -> None:
        """Forget the sums."""
        super().reset()
        if self.keeps_sums:
            self.func.reset()

    def update(self, outputs: Any, targets: Any) -> None:
        """Add the batch to the epoch's sums."""
        with torch.no_grad():
            self(outputs, targets)

    def with_class_weight(self, weights: Tensor) -> NoReturn:
        """Refuse: nobody knows the classes of a bare function.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(
            f"class_weight was given, but {self.__name__} is a function, which does not weigh classes.",
            "a loss of classes, such as 'cross_entropy', or 'bce_with_logits' for several labels.",
            "weigh them inside the function, or weigh examples: fit(..., sample_weight=...).",
        )

    def extra_repr(self) -> str:
        """Show the function's name."""
        return self.__name__

    def _refuse_weights(self) -> NoReturn:
        raise ArgumentError(
            f"sample_weight was given, but the loss {self.__name__} does not take it.",
            "a loss by name, or a function with a parameter sample_weight.",
            f"write def {self.__name__}(logits, labels, sample_weight): ...",
        )

    def _require_gradient(self, outputs: Any) -> None:
        values = outputs.values() if isinstance(outputs, Mapping) else outputs
        tensors = (
            [outputs] if isinstance(outputs, Tensor) else values if isinstance(values, (tuple, list)) else [*values]
        )
        if any(isinstance(tensor, Tensor) and tensor.requires_grad for tensor in tensors):
            raise DataError(
                f"the loss {self.__name__} gave a number without a gradient, so nothing can be learned from it.",
                "a tensor computed from the outputs by torch's own functions.",
                "keep .item(), .detach(), .numpy() and argmax out of the loss.",
            )


def read_value(returned: Any, name: str = "the loss") -> Value:
    """Read what a loss of the user's own, or an overridden `compute_loss`, returned.

    Args:
        returned: a number; or a tuple of a number and its count, or named numbers, or both.
        name: what returned it, for the error.

    Raises:
        DataError: it is nothing of these, or the loss has more than one element.

    Example:
        >>> read_value((torch.tensor(3.0), 2, {"kl": (torch.tensor(1.0), 2)}))
        Value(loss=tensor(3.), count=2, scalars={'kl': (tensor(1.), 2)})
    """
    if type(returned) is Tensor and returned.dim() == 0:
        return Value(returned)
    parts = list(returned) if isinstance(returned, tuple) else [returned]
    named = parts.pop() if len(parts) > 1 and isinstance(parts[-1], Mapping) else {}
    if not 1 <= len(parts) <= 2 or (len(parts) == 2 and not _is_number(parts[1])) or not _is_number(parts[0]):
        _refuse(returned, name)
    count = parts[1].detach().reshape(()) if len(parts) == 2 and isinstance(parts[1], Tensor) else (*parts, None)[1]
    return Value(_scalar(parts[0]), count, {str(key): _named_number(value, key) for key, value in named.items()})


def _named_number(value: Any, name: Any) -> tuple[float | Tensor, Count | None]:
    total, count = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if not _is_number(total) or not (count is None or _is_number(count)):
        raise DataError(
            f"the number {name!r} beside a loss is {_described(value)}.",
            "one number, a mean over the batch's examples; or a tuple (sum, count).",
            f"return loss, {{{name!r}: value.mean()}}.",
        )
    return (total.detach() if isinstance(total, Tensor) else total), count


def _is_number(value: Any) -> bool:
    if isinstance(value, (int, float)):
        return True
    return getattr(value, "size", None) is not None and _size(value) == 1


def _size(value: Any) -> int:
    return int(value.numel() if isinstance(value, Tensor) else value.size)


def _scalar(value: Any) -> Tensor:
    return torch.as_tensor(value).reshape(())


def _refuse(returned: Any, name: str) -> NoReturn:
    raise DataError(
        f"{name} returned {_described(returned)}.",
        "one number, the batch's mean; or (sum, count); and behind them, if wanted, a dict of named numbers.",
        "take .mean() of the examples' losses, or return losses.sum(), losses.numel().",
    )


def _described(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_described(part) for part in value)})"
    return f"a {type(value).__name__}" + (f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else "")


def _named_inputs(x: Any) -> Any:
    return x[0] if isinstance(x, (tuple, list)) and len(x) == 1 else x
