"""Losses and training loops written by hand in plain torch, and what makes memory run out.

A loss by hand gives one sum and one count for every example: the sums add up to what `reduction="sum"` gives, the
counts to the denominator of torch's own mean.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PerExample = Callable[..., tuple[Tensor, Tensor]]
"""(outputs, targets, class weights or None) -> sums (n,), counts (n,)"""

OUT_OF_MEMORY = {
    "torch": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "mps": lambda: RuntimeError(
        "MPS backend out of memory (MPS allocated: 17.20 GiB, other allocations: 512.00 KiB, max allowed: 18.13 GiB). "
        "Tried to allocate 1.00 GiB on private pool."
    ),
}
"""The forms that a lack of memory takes in torch, by where it happens."""


# Losses, one sum and one count per example


def cross_entropy(
    logits: Tensor, y: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Give class indices' cross-entropy over logits `(n, classes, ...)`; -100 does not count."""
    classes = logits.shape[1]
    weight = torch.ones(classes, dtype=logits.dtype) if weight is None else weight
    counted = (y != -100).to(logits.dtype)
    right = y.clamp_min(0)
    log_p = logits - logits.logsumexp(1, keepdim=True)
    own = weight[right] * -log_p.gather(1, right.unsqueeze(1)).squeeze(1)
    all_of_them = -(log_p.movedim(1, -1) * weight).sum(-1)
    sums = counted * ((1 - smoothing) * own + smoothing / classes * all_of_them)
    counts = counted * weight[right]
    return sums.flatten(1).sum(1) if sums.ndim > 1 else sums, counts.flatten(1).sum(1) if counts.ndim > 1 else counts


def binary_cross_entropy(logits: Tensor, y: Tensor, pos_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Give the cross-entropy of yes-or-no targets `(n, labels)`."""
    positive = torch.ones(logits.shape[1], dtype=logits.dtype) if pos_weight is None else pos_weight
    sums = positive * y * F.softplus(-logits) + (1 - y) * F.softplus(logits)
    return sums.sum(1), torch.full((len(y),), float(y.shape[1]), dtype=logits.dtype)


def squared_error(outputs: Tensor, y: Tensor, weight: None = None) -> tuple[Tensor, Tensor]:
    """Give the squared error of numbers `(n, values)`."""
    assert weight is None
    return (outputs - y).square().sum(1), torch.full((len(y),), float(y.shape[1]), dtype=outputs.dtype)


# Loops


def learn(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: PerExample,
    batches: Iterable[tuple[Any, Tensor, Tensor | None]],
    *,
    class_weight: Tensor | None = None,
    clip_norm: float | None = None,
) -> float:
    """Take one optimizer step for every batch (x, y, sample weights or None), each sent through at once.

    Returns:
        the mean loss of the epoch: all sums by all counts.
    """
    network.train()
    all_sums, all_counts = 0.0, 0.0
    for x, y, sample_weight in batches:
        optimizer.zero_grad()
        sums, counts = loss(network(x), y, class_weight)
        if sample_weight is not None:
            sums, counts = sums * sample_weight, counts * sample_weight
        (sums.sum() / counts.sum()).backward()
        if clip_norm is not None:
            assert nn.utils.clip_grad_norm_(network.parameters(), clip_norm) > clip_norm
        optimizer.step()
        all_sums, all_counts = all_sums + sums.sum().item(), all_counts + counts.sum().item()
    return all_sums / all_counts


def sgd(network: nn.Module, lr: float = 0.3) -> torch.optim.Optimizer:
    """Give an optimizer whose steps depend on the size of the gradient, and on the steps before."""
    return torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)


def largest_difference(network: nn.Module, by_hand: nn.Module) -> float:
    """Give the largest difference of two networks' parameters, each relative to the largest number in its tensor.

    Tensors that are zero but for rounding (a key's bias in attention has no gradient) count as 1e-4 large.
    """
    pairs = zip(network.parameters(), by_hand.parameters(), strict=True)
    return max(((ours - true).abs().max() / true.abs().max().clamp_min(1e-4)).item() for ours, true in pairs)


# Memory that runs out


class Limit:
    """Lets a module process at most so many examples at once, in the forward or in the backward.

    Args:
        module: what is limited; its input is a tensor, or a dict of them, with the examples in front.
        examples: how many fit.
        where: "forward" or "backward".
        after: how many times a larger batch still goes through, as long as nothing else holds the memory.
        error: one of `OUT_OF_MEMORY`, or any function that gives an exception.

    Attributes:
        sizes: the examples of every pass that was tried.
        hits: how often the memory ran out.
    """

    def __init__(
        self,
        module: nn.Module,
        examples: int,
        where: str = "forward",
        after: int = 0,
        error: Callable[[], Exception] = OUT_OF_MEMORY["torch"],
    ) -> None:
        self.examples, self.after, self.error = examples, after, error
        self.sizes: list[int] = []
        self.hits = 0
        if where == "forward":
            self.handle = module.register_forward_pre_hook(lambda _, inputs: self._check(inputs[0]))
        else:
            self.handle = module.register_full_backward_hook(lambda _, __, gradients: self._check(gradients[0]))

    def _check(self, data: Any) -> None:
        size = len(next(iter(data.values())) if isinstance(data, dict) else data)
        self.sizes.append(size)
        if size <= self.examples:
            return
        if self.after > 0:
            self.after -= 1
            return
        self.hits += 1
        raise self.error()


def batches_of(size: int, *columns: Any) -> list[tuple[Any, ...]]:
    """Cut columns, tensors or None, into batches in the order given; the last may be short."""
    rows = len(next(column for column in columns if column is not None))
    starts: Sequence[int] = range(0, rows, size)
    return [tuple(None if c is None else c[start : start + size] for c in columns) for start in starts]
