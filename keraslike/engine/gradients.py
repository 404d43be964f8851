"""Many micro-batches in, the gradient of one batch out.

A loss is a (sum, count). The count of the whole optimizer step is known before the first `backward`, from the targets
alone; every part then back-propagates its own sum divided by that count, and the gradients add up to those of the mean
over the whole step, however it was cut. A step of one part back-propagates the loss's own mean, so that it has the very
bits of a hand-written loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from poutyne import get_batch_size
from torch import Tensor

from keraslike.data.batches import Batch, Pair
from keraslike.engine.shapes import matched
from keraslike.losses.base import Loss

Count = int | float | Tensor


class Network(Protocol):
    """What this file asks of the model."""

    loss_function: Any

    def forward_pass(self, x: Any) -> Any:
        """Send inputs through the network."""
        ...

    def preprocess_input(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Make tensors of arrays and move them to the network's device."""
        ...


@dataclass
class Learned:
    """What one batch gave: its mean loss, the outputs and targets in the batch's order, and its size in examples."""

    loss: Tensor
    outputs: Any
    targets: Any
    size: int


def prepare(model: Network, batch: Batch, micro_batch_size: int | None) -> list[Pair]:
    """Cut a batch into its parts, each on the network's device."""
    return [model.preprocess_input(x, y) for x, y in batch.parts(micro_batch_size)]


def count_items(loss_function: Any, parts: list[Pair]) -> Count:
    """Count what the mean of the loss is over: items for a loss that counts, examples for a bare function."""
    counts: list[Count] = [loss_function.count(y) for _, y in parts] if isinstance(loss_function, Loss) else []
    return sum(counts) if counts else sum(get_batch_size(x, y) for x, y in parts)


def add_gradients(model: Network, parts: list[Pair], step_count: Count | None) -> Learned:
    """Run forward and backward for every part of a batch; the gradients are added to those that are there.

    Args:
        model: the model that learns.
        parts: the batch, from `prepare`.
        step_count: what the mean of the whole optimizer step is over; None where this batch is the whole step and has
            one part only, which then back-propagates the loss's own mean.
    """
    learned = []
    for x, y in parts:
        outputs = model.forward_pass(x)
        targets = matched(outputs, y)
        value, total, count = _loss_of(model.loss_function, outputs, targets, get_batch_size(x, y), step_count)
        value.backward()
        learned.append((outputs if len(parts) == 1 else detached(outputs), targets, total, count))
    total = torch.stack([part[2] for part in learned]).sum() if len(learned) > 1 else learned[0][2]
    items: Count = sum(part[3] for part in learned)
    if isinstance(model.loss_function, Loss):
        model.loss_function.add(total, items)
    outputs = join([part[0] for part in learned])
    targets = join([part[1] for part in learned])
    return Learned(_mean(total, items), outputs, targets, sum(get_batch_size(x, y) for x, y in parts))


def _loss_of(
    loss_function: Any, outputs: Any, y: Any, examples: int, step_count: Count | None
) -> tuple[Tensor, Tensor, Count]:
    """Give what to back-propagate, the part's sum, and the part's count."""
    if isinstance(loss_function, Loss):
        count = loss_function.count(y)
        if step_count is None and count > 0:  # note: waits for the device where the count is a tensor
            mean = loss_function.mean(outputs, y)
            return mean, mean.detach() * count, count
        total = loss_function.total(outputs, y)
        return total / (step_count if step_count is not None and step_count > 0 else 1), total.detach(), count
    # A bare function gives a mean over examples; as an object of Poutyne's it keeps its own sums.
    mean = loss_function(outputs, y)
    value = mean if step_count is None else mean * (examples / step_count)
    return value, mean.detach() * examples, examples


def _mean(total: Tensor, count: Count) -> Tensor:
    if isinstance(count, Tensor):
        return total / count.clamp_min(torch.finfo(total.dtype).tiny)
    return total / count if count else total


def detached(outputs: Any) -> Any:
    """Give the outputs without their graph."""
    if isinstance(outputs, Tensor):
        return outputs.detach()
    if isinstance(outputs, Mapping):
        return _same_kind(outputs, {key: detached(value) for key, value in outputs.items()})
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*(detached(value) for value in outputs))
    if isinstance(outputs, (tuple, list)):
        return type(outputs)(detached(value) for value in outputs)
    return outputs


def join(parts: list[Any]) -> Any:
    """Put the outputs (or targets) of the parts together again, in the batch's order.

    Tensors are joined along the first dimension; what has none (a loss among the outputs) is taken from the last part.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(parts) if first.ndim else parts[-1]
    if isinstance(first, Mapping):
        return _same_kind(first, {key: join([part[key] for part in parts]) for key in first})
    if isinstance(first, (tuple, list)):
        joined = [join(list(values)) for values in zip(*parts, strict=True)]
        return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)
    return parts[-1]


def _same_kind(outputs: Any, values: dict[str, Any]) -> Any:
    """Keep the class of transformers' outputs, whose fields are read as attributes too."""
    kind: Any = type(outputs)
    return kind(**values) if hasattr(kind, "__dataclass_fields__") else values
