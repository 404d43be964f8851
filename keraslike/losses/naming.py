"""`as_loss`: a loss by name, by torch's function, by torch's object, or of the user's own becomes ours."""

from collections.abc import Callable
from inspect import signature
from typing import Any, Never

from poutyne import get_metric
from poutyne.framework.metrics.metrics_registering import (
    clean_metric_class_name,
    clean_metric_func_name,
    metric_classes_dict,
    metric_funcs_dict,
)
from torch import nn

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError
from keraslike.losses.absolute_error import Huber, MeanAbsoluteError, SmoothL1
from keraslike.losses.adaptive_softmax import AdaptiveSoftmax
from keraslike.losses.base import Loss
from keraslike.losses.binary_cross_entropy import BinaryCrossEntropy, BinaryCrossEntropyOfProbabilities
from keraslike.losses.cross_entropy import CrossEntropy
from keraslike.losses.ctc import CTC
from keraslike.losses.distributions import GaussianNLL, KLDivergence, PoissonNLL
from keraslike.losses.embeddings import CosineEmbedding, MarginRanking, TripletMargin, TripletMarginWithDistance
from keraslike.losses.function import FunctionLoss
from keraslike.losses.margins import HingeEmbedding, MultilabelMargin, MultilabelSoftMargin, MultiMargin, SoftMargin
from keraslike.losses.mean_squared_error import MeanSquaredError
from keraslike.losses.model import ModelLoss, model_loss
from keraslike.losses.negative_log_likelihood import NegativeLogLikelihood
from keraslike.losses.torch_loss import TorchLoss

KINDS: tuple[type[TorchLoss], ...] = (
    CrossEntropy,
    NegativeLogLikelihood,
    BinaryCrossEntropy,
    BinaryCrossEntropyOfProbabilities,
    MeanSquaredError,
    MeanAbsoluteError,
    SmoothL1,
    Huber,
    PoissonNLL,
    GaussianNLL,
    KLDivergence,
    HingeEmbedding,
    SoftMargin,
    MultiMargin,
    MultilabelMargin,
    MultilabelSoftMargin,
    MarginRanking,
    CosineEmbedding,
    TripletMargin,
    TripletMarginWithDistance,
    CTC,
)

LOSSES: dict[str, type[TorchLoss]] = {name: kind for kind in KINDS for name in kind.names}
"""The names of keraslike's losses; they are read as Poutyne reads names (case, `_` and a last "loss" do not matter)."""


def as_loss(loss: Any, network: nn.Module | None = None) -> Any:
    """Give a `Loss` or a `FunctionLoss` for what names one, or is one; None stays None.

    Args:
        loss: a name of `LOSSES` or of Poutyne's, a function of torch's such as `F.cross_entropy`, an object or class of
            torch's such as `nn.CrossEntropyLoss(weight)`, `model_loss`, or a loss of the user's own: a function, a
            `partial`, an object that can be called, an `nn.Module`.
        network: whose own head `model_loss` is to read.

    Raises:
        ArgumentError: if a name is neither ours nor Poutyne's, a loss has reduction="none", or a function asks for
            what there is not.

    Example:
        >>> as_loss("CrossEntropyLoss"), as_loss(nn.SmoothL1Loss(beta=2.0))
        (CrossEntropy(), SmoothL1(beta=2.0))
    """
    if loss is None or (isinstance(loss, FunctionLoss | Loss) and not isinstance(loss, ModelLoss)):
        return loss
    if isinstance(loss, str):
        return _named(loss)
    if loss is model_loss or isinstance(loss, ModelLoss):
        return ModelLoss(network) if network is not None or loss is model_loss else loss
    if isinstance(loss, type):
        return _of_class(loss, network)
    if not callable(loss):
        _refuse(loss)
    return _of_object(loss) if isinstance(loss, nn.Module) else _of_function(loss)


def is_poutynes_name(name: str) -> bool:
    """Tell whether Poutyne knows a loss or metric of that name."""
    return clean_metric_func_name(name) in metric_funcs_dict or clean_metric_class_name(name) in metric_classes_dict


def _of_function(loss: Callable[..., Any]) -> Loss | FunctionLoss:
    kind = next((kind for kind in KINDS if loss is kind.func), None)
    return FunctionLoss(loss) if kind is None else kind()


def _of_object(loss: nn.Module) -> Loss | FunctionLoss:
    if isinstance(loss, nn.AdaptiveLogSoftmaxWithLoss):
        return AdaptiveSoftmax(loss)
    kind = next((kind for kind in KINDS if type(loss) is kind.module), None)  # a subclass may compute something else
    if kind is None:
        return FunctionLoss(loss)
    return kind(**{name: getattr(loss, name) for name in signature(kind).parameters if hasattr(loss, name)})


def _of_class(loss: type, network: nn.Module | None) -> Any:
    try:
        made = loss()
    except TypeError as error:
        raise ArgumentError(
            f"the loss {loss.__name__} cannot be made without arguments: {error}",
            "an object where the class needs arguments.",
            f"loss_function={loss.__name__}(...) with them.",
        ) from None
    return as_loss(made, network)


def _named(name: str) -> Any:
    ours = {clean_metric_func_name(known): loss for known, loss in LOSSES.items()}
    if clean_metric_func_name(name) in ours:
        return ours[clean_metric_func_name(name)]()
    if is_poutynes_name(name):
        found = get_metric(name)  # registered by the user, or one of Poutyne's metrics
        return FunctionLoss(found[1] if isinstance(found, tuple) else found)
    raise ArgumentError(
        f"There is no loss named {name!r}.",
        f"one of {', '.join(LOSSES)}, or a function of (outputs, targets).",
        did_you_mean(name, [*metric_funcs_dict, *LOSSES], "loss_function='cross_entropy' for classes."),
    )


def _refuse(loss: Any) -> Never:
    raise ArgumentError(
        f"The loss was given as {loss!r}, a {type(loss).__name__}.",
        "a name such as 'cross_entropy', a function of (outputs, targets), or a loss object.",
        "loss_function='cross_entropy' for classes.",
    )
