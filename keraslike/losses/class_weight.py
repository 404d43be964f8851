"""`class_weights`: how much each class weighs, in the user's words, as the tensor that a loss takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError

MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
CHOICES = '"balanced", a dict {label: weight}, or a list of weights in the order of the labels'


def class_weights(
    value: Any,
    targets: Tensor,
    labels: Sequence[Any] | None,
    classes: int,
    problem_type: str | None = "single_label_classification",
) -> Tensor:
    """Give one weight per class, for `Loss.with_class_weight`.

    Args:
        value: "balanced" for rows / (classes x rows of the class), as scikit-learn has it (where a row has several
            labels: rows without / rows with the label), 1 for a class without a row; a dict by the user's own labels,
            those left out weigh 1; or a list in the order of the labels.
        targets: those of the training rows: class indices `(rows,)` (negative ones do not count), or 0 and 1
            `(rows, classes)`.
        labels: the user's own, in the order of the classes; None: their numbers.
        classes: how many there are.
        problem_type: as in `Loss`.

    Returns:
        shape `(classes,)`, float64.

    Raises:
        ArgumentError: the value is none of these, names an unknown label, has a weight that is negative or no number;
            or there are no classes.

    Example:
        >>> class_weights("balanced", torch.tensor([0, 0, 0, 1]), ["ham", "spam"], 2)
        tensor([0.6667, 2.0000], dtype=torch.float64)
        >>> class_weights({"spam": 5}, torch.tensor([0, 1]), ["ham", "spam"], 2)
        tensor([1., 5.], dtype=torch.float64)

    Source:
        https://scikit-learn.org/stable/modules/generated/sklearn.utils.class_weight.compute_class_weight.html
    """
    if problem_type == REGRESSION:
        raise ArgumentError(
            "class_weight was given, but the targets are numbers, not classes.",
            "targets that are classes.",
            "leave class_weight out, or weigh examples: fit(..., sample_weight=...).",
        )
    names = list(range(classes)) if labels is None else list(labels)
    if isinstance(value, str):
        weights = _balanced(value, targets, len(names), problem_type == MULTI_LABEL)
    elif isinstance(value, Mapping):
        weights = _by_label(value, names)
    else:
        weights = _in_order(value, names)
    return _checked(weights, names)


def _balanced(value: str, targets: Tensor, classes: int, is_multi_label: bool) -> list[float]:
    if value != "balanced":
        raise ArgumentError(
            f"class_weight was given as {value!r}.",
            f"{CHOICES}.",
            did_you_mean(value, ["balanced"], 'write "balanced".'),
        )
    if is_multi_label:
        rows, found = len(targets), targets.reshape(len(targets), -1).bool().sum(0).tolist()
    else:
        counted = targets[targets >= 0].long()
        rows, found = len(counted), torch.bincount(counted, minlength=classes).tolist()
    present = sum(count > 0 for count in found)
    shares = [(rows - count, count) if is_multi_label else (rows, present * count) for count in found]
    return [above / below if below else 1.0 for above, below in shares]


def _by_label(value: Mapping[Any, Any], names: list[Any]) -> list[Any]:
    unknown = [label for label in value if label not in names]
    alike = [name for name in names if unknown and str(name) == str(unknown[0])]
    if unknown:
        as_it_stands = f"write it as it stands in y: {alike[0]!r} ({type(alike[0]).__name__})." if alike else None
        raise ArgumentError(
            f"class_weight names {unknown[0]!r}, which is none of the labels.",
            f"labels among {names[:10]}.",
            as_it_stands
            or did_you_mean(str(unknown[0]), map(str, names), "leave it out, or write it as it stands in y."),
        )
    return [value.get(name, 1.0) for name in names]


def _in_order(value: Any, names: list[Any]) -> list[Any]:
    try:
        weights = value.tolist() if hasattr(value, "tolist") else list(value)
    except TypeError:
        weights = None
    if not isinstance(weights, list) or len(weights) != len(names):
        found = f"a {type(value).__name__}" if not isinstance(weights, list) else f"{len(weights)} weights"
        raise ArgumentError(
            f"class_weight was given as {found}, but there are {len(names)} labels.",
            f"{CHOICES}: {names[:10]}.",
            "give one weight per label.",
        )
    return weights


def _checked(weights: list[Any], names: list[Any]) -> Tensor:
    for name, weight in zip(names, weights, strict=True):
        if not _is_weight(weight):
            raise ArgumentError(
                f"class_weight gives {name!r} the weight {weight!r}.",
                "a finite number, 0 or more.",
                "a class that is to count twice weighs 2.",
            )
    return torch.tensor([float(weight) for weight in weights], dtype=torch.float64)


def _is_weight(weight: Any) -> bool:
    if isinstance(weight, (str, bytes)):  # float("1") is a number, and "1" a mistake
        return False
    try:
        return 0 <= float(weight) < float("inf")
    except (TypeError, ValueError):
        return False
