"""How much memory a probe takes at its highest, and how much there is."""

import os
from pathlib import Path
from typing import Any

import torch

STATUS, CLEAR, INFO = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")

LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
"""Where containers say what they may hold and what they hold: files of control groups, version 2 and 1."""


class PeakMemory:
    """The most memory that was held since `begin`.

    On an accelerator: of torch's tensors there. Else: of the process, which Linux keeps as its high-water mark and lets
    a process forget; that is all of it, libraries and data too.

    Args:
        is_on_accelerator: where the network is.

    Attributes:
        is_measured: whether there is such a mark, and it can be forgotten.

    Example:
        >>> memory = PeakMemory(is_on_accelerator=False)
        >>> if memory.is_measured:
        ...     before = memory.begin()
        ...     kept = torch.ones(25_000_000).mul(2)
        ...     assert memory.peak() - before > 90_000_000
    """

    def __init__(self, *, is_on_accelerator: bool) -> None:
        self.is_on_accelerator = is_on_accelerator
        self.is_measured = is_on_accelerator or (STATUS.exists() and _forget())

    def begin(self) -> int:
        """Forget the peak, and give the bytes that are held now; 0 where nobody knows."""
        if self.is_on_accelerator:
            torch.accelerator.reset_peak_memory_stats()
            return torch.accelerator.memory_allocated()
        return _status("VmRSS") if self.is_measured and _forget() else 0

    def peak(self) -> int:
        """Give the most bytes that were held since `begin`; 0 where nobody knows."""
        if self.is_on_accelerator:
            return torch.accelerator.max_memory_allocated()
        return _status("VmHWM") if self.is_measured else 0

    def available(self) -> int | None:
        """Give the bytes that may still be taken; None where nobody knows."""
        return available_memory(is_on_accelerator=self.is_on_accelerator)


def available_memory(*, is_on_accelerator: bool) -> int | None:
    """Give the bytes that may still be taken, of the accelerator or of the machine; None where nobody knows."""
    if is_on_accelerator:
        free, _ = torch.accelerator.get_memory_info()
        return free + torch.accelerator.memory_reserved() - torch.accelerator.memory_allocated()
    known = [*_of_machine(), *_of_containers()]
    return min(known) if known else None


def _forget() -> bool:
    try:
        CLEAR.write_text("5", "ascii")
    except OSError:
        return False
    return True


def _status(name: str) -> int:
    lines = STATUS.read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def _of_machine() -> list[int]:
    if INFO.exists():
        lines = INFO.read_text("utf-8").splitlines()
        return [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    known: Any = getattr(os, "sysconf_names", {})
    names = ("SC_AVPHYS_PAGES", "SC_PAGE_SIZE")
    return [os.sysconf(names[0]) * os.sysconf(names[1])] if all(name in known for name in names) else []


def _of_containers() -> list[int]:
    """Give what control groups leave; what they hold of files that nobody uses now is given up when it is needed."""
    found = []
    for limit, used, stat in LIMITS:
        try:
            most, held = Path(limit).read_text("ascii").strip(), int(Path(used).read_text("ascii"))
            lines = dict(line.split() for line in Path(stat).read_text("ascii").splitlines())
        except (OSError, ValueError):
            continue
        if most.isdigit():
            found.append(max(int(most) - held + int(lines.get("inactive_file", 0)), 0))
    return found


def activation_bytes(model: Any, x: Any) -> int:
    """Give the bytes that a forward pass keeps for its backward, weights left out; the graph is thrown away.

    Args:
        model: the model, in training mode.
        x: the inputs of one part, on the device.

    Example:
        >>> from types import SimpleNamespace
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh())
        >>> model = SimpleNamespace(network=network, forward_pass=network)
        >>> activation_bytes(model, torch.zeros(10, 4))  # the inputs, and what tanh gives
        480
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in model.network.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model.forward_pass(x)
    del outputs
    return sum(found.values())


def standing_bytes(model: Any, *, has_gradients: bool = True) -> int:
    """Give the bytes of weights, buffers and moments, and of the gradients.

    Example:
        >>> from types import SimpleNamespace
        >>> network = torch.nn.Linear(9, 1)
        >>> model = SimpleNamespace(network=network, optimizer=torch.optim.SGD(network.parameters(), lr=0.1))
        >>> standing_bytes(model)
        40
    """
    tensors = [*model.network.parameters(), *model.network.buffers()]
    if has_gradients:
        tensors += [parameter.grad for parameter in model.network.parameters() if parameter.grad is not None]
    states = model.optimizer.state.values()
    tensors += [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]
    return sum(tensor.nbytes for tensor in tensors)
