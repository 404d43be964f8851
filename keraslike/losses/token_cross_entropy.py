"""`TokenCrossEntropy`: one right class for each token, where the classes are the last dimension of the outputs."""

from typing import ClassVar

from torch import Tensor

from keraslike.errors import DataError
from keraslike.losses.cross_entropy import CrossEntropy


class TokenCrossEntropy(CrossEntropy):
    """Cross-entropy of logits `(batch, tokens, classes)`, the same as the mean of transformers' token heads.

    Targets are class indices `(batch, tokens)`; a token whose target is `ignore_index` does not count. Arguments as in
    `CrossEntropy`, which wants the classes in the second dimension: where a batch is as wide as there are classes,
    nobody can tell the two apart by their shapes.

    Raises:
        DataError: if outputs and targets have shapes that do not fit.

    Example:
        >>> import torch
        >>> loss = TokenCrossEntropy()
        >>> logits = torch.tensor([[[2.0, 0.0], [0.0, 0.0], [9.0, 9.0]]])
        >>> labels = torch.tensor([[0, 1, -100]])
        >>> loss.count(labels), round(float(loss.mean(logits, labels)), 4)
        (2, 0.41)
    """

    names: ClassVar[tuple[str, ...]] = ("token_cross_entropy",)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Call torch's function with one row per token; "none" gives a loss for each token, `(batch, tokens)`."""
        if targets.is_floating_point() or targets.shape != outputs.shape[:-1]:
            raise DataError(
                f"The network's outputs have shape {tuple(outputs.shape)} but the targets have {tuple(targets.shape)}"
                f" and dtype {targets.dtype}.",
                "outputs of shape (batch, tokens, classes), and class indices (integers) of shape (batch, tokens).",
                "give one class index per token, -100 where there is none.",
            )
        losses = super().reduced(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1), reduction)
        return losses.reshape(targets.shape) if reduction == "none" else losses
