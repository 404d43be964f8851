"""Where the network runs."""

from typing import Any

import torch
from torch import nn

from keraslike.errors import ArgumentError


def choose_device(device: Any, network: nn.Module) -> Any:
    """Give the device that `device` means for this network.

    Args:
        device: "auto" (the accelerator: NVIDIA's or AMD's "cuda", Apple's "mps", Intel's "xpu"; else the CPU; of
            several GPUs one), a string such as "cuda:1", an int (an accelerator's number), a `torch.device`, a list of
            GPUs or "all" for Poutyne's data parallelism, or None to leave the network where it is.
        network: where it already stands counts: "auto" moves nothing off an accelerator, and nothing at all of a
            network that stands on several devices.

    Returns:
        The device as it was given, for "auto" a `torch.device`, or None where nothing is to be moved.

    Raises:
        ArgumentError: it is not there, or it is no device.

    Example:
        >>> choose_device("cpu", nn.Linear(1, 1))
        'cpu'
    """
    if not isinstance(device, str) or device != "auto":
        check_device(device)
        return list(device) if isinstance(device, tuple) else device
    standing = {tensor.device for tensor in (*network.parameters(), *network.buffers())}
    elsewhere = [place for place in standing if place.type != "cpu"]
    if elsewhere:
        return elsewhere[0] if len(standing) == 1 else None
    accelerator = _accelerator()
    return accelerator if accelerator is not None else torch.device("cpu")


def first_device(device: Any) -> torch.device | None:
    """Give the device on which inputs are expected, as a `torch.device`: of several the first one; None for None.

    Example:
        >>> first_device(["cuda:1", "cuda:0"])
        device(type='cuda', index=1)
    """
    if isinstance(device, (list, tuple)):
        return first_device(device[0])
    if isinstance(device, str) and device == "all":
        return torch.device("cuda", 0)
    return None if device is None else torch.device(device)


def described(device: Any) -> str:
    """Give the device's name for people, such as "cuda:0 (NVIDIA L4)" or "cpu".

    Example:
        >>> described("cpu")
        'cpu'
    """
    first = first_device(device)
    if first is None:
        return "where the network stands"
    if first.type not in ("cuda", "xpu"):
        return str(first)
    module = torch.cuda if first.type == "cuda" else torch.xpu
    return f"{first} ({module.get_device_name(first)})"


def available_devices() -> list[str]:
    """Give the devices of this machine, the CPU first.

    Example:
        >>> available_devices()[0]
        'cpu'
    """
    accelerator = _accelerator()
    numbers = range(0 if accelerator is None else torch.accelerator.device_count())
    return ["cpu", *(f"{accelerator.type}:{number}" for number in numbers if accelerator is not None)]


def is_on_cpu(network: nn.Module) -> bool:
    """Tell whether all of a network stands on the CPU."""
    return all(tensor.device.type == "cpu" for tensor in (*network.parameters(), *network.buffers()))


def _accelerator() -> torch.device | None:
    return torch.accelerator.current_accelerator(check_available=True)


def check_device(device: Any) -> None:
    """Refuse what is no device of this machine; None, and lists of devices, are as in `choose_device`.

    Raises:
        ArgumentError: it is not there, it is no device, or it is "meta", where numbers have no place.

    Example:
        >>> check_device("cpu")
    """
    if isinstance(device, (list, tuple)) and device:
        for one in device:
            check_device(one)
    elif not isinstance(device, bool) and str(device).startswith("meta"):
        raise ArgumentError(
            f"the device {str(device)!r} keeps shapes without numbers, so nothing can be computed there.",
            f'"auto", or one of {", ".join(available_devices())}.',
            'write device="auto".',
        )
    elif device is not None and not _is_there(device):
        accelerator = _accelerator()
        do = 'write device="auto".' if accelerator is None else f'write device="auto", or "{accelerator.type}".'
        if str(device).lower().startswith("gpu"):
            do = 'torch calls it "cuda"; device="auto" takes it where there is one.'
        raise ArgumentError(
            f"there is no device {device!r} here.", f'"auto", or one of {", ".join(available_devices())}.', do
        )


def _is_there(device: Any) -> bool:
    """Tell whether a device exists; what is no device at all does not."""
    if isinstance(device, bool) or not isinstance(device, (str, int, torch.device)):
        return False
    accelerators = [torch.device(name) for name in available_devices()[1:]]
    if isinstance(device, int):
        return 0 <= device < len(accelerators)
    if device == "all":
        return any(accelerator.type == "cuda" for accelerator in accelerators)
    try:
        wanted = torch.device(device)
    except RuntimeError:  # no word of torch's
        return False
    return wanted.type == "cpu" or any(
        accelerator.type == wanted.type and wanted.index in (None, accelerator.index) for accelerator in accelerators
    )
