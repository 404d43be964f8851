"""What `Model(lora=)` means: a rank, or the arguments of peft's LoRA."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.engine.random_state import kept
from keraslike.errors import ArgumentError, MissingDependencyError
from keraslike.recipes.defaults import Recipe

SHORT = {"rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "targets": "target_modules"}
"""Words for peft's arguments that are not like them."""

RATE = 20
"""How many times the rate of full fine-tuning suits LoRA; see `lora_recipe`."""

ALPHA = 32
"""With this scale, divided by the rank, the best rate hardly depends on the rank; see `lora_recipe`."""

STARTS = (True, "gaussian")
"""How matrices may start: those that change nothing at first, and leave the base's weights as they are."""

OTHERS = (
    "alora_invocation_tokens",
    "arrow_config",
    "ensure_weight_tying",
    "kasa_config",
    "layer_replication",
    "loftq_config",
    "megatron_config",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
"""Arguments of peft's for which more changes than one matrix beside a layer, which cannot be merged into its weight."""


def as_lora(lora: Any) -> Any:
    """Give peft's `LoraConfig` for what `Model(lora=)` was given: a rank, a dict of its arguments, or one; or None.

    A rank r stands for `LoraConfig(r=r, lora_alpha=32)`; what a dict leaves out has peft's own defaults.

    Raises:
        ArgumentError: it is none of these, or asks for what cannot be merged into the weights.
        MissingDependencyError: peft is not installed.

    Example:
        >>> as_lora(None) is None
        True
    """
    if lora is None or lora is False:
        return None
    if isinstance(lora, bool) or not (isinstance(lora, (int, Mapping)) or hasattr(lora, "peft_type")):
        raise ArgumentError(
            f"lora={lora!r} was given.",
            "the rank of the matrices (an int), a dict of the arguments of peft's LoraConfig, or a LoraConfig.",
            "write lora=8.",
        )
    made = _made(lora)
    _check(made)
    return made


def _made(lora: Any) -> Any:
    kind = _peft().LoraConfig
    if isinstance(lora, int):
        lora = {"r": lora, "lora_alpha": ALPHA}
    if not isinstance(lora, Mapping):
        return replace(lora)
    known = [one.name for one in fields(kind) if one.init]
    for name in lora:
        if name not in known:
            raise ArgumentError(
                f"peft's LoraConfig has no argument {name!r}.",
                "arguments such as r, lora_alpha, lora_dropout and target_modules.",
                f'write lora={{"{SHORT[name]}": {lora[name]!r}}}.' if name in SHORT else did_you_mean(str(name), known),
            )
    try:
        return kind(**lora)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"peft's LoraConfig cannot be made: {error}", "arguments that fit.", "write lora=8."
        ) from None


def _peft() -> Any:
    try:
        with kept():
            import peft
    except ImportError:
        raise MissingDependencyError(
            "lora= needs peft, which is not installed.", "peft, an optional extra.", 'pip install "keraslike[peft]"'
        ) from None
    return peft


def _check(config: Any) -> None:
    if str(getattr(config.peft_type, "value", config.peft_type)) != "LORA":
        raise ArgumentError(f"lora= was given a {type(config).__name__}.", "a LoraConfig, or a rank.", "write lora=8.")
    if isinstance(config.r, bool) or not isinstance(config.r, int) or config.r < 1:
        raise ArgumentError(f"lora has the rank {config.r!r}.", "an int of at least 1.", "write lora=8.")
    if config.init_lora_weights not in STARTS:
        raise ArgumentError(
            f"lora has init_lora_weights={config.init_lora_weights!r}, which changes the network at the start.",
            f"one of {', '.join(map(repr, STARTS))}.",
            "leave init_lora_weights out.",
        )
    for name in OTHERS:
        if getattr(config, name, None):
            raise ArgumentError(
                f"lora has {name}={getattr(config, name)!r}, which cannot be merged into the weights of one layer.",
                "matrices beside layers: r, lora_alpha, lora_dropout, target_modules, use_rslora, use_dora, ...",
                f"leave {name} out, or use peft itself.",
            )


def lora_recipe(recipe: Recipe, lora: Any) -> Recipe:
    """Give the recipe for LoRA: twenty times the rate of full fine-tuning; the recipe itself without.

    MiniLM on 1,500 sentences of `sentence_polarity`, 2 epochs of 47 updates, rank 8, one seed, accuracy on 400 others:
    with a scale of 8 (peft's own) 0.53 at 5e-5, 0.65 at 5e-4, 0.76 at 1.5e-3; of 32: 0.74 at 5e-4, 0.78 at 1e-3.

    Example:
        >>> from keraslike.recipes.defaults import FINE_TUNING
        >>> lora_recipe(FINE_TUNING, None).learning_rate
        5e-05

    Source:
        Schulman et al., LoRA Without Regret, 2025 (https://thinkingmachines.ai/blog/lora/): with a scale of 32 the best
        rate does not depend on the rank; it is ten times that of full fine-tuning, and more in short runs.
    """
    return recipe if lora is None else replace(recipe, learning_rate=RATE * recipe.learning_rate)
