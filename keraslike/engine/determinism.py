"""The same numbers in every run on an accelerator, at the price of time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from keraslike.errors import ArgumentError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
SIZES = ":4096:8"
"""Eight buffers of 4,096 KiB: what NVIDIA names as enough for the same results in every run, for 24 MiB or so."""


@contextmanager
def deterministic(wanted: Any, device: Any) -> Iterator[None]:
    """Let torch choose only operations that give the same bits in every run; put its settings back at the end.

    On a CPU torch does so anyway, and nothing is touched. On CUDA an operation that has no such form raises torch's
    error, which names it.

    Args:
        wanted: as `deterministic` in `FitOptions`; None stands for False.
        device: where the network is.

    Raises:
        ArgumentError: `wanted` is no bool.

    Example:
        >>> with deterministic(True, "cpu"):
        ...     torch.are_deterministic_algorithms_enabled()
        False

    Source:
        https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    if wanted is not None and not isinstance(wanted, (bool, np.bool_)):
        raise ArgumentError(f"deterministic={wanted!r} was given.", "True or False.", "write deterministic=True.")
    if not wanted or device is None or torch.device(device).type != "cuda":
        yield
        return
    before = _settings()
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    os.environ.setdefault(WORKSPACE, SIZES)  # read at the first use of cuBLAS, and asked for at each
    try:
        yield
    finally:
        _put_back(before)


def _settings() -> tuple[bool, bool, bool, bool, str | None]:
    strict, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    cudnn = torch.backends.cudnn
    return strict, lenient, cudnn.deterministic, cudnn.benchmark, os.environ.get(WORKSPACE)


def _put_back(before: tuple[bool, bool, bool, bool, str | None]) -> None:
    strict, lenient, cudnn_deterministic, cudnn_benchmark, workspace = before
    torch.use_deterministic_algorithms(strict, warn_only=lenient)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn_deterministic, cudnn_benchmark
    if workspace is None:
        del os.environ[WORKSPACE]
