"""From a user's arrays, datasets and loaders to batches, for a network without a task."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, default_collate

from keraslike.data.batches import TensorBatches, count_rows, take
from keraslike.data.loader import LABEL_NAMES, TransformerCollator
from keraslike.data.splitting import split_rows
from keraslike.data.tensors import as_tensors
from keraslike.errors import ArgumentError, DataError

ORDERS = ("shuffle", "sampler", "batch_sampler")
"""What says in a DataLoader which rows come when."""


def plain_batches(
    x: Any,
    y: Any,
    validation_data: Any,
    validation_split: float | None,
    batch_size: int,
    seed: int,
    *,
    network: nn.Module,
    options: dict[str, Any],
) -> tuple[Any, Any]:
    """Give training and validation batches.

    Arrays and tensors are sliced a batch at a time; a torch Dataset goes through a DataLoader; a loader or generator
    keeps its own batches and order.

    Raises:
        DataError: x and y do not fit together.
        ArgumentError: what was given cannot be split.
    """
    _check_arguments(validation_data, validation_split, options)
    shuffled = seed if options.get("shuffle", True) else None
    loading = options.get("dataloader_kwargs")
    if validation_data is not None:
        pair = validation_data if isinstance(validation_data, tuple) else (validation_data, None)
        valid = evaluation_batches(*pair, batch_size=batch_size, network=network, loading=loading)
    else:
        valid = None
    if y is None:
        if validation_split:
            raise ArgumentError(
                "validation_split needs arrays or tensors x and y.", "validation_data=.", "split the data yourself."
            )
        return _own_batches(x, batch_size, shuffled, loading, trains=True), valid
    pair = (as_tensors(x, network), as_tensors(y, network, is_target=True))
    if count_rows(pair) == 0:
        raise DataError("x and y are empty: there are no rows to learn from.", "at least one row.")
    if validation_split:
        train, held = split_rows(count_rows(pair), validation_split, seed, _classes(pair[1]))
        valid = TensorBatches(take(pair, torch.from_numpy(held)), batch_size, None)
        pair = take(pair, torch.from_numpy(train))
    return (
        TensorBatches(pair, batch_size, shuffled)
        if loading is None
        else _loader(pair, batch_size, shuffled, loading, trains=True)
    ), valid


def _check_arguments(validation_data: Any, validation_split: float | None, options: dict[str, Any]) -> None:
    of_rows = [name for name in ("text", "target", "prepare") if options.get(name) is not None]
    if of_rows:
        raise ArgumentError(
            f"{of_rows[0]}= speaks of rows, and a model without a task takes arrays, tensors or batches.",
            "columns only with a task.",
            'give Model(..., task="text-classification"), or leave it out.',
        )
    if validation_data is not None and validation_split:
        raise ArgumentError(
            "validation_data and validation_split are both given.", "one of them.", "leave out validation_split."
        )


def evaluation_batches(x: Any, y: Any, *, batch_size: int, network: nn.Module, loading: dict[str, Any] | None) -> Any:
    """Give batches in the order of the data, for measuring; arguments as in `plain_batches`."""
    if y is None:
        return _own_batches(x, batch_size, None, loading)
    pair = (as_tensors(x, network), as_tensors(y, network, is_target=True))
    count_rows(pair)
    return TensorBatches(pair, batch_size, None) if loading is None else _loader(pair, batch_size, None, loading)


def prediction_batches(x: Any, *, batch_size: int, network: nn.Module) -> Any:
    """Give batches of inputs alone, in the order of the data; a loader or generator of inputs keeps its own."""
    if isinstance(x, (DataLoader, Iterator)):
        return x
    if isinstance(x, Dataset):
        return _loader(x, batch_size, None, {})
    return TensorBatches(as_tensors(x, network), batch_size, None)


def _own_batches(
    source: Any, batch_size: int, seed: int | None, loading: dict[str, Any] | None, *, trains: bool = False
) -> Any:
    """Give a DataLoader for a data set whose items are pairs or dicts; a loader or generator as it is."""
    if isinstance(source, DataLoader) or not hasattr(source, "__getitem__"):
        if not hasattr(source, "__iter__"):
            raise DataError(
                f"x is {type(source).__name__}, and there is no y.",
                "x and y, a torch Dataset, or a DataLoader or generator of pairs (x, y).",
            )
        return source
    if not isinstance(source, Dataset) and not hasattr(source, "features"):
        raise DataError("there are inputs x but no targets y.", "one target per row.", "give y.")
    return _loader(source, batch_size, seed, loading or {}, trains=trains)


def _loader(
    source: Any, batch_size: int, seed: int | None, loading: dict[str, Any], *, trains: bool = False
) -> DataLoader[Any]:
    """Make a DataLoader that draws from a generator of its own; the user's order is for training only."""
    dataset = _Pairs(source) if isinstance(source, tuple) else source
    arguments: dict[str, Any] = {"batch_size": batch_size, "shuffle": seed is not None}
    arguments["generator"] = torch.Generator().manual_seed(seed or 0)
    arguments["collate_fn"] = _Collate()
    if not trains:
        loading = {name: value for name, value in loading.items() if name not in ORDERS}
    if "sampler" in loading or "batch_sampler" in loading:
        del arguments["shuffle"]
    if "batch_sampler" in loading:
        del arguments["batch_size"]
    return DataLoader(dataset, **{**arguments, **loading})


class _Collate:
    """Batches pairs as torch does, and dicts as `TransformerCollator` does; told from the rows when they come."""

    def __init__(self) -> None:
        self.labelled = TransformerCollator(y_keys="labels")
        self.unlabelled = TransformerCollator()

    def __call__(self, rows: list[Any]) -> Any:
        if not isinstance(rows[0], Mapping):
            return default_collate(rows)
        return self.labelled(rows) if any(name in rows[0] for name in LABEL_NAMES) else self.unlabelled(rows)


class _Pairs(Dataset[Any]):
    """Tensors as a torch Dataset of rows, for users who configure their own DataLoader."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.rows = count_rows(data)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> Any:
        return take(self.data, index)


def _classes(y: Any) -> list[int] | None:
    """Give the classes to stratify by: whole numbers, one per row."""
    is_classes = isinstance(y, torch.Tensor) and y.ndim == 1 and not y.is_floating_point()
    return y.tolist() if is_classes else None
