"""What the best validation was measured with: weights, buffers and moments, kept beside the training."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class BestState:
    """Keeps a copy on the CPU, and puts it back into the same tensors, so that the optimizer's references stay valid.

    Args:
        network: its weights and buffers.
        optimizer: its moments, and parameters that it holds beyond the network's. Its rates are left as they are.
        loss: a loss may have weights and buffers too.

    Example:
        >>> network = nn.Linear(1, 1)
        >>> best = BestState(network, torch.optim.SGD(network.parameters(), lr=0.1))
        >>> with torch.no_grad():
        ...     _ = network.weight.fill_(1.0)
        ...     best.keep()
        ...     _ = network.weight.fill_(2.0)
        >>> best.put_back()
        >>> network.weight.item()
        1.0
    """

    def __init__(self, network: nn.Module, optimizer: Any, loss: Any = None) -> None:
        has_own_state = getattr(loss, "keeps_sums", False)  # as Poutyne's losses, whose buffers are sums
        roots = [network, loss] if isinstance(loss, nn.Module) and not has_own_state else [network]
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        modules = {id(module): module for root in roots for module in root.modules()}
        self._parameters = list({id(p): p for p in (*(p for r in roots for p in r.parameters()), *held)}.values())
        self._places = [(m, name) for m in modules.values() for name, _ in m.named_buffers(recurse=False)]
        self._optimizer = optimizer
        self._kept: tuple[list[Tensor], list[Any], dict[Any, Any]] | None = None

    def keep(self) -> None:
        """Keep what is there now, in place of what was kept before.

        Where an error or an interrupt breaks it off, nothing is kept: the best state is then the one that is there now.
        To hold the old copy until the new one is whole would take the memory of two.
        """
        self._kept = None  # its memory is free before more is asked for
        weights = [_copied(parameter) for parameter in self._parameters]
        buffers = [_copied(getattr(module, name, None)) for module, name in self._places]
        self._kept = weights, buffers, {p: _copied(state) for p, state in self._optimizer.state.items()}

    @torch.no_grad()
    def put_back(self) -> None:
        """Put back what was kept last, and let go of it; nothing where there is nothing."""
        if self._kept is None:
            return
        (weights, buffers, moments), self._kept = self._kept, None
        for parameter, weight in zip(self._parameters, weights, strict=True):
            parameter.copy_(weight)
        for (module, name), buffer in zip(self._places, buffers, strict=True):
            setattr(module, name, _restored(buffer, getattr(module, name, None)))
        state = self._optimizer.state
        for parameter in list(state):
            if parameter not in moments:  # it has learned only since then
                del state[parameter]
        for parameter, kept in moments.items():
            state[parameter] = _restored(kept, state.get(parameter))


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return copy.deepcopy(value)


def _restored(kept: Any, now: Any) -> Any:
    """Give what was kept: in the tensor that is there now, where it fits."""
    if isinstance(kept, dict) and isinstance(now, dict):
        return {name: _restored(part, now.get(name)) for name, part in kept.items()}
    if isinstance(kept, Tensor) and isinstance(now, Tensor):
        return now.copy_(kept) if now.shape == kept.shape else kept.to(now.device)
    return kept
