"""How far a pass over the data has come, how fast it goes, and what its figures were so far."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Pace:
    """One pass over the data: an epoch's training or validation, an evaluation, a prediction.

    Args:
        label: what the pass is called on the screen.
        of_steps: its number of batches, None if nobody knows.
    """

    label: str
    of_steps: int | None = None
    steps: int = 0
    examples: int = 0
    started: float = field(default_factory=time.perf_counter)
    ended: float = 0.0
    _weight: int = 0
    _sums: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the pass took up to its last batch."""
        return max(self.ended - self.started, 0.0)

    def step(self, examples: int) -> None:
        """Count a batch of so many examples, 0 if nobody knows."""
        self.steps += 1
        self.examples += examples
        self.ended = time.perf_counter()

    def pause(self, seconds: float) -> None:
        """Leave out the time that something else took in between, such as a validation."""
        self.started += seconds
        self.ended += seconds

    def mean(self, figures: Mapping[str, float], examples: int) -> dict[str, float]:
        """Give the figures averaged by examples over the batches seen by this method so far, this one included.

        A live line reads few batches: their mean is steadier than the last one, and costs no reading of the others.
        """
        examples = max(examples, 1)
        self._weight += examples
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + examples * value
        return {name: self._sums[name] / self._weight for name in figures}
