"""Measures batches without learning from them; where memory runs out, a batch goes through in smaller parts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from torch import Tensor

from keraslike.data.batches import Batch, Part
from keraslike.data.cutting import WHOLE, Cut
from keraslike.data.nested import leaves
from keraslike.engine import gradients
from keraslike.engine.gradients import Count, Learned, Network, Prepared
from keraslike.engine.joining import detached, joined
from keraslike.engine.memory import halved, is_out_of_memory
from keraslike.engine.shapes import matched
from keraslike.errors import OutOfMemoryError

Result = TypeVar("Result")


class Limited(Protocol):
    """A model that remembers how many examples fit into memory while it only measures."""

    measuring_limit: int | None


class Measured(Network, Limited, Protocol):
    """What is asked of a model that is measured."""

    def why_whole(self) -> str | None:
        """Say in words why the losses of parts do not add up; None where they do."""
        ...


def within_memory(model: Limited, batch: Batch, go: Callable[[Cut], Result]) -> Result:
    """Call `go` with a cut, and again with half the examples at once where memory runs out.

    Raises:
        OutOfMemoryError: a single example does not fit.
    """
    while True:
        cut = Cut(limit=model.measuring_limit)
        try:
            return go(cut)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        tried = batch.size if cut.limit is None else min(batch.size, cut.limit)
        model.measuring_limit = halved(tried, None)


def measure(model: Measured, batch: Batch) -> Learned:
    """Give loss, outputs and targets of a batch; gradients are off already, and nothing is kept."""

    def go(cut: Cut) -> Learned:
        prepared = gradients.prepare(model, 1, batch, cut)
        if len(prepared.parts) > 1 and _needs_whole(model):
            outputs = [model.forward_pass(part.x) for part in prepared.parts]
            return _measured_whole(model, batch, joined(outputs, [part.index for part in prepared.parts], 0), outputs)
        terms, outputs = [], []
        for part, count in zip(prepared.parts, prepared.counts, strict=True):
            output = model.forward_pass(part.x)
            part.y = matched(output, part.y)
            divisor = None if len(prepared.parts) == 1 and part.weight is None else 1
            terms.append(gradients.loss_of(model, output, part, count, divisor))
            outputs.append(output)
        return gradients.learned_of(model, prepared, terms, outputs)

    return within_memory(model, batch, go)


def _needs_whole(model: Measured) -> bool:
    """Tell whether the loss of a batch is not the sum of its parts': that of a bare function, or of one's own."""
    loss = model.loss_function
    if loss.counts_items and not loss.is_separable and loss.reads_logits and not model.has_own_loss:
        raise OutOfMemoryError(
            f"memory ran out, and the batch is not cut by itself: {loss.reason}.",
            "a batch that fits into memory.",
            "set a smaller batch_size.",
        )
    return model.has_own_loss or not loss.counts_items


def _measured_whole(model: Measured, batch: Batch, output: Any, outputs: list[Any]) -> Learned:
    """Give the loss of a batch that went through in parts, where it cannot be put together from the parts' losses."""
    prepared = gradients.prepare(model, 1, batch, WHOLE)
    part, count = _as_one(prepared)
    if any(leaf.ndim == 0 for leaf in leaves(outputs[0]) if isinstance(leaf, Tensor)):
        raise OutOfMemoryError(
            f"memory ran out with a batch of {batch.size}, and its outputs hold a number for all of it, which its "
            "parts do not give.",
            "a batch that fits into memory.",
            f"set batch_size={max(batch.size // 2, 1)}.",
        )
    part.y = matched(output, part.y)
    term = gradients.loss_of(model, output, part, count, None if part.weight is None else 1)
    return gradients.learned_of(model, replace(prepared, parts=[part], counts=[count]), [term], [output])


def _as_one(prepared: Prepared) -> tuple[Part, Count]:
    """Give a batch as one part, also where its examples cannot go through the network together."""
    parts, count = prepared.parts, sum(prepared.counts)
    if len(parts) == 1:
        return parts[0], count
    places = [part.index for part in parts]
    x, y = (joined(column, places, fill) for column, fill in (([p.x for p in parts], 0), ([p.y for p in parts], -100)))
    weights = [part.weight for part in parts]
    weight = None if weights[0] is None else joined(weights, places, 0)
    return Part(x, y, prepared.batch.size, weight=weight), count


def outputs_of(model: Limited, batch: Batch, forward: Callable[[Any], Any]) -> Any:
    """Give what `forward` makes of a batch's inputs, in the batch's order."""

    def go(cut: Cut) -> Any:
        parts = batch.parts(cut)
        return joined([detached(forward(part.x)) for part in parts], [part.index for part in parts], 0)

    return within_memory(model, batch, go)
