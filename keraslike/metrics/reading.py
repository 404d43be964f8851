"""What logits mean: probabilities, classes or values, told by the problem type or from the shapes."""

from typing import NamedTuple

import torch
from torch import Tensor

from keraslike.errors import DataError
from keraslike.losses.base import same_shape

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
IGNORED = -100
"""The class index that means "no label here", as in torch's cross-entropy."""
_WIDE = 128


class Reading(NamedTuple):
    """One batch, with one row per label or per example.

    Single label: logits `(rows, classes)`, targets `(rows,)` of class indices, where `IGNORED` does not count.
    Several labels: both `(rows, labels)`, targets 0 or 1; one label only: both `(rows,)`.
    Regression: both `(rows,)`, or `(rows, targets)` of several targets.
    """

    logits: Tensor
    targets: Tensor
    problem_type: str


def probabilities(logits: Tensor, problem_type: str) -> Tensor:
    """Give softmax over the last dimension, sigmoid, or for regression the values themselves; the logits' shape.

    Example:
        >>> probabilities(torch.zeros(1, 4), "single_label_classification")
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    if problem_type == SINGLE_LABEL:
        return logits.softmax(-1)
    return logits.sigmoid() if problem_type == MULTI_LABEL else logits


def classes(logits: Tensor, problem_type: str) -> Tensor:
    """Give int64 class indices of shape `(...)`, int64 zeros and ones `(..., labels)`, or the values themselves.

    Example:
        >>> classes(torch.tensor([[-1.0, 2.0], [3.0, 0.5]]), "single_label_classification")
        tensor([1, 0])
        >>> classes(torch.tensor([[-1.0, 2.0], [3.0, 0.5]]), "multi_label_classification")
        tensor([[0, 1],
                [1, 1]])
    """
    if problem_type == SINGLE_LABEL:
        return places_of_largest(logits)
    return (logits > 0).long() if problem_type == MULTI_LABEL else logits


def problem_type_of(logits: Tensor, targets: Tensor) -> str:
    """Tell the problem type where no loss does: floats are values; whole numbers are classes or zeros and ones.

    Whole numbers, one per row of logits, are class indices; as many as the logits, they are several labels.

    Example:
        >>> problem_type_of(torch.zeros(8, 3), torch.zeros(8, dtype=torch.int64))
        'single_label_classification'
    """
    if targets.is_floating_point():
        return REGRESSION
    has_one_logit_per_target = logits.numel() == targets.numel()
    return MULTI_LABEL if has_one_logit_per_target else SINGLE_LABEL


def read(logits: Tensor, targets: Tensor, problem_type: str | None = None) -> Reading:
    """Bring a batch of any shape that a loss takes into rows.

    Args:
        logits: what the network gave. The classes of a single label are the last dimension, `(batch, ..., classes)`,
            or where the targets do not fit that, the second, `(batch, classes, ...)`.
        targets: class indices or probabilities; zeros and ones; or values.
        problem_type: in Hugging Face's words; None: told by `problem_type_of`.

    Raises:
        DataError: if the shapes do not fit.
    """
    problem_type = problem_type or problem_type_of(logits, targets)
    if problem_type == SINGLE_LABEL:
        return Reading(*_rows_of_classes(logits, targets), problem_type)
    targets = same_shape(logits, targets)
    if problem_type == MULTI_LABEL:
        targets = (targets > 0.5).long()
    width = logits.shape[-1] if logits.dim() > 1 else 1
    shape = (-1, width) if width > 1 else (-1,)
    return Reading(logits.reshape(shape), targets.reshape(shape), problem_type)


def class_last(logits: Tensor, targets: Tensor) -> Tensor:
    """Give the logits of a single label with the classes as the last dimension; as in `read`.

    Example:
        >>> tuple(class_last(torch.zeros(2, 7, 5), torch.zeros(2, 5)).shape)  # as torch's cross-entropy has them
        (2, 5, 7)
    """
    is_second = targets.shape != logits.shape[:-1] and targets.shape == logits.shape[:1] + logits.shape[2:]
    return logits.movedim(1, -1) if is_second else logits


def _rows_of_classes(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    is_usual = targets.dtype == torch.int64 and targets.dim() == 1 and logits.dim() == 2
    if is_usual and targets.size(0) == logits.size(0):
        return logits, targets  # without a detour: this runs in every step
    if targets.is_floating_point() and targets.shape == logits.shape:
        class_dimension = min(1, targets.dim() - 1)  # where torch's cross-entropy reads probabilities
        logits, targets = logits.movedim(class_dimension, -1), targets.argmax(class_dimension)
    logits = class_last(logits, targets)
    if targets.shape != logits.shape[:-1]:
        raise DataError(
            f"The network's outputs have shape {tuple(logits.shape)} but the targets have {tuple(targets.shape)}.",
            "outputs of shape (batch, classes) and targets of shape (batch,).",
            "give class indices, one per row of outputs.",
        )
    return logits.reshape(-1, logits.shape[-1]), targets.reshape(-1).long()


def is_counted(reading: Reading) -> Tensor:
    """Give True for the rows that have a label, shape `(rows,)`."""
    if reading.problem_type == SINGLE_LABEL:
        return reading.targets != IGNORED
    return torch.ones(len(reading.targets), dtype=torch.bool, device=reading.targets.device)


def places_of_largest(logits: Tensor) -> Tensor:
    """Give `argmax(-1)`; of 32 wide rows NumPy's takes a tenth of torch's time on a CPU.

    Example:
        >>> places_of_largest(torch.tensor([[-1.0, 2.0], [3.0, 0.5]]))
        tensor([1, 0])
    """
    if logits.shape[-1] >= _WIDE and logits.is_cpu and logits.dtype in (torch.float32, torch.float64):
        return torch.as_tensor(logits.detach().numpy().argmax(-1))
    return logits.argmax(-1)
