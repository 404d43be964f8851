"""Metrics: one file each; exact over the epoch, whatever the batches."""

from keraslike.metrics.accuracy import Accuracy
from keraslike.metrics.base import REGISTRY, Metric, registered
from keraslike.metrics.class_counts import ClassCounts, Counts
from keraslike.metrics.f1 import F1Macro, F1Micro, F1Weighted
from keraslike.metrics.function import FunctionMetric
from keraslike.metrics.kept import KeptMetric
from keraslike.metrics.library import LibraryMetric
from keraslike.metrics.mae import MAE
from keraslike.metrics.mean import MeanMetric
from keraslike.metrics.moments import MomentMetric, Moments
from keraslike.metrics.mse import MSE
from keraslike.metrics.naming import get_metrics
from keraslike.metrics.pearson import Pearson
from keraslike.metrics.precision import PrecisionMacro
from keraslike.metrics.r2 import R2
from keraslike.metrics.reading import Reading, classes, probabilities, problem_type_of
from keraslike.metrics.recall import RecallMacro
from keraslike.metrics.rows import ROW_METRICS, RowMetric, row_metric
from keraslike.metrics.spearman import Spearman
from keraslike.metrics.wrapper import MetricWrapper

__all__ = [
    "MAE",
    "MSE",
    "R2",
    "REGISTRY",
    "ROW_METRICS",
    "Accuracy",
    "ClassCounts",
    "Counts",
    "F1Macro",
    "F1Micro",
    "F1Weighted",
    "FunctionMetric",
    "KeptMetric",
    "LibraryMetric",
    "MeanMetric",
    "Metric",
    "MetricWrapper",
    "MomentMetric",
    "Moments",
    "Pearson",
    "PrecisionMacro",
    "Reading",
    "RecallMacro",
    "RowMetric",
    "Spearman",
    "classes",
    "get_metrics",
    "probabilities",
    "problem_type_of",
    "registered",
    "row_metric",
]
