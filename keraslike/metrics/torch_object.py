"""`TorchObject`: an object of torchmetrics for classification, which is given probabilities."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torchmetrics import ClasswiseWrapper

from keraslike.errors import ArgumentError, KeraslikeError
from keraslike.metrics.base import as_tensor
from keraslike.metrics.reading import REGRESSION, SINGLE_LABEL, is_counted, probabilities, read
from keraslike.metrics.torch_numbers import TorchNumbers, gives_one_number, names_of


class TorchObject(TorchNumbers):
    """An object of torchmetrics that compares classes, fed with rows of probabilities.

    torchmetrics takes numbers from 0 to 1 for probabilities and others for logits, batch by batch: of logits the value
    would depend on how they are cut. Rows whose target is -100 are left out, and an object for two classes gets the
    second's probability. Its state is its own.

    Args:
        metric: the object.
        problem_type: as in `Metric`.
        name: what the user calls it, or each of its numbers; as in `names_of`.

    Example:
        >>> import torch
        >>> from torchmetrics.classification import BinaryAccuracy
        >>> metric = TorchObject(BinaryAccuracy())
        >>> metric(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        tensor(1.)
    """

    def __init__(self, metric: Any, problem_type: str | None = None, name: Any = None) -> None:
        super().__init__(metric, names_of(metric, name))
        self.problem_type = problem_type
        self._is_binary = type(metric).__name__.startswith("Binary")

    def forward(self, y_pred: Any, y_true: Any) -> Any:
        """Add a batch, and give the batch's own value; as in `Metric.update`."""
        with self._told(y_pred):
            return super().forward(*self._rows(y_pred, y_true))

    def update(self, y_pred: Any, y_true: Any) -> None:
        """Add a batch; as in `Metric.update`."""
        with self._told(y_pred):
            super().update(*self._rows(y_pred, y_true))

    @contextmanager
    def _told(self, y_pred: Any) -> Iterator[None]:
        """Say which metric refuses a batch, and for how many classes it was made."""
        try:
            yield
        except KeraslikeError:
            raise
        except (ValueError, RuntimeError) as error:
            raise _refusal(self.metric, as_tensor(y_pred, "logits").shape[-1], error) from None

    def _rows(self, y_pred: Any, y_true: Any) -> tuple[Tensor, Tensor]:
        reading = read(as_tensor(y_pred, "logits"), as_tensor(y_true, "labels"), self.problem_type)
        if reading.problem_type == REGRESSION:  # thresholds are the object's own then
            return reading.logits, reading.targets
        found, targets = probabilities(reading.logits, reading.problem_type), reading.targets
        if reading.problem_type == SINGLE_LABEL:
            counted = is_counted(reading)
            found, targets = found[counted], targets[counted]
        return (found[:, 1] if self._is_binary and found.dim() == 2 and found.shape[1] == 2 else found), targets


def _refusal(metric: Any, outputs: int, error: Exception) -> ArgumentError:
    """Give the error of a metric that refuses a batch, with the size that it was made for."""
    name = type(metric).__name__
    argument = "num_labels" if hasattr(metric, "num_labels") else "num_classes"
    size = getattr(metric, argument, None)
    made = "" if size is None else f" with {argument}={size}"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    do = f"write {name}({argument}={outputs}), or leave it out of metrics."
    if argument == "num_labels" or size in (None, outputs):
        do = "look at its arguments, and whether each row has one label or several; or leave it out of metrics."
    return ArgumentError(
        f"the metric {name}{made} refuses a batch: {reason}", f"a metric for the {outputs} outputs of the network.", do
    )


def compares_classes(metric: Any) -> bool:
    """Tell an object of torchmetrics that takes one row per label, as `TorchObject` gives them.

    Example:
        >>> from torchmetrics.classification import MulticlassAUROC, MulticlassExactMatch
        >>> compares_classes(MulticlassAUROC(3)), compares_classes(MulticlassExactMatch(3))
        (True, False)
    """
    metric = metric.metric if isinstance(metric, ClasswiseWrapper) else metric
    module, name = type(metric).__module__, type(metric).__name__
    is_for_classes = module.startswith("torchmetrics.classification.") and name.startswith(("Binary", "Multi"))
    is_of_examples = getattr(metric, "multidim_average", "global") != "global" or name == "MulticlassExactMatch"
    return is_for_classes and not is_of_examples


def as_torch_object(metric: Any, problem_type: str | None, name: Any = None) -> tuple[str | list[str], Any]:
    """Give the names and the metric for an object of torchmetrics: itself, where it gives one number of what it gets.

    Args:
        metric: the object.
        problem_type: as in `Metric`.
        name: as in `names_of`.

    Example:
        >>> from torchmetrics import MeanSquaredError
        >>> as_torch_object(MeanSquaredError(), "regression")
        ('mean_squared_error', MeanSquaredError())
    """
    if compares_classes(metric):
        fed = TorchObject(metric, problem_type, name)
        return fed.__name__, fed
    names = names_of(metric, name)
    is_held = isinstance(names, list) or not gives_one_number(metric)
    return names, TorchNumbers(metric, names) if is_held else metric
