"""The recipes that are measured beside each other on real texts.

To add one, add its line to `SIDES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from inspect import signature
from typing import Any

import keraslike
from recipe_sides.job import Job, Learned, scores, watched
from recipe_sides.others import by_hand, with_trainer
from recipe_sides.ours import with_keraslike

__all__ = ["DEFAULT", "RECIPE", "SIDES", "TRAINER", "Job", "Learned", "Side", "scores", "watched"]

DEFAULT, TRAINER, RECIPE = "default", "HF Trainer", "recipe=hf-trainer"


@dataclass(frozen=True)
class Side:
    """A recipe.

    Args:
        learn: trains and answers.
        package: what must be installed.
        argument: what `Model` must know.
    """

    learn: Callable[[Job], Learned]
    package: str = "torch"
    argument: str = "network"

    @property
    def missing(self) -> str | None:
        """Say why it cannot run, if it cannot."""
        if find_spec(self.package) is None:
            return f"{self.package} is not installed"
        if self.argument not in signature(keraslike.Model).parameters:
            return f"Model has no argument {self.argument}"
        return None


def ours(**options: Any) -> Side:
    """Give keraslike with these arguments of `fit`."""
    return Side(partial(with_keraslike, **options))


TWO_RATES = {"body": 5e-5, "head": 1e-3}

SIDES = {
    DEFAULT: ours(),
    "by hand": Side(by_hand),
    TRAINER: Side(with_trainer, "accelerate"),
    RECIPE: ours(recipe="hf-trainer", micro_batch_size=None),  # the Trainer does not cut batches
    "batches of 8": ours(batch_size=8),
    "batches of 32": ours(batch_size=32),
    "layer-wise decay 0.9": ours(layer_decay=0.9),
    "constant rate": ours(schedule=None),
    "head 1e-3, body 5e-5": ours(learning_rate=TWO_RATES),
    "frozen body": ours(freeze="body", learning_rate=1e-3),
    "LoRA 8": Side(partial(with_keraslike, model_options={"lora": 8}), "peft", "lora"),
    "gradual unfreezing": ours(unfreeze={2: 2}, learning_rate=TWO_RATES),
    "layer-wise decay 0.8": ours(layer_decay=0.8),
}
"""By name; those without a word of a rate have the default's: 5e-5, for LoRA 5e-4."""
