"""`AdaptiveSoftmax`: cross-entropy over very many classes, by a layer of torch's that is half a loss."""

from typing import Any

from torch import Tensor, nn

from keraslike.losses.base import Loss
from keraslike.losses.sums import Count
from keraslike.losses.torch_loss import weigh, weighted_count


class AdaptiveSoftmax(Loss):
    """The loss of an `nn.AdaptiveLogSoftmaxWithLoss`, as a (sum, count).

    The network gives what the layer takes, `(batch, size)`, and keeps the layer as one of its parts, so that the
    optimizer finds its weights: `Model(network, loss_function=network.layer)`. The count is the number of examples.

    Args:
        layer: the layer, a part of the network.
        reduction: as in `Loss`.

    Example:
        >>> import torch
        >>> layer = nn.AdaptiveLogSoftmaxWithLoss(8, 10, cutoffs=[5])
        >>> AdaptiveSoftmax(layer).count(torch.tensor([1, 7]))
        2

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html
    """

    layer: nn.AdaptiveLogSoftmaxWithLoss

    def __init__(self, layer: nn.AdaptiveLogSoftmaxWithLoss, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.layer = layer

    def count(self, targets: Tensor, sample_weight: Tensor | None = None) -> Count:
        """Give the number of examples; as in `Loss.count`."""
        return targets.numel() if sample_weight is None else weighted_count(targets.numel(), sample_weight)

    def total(self, outputs: Any, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum; as in `Loss.total`."""
        losses: Tensor = -self.layer(outputs, targets.long()).output
        return (losses if sample_weight is None else weigh(losses, sample_weight)).sum()

    def mean(self, outputs: Any, targets: Tensor) -> Tensor:
        """Give torch's own mean; as in `Loss.mean`."""
        loss: Tensor = self.layer(outputs, targets.long()).loss
        return loss
