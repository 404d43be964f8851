"""The loss to learn from, where classes are weighed."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import torch

from keraslike.data.batches import OwnBatches
from keraslike.data.cutting import WHOLE, Cut
from keraslike.engine.random_state import kept
from keraslike.errors import ArgumentError
from keraslike.losses.base import Loss
from keraslike.losses.class_weight import MULTI_LABEL, class_weights
from keraslike.losses.token_cross_entropy import TokenCrossEntropy


class Weighable(Protocol):
    """What is asked of the model."""

    loss_function: Any
    device: Any

    def forward_pass(self, x: Any) -> Any:
        """Send inputs through the network."""
        ...

    def send(self, data: Any) -> Any:
        """Make tensors of arrays and move them to the network's device."""
        ...

    def in_mode(self, *, training: bool) -> AbstractContextManager[None]:
        """Set training or evaluation mode, and put the old one back."""
        ...


def weighted_loss(model: Weighable, class_weight: Any, batches: Iterable[Any], labels: Sequence[Any] | None) -> Any:
    """Give a copy of the model's loss that weighs classes; None where nothing is to be weighed.

    Args:
        model: the model.
        class_weight: as in `fit`.
        batches: the training batches, which "balanced" counts.
        labels: the user's labels in the order of the outputs; None where the targets are class indices.

    Raises:
        ArgumentError: the loss has no classes, or "balanced" is asked of batches that can be read only once.
    """
    if class_weight is None:
        return None
    loss = model.loss_function
    if type(loss).with_class_weight is Loss.with_class_weight:
        loss.with_class_weight(_NONE)  # refuses, whatever the weights
    is_own = isinstance(batches, OwnBatches) and batches.sampler is None
    if not is_own and isinstance(class_weight, str):
        raise ArgumentError(
            f"class_weight={class_weight!r} counts the labels, but x is read as it comes.",
            "a list or dict of weights for a loader, generator, stream or sampler.",
            "write class_weight={label: weight, ...}.",
        )
    wholes = [part.y for batch in batches for part in batch.parts(WHOLE)] if is_own else [_NONE]
    kind = getattr(loss, "problem_type", None)
    is_whole = kind == MULTI_LABEL  # else tokens may be as wide as their batch
    targets = torch.cat([y if is_whole or y.is_floating_point() else y.flatten() for y in wholes])
    classes = len(labels) if labels is not None else _outputs(model, batches) if is_own else _named(class_weight)
    weights = class_weights(class_weight, targets, labels, classes, kind)
    if not weights.any():
        raise ArgumentError("all class weights are 0, so that nothing would be learned.", "one weight above 0.")
    weighted = loss.with_class_weight(weights)
    return weighted if model.device is None else weighted.to(model.device)


_NONE = torch.empty(0, dtype=torch.int64)


def _outputs(model: Weighable, batches: Iterable[Any]) -> int:
    """Count the network's outputs by sending one example through, which leaves no trace."""
    part = next(iter(batches)).parts(Cut(size=1))[0]
    with kept(), model.in_mode(training=False):
        outputs = model.forward_pass(model.send(part.x))
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else outputs
    if not isinstance(logits, torch.Tensor) or logits.dim() < 2:
        raise ArgumentError(
            "class_weight is given, and the network's outputs have no dimension of classes.",
            "outputs of shape (batch, classes).",
            "leave class_weight out, or weigh examples: fit(..., sample_weight=...).",
        )
    return logits.shape[-1] if isinstance(model.loss_function, TokenCrossEntropy) else logits.shape[1]


def _named(class_weight: Any) -> int:
    """Count the classes that the user names, where no example can be looked at."""
    if isinstance(class_weight, (list, tuple, torch.Tensor, np.ndarray)):
        return len(class_weight)
    if isinstance(class_weight, Mapping) and set(class_weight) == set(range(len(class_weight))) and class_weight:
        return len(class_weight)
    raise ArgumentError(
        f"class_weight is a {type(class_weight).__name__}, and x is read as it comes, so that the number of classes is "
        "not known.",
        "a list with one weight per class, or a dict that names them all by number.",
        "write class_weight=[1.0, 2.0, ...].",
    )
