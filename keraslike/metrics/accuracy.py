"""`Accuracy`: the share of examples that are right."""

import torch
from torch import Tensor

from keraslike.metrics.base import Metric, registered
from keraslike.metrics.reading import Reading, classes, is_counted


@registered
class Accuracy(Metric[Tensor]):
    """The share of examples whose class is right, 0 to 1; with several labels, all of them must be (subset accuracy).

    Class indices of -100 do not count. The same as scikit-learn's `accuracy_score`.

    Example:
        >>> Accuracy()(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
        0.6666666666666666
    """

    name = "accuracy"
    aliases = ("acc",)
    is_of_classes = True

    def part(self, reading: Reading) -> Tensor:
        """Count the right examples and all of them, int64, shape `(2,)`."""
        is_right = classes(reading.logits, reading.problem_type) == reading.targets
        counted = is_counted(reading)
        return torch.stack([(is_right.reshape(len(counted), -1).all(1) & counted).sum(), counted.sum()])

    def join(self, parts: list[Tensor]) -> list[Tensor]:
        """Add the counts."""
        return [torch.stack([part.to(parts[-1].device) for part in parts]).sum(0)]

    def value(self, parts: list[Tensor]) -> float:
        """Divide the counts."""
        right, counted = self.join(parts)[0].tolist()
        return right / counted if counted else float("nan")
