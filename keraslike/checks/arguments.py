"""Arguments that are misspelt, of another library, or out of range."""

from collections.abc import Collection, Mapping
from math import isfinite, isnan
from numbers import Integral, Real
from typing import Any

from torch import nn
from torch.optim import Optimizer

from keraslike.calling import did_you_mean, nearest
from keraslike.checks.callbacks import as_list
from keraslike.engine.device import check_device
from keraslike.errors import ArgumentError
from keraslike.recipes import Recipe

OTHER_WORDS = {
    "num_train_epochs": "epochs",
    "max_epochs": "epochs",
    "early_stopping": "early_stop",
    "early_stopping_patience": "early_stop",
    "patience": "early_stop",
    "load_best_model_at_end": "early_stop",
    "metric_for_best_model": "early_stop",
    "monitor": "early_stop",
    "restore_best": "early_stop",
    "restore_best_weights": "early_stop",
    "max_steps": "updates",
    "steps": "updates",
    "iterations": "updates",
    "max_iter": "epochs",
    "seconds": "minutes",
    "total_steps": "updates",
    "max_time": "minutes",
    "eval_steps": "validate_every",
    "eval_strategy": "validate_every",
    "evaluation_strategy": "validate_every",
    "val_check_interval": "validate_every",
    "n_epochs": "epochs",
    "nb_epoch": "epochs",
    "num_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "mini_batch_size": "batch_size",
    "mini_batch_chunk_size": "micro_batch_size",
    "lr": "learning_rate",
    "body_learning_rate": "learning_rate",
    "head_learning_rate": "learning_rate",
    "layerwise_lr_decay": "layer_decay",
    "freeze_layers": "freeze",
    "trainable": "freeze",
    "freeze_backbone": "freeze",
    "freeze_encoder": "freeze",
    "validation_dataset": "validation_data",
    "eval_dataset": "validation_data",
    "valid_data": "validation_data",
    "val_data": "validation_data",
    "validation_fraction": "validation_split",
    "train_dataset": "x",
    "data": "x",
    "X": "x",
    "labels": "y",
    "max_grad_norm": "clip_norm",
    "gradient_clip_val": "clip_norm",
    "label_smoothing_factor": "label_smoothing",
    "full_determinism": "deterministic",
    "clipnorm": "clip_norm",
    "lr_scheduler_type": "schedule",
    "lr_scheduler": "schedule",
    "warmup_ratio": "warmup",
    "warmup_steps": "warmup",
    "class_weights": "class_weight",
    "sample_weights": "sample_weight",
    "num_workers": "workers",
    "n_jobs": "workers",
    "dataloader_num_workers": "workers",
    "train_sampler": "sampler",
    "physical_batch_size": "micro_batch_size",
    "accumulate_grad_batches": "gradient_accumulation_steps",
    "random_state": "seed",
    "test_size": "validation_split",
    "text_column": "text",
    "label_column": "target",
    "dataset_text_field": "text",
}
"""What Keras, transformers, Lightning, scikit-learn and flair call our arguments."""

ELSEWHERE = {
    "learning_rate": ("fit", "write fit(..., learning_rate=...)."),
    "lr": ("fit", 'write fit(..., learning_rate=...), or optimizer={"optim": "adamw", "lr": ...}.'),
    "epochs": ("fit", "write fit(..., epochs=...)."),
    "batch_size": ("fit", "write fit(..., batch_size=...)."),
    "optimizer": ("Model", 'write Model(..., optimizer="sgd").'),
    "optim": ("Model", 'write Model(..., optimizer="sgd").'),
    "num_labels": ("", "leave it out: fit learns the labels; or give Model(..., labels=[...])."),
    "num_classes": ("", "leave it out: fit learns the labels; or give Model(..., labels=[...])."),
    "loss": ("", "write Model(..., loss_function=...)."),
    "compute_metrics": ("", "write Model(..., metrics=[...])."),
    "metrics": ("", "write Model(..., metrics=[...])."),
    "problem_type": ("", "write Model(..., task=TextClassification(problem_type=...))."),
    "precision": ("", "write Model(..., precision=...)."),
    "mixed_precision": ("", "write Model(..., precision=...)."),
    "fp16": ("", 'write Model(..., precision="fp16").'),
    "bf16": ("", 'write Model(..., precision="bf16").'),
    "gradient_checkpointing": ("", "write Model(..., gradient_checkpointing=True)."),
    "gradient_checkpointing_enable": ("", "write Model(..., gradient_checkpointing=True)."),
    "class_weight": ("fit", "write fit(..., class_weight=...)."),
    "sample_weight": ("fit", "write fit(..., sample_weight=...)."),
    "early_stop": ("fit", "write fit(..., early_stop=3)."),
    "updates": ("fit", "write fit(..., updates=...)."),
    "micro_batch_size": ("fit", "write fit(..., micro_batch_size=...)."),
    "freeze": ("fit", "write fit(..., freeze=...)."),
    "unfreeze": ("fit", "write fit(..., unfreeze=...)."),
    "layer_decay": ("fit", "write fit(..., layer_decay=...)."),
    "weight_decay": ("fit", "write fit(..., weight_decay=...)."),
    "return_proba": ("", "write predict_proba(x)."),
    "label_smoothing": ("fit", "write fit(..., label_smoothing=...)."),
    "threshold": ("predict", "write predict(x, threshold=...), or tune_threshold(x, y)."),
    "lora": ("Model", "write Model(..., lora=8)."),
    "lora_config": ("", "write Model(..., lora=LoraConfig(...))."),
    "peft_config": ("", "write Model(..., lora=LoraConfig(...))."),
}
"""Arguments that stand in another verb, or under another name there: the verb, and what to write."""

LATER = {
    "checkpoint": "callbacks=[poutyne.ModelCheckpoint(...)] keeps the weights.",
    "resume": None,
}
"""What keraslike has not yet, and what does it today."""


COUNTS = (
    "batch_size",
    "micro_batch_size",
    "epochs",
    "initial_epoch",
    "steps_per_epoch",
    "steps",
    "validation_steps",
    "batches_per_step",
    "gradient_accumulation_steps",
    "updates",
    "validate_every",
)

SIZES = ("learning_rate", "weight_decay", "clip_norm")

HINTS = {
    "initial_epoch": "epochs are counted from 1, as in Poutyne: write 1 for Keras' 0.",
    "micro_batch_size": 'write micro_batch_size="auto", or None to send every batch through at once.',
}


def check_options(given: Mapping[str, Any], known: Collection[str], verb: str, signature: Collection[str] = ()) -> None:
    """Refuse arguments that a verb does not have, with our word for another library's, or the nearest name.

    Args:
        given: the arguments beyond the signature.
        known: those that are understood.
        verb: the name of the verb, for the message.
        signature: the arguments of the signature, which a misspelt one may have meant.

    Raises:
        ArgumentError: an argument is not understood.
    """
    choices = [*signature, *known]
    for name in given:
        if name in known:
            continue
        if name in LATER:
            raise ArgumentError(f"{verb}() has no argument {name!r} yet.", f"one of {', '.join(choices)}.", LATER[name])
        if name in ELSEWHERE and ELSEWHERE[name][0] != verb:
            raise ArgumentError(
                f"{verb}() has no argument {name!r}.", f"one of {', '.join(choices)}.", ELSEWHERE[name][1]
            )
        ours = OTHER_WORDS.get(name)
        do = f"write {ours}=." if ours in choices else did_you_mean(name, choices, _elsewhere(name, verb))
        raise ArgumentError(f"{verb}() has no argument {name!r}.", f"one of {', '.join(choices)}.", do)


def _elsewhere(name: str, verb: str) -> str | None:
    """Say where an argument stands that a misspelt one may have meant; None where there is none such."""
    meant = None if name in OTHER_WORDS else nearest(name, ELSEWHERE)
    return None if meant is None or ELSEWHERE[meant][0] == verb else ELSEWHERE[meant][1]


def check_numbers(counts: Mapping[str, Any]) -> None:
    """Refuse counts that are not counts; None, where it is given, means the default.

    Raises:
        ArgumentError: a number is too small, or no number.
    """
    if isinstance(counts.get("recipe"), Recipe):
        check_numbers(vars(counts["recipe"]))
    for name in COUNTS:
        value = counts.get(name)
        if name == "micro_batch_size" and isinstance(value, str) and value == "auto":
            continue
        if value is not None and not _is_count(value):
            raise ArgumentError(f"{name}={value!r} is not a count.", "an int of at least 1.", HINTS.get(name))
    for name in SIZES:
        value = counts.get(name)
        if name == "learning_rate" and isinstance(value, Mapping):
            continue  # of body and head, read by recipes.plan_rates
        if value is not None and not _is_size(value, may_be_infinite=name == "clip_norm"):
            raise ArgumentError(f"{name}={value!r} is no size.", "a finite number of at least 0, or None.")
    _check_clipping(counts.get("clip_norm"))
    _check_time(counts.get("minutes"))
    _check_loading(counts)


def _check_loading(counts: Mapping[str, Any]) -> None:
    """Refuse workers, a seed and an order that are none."""
    workers = counts.get("workers")
    if workers is not None and not (_is_whole(workers) and workers >= 0):
        raise ArgumentError(f"workers={workers!r} is not a number of processes.", "an int of at least 0.")
    seed = counts.get("seed")
    if seed is not None and not (_is_whole(seed) and 0 <= seed < 2**32):
        raise ArgumentError(f"seed={seed!r} is no seed.", "an int from 0 to 4,294,967,295.", "write seed=42.")
    if isinstance(counts.get("shuffle"), str):
        raise ArgumentError(f"shuffle={counts['shuffle']!r} was given.", "True or False.", "write shuffle=False.")


def _check_clipping(norm: Any) -> None:
    if norm is not None and not norm:
        raise ArgumentError(
            "clip_norm=0 cuts every gradient down to nothing, so that nothing is learned.",
            "a number above 0, or None.",
            "write clip_norm=None to leave the gradients as they are.",
        )


def _check_time(minutes: Any) -> None:
    if minutes is not None and not (_is_size(minutes, may_be_infinite=False) and minutes > 0):
        raise ArgumentError(f"minutes={minutes!r} is no time.", "a finite number above 0.", "write minutes=10.")


def _is_count(value: Any) -> bool:
    return _is_whole(value) and bool(value >= 1)


def _is_whole(value: Any) -> bool:
    """Tell a whole number, numpy's too, from a bool, which Python holds for one."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_size(value: Any, *, may_be_infinite: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    number = float(value)
    return number >= 0 and (isfinite(number) or (may_be_infinite and not isnan(number)))


def check_early(network: Any, optimizer: Any, device: Any) -> None:
    """Refuse what would be refused when the network is built, at the first fit.

    Raises:
        ArgumentError: the device is not there, or an optimizer object cannot belong to a network that is only named.
    """
    if not (isinstance(device, str) and device == "auto"):
        check_device(device)
    if not isinstance(network, nn.Module):
        check_bound(optimizer, None)


def check_bound(optimizer: Any, callbacks: Any) -> None:
    """Refuse what was bound to parameters before the network existed.

    Raises:
        ArgumentError: an optimizer object, or a callback that holds parameters, cannot belong to this network.
    """
    if isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"an optimizer object ({type(optimizer).__name__}) was given, but the network is not built yet.",
            "the name of an optimizer, or a dict of its arguments.",
            'write optimizer={"optim": "adamw", "lr": 5e-5}, or give a loaded network instead of its name.',
        )
    for callback in as_list(callbacks):
        if hasattr(callback, "parameters"):
            raise ArgumentError(
                f"the callback {type(callback).__name__} holds parameters, but the network is not built yet.",
                "callbacks without parameters.",
                "write clip_norm=1.0, or give Model(..., labels=[...]) so that the network is built at once.",
            )
