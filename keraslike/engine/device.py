"""Where the network runs."""

from typing import Any

import torch
from torch import nn

from keraslike.errors import ArgumentError


def choose_device(device: Any, network: nn.Module) -> Any:
    """Give the device that `device` means for this network.

    Args:
        device: "auto", or whatever Poutyne takes: a string, an int (a GPU's number), a `torch.device`, a list of them,
            "all", or None to leave the network where it is.
        network: where it already stands counts: "auto" moves nothing off an accelerator.

    Returns:
        The device, or None where nothing is to be moved.

    Example:
        >>> choose_device("cpu", nn.Linear(1, 1))
        'cpu'
    """
    if not isinstance(device, str) or device != "auto":
        _check(device)
        return device
    parameter = next(network.parameters(), None)
    if parameter is not None and parameter.device.type != "cpu":
        return parameter.device
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator if accelerator is not None else torch.device("cpu")


def _check(device: Any) -> None:
    """Refuse a device that does not exist, before a network is moved to it."""
    if not isinstance(device, str) or device == "all":
        return
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kinds = ["cpu"] if accelerator is None else ["cpu", accelerator.type]
    if device.partition(":")[0] not in (*kinds, "meta"):
        raise ArgumentError(
            f"there is no device {device!r} here.", f'"auto", or one of {", ".join(kinds)}.', 'write device="auto".'
        )


def is_on_cpu(network: nn.Module) -> bool:
    """Tell whether all of a network stands on the CPU."""
    return all(tensor.device.type == "cpu" for tensor in (*network.parameters(), *network.buffers()))
