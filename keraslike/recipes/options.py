"""The rarer arguments of `fit`, told once."""

from collections.abc import Callable
from typing import Any, TypedDict


class FitOptions(TypedDict, total=False):
    """The rarer arguments of every fit verb, given by keyword.

    Args:
        text: the column that holds the text, or two columns for pairs of texts. Default: found by itself.
        target: the column that holds the target, or several for several targets. Default: found by itself.
        prepare: a function from row (dict) to row, applied to the user's own columns before anything else.
        sample_weight: one factor per training row, shape `(rows,)`: the loss is the weighted mean.
        shuffle: whether the training rows are shuffled anew in every epoch (default True).
        schedule: how the learning rate moves, per optimizer step: "linear", "cosine", "constant", ... Default: "linear"
            with a task, none without.
        warmup: optimizer steps (int) or share of them (float) until the rate is at its highest. Default: 0.1 with a
            task.
        clip_norm: the largest total norm of the gradients (default 1.0 with a task; None does not clip).
        weight_decay: of all parameters but biases and norms (default 0.01).
        workers: processes that prepare the training batches; default 0: none.
        sampler: gives the places of the training rows of each epoch, instead of shuffling.
        dataloader_kwargs: handed to the `DataLoader` of the training data.
        steps_per_epoch: batches in an epoch; for data without a length, or to see fewer or more than all.
        validation_steps: the same for the validation data.
        batches_per_step: batches of a loader that one optimizer step learns from (default 1); the mean is exact.
        gradient_accumulation_steps: another name of `batches_per_step`.
        initial_epoch: the number of the first epoch, from 1.
        progress_options: hands the display to Poutyne's `ProgressionCallback`, with these arguments.
    """

    text: Any
    target: Any
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None
    sample_weight: Any
    shuffle: bool
    schedule: str | None
    warmup: int | float
    clip_norm: float | None
    weight_decay: float
    workers: int
    sampler: Any
    dataloader_kwargs: dict[str, Any] | None
    steps_per_epoch: int | None
    validation_steps: int | None
    batches_per_step: int
    gradient_accumulation_steps: int
    initial_epoch: int
    progress_options: dict[str, Any] | None


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
