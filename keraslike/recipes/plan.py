"""`Plan`: what a run will take, told before it begins."""

from dataclasses import asdict, dataclass
from typing import Any

from keraslike.tracking.figures import duration


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes:
        updates: optimizer steps.
        epochs: passes over the training data, the last one may be a part; None: nobody knows how long one is.
        seconds: on the clock, from the call of `fit` to its end.
        cpu_seconds: of the processor, over all threads of the process.
        peak_bytes: the most memory that is held at once: of the accelerator, or of the process.
        held_bytes: what of it is held already.
        padding: the share of padding among the tokens that are sent, 0 to 1.
        tokens: that the layers will be given in training; 0 where there are none.
        validations: how often the validation data are measured.
        training_seconds: on the clock, of the optimizer steps alone.
        notes: what is not measured but estimated, or not counted.

    Example:
        >>> plan = Plan(282, 3, 130.0, 125.0, 1_234_000_000, 600_000_000, 0.12, 123_456, 3, 120.0)
        >>> print(plan)
        282 updates in 3 epochs
          time     02:10, of which the optimizer steps 02:00; 02:05 of the processor
          memory   1.23 GB at the highest, of which 0.60 GB are held already
          padding  12 % of 123,456 tokens
        >>> round(plan.minutes, 2)
        2.17
    """

    updates: int
    epochs: float | None
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    held_bytes: int
    padding: float
    tokens: int
    validations: int
    training_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def minutes(self) -> float:
        """The time on the clock, in minutes."""
        return self.seconds / 60

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain numbers, strings and lists."""
        return {**asdict(self), "minutes": self.minutes, "notes": list(self.notes)}

    def __str__(self) -> str:
        epochs = "" if self.epochs is None else f" in {self.epochs:.3g} epoch{'' if self.epochs == 1 else 's'}"
        taken, steps, cpu = (duration(value) for value in (self.seconds, self.training_seconds, self.cpu_seconds))
        held = gigabytes(self.held_bytes)
        lines = [
            f"{self.updates:,} updates{epochs}",
            f"  time     {taken}, of which the optimizer steps {steps}; {cpu} of the processor",
            f"  memory   {gigabytes(self.peak_bytes)} at the highest, of which {held} are held already",
        ]
        if self.tokens:
            lines.append(f"  padding  {self.padding:.0%} of {self.tokens:,} tokens".replace("%", " %"))
        return "\n".join([*lines, *(f"  note     {note}" for note in self.notes)])


def gigabytes(count: float) -> str:
    """Give bytes in GB of 10 to the 9, as discs and cards are sold.

    Example:
        >>> gigabytes(1_234_000_000)
        '1.23 GB'
    """
    return f"{count / 1e9:.2f} GB"
