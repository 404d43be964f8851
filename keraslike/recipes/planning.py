"""From the arguments of `fit` to one `Run`: the recipe's word holds where the user says nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from poutyne import CallbackList

from keraslike.data.values import plain
from keraslike.engine.bridge import schedules_the_rate
from keraslike.engine.early_stop import EarlyStop
from keraslike.engine.run import Run
from keraslike.engine.step import Cutting
from keraslike.errors import ArgumentError, DataError
from keraslike.recipes.defaults import Recipe
from keraslike.recipes.given_rates import as_long_as_its_rates
from keraslike.recipes.length import Length, check_displays, plan_length, timed_schedule
from keraslike.recipes.schedule import as_warmup, is_plateau, make_schedule, refuse_warmup, told_of_warmup
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
    early_stop: EarlyStop | None = None,
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
        early_stop: looks at the validations.

    Raises:
        ArgumentError: an argument does not fit.
        DataError: there is no batch.
    """
    initial_epoch = int(options.get("initial_epoch", 1))
    steps = plain(options.get("steps_per_epoch")) or _length(batches)
    _require_batches(steps)
    per_step = batches_per_step(options)
    per_epoch = None if steps is None else -(-steps // per_step)
    length = plan_length(epochs, recipe.epochs, initial_epoch, per_epoch, as_long_as_its_rates(options, epochs))
    check_displays(length.last_epoch, callbacks)
    return Run(
        batches,
        valid_batches,
        CallbackList(callbacks),
        history,
        cutting,
        epochs=length.last_epoch,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps,
        validation_steps=_validation_steps(options, valid_batches),
        batches_per_step=per_step,
        clip_norm=options.get("clip_norm", recipe.clip_norm),
        schedule=_schedule(recipe, options, callbacks, length),
        epochs_before=epochs_before,
        updates=length.updates if length.is_counted else None,
        clock=length.clock,
        validate_every=_validate_every(options, valid_batches),
        early_stop=early_stop,
    )


def _require_batches(steps: int | None) -> None:
    if steps == 0:
        raise DataError(
            "there is no batch to learn from.",
            "one batch or more in every epoch.",
            "look at sampler= and drop_last, or set a smaller batch_size.",
        )


def _validation_steps(options: dict[str, Any], valid_batches: Any) -> int | None:
    steps: int | None = plain(options.get("validation_steps")) or _length(valid_batches)
    is_open = valid_batches is not None and steps is None
    return plain(options.get("steps_per_epoch")) if is_open else steps


def _validate_every(options: dict[str, Any], valid_batches: Any) -> int | None:
    every = plain(options.get("validate_every"))
    if every is not None and valid_batches is None:
        raise ArgumentError(
            f"validate_every={every} is given, and there are no validation data.",
            "validation data.",
            "give validation_data=, or validation_split=0.1.",
        )
    return None if every is None else int(every)


def _schedule(recipe: Recipe, options: dict[str, Any], callbacks: list[Any], length: Length) -> Any:
    """Make the schedule that was asked for, or the recipe's unless a callback of Poutyne's moves the rate."""
    updates, named = length.updates, options.get("schedule", recipe.schedule)
    _refuse_two_schedules(named if "schedule" in options else None, callbacks)
    if length.clock is not None and not is_plateau(named):
        is_left = is_schedule_left_to_callbacks(recipe, options, callbacks)
        name = None if is_left else options.get("schedule", recipe.schedule)
        return timed_schedule(name, options.get("warmup", recipe.warmup), length.clock)
    if "schedule" not in options:
        if any(schedules_the_rate(callback) for callback in callbacks):
            refuse_warmup(as_warmup(options.get("warmup")), "a callback moves the learning rate")
            return None
        if updates is None and "warmup" not in options:
            return None
    epochs = None if length.last_epoch is None else length.last_epoch - int(options.get("initial_epoch", 1)) + 1
    warmup = options.get("warmup", recipe.warmup)
    return make_schedule(named, warmup, updates, epochs=epochs, is_warmup_asked="warmup" in options)


def _refuse_two_schedules(schedule: Any, callbacks: Sequence[Any]) -> None:
    """Refuse a schedule beside a callback that cuts the rate: each would undo what the other does."""
    both = [callback for callback in callbacks if getattr(callback, "moves_the_rate", False) is True]
    if both and schedule is not None and not is_plateau(schedule):
        name = type(both[0]).__name__
        raise ArgumentError(
            f"schedule= and the callback {name} both move the learning rate.",
            "one of them.",
            f"leave schedule= out, or {name}.",
        )


def is_schedule_left_to_callbacks(recipe: Recipe, options: dict[str, Any], callbacks: Sequence[Any]) -> bool:
    """Tell whether a callback of Poutyne's moves the rate, so that the recipe's own schedule is off."""
    is_default = recipe.schedule is not None and "schedule" not in options
    return is_default and any(schedules_the_rate(callback) for callback in callbacks)


def schedule_notes(run: Run, recipe: Recipe, options: dict[str, Any], callbacks: Sequence[Any]) -> list[str]:
    """Give the line that says why the recipe's schedule is not in force, where nobody switched it off by name.

    Or the line that says that the warm-up is as long as the run.
    """
    if is_schedule_left_to_callbacks(recipe, options, callbacks):
        return ["A callback moves the learning rate, so the default schedule is off."]
    is_default_off = run.schedule is None and recipe.schedule is not None and "schedule" not in options
    if run.steps_per_epoch is None and is_default_off:
        return ["The data have no length, so the learning rate stays constant; updates= or steps_per_epoch= says it."]
    if run.schedule is None:
        return []
    return told_of_warmup(options.get("schedule", recipe.schedule), options.get("warmup", 0), _updates_of(run))


def _updates_of(run: Run) -> int | None:
    if run.updates is not None or run.epochs is None or run.steps_per_epoch is None:
        return run.updates
    return -(-run.steps_per_epoch // run.batches_per_step) * (run.epochs - run.initial_epoch + 1)


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
