"""`as_loss`: a loss by name, by torch's function or by torch's object becomes ours."""

from typing import Any

import torch.nn.functional as F
from poutyne.framework.metrics.metrics_registering import (
    clean_metric_class_name,
    clean_metric_func_name,
    metric_classes_dict,
    metric_funcs_dict,
)
from torch import nn

from keraslike.calling import ByName, called_by_name, did_you_mean
from keraslike.errors import ArgumentError
from keraslike.losses.base import Loss
from keraslike.losses.binary_cross_entropy import BinaryCrossEntropy
from keraslike.losses.cross_entropy import CrossEntropy
from keraslike.losses.mean_squared_error import MeanSquaredError

LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "bce_with_logits": BinaryCrossEntropy,
    "binary_cross_entropy_with_logits": BinaryCrossEntropy,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
}
"""The names of keraslike's losses; they are read as Poutyne reads names (case, `_` and a last "loss" do not matter)."""

_BY_FUNCTION: dict[Any, type[Loss]] = {
    F.cross_entropy: CrossEntropy,
    F.binary_cross_entropy_with_logits: BinaryCrossEntropy,
    F.mse_loss: MeanSquaredError,
}


def as_loss(loss: Any) -> Any:
    """Give keraslike's loss for what names it, or the thing itself where keraslike has none.

    Args:
        loss: a name ("cross_entropy", "bce_with_logits", "mse", torch's own names of these), `F.cross_entropy`,
            `F.binary_cross_entropy_with_logits`, `F.mse_loss`, or a torch object such as `nn.CrossEntropyLoss(weight)`
            with its mean. Poutyne's other names, other functions of (outputs, targets) and None come back as they are;
            a function whose parameters are named `y_true` and `y_pred` gets each by its name.

    Raises:
        ArgumentError: if a name is neither ours nor Poutyne's, or a function asks for something else.

    Example:
        >>> as_loss("CrossEntropyLoss")
        CrossEntropy()
        >>> as_loss("nll_loss")
        'nll_loss'
    """
    if isinstance(loss, str):
        return _named(loss)
    if getattr(loss, "reduction", None) == "mean":
        loss = _translated(loss)
    elif _is_known_function(loss):
        loss = _BY_FUNCTION[loss]()
    return _called_by_name(loss) if callable(loss) else loss


def is_poutynes_name(name: str) -> bool:
    """Tell whether Poutyne knows a loss or metric of that name."""
    return clean_metric_func_name(name) in metric_funcs_dict or clean_metric_class_name(name) in metric_classes_dict


def _is_known_function(loss: Any) -> bool:
    return any(loss is function for function in _BY_FUNCTION)


def _translated(loss: Any) -> Any:
    if type(loss) is nn.CrossEntropyLoss:  # a subclass may compute something else
        return CrossEntropy(loss.weight, loss.ignore_index, loss.label_smoothing)
    if type(loss) is nn.BCEWithLogitsLoss:
        return BinaryCrossEntropy(loss.weight, loss.pos_weight)
    return MeanSquaredError() if type(loss) is nn.MSELoss else loss


class _ModuleByName(nn.Module):
    """A loss with weights of its own, which go to the device with it, called by the names in its `forward`."""

    def __init__(self, call: ByName) -> None:
        super().__init__()
        self.loss = call.function
        self.call = call

    def forward(self, y_pred: Any, y_true: Any) -> Any:
        return self.call(y_pred, y_true)


def _called_by_name(loss: Any) -> Any:
    call = called_by_name(loss)
    return _ModuleByName(call) if isinstance(loss, nn.Module) and isinstance(call, ByName) else call


def _named(name: str) -> Any:
    ours = {clean_metric_func_name(known): loss for known, loss in LOSSES.items()}
    if clean_metric_func_name(name) in ours:
        return ours[clean_metric_func_name(name)]()
    if is_poutynes_name(name):
        return name
    raise ArgumentError(
        f"There is no loss named {name!r}.",
        f"one of {', '.join(LOSSES)}, another of Poutyne's names, or a function of (outputs, targets).",
        did_you_mean(name, [*metric_funcs_dict, *LOSSES], "loss_function='cross_entropy' for classes."),
    )
