"""One optimizer step's gradients, done again with smaller micro-batches where memory runs out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from keraslike.data.batches import Batch
from keraslike.data.cutting import Cut
from keraslike.engine import gradients
from keraslike.engine.gradients import Count, Learned, Network, Prepared
from keraslike.engine.memory import Undo, halved, is_out_of_memory
from keraslike.engine.padding_free import PaddingFree
from keraslike.engine.tables import SparseTables
from keraslike.errors import DataError


class Cutting:
    """How the batches of a run are cut, and what an out-of-memory has left behind.

    Args:
        cut: what the user asked for, or the prices of "auto"; its limit holds from the start.
        why_whole: why a batch must not be cut by itself, in words; None where it may be.
        on_limit: called with every new limit.
        say: prints a line.
        tables: embedding tables whose gradients are kept sparse while a step has several parts; None: none.
        padding_free: the body whose layers are to see no padding; None: they see it.

    Attributes:
        is_told: whether the limit that holds now has been said.
    """

    def __init__(
        self,
        cut: Cut,
        why_whole: str | None,
        on_limit: Callable[[int], None],
        say: Callable[[str], None],
        tables: SparseTables | None = None,
        padding_free: PaddingFree | None = None,
    ) -> None:
        self.cut, self.why_whole, self.on_limit, self.say = cut, why_whole, on_limit, say
        self.tables, self.padding_free = tables, padding_free
        self.is_told = True

    def halve(self, largest: int) -> None:
        """Send at most half of `largest` examples through at once from now on.

        Raises:
            OutOfMemoryError: as in `halved`.
        """
        limit = halved(largest, self.why_whole)
        self.cut = replace(self.cut, limit=limit)
        self.on_limit(limit)
        self.is_told = False

    def tell(self) -> None:
        """Say what the limit is now, when a step has come through."""
        self.is_told = True
        self.say(
            f"Memory ran out: from now on {self.cut.limit} examples at most go through at once; "
            "each step still learns from its whole batch."
        )


class Step:
    """The gradients of the batches that one optimizer step learns from.

    Args:
        model: the model that learns.
        batches: what the step learns from, cut and on the device.
        cutting: how they are cut again.
        undo: puts back what a failed try has changed.
    """

    def __init__(self, model: Network, batches: Sequence[Prepared], cutting: Cutting, undo: Undo) -> None:
        self.model, self.cutting, self.undo = model, cutting, undo
        self.batches = [prepared if prepared.cut is cutting.cut else self._again(prepared) for prepared in batches]
        self.divisor: Count | None = gradients.step_count(model, self.batches)
        self._counts: list[Count] = []
        self._clear_gradients()

    def learn(self, place: int) -> Learned:
        """Add the gradients of one batch; the batches before it have been learned from already.

        Raises:
            OutOfMemoryError: not even one example fits, or the batch must not be cut.
        """
        if place == 0:
            self.undo.mark()
        done, learned = place, None  # batches whose gradients are there
        while learned is None:
            try:
                for prepared in self.batches[done:place]:
                    self._add_gradients(prepared)
                    done += 1
                learned = self._add_gradients(self.batches[place])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if learned is None:  # outside of `except`, whose traceback holds the activations
                self._start_again(done)
                done = 0
        if not self.undo.has_seen_draws:
            self.undo.see_draws()
        if self.cutting.tables is not None and len(self.batches) > 1:
            self.cutting.tables.densify()  # callbacks look between the batches
        if not self.cutting.is_told:
            self.cutting.tell()
        self._counts.append(learned.count)
        return learned

    def _add_gradients(self, prepared: Prepared) -> Learned:
        try:
            if self.cutting.padding_free is not None:
                return self._without_padding(prepared)
            if self.cutting.tables is not None:
                return self._added(prepared)
            return gradients.add_gradients(self.model, prepared, self.divisor)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise DataError(
                "a layer such as BatchNorm was given one example to learn from, of which there is no variance.",
                "two examples or more in every part of every batch.",
                'set another batch_size= or micro_batch_size=, or dataloader_kwargs={"drop_last": True}.',
            ) from None

    def _without_padding(self, prepared: Prepared) -> Learned:
        padding_free: Any = self.cutting.padding_free
        with padding_free.in_force():
            learned = self._added(prepared)
        padding_free.count(prepared.parts)
        return learned

    def _added(self, prepared: Prepared) -> Learned:
        if self.divisor is None or self.cutting.tables is None:
            return gradients.add_gradients(self.model, prepared, self.divisor)
        with self.cutting.tables.sparse():
            return gradients.add_gradients(self.model, prepared, self.divisor)

    def finish(self) -> None:
        """Make the gradients those of the mean: unscaled, and divided by what a function itself has counted."""
        if self.cutting.tables is not None:
            self.cutting.tables.densify()
        if self.model.precision.is_scaling:
            self.model.precision.unscale(self.model.optimizer, self.undo.parameters)
        if self.divisor is not None:
            gradients.rescale(self.model, self.divisor, self._counts, self.undo.parameters)

    def _start_again(self, failed: int) -> None:
        """Put everything back and cut what is still to be learned from; what was learned from keeps its cut."""
        self.cutting.halve(max(part.size for part in self.batches[failed].parts))
        self._clear_gradients()
        self.undo.put_back()
        self.batches[failed:] = [self._again(prepared) for prepared in self.batches[failed:]]
        self.divisor = gradients.step_count(self.model, self.batches)

    def _again(self, prepared: Prepared) -> Prepared:
        batch: Batch = prepared.batch
        return gradients.prepare(self.model, prepared.number, batch, self.cutting.cut)

    def _clear_gradients(self) -> None:
        """Set the gradients to None, by hand: `zero_grad` costs 7 % of a small network's step.

        Those of the network that the optimizer does not hold are cleared too, or clipping would count old ones.
        """
        for parameter in self.undo.parameters:
            parameter.grad = None
