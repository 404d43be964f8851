"""The loss to learn from, where labels are smoothed."""

from numbers import Real
from typing import Any

from keraslike.errors import ArgumentError
from keraslike.losses.base import Loss


def smoothed_loss(loss: Any, training_loss: Any, label_smoothing: Any) -> Any:
    """Give the loss to learn from with smoothed labels; what is measured stays the model's loss.

    Args:
        loss: the model's loss.
        training_loss: a copy of it that weighs classes, or None.
        label_smoothing: the share of each target that is spread evenly over all classes; None: the loss's own.

    Returns:
        A copy that smooths; `training_loss` as it is where nothing is said.

    Raises:
        ArgumentError: the share is none, or the loss has no classes of which one is right.

    Example:
        >>> from keraslike.losses import CrossEntropy
        >>> smoothed_loss(CrossEntropy(), None, 0.1)
        CrossEntropy(label_smoothing=0.1)

    Source:
        Szegedy et al., Rethinking the Inception Architecture, 2015 (arXiv:1512.00567), as torch's cross-entropy has it.
    """
    if label_smoothing is None:
        return training_loss
    is_number = isinstance(label_smoothing, Real) and not isinstance(label_smoothing, bool)
    if not (is_number and 0 <= label_smoothing <= 1):
        raise ArgumentError(
            f"label_smoothing={label_smoothing!r} is no share.", "a number from 0 to 1.", "write label_smoothing=0.1."
        )
    if not isinstance(loss, Loss):
        raise ArgumentError(
            "label_smoothing was given, and the loss is a function of your own.",
            "a loss of one right class among several, such as 'cross_entropy'.",
            "smooth within the function, or leave label_smoothing out.",
        )
    chosen = loss if training_loss is None else training_loss
    return chosen.with_label_smoothing(float(label_smoothing))
