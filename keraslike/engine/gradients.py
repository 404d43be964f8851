"""Many micro-batches in, the gradient of one batch out.

A loss is a (sum, count). The count of the whole optimizer step is known before the first `backward`, from the targets
alone; every part then back-propagates its own sum divided by that count, and the gradients add up to those of the mean
over the whole step, however it was cut. A step of one part back-propagates the loss's own mean, so that it has the very
bits of a hand-written loop.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from keraslike.data.batches import Batch, Part
from keraslike.data.cutting import Cut
from keraslike.engine.joining import detached, joined
from keraslike.engine.precision import Precision
from keraslike.engine.shapes import matched
from keraslike.errors import DataError
from keraslike.losses.function import read_value
from keraslike.losses.sums import sum_dtype

Count = int | float | Tensor
Scalars = dict[str, tuple[Any, Any]]


class Network(Protocol):
    """What this file asks of the model."""

    network: nn.Module
    optimizer: Any
    loss_function: Any
    precision: Precision
    takes_inputs: bool
    keeps_outputs: bool

    @property
    def has_own_loss(self) -> bool:
        """Whether `compute_loss` is the model's own."""
        ...

    @property
    def is_on_accelerator(self) -> bool:
        """Whether batches have to be moved off the CPU."""
        ...

    def forward_pass(self, x: Any) -> Any:
        """Send inputs through the network."""
        ...

    def send(self, data: Any) -> Any:
        """Make tensors of arrays and move them to the network's device."""
        ...

    def compute_loss(self, outputs: Any, batch: Part) -> Any:
        """Give the loss of a part."""
        ...


@dataclass(slots=True)
class Prepared:
    """A batch that is cut, counted and on the network's device.

    Args:
        number: of the batch, from 1.
        batch: the batch itself, to be cut again where that is needed.
        cut: how it was cut.
        parts: its parts.
        counts: what the mean of the loss is over, of each part; examples for a bare function.
    """

    number: int
    batch: Batch
    cut: Cut
    parts: list[Part]
    counts: list[Count]


@dataclass(slots=True)
class Term:
    """What one part gave: what to back-propagate, its sum, the sum's count, and further named (sum, count)."""

    value: Tensor
    total: Any
    count: Count
    scalars: Scalars


@dataclass(slots=True)
class Learned:
    """What one batch gave: sum and count of its loss, outputs, targets and inputs in the batch's order, its size."""

    total: Any
    count: Count
    outputs: Any
    targets: Any
    inputs: Any
    size: int
    scalars: Scalars = field(default_factory=dict)

    @property
    def loss(self) -> Any:
        """The mean loss of the batch; its sum, 0, where nothing counts."""
        if isinstance(self.count, Tensor):
            return self.total / self.count.clamp_min(1e-30)
        return self.total / self.count if self.count else self.total

    def means(self) -> dict[str, Any]:
        """Give the further named scalars of the batch."""
        return {
            name: total / count if isinstance(count, Tensor) or count else math.nan
            for name, (total, count) in self.scalars.items()
        }


def prepare(model: Network, number: int, batch: Batch, cut: Cut) -> Prepared:
    """Cut a batch, count its items where the data are, so that no accelerator is waited for, and move it."""
    parts = batch.parts(cut)
    counts = [_count(model, parts[0])] if len(parts) == 1 else [_count(model, part) for part in parts]
    for part in parts:
        part.x, part.y = model.send(part.x), model.send(part.y)
        if part.weight is not None:
            part.weight = model.send(part.weight)
    return Prepared(number, batch, cut, parts, counts)


def _count(model: Network, part: Part) -> Count:
    loss = model.loss_function
    if not loss.counts_items or (part.has_classes and part.weight is None and loss.counts_labels):
        return part.size
    try:
        count: Count = loss.count_of(part.x, part.y, part.weight)
    except AttributeError:
        raise DataError(
            f"the loss {type(loss).__name__} was given targets that are a {type(part.y).__name__}.",
            "a tensor or array of targets.",
            "pick one by a loss of your own: def loss(outputs, targets): ...",
        ) from None
    return count.item() if isinstance(count, Tensor) and count.is_cpu else count


def step_count(model: Network, batches: Sequence[Prepared]) -> Count | None:
    """Give what the loss of an optimizer step is divided by; None where the loss's own mean of one part is it."""
    if len(batches) == 1 and len(batches[0].parts) == 1 and batches[0].parts[0].weight is None:
        return None
    if model.loss_function.is_sum and not model.has_own_loss:
        return 1
    total = sum(count for prepared in batches for count in prepared.counts)
    if model.has_own_loss and not total > 0:  # no label counts, but the model's own loss may
        for prepared in batches:
            prepared.counts = [part.size for part in prepared.parts]
        total = sum(count for prepared in batches for count in prepared.counts)
    return total


def add_gradients(model: Network, prepared: Prepared, divisor: Count | None) -> Learned:
    """Run forward and backward for every part of a batch; the gradients are added to those that are there.

    Args:
        model: the model that learns.
        prepared: the batch.
        divisor: from `step_count`.
    """
    if len(prepared.parts) == 1 and prepared.parts[0].index is None:  # the usual step, without a detour
        (part,), (count,) = prepared.parts, prepared.counts
        term, output = _learn(model, part, count, divisor)
        return Learned(term.total, term.count, output, part.y, part.x, part.size, term.scalars)
    terms, outputs = [], []
    for part, count in zip(prepared.parts, prepared.counts, strict=True):
        term, output = _learn(model, part, count, divisor)
        terms.append(term)
        if model.keeps_outputs:
            outputs.append(detached(output))
    return learned_of(model, prepared, terms, outputs)


def _learn(model: Network, part: Part, count: Count, divisor: Count | None) -> tuple[Term, Any]:
    output = model.forward_pass(part.x)
    part.y = matched(output, part.y)
    term = loss_of(model, output, part, count, divisor)
    (model.precision.scaled(term.value) if model.precision.is_scaling else term.value).backward()
    return term, output


def learned_of(model: Network, prepared: Prepared, terms: list[Term], outputs: list[Any]) -> Learned:
    """Put together what the parts of a batch gave, in the batch's order."""
    parts = prepared.parts
    places = [part.index for part in parts]
    count: Count = sum(term.count for term in terms)
    return Learned(
        sum(term.total for term in terms),
        count,
        joined(outputs, places, 0) if outputs else None,
        joined([part.y for part in parts], places, -100),
        joined([part.x for part in parts], places, 0) if model.takes_inputs else None,
        sum(part.size for part in parts),
        _added(term.scalars for term in terms),
    )


def _added(scalars_of_parts: Any) -> Scalars:
    sums: Scalars = {}
    for scalars in scalars_of_parts:
        for name, (total, count) in scalars.items():
            before = sums.get(name, (0, 0))
            sums[name] = (before[0] + total, before[1] + count)
    return sums


def loss_of(model: Network, outputs: Any, part: Part, count: Count, divisor: Count | None) -> Term:
    """Give the loss of a part, ready to be back-propagated.

    Args:
        model: the model.
        outputs: of the network for this part.
        part: the part.
        count: its own count.
        divisor: what the sums of the step are divided by; None: the part is the whole step.
    """
    loss = model.loss_function
    if not loss.counts_items or model.has_own_loss:
        return _loss_of_function(model, outputs, part, count, divisor)
    if type(outputs) is not Tensor and loss.reads_logits and isinstance(outputs, Mapping) and "logits" in outputs:
        outputs = outputs["logits"]
    if divisor is None and not loss.is_sum and count > 0:  # of data on an accelerator this waits for it
        mean = loss.mean_of(outputs, part.x, part.y)
        return Term(mean, read(mean) * count, count, {})
    total = loss.total_of(outputs, part.x, part.y, part.weight)
    value = total if divisor is None or not divisor > 0 else total / divisor
    return Term(value, read(total), count, {})


def _loss_of_function(model: Network, outputs: Any, part: Part, count: Count, divisor: Count | None) -> Term:
    """Give the loss of a function, which is a mean: over the examples, or over what it says itself."""
    if model.has_own_loss:
        given = read_value(model.compute_loss(outputs, part), "compute_loss")
        if torch.is_grad_enabled() and not given.loss.requires_grad:
            raise DataError(
                "compute_loss gave a number without a gradient, so nothing can be learned from it.",
                "a tensor computed from the outputs by torch's own functions.",
                "keep .item(), .detach(), .numpy() and argmax out of it.",
            )
    else:
        given = model.loss_function.value_of(outputs, part.x, part.y, part.weight)
    scalars = {
        name: (total * part.size, part.size) if own is None else (total, own)
        for name, (total, own) in given.scalars.items()
    }
    if given.count is None:
        value = given.loss if divisor is None else given.loss * (count / divisor)
        return Term(value, read(given.loss) * count, count, scalars)
    own_divisor = given.count if divisor is None else divisor
    value = given.loss / own_divisor if own_divisor > 0 else given.loss * 0
    return Term(value, read(given.loss), given.count, scalars)


def rescale(model: Network, divisor: Count, counts: Sequence[Count], parameters: Iterable[nn.Parameter]) -> None:
    """Multiply the gradients once where a function has counted otherwise than what they were divided by."""
    if model.loss_function.counts_items and not model.has_own_loss:
        return
    total = sum(read(count) if isinstance(count, Tensor) else count for count in counts)
    if (not isinstance(total, Tensor) and total == divisor) or not total > 0:
        return
    ratio = divisor / (total.to(sum_dtype(total)) if isinstance(total, Tensor) else total)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(ratio)


def read(value: Tensor) -> Any:
    """Give a value as a Python number where that costs nothing, on the CPU; elsewhere as it is, without its graph."""
    return value.item() if value.is_cpu else value.detach()
