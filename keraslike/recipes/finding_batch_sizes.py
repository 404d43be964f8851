"""The largest micro-batch that fits: tried on an accelerator, extrapolated on a CPU, where running out kills.

How many examples go through at once changes what a step needs, and not what it learns.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from poutyne import CallbackList

from keraslike.data.batches import Indices
from keraslike.data.cutting import WHOLE
from keraslike.engine.bridge import mixing_layer
from keraslike.engine.memory import free_memory
from keraslike.engine.run import Run
from keraslike.engine.step import Cutting
from keraslike.errors import DataError, OutOfMemoryError
from keraslike.recipes.coming import ChosenBatches, Coming
from keraslike.recipes.forecasting import Go, freezing_of
from keraslike.recipes.peak_memory import PeakMemory, activation_bytes, standing_bytes
from keraslike.recipes.plan import gigabytes
from keraslike.tracking.history import History

SAFETY = 0.2
"""The share of the memory that is left free: for other lengths, for fragments, for other processes."""

LARGEST_SHARE = 0.25
"""On a CPU no try takes more than this share of what there is."""

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""What is tried on a CPU, as far as the data and the memory go."""


@dataclass(frozen=True)
class BatchSize:
    """How many examples may go through the network at once.

    Attributes:
        micro_batch_size: the number, for `fit(micro_batch_size=...)`.
        bytes_per_example: what each example takes, of the longest ones.
        bytes_available: what there was before the first step.
        largest_tried: the largest number that was tried, and fitted.
        safety: the share of the memory that is left free.
        length: tokens of the longest example; None where there are none.
        is_extrapolated: whether the number is reckoned from smaller ones, and was not tried.
        is_all: whether all examples of the data fit at once, so that nothing was looked for beyond.

    Example:
        >>> print(BatchSize(96, 50_000_000, 6_000_000_000, 64, 0.2, 128, is_extrapolated=True))
        micro_batch_size=96: so many examples of up to 128 tokens fit at once.
          An example takes 50.0 MB; 6.00 GB were free, of which 20 % are left.
          Reckoned from up to 64 examples, not tried.
    """

    micro_batch_size: int
    bytes_per_example: float
    bytes_available: int
    largest_tried: int
    safety: float = SAFETY
    length: int | None = None
    is_extrapolated: bool = False
    is_all: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain numbers."""
        return dict(vars(self))

    def __str__(self) -> str:
        of = "" if self.length is None else f" of up to {self.length} tokens"
        free = gigabytes(self.bytes_available)
        lines = [
            f"micro_batch_size={self.micro_batch_size}: so many examples{of} fit at once.",
            f"  An example takes {self.bytes_per_example / 1e6:.1f} MB; {free} were free, of which "
            + f"{self.safety:.0%} are left.".replace("%", " %"),
        ]
        if self.is_all:
            lines.append("  These are all examples there are.")
        elif self.is_extrapolated:
            lines.append(f"  Reckoned from up to {self.largest_tried} examples, not tried.")
        return "\n".join(lines)


class SizeProbe:
    """A probe that takes steps of more and more of the longest examples at once.

    Attributes:
        found: the result, once there is one.
    """

    def __init__(self) -> None:
        self.found: BatchSize | None = None

    def look(self) -> None:
        """Nothing is to be seen before."""

    def start(self) -> None:
        """The time does not matter."""

    def __call__(self, model: Any, run: Run, go: Go, _copies: int) -> None:
        """Look for the number.

        Raises:
            DataError: the data come in batches of their own.
            OutOfMemoryError: not even one example fits.
        """
        if not Coming.is_known(run):
            raise DataError(
                f"the data are a {type(run.batches).__name__}, whose batches come as they are.",
                "rows: a list, arrays, a Dataset, from which the longest ones are taken together.",
                "give the rows, and leave the batches to fit.",
            )
        tries = _Tries(model, run, go)
        tries.take(tries.least)  # the moments come into being
        self.found = _tried(tries) if model.is_on_accelerator else _reckoned(tries)


class _Tries:
    """Steps of so many of the longest examples at once, and the memory that each took."""

    def __init__(self, model: Any, run: Run, go: Go) -> None:
        self.model, self.run, self.go = model, run, go
        self.memory = PeakMemory(is_on_accelerator=model.is_on_accelerator)
        coming = Coming(run)
        self.places = coming.longest(coming.batches.examples)
        lengths = coming.lengths
        self.length = None if lengths is None else int(lengths[self.places[0]])
        self.least = min(2 if mixing_layer(model.network) else 1, self.most)  # of one example there is no variance
        self.base = self.memory.begin()
        self.available = self.memory.available() or 0

    @property
    def most(self) -> int:
        """How many examples there are."""
        return len(self.places)

    def take(self, size: int) -> int:
        """Take a step of `size` examples, and give the bytes that it took beyond those held before the first one.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        own = self._run(self.places[:size])
        self.memory.begin()
        self.go(own)
        if self.memory.is_measured:
            return self.memory.peak() - self.base
        (batch,) = own.batches_of(own.initial_epoch, self.model)
        with self.model.in_mode(training=True):
            return activation_bytes(self.model, batch.parts[0].x) + standing_bytes(self.model)

    def tried(self, size: int) -> int | None:
        """Give the bytes as `take` does; None where they are not there."""
        taken = None
        with suppress(OutOfMemoryError):
            taken = self.take(size)
        free_memory()  # outside, where nobody holds the activations
        return taken

    def fits(self, size: int) -> bool:
        """Tell whether a step of `size` examples fits."""
        return self.tried(size) is not None

    def _run(self, places: Indices) -> Run:
        none: Any = {"valid_batches": None, "clock": None, "validate_every": None, "early_stop": None, "updates": None}
        sizes: Any = {"epochs": self.run.initial_epoch, "steps_per_epoch": None, "batches_per_step": 1}
        cutting = Cutting(WHOLE, "so many examples are tried at once", lambda _: None, lambda _: None)
        own = replace(self.run, **none, **sizes, cutting=cutting, history=History(), schedule=None)
        own.batches, own.callbacks = ChosenBatches(self.run.batches, [places]), CallbackList(freezing_of(self.run))
        return own


def _tried(tries: _Tries) -> BatchSize:
    """Double the number until it does not fit, and halve what is between; the safety is left of what fitted."""
    largest = max(largest_that(tries.fits, tries.most, tries.least), tries.least)
    per_example = _slope([(size, tries.take(size)) for size in sorted({tries.least, max(largest // 2, tries.least)})])
    is_all = largest == tries.most
    size = largest if is_all else max(int(largest * (1 - SAFETY)), tries.least)
    return BatchSize(size, per_example, tries.available, largest, length=tries.length, is_all=is_all)


def largest_that(fits: Callable[[int], bool], most: int, least: int = 1) -> int:
    """Give the largest number from `least` up to `most` that fits, to within an eighth; 0 where `least` does not.

    Example:
        >>> largest_that(lambda size: size <= 100, most=1000), largest_that(lambda size: size <= 100, most=64)
        (96, 64)
    """
    good, bad = 0, most + 1
    while bad - good > max(good // 8, 1) and good < most and bad > least:
        size = min(max(2 * good, least), most) if bad > most else (good + bad) // 2
        good, bad = (size, bad) if fits(size) else (good, size)
    return good


def _reckoned(tries: _Tries) -> BatchSize:
    """Draw a line through the memory of a few numbers, and go along it as far as the memory lasts."""
    if not tries.available:
        raise DataError(
            "nobody says how much memory there is on this machine.",
            "a system that does, such as Linux; or an accelerator.",
            "see plan(...).peak_bytes for what a batch_size= takes.",
        )
    taken: list[tuple[int, int]] = []
    is_out = False
    for size in [size for size in SIZES if tries.least <= size < tries.most] + [min(tries.most, SIZES[-1])]:
        is_daring = len(taken) > 2 and taken[-1][1] + _slope(taken) * (size - taken[-1][0]) > (
            LARGEST_SHARE * tries.available
        )
        if is_daring or (taken and size <= taken[-1][0]):
            break
        held = tries.tried(size)
        is_out = held is None
        if held is None:  # a limit that comes before the machine's, such as a container's
            break
        taken.append((size, held))
    per_example, (largest, bytes_of_largest) = _slope(taken), taken[-1]
    left = tries.available * (1 - SAFETY) - bytes_of_largest
    beyond = tries.most if per_example <= 0 else largest + math.floor(left / per_example)
    beyond = min(beyond, largest) if is_out else beyond
    size = max(min(beyond, tries.most), tries.least)
    known: Any = {"length": tries.length, "is_extrapolated": size > largest, "is_all": size == tries.most}
    return BatchSize(size, max(per_example, 0.0), tries.available, largest, **known)


def _slope(taken: list[tuple[int, int]]) -> float:
    """Give bytes per example, by the line that fits best; small numbers, whose memory was there already, count less."""
    sizes, held = np.array(taken, dtype=np.float64).T
    if len(taken) == 1:
        return float(held[0] / sizes[0])
    return float(np.polyfit(sizes, held, 1, w=sizes)[0])
