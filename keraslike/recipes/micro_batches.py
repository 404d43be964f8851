"""How many examples go through the network at once: the user's number, or "auto" by documented prices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, Protocol

import torch
from torch import nn

from keraslike.data.cutting import Cut, price_of_part
from keraslike.engine.bridge import mixing_layer
from keraslike.engine.padding_free import PaddingFree
from keraslike.engine.step import Cutting
from keraslike.engine.tables import SparseTables
from keraslike.losses.base import Loss

TOKENS = 1024
"""About so many tokens at most are in a part where the layers see no padding: more are no faster, but fill memory."""

MicroBatchSize = int | Literal["auto"] | None


class Cuttable(Protocol):
    """What is asked of the model."""

    network: nn.Module
    device: Any
    loss_function: Any
    micro_batch_limit: int | None

    def why_whole(self) -> str | None:
        """Say in words why a batch must not be cut by itself; None where it may be."""
        ...

    def remember_limit(self, limit: int) -> None:
        """Keep what an out-of-memory has taught."""
        ...


def plan_cutting(model: Cuttable, micro_batch_size: MicroBatchSize, say: Callable[[str], None]) -> Cutting:
    """Plan how the batches of a run are cut.

    Args:
        model: the model that learns.
        micro_batch_size: as in `fit`.
        say: prints a line.
    """
    size = micro_batch_size if isinstance(micro_batch_size, int) else None
    mixing = mixing_layer(model.network)
    is_told = size is not None and mixing is None  # the user says that a mean over examples is right
    why_whole = None if is_told else model.why_whole()
    limit = model.micro_batch_limit if why_whole is None else None
    price, padding_free = None, None
    if micro_batch_size == "auto":
        price = price_of_part(device_type(model), body_parameters(model.network))
        known = {"ignores_padding": ignores_padding(model)}
        padding_free = None if price is None else PaddingFree.of(model.network, price, **known)
    cut = Cut(size, None if padding_free is not None or why_whole else price, limit)
    if padding_free is not None and why_whole is None:
        cut = replace(cut, tokens=TOKENS)
    tables = SparseTables(model.network) if device_type(model) == "cpu" else None
    tables = tables if tables is not None and tables.tables else None
    return Cutting(cut, why_whole, model.remember_limit, say, tables, padding_free)


def ignores_padding(model: Cuttable) -> bool:
    """Tell whether what is learned of outputs per token is the same whatever stands at padding: by the task's loss."""
    task: Any = getattr(model, "task", None)
    loss = model.loss_function
    is_the_tasks = getattr(task, "ignores_padding", False) and type(loss) is type(task.loss)
    return bool(is_the_tasks and not getattr(model, "has_own_loss", False))


def cutting_notes(model: Cuttable, micro_batch_size: MicroBatchSize) -> list[str]:
    """Give the line that says what cutting cannot do for this network, where the user may expect it."""
    mixing = mixing_layer(model.network)
    if isinstance(micro_batch_size, int) and mixing is not None:
        line = (
            f"{mixing} sees {micro_batch_size} examples at a time, not the whole batch, which changes what is learned"
        )
        return [f"{line}; micro_batch_size=None or GroupNorm does not."]
    loss = model.loss_function
    is_head = isinstance(loss, Loss) and not loss.is_separable and loss.reason is not None
    return [f"Batches are not cut: {loss.reason}."] if micro_batch_size == "auto" and is_head else []


def body_parameters(network: nn.Module) -> int:
    """Count the parameters without the embeddings, which cost next to nothing per token, frozen ones included.

    What a part costs beside its tokens, and what a token costs, both grow with what is learned: a frozen body of 10.8 M
    parameters was measured at the price of the same body where it learns.

    Example:
        >>> body_parameters(nn.Sequential(nn.Embedding(1000, 4), nn.Linear(4, 2)))
        10
    """
    tables = [module for module in network.modules() if isinstance(module, (nn.Embedding, nn.EmbeddingBag))]
    looked_up = {id(parameter) for table in tables for parameter in table.parameters(recurse=False)}
    return sum(parameter.numel() for parameter in network.parameters() if id(parameter) not in looked_up)


def device_type(model: Any) -> str:
    """Give the kind of device that a model runs on, as in `torch.device.type`."""
    if model.device is not None:
        return torch.device(model.device).type
    parameter = next(model.network.parameters(), None)
    return "cpu" if parameter is None else parameter.device.type
