"""Losses: every one is a (sum, count), so that a batch may be cut without changing its gradient."""

from keraslike.losses.absolute_error import Huber, MeanAbsoluteError, SmoothL1
from keraslike.losses.adaptive_softmax import AdaptiveSoftmax
from keraslike.losses.base import Loss
from keraslike.losses.binary_cross_entropy import BinaryCrossEntropy, BinaryCrossEntropyOfProbabilities
from keraslike.losses.cross_entropy import CrossEntropy
from keraslike.losses.ctc import CTC
from keraslike.losses.distributions import GaussianNLL, KLDivergence, PoissonNLL
from keraslike.losses.embeddings import CosineEmbedding, MarginRanking, TripletMargin, TripletMarginWithDistance
from keraslike.losses.function import FunctionLoss, Value, read_value
from keraslike.losses.margins import HingeEmbedding, MultilabelMargin, MultilabelSoftMargin, MultiMargin, SoftMargin
from keraslike.losses.masked_cross_entropy import MaskedCrossEntropy
from keraslike.losses.mean_squared_error import MeanSquaredError
from keraslike.losses.model import ModelLoss, model_loss
from keraslike.losses.naming import LOSSES, as_loss
from keraslike.losses.negative_log_likelihood import NegativeLogLikelihood
from keraslike.losses.span_cross_entropy import SpanCrossEntropy
from keraslike.losses.squared_error_per_text import SquaredErrorPerText
from keraslike.losses.token_cross_entropy import TokenCrossEntropy
from keraslike.losses.torch_loss import TorchLoss

__all__ = [
    "CTC",
    "LOSSES",
    "AdaptiveSoftmax",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyOfProbabilities",
    "CosineEmbedding",
    "CrossEntropy",
    "FunctionLoss",
    "GaussianNLL",
    "HingeEmbedding",
    "Huber",
    "KLDivergence",
    "Loss",
    "MarginRanking",
    "MaskedCrossEntropy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "ModelLoss",
    "MultiMargin",
    "MultilabelMargin",
    "MultilabelSoftMargin",
    "NegativeLogLikelihood",
    "PoissonNLL",
    "SmoothL1",
    "SoftMargin",
    "SpanCrossEntropy",
    "SquaredErrorPerText",
    "TokenCrossEntropy",
    "TorchLoss",
    "TripletMargin",
    "TripletMarginWithDistance",
    "Value",
    "as_loss",
    "model_loss",
    "read_value",
]
