"""Losses that want the right answer to be ahead by a margin."""

from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.errors import DataError
from keraslike.losses.base import full_precision, match
from keraslike.losses.cross_entropy import fitting
from keraslike.losses.sums import Count
from keraslike.losses.torch_loss import TorchLoss, weighted_count


class HingeEmbedding(TorchLoss):
    """A distance that is to be small for targets of 1, and larger than a margin for -1; torch's own.

    Outputs and targets have the same shape; the count is the number of targets.

    Args:
        margin: how far apart unlike things are to be.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> HingeEmbedding().mean(torch.tensor([0.5, 0.25]), torch.tensor([1, -1])).item()
        0.625

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.HingeEmbeddingLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("hinge_embedding",)
    func = staticmethod(F.hinge_embedding_loss)
    module = nn.HingeEmbeddingLoss

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)


class SoftMargin(TorchLoss):
    """Logistic loss of scores against targets of 1 and -1, torch's own; the count is the number of targets.

    Args:
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> SoftMargin().mean(torch.zeros(2), torch.tensor([1, -1])).item()
        0.6931471824645996

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.SoftMarginLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("soft_margin",)
    func = staticmethod(F.soft_margin_loss)
    module = nn.SoftMarginLoss

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)


class MultiMargin(TorchLoss):
    """The right class's score is to be ahead of all others by a margin; torch's own.

    Outputs have shape `(batch, classes)`, targets are class indices of shape `(batch,)`. The count is the number of
    examples, even with weights, as in torch.

    Args:
        p: the power of what is missing, 1 or 2.
        margin: how far ahead it is to be.
        weight: one factor per class, shape `(classes,)`; None: all are 1.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> MultiMargin().mean(torch.tensor([[1.0, 0.5]]), torch.tensor([0])).item()
        0.25

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiMarginLoss.html
    """

    problem_type = "single_label_classification"
    names: ClassVar[tuple[str, ...]] = ("multi_margin",)
    func = staticmethod(F.multi_margin_loss)
    module = nn.MultiMarginLoss
    weight: Tensor | None

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction, p=p, margin=margin)
        self.register_buffer("weight", weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        outputs = full_precision(outputs)
        targets = fitting(outputs, targets, has_probabilities=False)
        if not targets.numel():
            return _nothing(outputs, reduction)
        weight = None if self.weight is None else self.weight.to(outputs)
        return self.func(outputs, targets, weight=weight, reduction=reduction, **self.options)

    def with_class_weight(self, weights: Tensor) -> Self:
        """Give a copy that weighs the classes; as in `Loss.with_class_weight`."""
        return self._weighed("weight", weights)


class MultilabelMargin(TorchLoss):
    """Each right class's score is to be ahead of every wrong one's; torch's own.

    Outputs have shape `(batch, classes)`, targets the same: the right classes' indices from the left, then -1.
    The count is the number of examples.

    Args:
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> MultilabelMargin().mean(torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]])).item()
        0.8500000238418579

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiLabelMarginLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("multilabel_margin",)
    func = staticmethod(F.multilabel_margin_loss)
    module = nn.MultiLabelMarginLoss

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give the number of examples; as in `Loss.count`."""
        return _rows(targets, sample_weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        _require_same(outputs, targets)
        if not targets.numel():
            return _nothing(outputs, reduction)
        return self.func(full_precision(outputs), targets.long(), reduction=reduction)


class MultilabelSoftMargin(TorchLoss):
    """Binary cross-entropy of logits, averaged over an example's labels first; torch's own.

    Shapes are those of `BinaryCrossEntropy`. The count is the number of examples.

    Args:
        weight: one factor per label, shape `(labels,)`; None: all are 1.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> MultilabelSoftMargin().mean(torch.zeros(1, 2), torch.tensor([[1, 0]])).item()
        0.6931471824645996

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiLabelSoftMarginLoss.html
    """

    problem_type = "multi_label_classification"
    names: ClassVar[tuple[str, ...]] = ("multilabel_soft_margin",)
    func = staticmethod(F.multilabel_soft_margin_loss)
    module = nn.MultiLabelSoftMarginLoss
    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give the number of examples; as in `Loss.count`."""
        return _rows(targets, sample_weight)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        _require_same(outputs, targets)
        outputs, targets = match(outputs, targets)
        weight = None if self.weight is None else self.weight.to(outputs)
        return self.func(outputs, targets, weight=weight, reduction=reduction)


def _nothing(outputs: Tensor, reduction: str) -> Tensor:
    """Give zeros for no example at all, where torch 2.13 gives what happens to lie in memory."""
    return outputs.sum(-1) if reduction == "none" else outputs.sum()


def _require_same(outputs: Tensor, targets: Tensor) -> None:
    """Without a column of its own, a vector of targets could be one example or many."""
    if outputs.shape != targets.shape:
        raise DataError(
            f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}.",
            "targets of the outputs' shape, (batch, classes).",
            "give y with as many columns as the network gives outputs.",
        )


def _rows(targets: Tensor, sample_weight: Tensor | None) -> Count:
    """Count all but the last dimension; targets without a batch are one example."""
    rows = targets.numel() // max(targets.shape[-1], 1)
    return rows if sample_weight is None else weighted_count(rows, sample_weight)
