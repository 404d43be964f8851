"""The loss that a transformer's own head computes."""

from collections.abc import Mapping

from torch import Tensor

from keraslike.errors import DataError


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
