"""Losses: every one is a (sum, count), so that a batch may be cut without changing its gradient."""

from keraslike.losses.base import Loss
from keraslike.losses.binary_cross_entropy import BinaryCrossEntropy
from keraslike.losses.cross_entropy import CrossEntropy
from keraslike.losses.mean_squared_error import MeanSquaredError
from keraslike.losses.model import model_loss
from keraslike.losses.naming import LOSSES, as_loss

__all__ = ["LOSSES", "BinaryCrossEntropy", "CrossEntropy", "Loss", "MeanSquaredError", "as_loss", "model_loss"]
