"""Metrics: one file each; exact over the epoch, whatever the batches."""

from keraslike.metrics.accuracy import Accuracy, BinaryAccuracy
from keraslike.metrics.answers import answer_f1, exact_match
from keraslike.metrics.base import REGISTRY, Metric, registered
from keraslike.metrics.class_counts import ClassCounts, Counts
from keraslike.metrics.entities import are_entity_tags, entity_f1, entity_precision, entity_recall
from keraslike.metrics.f1 import F1, F1Binary, F1Macro, F1Micro, F1Weighted
from keraslike.metrics.function import FunctionMetric
from keraslike.metrics.generated import bleu, chrf, chrf_with_words, rouge
from keraslike.metrics.kendall import Kendall
from keraslike.metrics.kept import KeptMetric
from keraslike.metrics.library import LibraryMetric
from keraslike.metrics.mae import MAE
from keraslike.metrics.mean import MeanMetric
from keraslike.metrics.moments import MomentMetric, Moments
from keraslike.metrics.mse import MSE
from keraslike.metrics.naming import get_metrics, metric_names
from keraslike.metrics.ordering import OrderingMetric, OrderingTau, PositionAccuracy, ScoreMean, ScoreSpread
from keraslike.metrics.pearson import Pearson
from keraslike.metrics.perplexity import Perplexity
from keraslike.metrics.precision import Precision, PrecisionBinary, PrecisionMacro, PrecisionMicro, PrecisionWeighted
from keraslike.metrics.r2 import R2
from keraslike.metrics.reading import Reading, classes, probabilities, problem_type_of
from keraslike.metrics.recall import Recall, RecallBinary, RecallMacro, RecallMicro, RecallWeighted
from keraslike.metrics.rows import ROW_METRICS, RowMetric, row_metric
from keraslike.metrics.spearman import Spearman
from keraslike.metrics.top_k import Top3Accuracy, Top5Accuracy, TopKAccuracy
from keraslike.metrics.torch_metric import TorchMetric
from keraslike.metrics.torch_object import TorchObject
from keraslike.metrics.wrapper import MetricWrapper

__all__ = [
    "F1",
    "MAE",
    "MSE",
    "R2",
    "REGISTRY",
    "ROW_METRICS",
    "Accuracy",
    "BinaryAccuracy",
    "ClassCounts",
    "Counts",
    "F1Binary",
    "F1Macro",
    "F1Micro",
    "F1Weighted",
    "FunctionMetric",
    "Kendall",
    "KeptMetric",
    "LibraryMetric",
    "MeanMetric",
    "Metric",
    "MetricWrapper",
    "MomentMetric",
    "Moments",
    "OrderingMetric",
    "OrderingTau",
    "Pearson",
    "Perplexity",
    "PositionAccuracy",
    "Precision",
    "PrecisionBinary",
    "PrecisionMacro",
    "PrecisionMicro",
    "PrecisionWeighted",
    "Reading",
    "Recall",
    "RecallBinary",
    "RecallMacro",
    "RecallMicro",
    "RecallWeighted",
    "RowMetric",
    "ScoreMean",
    "ScoreSpread",
    "Spearman",
    "Top3Accuracy",
    "Top5Accuracy",
    "TopKAccuracy",
    "TorchMetric",
    "TorchObject",
    "answer_f1",
    "are_entity_tags",
    "bleu",
    "chrf",
    "chrf_with_words",
    "classes",
    "entity_f1",
    "entity_precision",
    "entity_recall",
    "exact_match",
    "get_metrics",
    "metric_names",
    "probabilities",
    "problem_type_of",
    "registered",
    "rouge",
    "row_metric",
]
