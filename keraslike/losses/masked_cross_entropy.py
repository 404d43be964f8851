"""`MaskedCrossEntropy`: cross-entropy of the few tokens that were hidden."""

from typing import ClassVar

import torch
from torch import Tensor

from keraslike.losses.token_cross_entropy import TokenCrossEntropy


class MaskedCrossEntropy(TokenCrossEntropy):
    """`TokenCrossEntropy` where few targets count, as in masked language modelling: it looks at their outputs alone.

    The result is the same but for rounding, and its gradient bit for bit; the memory and time of the softmax over a
    vocabulary are spent on the hidden tokens only. An accelerator is waited for: how many they are gives a shape.

    Raises:
        DataError: if the targets are not class indices of shape `(batch, tokens)`.

    Example:
        >>> loss = MaskedCrossEntropy()
        >>> logits, labels = torch.zeros(1, 3, 2), torch.tensor([[0, -100, 1]])
        >>> loss.count(labels), round(float(loss.total(logits, labels)), 4)
        (2, 1.3863)
    """

    names: ClassVar[tuple[str, ...]] = ("masked_cross_entropy",)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function with one row per hidden token; as in `TokenCrossEntropy.reduced`."""
        if reduction == "none" or targets.is_floating_point() or targets.shape != outputs.shape[:-1]:
            return super().reduced(outputs, targets, reduction)
        rows, wanted = outputs.flatten(0, -2), targets.flatten()
        places = torch.nonzero(wanted != self.ignore_index)[:, 0]  # note: a CPU-GPU sync point
        return super().reduced(rows[places], wanted[places], reduction)
