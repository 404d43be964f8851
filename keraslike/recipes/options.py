"""The rarer arguments of `fit`, told once."""

from collections.abc import Callable
from typing import Any, TypedDict


class FitOptions(TypedDict, total=False):
    """The rarer arguments of every fit verb, given by keyword.

    Args:
        recipe: what holds where nothing else is said: "hf-trainer", "keras", "lightning" or "poutyne" trains as that
            tool does, bit for bit (with texts of several lengths beside `micro_batch_size=None`); or a `Recipe`.
            Default: keraslike's own.
        text: the column that holds the text, or two columns for pairs of texts. Default: found by itself.
        target: the column that holds the target, or several for several targets. Default: found by itself.
        prepare: a function from row (dict) to row, applied to the user's own columns before anything else.
        sample_weight: one factor per training row, shape `(rows,)`: the loss is the weighted mean.
        shuffle: whether the training rows are shuffled anew in every epoch (default True).
        schedule: how the learning rate moves, per optimizer step: "linear", "cosine", "cosine_with_restarts",
            "polynomial", "inverse_sqrt", "constant", "one_cycle"; any scheduler of torch or transformers by name,
            class, function or partial; a dict `{"name": ..., argument: ..., "every": "epoch"}`; "plateau", see
            `AnnealOnPlateau`; one rate per optimizer step, such as `history.learning_rates`; None leaves the rate as it
            is. Default: "linear" with a task, none without.
        warmup: optimizer steps (int) or share of them (float, rounded up) until the rate is at its highest. Default:
            0.1 with a task, for the schedules that know a warm-up. None is 0.
        clip_norm: the largest total norm of the gradients (default 1.0 with a task; None does not clip; 0 is refused).
        weight_decay: of all parameters but biases and norms (default 0.01).
        layer_decay: what the rate is multiplied by from each layer of the body to the one below it, such as 0.9.
        freeze: what does not learn: "body", or a list of names of modules or parameters, or regular expressions.
        unfreeze: from which epoch on how many of the top layers learn, or all: `{2: 2, 3: "all"}`.
        cache: a folder for the features of a frozen body, which later runs read too. Default: they are kept in memory,
            as far as it is free; False computes them anew in each epoch.
        label_smoothing: the share of each target that the training loss spreads evenly over all classes, such as 0.1.
        deterministic: whether CUDA uses only operations that give the same bits in every run (default False; slower).
        workers: processes that prepare the training batches; default 0: none.
        sampler: gives the places of the training rows of each epoch, instead of shuffling.
        dataloader_kwargs: handed to the `DataLoader` of the training data.
        steps_per_epoch: batches in an epoch; for data without a length, or to see fewer or more than all.
        validation_steps: the same for the validation data.
        batches_per_step: batches of a loader that one optimizer step learns from (default 1); the mean is exact.
        gradient_accumulation_steps: another name of `batches_per_step`.
        initial_epoch: the number of the first epoch, from 1.
        updates: optimizer steps of the whole run, instead of epochs; the last epoch may be left in its middle.
        minutes: how long the run may take, instead of epochs, from its first step on: the rate follows the time.
        validate_every: optimizer steps from one validation to the next, inside the epochs too.
        progress_options: hands the display to Poutyne's `ProgressionCallback`, with these arguments.
    """

    recipe: Any
    text: Any
    target: Any
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None
    sample_weight: Any
    shuffle: bool
    schedule: Any
    warmup: int | float | None
    clip_norm: float | None
    weight_decay: float
    layer_decay: float | None
    freeze: Any
    unfreeze: dict[int, Any] | None
    cache: Any
    label_smoothing: float | None
    deterministic: bool | None
    workers: int
    sampler: Any
    dataloader_kwargs: dict[str, Any] | None
    steps_per_epoch: int | None
    validation_steps: int | None
    batches_per_step: int
    gradient_accumulation_steps: int
    initial_epoch: int
    updates: int | None
    minutes: float | None
    validate_every: int | None
    progress_options: dict[str, Any] | None


PREDICT_OPTIONS = (
    "callbacks",
    "convert_to_numpy",
    "progress_options",
    "steps",
    "concatenate_returns",
    "has_ground_truth",
    "return_ground_truth",
)
"""The rarer arguments of `predict` without a task, Poutyne's."""


class EvaluateOptions(TypedDict, total=False):
    """The rarer arguments of `evaluate`.

    Args:
        text: as in `FitOptions`; default: the column of the training data.
        target: as in `FitOptions`; default: the column of the training data.
        steps: batches that are measured; default: all.
        callbacks: Poutyne's callbacks.
        progress_options: as in `FitOptions`.
        return_pred: whether the outputs are given too (without a task).
        return_dict_format: whether Poutyne's dict is given, with its prefix and the time (without a task).
        convert_to_numpy: whether those outputs are numpy arrays (default True).
        sample_weight: one factor per row, for the loss.
        workers: as in `FitOptions` (without a task).
        dataloader_kwargs: handed to torch's `DataLoader` (without a task).
    """

    text: Any
    target: Any
    sample_weight: Any
    workers: int
    steps: int | None
    callbacks: list[Any] | None
    progress_options: dict[str, Any] | None
    return_pred: bool
    return_dict_format: bool
    convert_to_numpy: bool
    dataloader_kwargs: dict[str, Any] | None
