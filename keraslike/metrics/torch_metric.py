"""`TorchMetric`: a class of torchmetrics by its name, with what it asks for filled in."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from keraslike.errors import ArgumentError
from keraslike.metrics.kept import Array, KeptMetric
from keraslike.metrics.kinds import CLASSES, LABELS, MORE, OF_CLASSES, OF_VALUES, TWO, VALUES, kind_of
from keraslike.metrics.reading import Reading, classes, probabilities


class Listed(NamedTuple):
    """What a class of torchmetrics is for, what it reads, and what is filled in beside the task and the sizes."""

    suits: frozenset[str]
    response: str = "classes"
    arguments: Mapping[str, Any] = {}


_PROBABILITIES = "probabilities"

LISTED: dict[str, Listed] = {
    "AUROC": Listed(OF_CLASSES, _PROBABILITIES),
    "CalibrationError": Listed(CLASSES, _PROBABILITIES),
    "CohenKappa": Listed(CLASSES),
    "EER": Listed(OF_CLASSES, _PROBABILITIES, {"average": "macro"}),
    "ExactMatch": Listed(frozenset({LABELS})),
    "HammingDistance": Listed(OF_CLASSES),
    "HingeLoss": Listed(CLASSES, _PROBABILITIES),
    "JaccardIndex": Listed(OF_CLASSES),
    "MatthewsCorrCoef": Listed(OF_CLASSES),
    "NegativePredictiveValue": Listed(OF_CLASSES, arguments={"average": "macro"}),
    "Specificity": Listed(OF_CLASSES, arguments={"average": "macro"}),
    "ConcordanceCorrCoef": Listed(OF_VALUES),
    "CosineSimilarity": Listed(frozenset({VALUES}), arguments={"reduction": "mean"}),
    "LogCoshError": Listed(OF_VALUES),
    "MeanAbsolutePercentageError": Listed(OF_VALUES),
    "NormalizedRootMeanSquaredError": Listed(OF_VALUES),
    "RelativeSquaredError": Listed(OF_VALUES),
    "SymmetricMeanAbsolutePercentageError": Listed(OF_VALUES),
    "TweedieDevianceScore": Listed(OF_VALUES),
    "WeightedMeanAbsolutePercentageError": Listed(OF_VALUES),
}
"""The classes that are known by name: those that give one number which neither keraslike nor scikit-learn has."""

KNOWN = LISTED | {
    name: Listed(OF_CLASSES, _PROBABILITIES)
    for name in ("Accuracy", "AveragePrecision", "F1Score", "FBetaScore", "Precision", "Recall")
}
"""The classes that may be given themselves: all that give one number and need but a task and sizes."""

_TASKS = {TWO: "binary", MORE: "multiclass", LABELS: "multilabel"}


class TorchMetric(KeptMetric):
    """A known class of torchmetrics, made when the sizes are known and called once on the epoch, in float64.

    `task`, `num_classes`, `num_labels` and `num_outputs` are filled in from the network's outputs; averages are over
    classes or columns. Classes of two get the second's probability. It computes on the CPU, in torchmetrics' own
    precision, which is float32 in places.

    Args:
        name: a name of `KNOWN`.
        problem_type: as in `Metric`.

    Raises:
        ArgumentError: the class has no meaning for the problem.

    Example:
        >>> metric = TorchMetric("Specificity")
        >>> metric(torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 1, 0]))
        0.5
    """

    def __init__(self, name: str, problem_type: str | None = None) -> None:
        self.name = name
        self.listed = KNOWN[name]
        super().__init__(problem_type)
        self._arguments: dict[str, Any] = {}

    @property
    def suits(self) -> frozenset[str]:
        """As in `Metric`: what torchmetrics has a task for."""
        return self.listed.suits

    def predictions(self, reading: Reading) -> Tensor:
        """Give classes (values in regression) or probabilities, and keep what the class has to be told."""
        kind = kind_of(reading)
        columns = reading.logits.shape[1] if reading.logits.dim() > 1 else 1
        if kind in OF_VALUES:
            self._arguments = {"num_outputs": columns}
        else:
            self._arguments = {"task": _TASKS[kind], "num_classes": columns, "num_labels": columns}
        if self.listed.response != _PROBABILITIES:
            return classes(reading.logits, reading.problem_type)
        found = probabilities(reading.logits.double(), reading.problem_type)
        return found[:, 1] if kind == TWO and found.dim() == 2 else found

    def score(self, y_true: Array, y_pred: Array) -> float:
        """Ask torchmetrics; as in `KeptMetric.score`.

        Raises:
            ArgumentError: it refuses the targets or predictions.
        """
        try:
            measured = self._made()
            targets = torch.from_numpy(y_true)
            is_of_values = (
                "num_outputs" in self._arguments
            )  # whole numbers may be values, but torchmetrics wants floats
            measured.update(torch.from_numpy(y_pred), targets.double() if is_of_values else targets)
            return float(measured.compute().double().mean())
        except (ValueError, RuntimeError) as error:
            raise ArgumentError(
                f"The metric {self.name!r} has no value for these targets and predictions: {error}",
                "targets and predictions as torchmetrics' documentation of the class asks for them.",
                "look at the targets, or choose another metric.",
            ) from None

    def _made(self) -> Any:
        """Make the object anew: its state is the epoch's."""
        import torchmetrics

        rooms = (torchmetrics.classification, torchmetrics.regression)
        listed = next(getattr(room, self.name) for room in rooms if hasattr(room, self.name))
        known = inspect.signature(listed.__new__ if "task" in self._arguments else listed).parameters
        given = {**self._arguments, **(self.listed.arguments if self._arguments.get("task") != "binary" else {})}
        return listed(**{name: value for name, value in given.items() if name in known}).set_dtype(torch.float64)
