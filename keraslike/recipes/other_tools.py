"""What other tools do where their user says nothing: `recipe="hf-trainer"`, "keras", "lightning" or "poutyne"."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.recipes.defaults import Recipe
from keraslike.recipes.draws import Draws
from keraslike.recipes.keras_adam import KerasAdam
from keraslike.recipes.optimizer import make_optimizer, set_rate_and_decay

_CONSTANT: dict[str, Any] = {"schedule": None, "warmup": 0, "clip_norm": None}

TOOLS: dict[str, dict[str, Any]] = {
    "hf-trainer": {
        "optimizer": torch.optim.AdamW,
        "learning_rate": 5e-5,
        "weight_decay": 0.0,
        "schedule": "linear",
        "warmup": 0,
        "clip_norm": 1.0,
        "epochs": 3,
        "batch_size": 8,
        "draws": Draws(order="seed", is_seeded_again=True),
    },
    "keras": {
        "optimizer": KerasAdam,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        **_CONSTANT,
        "epochs": 1,
        "batch_size": 32,
        "draws": Draws(is_looking_first=True, is_looking_on=True),
    },
    "lightning": {**_CONSTANT, "draws": Draws()},
    "poutyne": {**_CONSTANT, "batch_size": 32, "draws": Draws()},
}
"""What each tool sets of a `Recipe`; what it leaves to its user stays keraslike's own.

Source:
    `TrainingArguments` and `Trainer` of transformers 5.23 with accelerate 1.15; `Model.fit` and `TorchTrainer` of Keras
    3.15; `Trainer` of pytorch-lightning 2.5.6; `Model.fit` of Poutyne 1.19; all read and run.
"""

OTHER_NAMES = {
    "hf": "hf-trainer",
    "huggingface": "hf-trainer",
    "hugging-face": "hf-trainer",
    "transformers": "hf-trainer",
    "trainer": "hf-trainer",
    "tf": "keras",
    "tensorflow": "keras",
    "pl": "lightning",
}
"""What they are called too."""


def chosen_recipe(given: Any, own: Recipe) -> Recipe:
    """Give the recipe that `fit(recipe=...)` names.

    Args:
        given: the name of a tool, a `Recipe`, or None.
        own: the recipe that holds otherwise.

    Raises:
        ArgumentError: no tool has this name, or it is neither.

    Example:
        >>> from keraslike.recipes import FINE_TUNING
        >>> chosen_recipe("hf-trainer", FINE_TUNING).batch_size
        8
    """
    if given is None or isinstance(given, Recipe):
        return own if given is None else given
    if isinstance(given, str) and given in TOOLS:
        return replace(own, **TOOLS[given])
    what = f"there is no recipe {given!r}." if isinstance(given, str) else f"recipe is a {type(given).__name__}."
    ours = OTHER_NAMES.get(str(given))
    do = did_you_mean(str(given), TOOLS) if ours is None else f'write recipe="{ours}".'
    raise ArgumentError(what, f"one of {', '.join(TOOLS)}, or a keraslike.recipes.Recipe.", do)


def optimizer_of(recipe: Recipe, optimizer: Optimizer, network: nn.Module) -> Optimizer:
    """Give the optimizer that "auto" means under a recipe that was asked for; one that has learned is kept.

    Args:
        recipe: the recipe.
        optimizer: what "auto" has meant so far.
        network: whose parameters it changes.

    Returns:
        A new optimizer, or the same one, with rate and decay set, where it has moments.

    Raises:
        ArgumentError: it has moments, and the recipe's optimizer is of another kind.
    """
    if not optimizer.state:
        made: Optimizer = make_optimizer("auto", network, recipe)
        return made
    if type(optimizer) is not recipe.optimizer:
        raise ArgumentError(
            f"the recipe's optimizer is {recipe.optimizer.__name__}, and an earlier fit has learned with "
            f"{type(optimizer).__name__}, whose moments mean nothing to it.",
            "the same recipe= from the first fit on.",
            "leave out recipe=, or start from a new Model.",
        )
    set_rate_and_decay(optimizer, recipe.learning_rate, recipe.weight_decay)
    return optimizer
