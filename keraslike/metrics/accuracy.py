"""`Accuracy`: the share of examples that are right."""

import numpy as np
import torch

from keraslike.losses.sums import read_on_cpu
from keraslike.metrics.base import registered
from keraslike.metrics.mean import MeanMetric, Number
from keraslike.metrics.reading import IGNORED, SINGLE_LABEL, Reading, classes


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

    def part(self, reading: Reading) -> tuple[Number, Number]:
        """Count the right examples, and all of them."""
        logits, targets, problem_type = reading
        predicted = classes(logits, problem_type)
        if problem_type != SINGLE_LABEL:
            is_right = (predicted == targets).reshape(len(targets), -1).all(1)
            return read_on_cpu(torch.count_nonzero(is_right)), len(targets)
        # -100 is no class, so that it is never right
        if not targets.is_cpu:
            return torch.count_nonzero(predicted == targets), torch.count_nonzero(targets != IGNORED)
        found, wanted = predicted.numpy(), targets.numpy()  # takes half of torch's time for a small batch
        return int(np.count_nonzero(found == wanted)), int(np.count_nonzero(wanted != IGNORED))
