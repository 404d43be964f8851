"""`Accuracy`: the share of examples that are right; `BinaryAccuracy`: that of single labels."""

from operator import eq
from typing import Any

import numpy as np
import torch
from torch import Tensor

from keraslike.losses.sums import FEW, read_on_cpu
from keraslike.metrics.base import registered
from keraslike.metrics.kinds import LABELS, TWO
from keraslike.metrics.mean import MeanMetric, Number
from keraslike.metrics.reading import IGNORED, SINGLE_LABEL, Reading, classes, places_of_largest


@registered
class Accuracy(MeanMetric):
    """The share of examples whose class is right, 0 to 1; with several labels, all of them must be (subset accuracy).

    Class indices of -100 do not count. The same as scikit-learn's `accuracy_score`.

    Example:
        >>> Accuracy()(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        0.6666666666666666
    """

    name = "accuracy"
    aliases = ("acc",)
    is_of_classes = True

    def update(self, y_pred: Any, y_true: Any, inputs: Any = None) -> None:
        """Add a batch; as in `Metric.update`, but the usual small one on a CPU without a detour: every step pays it."""
        if self.problem_type == SINGLE_LABEL and _is_usual(y_pred, y_true):
            self._keep(_counted(y_pred, y_true))
        else:
            super().update(y_pred, y_true, inputs)

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Count the right examples, and all of them."""
        logits, targets, problem_type = reading
        if problem_type != SINGLE_LABEL:
            predicted = classes(logits, problem_type)
            is_right = (predicted == targets).unsqueeze(-1).flatten(1).all(1)
            return read_on_cpu(torch.count_nonzero(is_right)), len(targets)
        return _counted(logits, targets)


@registered
class BinaryAccuracy(MeanMetric):
    """The share of labels that are rightly said to be there or not, 0 to 1, each label of an example by itself.

    Of several labels it is 1 minus scikit-learn's `hamming_loss`, and Keras' metric of this name; of two classes it is
    the accuracy.

    Example:
        >>> BinaryAccuracy()(torch.tensor([[2.0, 1.0], [-1.0, 1.0]]), torch.tensor([[1, 0], [0, 1]]))
        0.75
    """

    name = "binary_accuracy"
    is_of_classes = True
    suits = frozenset({TWO, LABELS})

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Count the right labels, and all of them."""
        logits, targets, problem_type = reading
        if problem_type == SINGLE_LABEL:
            return _counted(logits, targets)
        return read_on_cpu(torch.count_nonzero(classes(logits, problem_type) == targets)), targets.numel()


def _is_usual(y_pred: Any, y_true: Any) -> bool:
    """Tell whether these are tensors on a CPU: logits `(batch, classes)` and class indices `(batch,)`."""
    if type(y_pred) is not Tensor or type(y_true) is not Tensor or not (y_pred.is_cpu and y_true.is_cpu):
        return False
    return y_true.dtype is torch.int64 and y_true.dim() == 1 and y_pred.dim() == 2 and y_pred.size(0) == y_true.size(0)


def _counted(logits: Tensor, targets: Tensor) -> tuple[Number, Number]:
    """Count the right rows and all of them; -100 is no class, so that it is never right."""
    predicted = places_of_largest(logits)
    if not targets.is_cpu:
        return torch.count_nonzero(predicted == targets), torch.count_nonzero(targets != IGNORED)
    if targets.numel() <= FEW:  # a list takes half of NumPy's time, and NumPy half of torch's
        wanted_few = targets.tolist()
        return sum(map(eq, predicted.tolist(), wanted_few)), len(wanted_few) - wanted_few.count(IGNORED)
    found, wanted = predicted.numpy(), targets.numpy()
    return int(np.count_nonzero(found == wanted)), int(np.count_nonzero(wanted != IGNORED))
