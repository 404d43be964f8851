"""From the arguments of `fit` to one `Run`: the recipe's word holds where the user says nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from poutyne import CallbackList

from keraslike.data.values import plain
from keraslike.engine.bridge import schedules_the_rate
from keraslike.engine.loop import Run
from keraslike.engine.step import Cutting
from keraslike.errors import ArgumentError, DataError
from keraslike.recipes.defaults import Recipe
from keraslike.recipes.schedule import make_schedule
from keraslike.tracking.history import History


def plan_run(
    batches: Iterable[Any],
    valid_batches: Iterable[Any] | None,
    callbacks: list[Any],
    history: History,
    recipe: Recipe,
    epochs: int | None,
    cutting: Cutting,
    options: dict[str, Any],
    epochs_before: int = 0,
) -> Run:
    """Plan a training run.

    Args:
        batches: the training batches.
        valid_batches: the validation batches, or None.
        callbacks: the display and the user's callbacks, in the order of their calls.
        history: where the rows go.
        recipe: the defaults.
        epochs: the number of the last epoch; None: as many as the recipe says.
        cutting: how the batches are cut.
        options: the rarer arguments of `fit`.
        epochs_before: epochs that the model has behind it; the order of the data goes on from there.

    Raises:
        ArgumentError: an argument does not fit.
        DataError: there is no batch.
    """
    initial_epoch = int(options.get("initial_epoch", 1))
    last_epoch = initial_epoch + recipe.epochs - 1 if epochs is None else int(epochs)
    steps = plain(options.get("steps_per_epoch")) or _length(batches)
    _require_batches(steps)
    validation_steps = plain(options.get("validation_steps")) or _length(valid_batches)
    if valid_batches is not None and validation_steps is None:
        validation_steps = plain(options.get("steps_per_epoch"))
    per_step = batches_per_step(options)
    epochs_to_run = max(last_epoch - initial_epoch + 1, 0)
    updates = None if steps is None else -(-steps // per_step) * epochs_to_run
    return Run(
        batches,
        valid_batches,
        CallbackList(callbacks),
        history,
        cutting,
        epochs=last_epoch,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps,
        validation_steps=validation_steps,
        batches_per_step=per_step,
        clip_norm=options.get("clip_norm", recipe.clip_norm),
        schedule=_schedule(recipe, options, callbacks, updates),
        epochs_before=epochs_before,
    )


def _require_batches(steps: int | None) -> None:
    if steps == 0:
        raise DataError(
            "there is no batch to learn from.",
            "one batch or more in every epoch.",
            "look at sampler= and drop_last, or set a smaller batch_size.",
        )


def _schedule(recipe: Recipe, options: dict[str, Any], callbacks: list[Any], updates: int | None) -> Any:
    """Make the schedule that was asked for, or the recipe's unless a callback of Poutyne's moves the rate."""
    if "schedule" in options:
        return make_schedule(options["schedule"], options.get("warmup", recipe.warmup), updates)
    if recipe.schedule is None or is_schedule_left_to_callbacks(recipe, options, callbacks):
        return None
    if updates is None and "warmup" not in options:
        return None
    return make_schedule(recipe.schedule, options.get("warmup", recipe.warmup), updates)


def is_schedule_left_to_callbacks(recipe: Recipe, options: dict[str, Any], callbacks: Sequence[Any]) -> bool:
    """Tell whether a callback of Poutyne's moves the rate, so that the recipe's own schedule is off."""
    is_default = recipe.schedule is not None and "schedule" not in options
    return is_default and any(schedules_the_rate(callback) for callback in callbacks)


def schedule_notes(run: Run, recipe: Recipe, options: dict[str, Any], callbacks: Sequence[Any]) -> list[str]:
    """Give the line that says why the recipe's schedule is not in force, where nobody switched it off by name."""
    if is_schedule_left_to_callbacks(recipe, options, callbacks):
        return ["A callback moves the learning rate, so the default schedule is off."]
    if run.steps_per_epoch is None and recipe.schedule is not None and "schedule" not in options:
        return ["The data have no length, so the learning rate stays constant; steps_per_epoch= gives them one."]
    return []


def batches_per_step(options: dict[str, Any]) -> int:
    """Give the number of a loader's batches per optimizer step, under either of its names.

    Raises:
        ArgumentError: both names are given and differ.
    """
    names = [name for name in ("batches_per_step", "gradient_accumulation_steps") if options.get(name) is not None]
    values = {options[name] for name in names}
    if len(values) > 1:
        raise ArgumentError(
            "batches_per_step and gradient_accumulation_steps are two names of one number, and differ.", "one of them."
        )
    return int(values.pop()) if values else 1


def _length(batches: Any) -> int | None:
    try:
        return len(batches) if hasattr(batches, "__len__") else None
    except TypeError:  # a DataLoader over a stream has a __len__ that raises
        return None
