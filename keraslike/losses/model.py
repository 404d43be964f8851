"""The loss that a transformer's own head computes."""

from collections.abc import Mapping
from typing import Any

import torch
from poutyne import get_batch_size
from torch import Tensor, nn

from keraslike.errors import ArgumentError, DataError
from keraslike.losses.base import Loss
from keraslike.losses.heads import Head, find_head
from keraslike.losses.sums import Count, times


def model_loss(outputs: object, targets: object = None) -> Tensor:  # noqa: ARG001  # a loss gets targets
    """Give the loss that the network computed itself, from labels among its inputs.

    For heads whose own loss is wanted. Where the targets suffice, a loss by name, such as "cross_entropy", can do more.

    Args:
        outputs: the network's outputs, a dict with a scalar `loss`.
        targets: not read; the labels went in with the inputs.

    Raises:
        DataError: the outputs have no loss: the labels did not reach the network, or it has no head.

    Example:
        >>> import torch
        >>> model_loss({"loss": torch.tensor(0.5), "logits": torch.zeros(2, 3)}, torch.tensor([0, 2]))
        tensor(0.5000)
    """
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else None
    if loss is None:
        found = ", ".join(outputs) if isinstance(outputs, Mapping) else f"a {type(outputs).__name__}"
        raise DataError(
            f"the network returned no loss, but only: {found}.",
            "the labels among the network's inputs, and a head that computes a loss of them.",
            "keep the labels in the inputs: TransformerCollator(y_keys='labels', remove_labels=False).",
        )
    value: Tensor = loss
    return value


class ModelLoss(Loss):
    """`model_loss` as a (sum, count): what `as_loss(model_loss, network)` gives.

    Of a head in the closed list of `keraslike.losses.heads` it knows the count from the labels among the inputs, and
    the sum from the logits. Of any other it knows the mean alone, which it takes to be one over the examples; its
    batches are never cut by "auto", and `reason` says why.

    Args:
        network: the transformer, wrapped or not; None: not known.

    Example:
        >>> import torch
        >>> from transformers import BertConfig, BertForMaskedLM
        >>> tiny = BertConfig(
        ...     vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        ... )
        >>> ModelLoss(BertForMaskedLM(tiny)).count_of({"labels": torch.tensor([[-100, 5, 7]])}, None)
        2
    """

    def __init__(self, network: nn.Module | None = None) -> None:
        super().__init__()
        head = find_head(network)
        self.head = head if isinstance(head, Head) else None
        self.reason = None if isinstance(head, Head) else head
        self.is_separable = self.head is not None

    def count_of(self, x: Any, y: Any, sample_weight: Tensor | None = None) -> Count:
        """Give what the head's mean is over; as in `Loss.count_of`."""
        if self.head is None:
            self._refuse_weights(sample_weight)
            return _examples(x, y)
        loss, _, labels = self.head.pair(None, _labels(x))
        return loss.count(labels, sample_weight)

    reads_logits = False

    def total_of(self, outputs: Any, x: Any, y: Any, sample_weight: Tensor | None = None) -> Tensor:
        """Give the sum from the logits, or the mean times the examples; as in `Loss.total_of`."""
        if self.head is None:
            self._refuse_weights(sample_weight)
            return model_loss(outputs) * _examples(x, y)
        model_loss(outputs)  # a head without labels is answered in words
        loss, logits, labels = self.head.pair(outputs["logits"], _labels(x))
        return loss.total(logits, labels, sample_weight)

    def mean_of(self, outputs: Any, x: Any, y: Any) -> Tensor:
        """Give the head's own loss."""
        return model_loss(outputs)

    def count(self, targets: Any, sample_weight: Tensor | None = None) -> Count:
        """Give the number of examples: the labels are among the inputs, which `count_of` reads."""
        self._refuse_weights(sample_weight)
        return _examples(targets)

    def total(self, outputs: Any, targets: Any, sample_weight: Tensor | None = None) -> Tensor:
        """Give the head's loss times the examples: the labels are among the inputs, which `total_of` reads."""
        self._refuse_weights(sample_weight)
        return model_loss(outputs) * _examples(outputs, targets)

    def mean(self, outputs: Any, targets: Any) -> Tensor:
        """Give the head's own loss."""
        return model_loss(outputs)

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """Give the head's own loss, and add it to the epoch's sums, over the examples; this is what Poutyne calls."""
        loss, examples = model_loss(outputs), _examples(outputs, targets)
        self.add(times(loss, examples), examples)
        return loss

    def _refuse_weights(self, sample_weight: Tensor | None) -> None:
        if sample_weight is not None:
            raise ArgumentError(
                f"sample_weight was given, but {self.reason or 'the labels are among the inputs'}.",
                "a loss that knows each example's share.",
                "take a loss by name, such as loss_function='cross_entropy', and keep the labels out of the inputs.",
            )


def _examples(*batch: Any) -> int:
    examples: int = get_batch_size(*batch)
    return examples


def _labels(x: Any) -> Tensor:
    inputs = x[0] if isinstance(x, (tuple, list)) and len(x) == 1 else x
    if not isinstance(inputs, Mapping) or inputs.get("labels") is None:
        found = ", ".join(map(str, inputs)) if isinstance(inputs, Mapping) else f"a {type(inputs).__name__}"
        raise DataError(
            f"model_loss finds no labels among the network's inputs: {found}.",
            "inputs with 'labels', of which the network's own head computes its loss.",
            "keep the labels in the inputs: TransformerCollator(y_keys='labels', remove_labels=False).",
        )
    return torch.as_tensor(inputs["labels"])
