"""Losses of pairs and triplets: which of two ranks higher, which are alike."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch.nn.functional as F
from poutyne import get_batch_size
from torch import Tensor, nn

from keraslike.losses.base import full_precision, match
from keraslike.losses.sums import Count
from keraslike.losses.torch_loss import TorchLoss, several, weighted_count

TRIPLET = ("anchor", "positive", "negative")


class MarginRanking(TorchLoss):
    """Of two scores the first is to be higher by a margin for targets of 1, the second for -1; torch's own.

    The network gives `(first, second)`, each in the targets' shape; the count is the number of targets.

    Args:
        margin: how far ahead it is to be.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> scores = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])
        >>> MarginRanking().mean(scores, torch.tensor([1, 1])).item()
        1.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("margin_ranking",)
    func = staticmethod(F.margin_ranking_loss)
    module = nn.MarginRankingLoss

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    def reduced(self, outputs: Any, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        first, second = several(outputs, ("first", "second"))
        first, targets = match(first, targets)
        return self.func(first, match(first, second)[1], targets, reduction=reduction, **self.options)


class CosineEmbedding(TorchLoss):
    """Two vectors are to point the same way for targets of 1, and apart for -1; torch's own.

    The network gives `(first, second)`, each `(batch, size)`; targets have shape `(batch,)`. The count is the number
    of targets.

    Args:
        margin: the cosine that unlike vectors may have.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> CosineEmbedding().mean((torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])), torch.tensor([1])).item()
        1.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineEmbeddingLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("cosine_embedding",)
    func = staticmethod(F.cosine_embedding_loss)
    module = nn.CosineEmbeddingLoss

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    def reduced(self, outputs: Any, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        first, second = map(full_precision, several(outputs, ("first", "second")))
        targets = targets.reshape(first.shape[:-1]) if targets.numel() == first[..., 0].numel() else targets
        return self.func(first, second, targets, reduction=reduction, **self.options)


class _Triplets(TorchLoss):
    """What both losses of triplets share: targets that nobody reads."""

    def count(self, targets: Any, sample_weight: Tensor | None = None) -> Count:
        """Give the number of triplets; as in `Loss.count`."""
        return _rows(targets, sample_weight)

    def count_of(self, x: Any, y: Any, sample_weight: Tensor | None = None) -> Count:
        """Give the number of triplets, from the inputs where there are no targets; as in `Loss.count_of`."""
        return _rows(x if y is None else y, sample_weight)

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """Give the batch's mean; as in `Loss.forward`."""
        return super().forward(outputs, several(outputs, TRIPLET)[0] if targets is None else targets)

    def reduced(self, outputs: Any, targets: Any, reduction: str) -> Tensor:
        """Call torch's function; as in `TorchLoss.reduced`."""
        parts = map(full_precision, several(outputs, TRIPLET))
        return self.func(*parts, reduction=reduction, **self.options)


class TripletMargin(_Triplets):
    """An anchor is to be nearer to its positive than to its negative by a margin; torch's own.

    The network gives `(anchor, positive, negative)`, each `(batch, size)`; targets are not read and may be None.
    The count is the number of triplets.

    Args:
        margin: how much nearer it is to be.
        p: the norm of the distance.
        eps: what keeps the distance's gradient finite.
        swap: whether the positive's distance to the negative counts if it is the smaller one.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> near, far = torch.zeros(1, 2), torch.full((1, 2), 3.0)
        >>> TripletMargin().mean((near, near, far), None).item()
        0.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("triplet_margin",)
    func = staticmethod(F.triplet_margin_loss)
    module = nn.TripletMarginLoss

    def __init__(
        self, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, margin=margin, p=p, eps=eps, swap=swap)


class TripletMarginWithDistance(_Triplets):
    """A triplet margin with a distance of one's own; shapes and count are those of `TripletMargin`.

    Args:
        distance_function: gives distances `(batch,)` for two tensors; None: the Euclidean one.
        margin: how much nearer it is to be.
        swap: as in `TripletMargin`.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> loss = TripletMarginWithDistance(lambda a, b: (a - b).abs().sum(1), margin=2.0)
        >>> loss.mean((torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2)), None).item()
        0.0

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginWithDistanceLoss.html
    """

    names: ClassVar[tuple[str, ...]] = ("triplet_margin_with_distance",)
    func = staticmethod(F.triplet_margin_with_distance_loss)
    module = nn.TripletMarginWithDistanceLoss

    def __init__(
        self,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, distance_function=distance_function, margin=margin, swap=swap)


def _rows(batch: Any, sample_weight: Tensor | None) -> Count:
    rows: int = get_batch_size(batch)
    return rows if sample_weight is None else weighted_count(rows, sample_weight)
