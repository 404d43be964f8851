"""From a user's arrays, datasets and loaders to batches, for a network without a task."""

from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from keraslike.data.batches import Indices, TensorBatches
from keraslike.data.loader import LABEL_NAMES, TransformerCollator
from keraslike.data.loading import (
    USUAL_BATCH_SIZE,
    Loading,
    OwnLoader,
    check_beside_loader,
    for_measuring,
    loading_of,
    refuse_beside_batches,
    refuse_loading,
)
from keraslike.data.nested import count_rows, take
from keraslike.data.order import EpochOrder
from keraslike.data.splitting import split_rows
from keraslike.data.tensors import as_tensors
from keraslike.data.weights import Weights, as_weights
from keraslike.errors import ArgumentError, DataError


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

    Arrays and tensors are sliced a batch at a time, or in the order of `sampler`; a torch Dataset goes through a
    DataLoader, as do tensors with `workers` or `dataloader_kwargs`; a loader or generator keeps its own batches and
    order. Sample weights are split as their rows are; validation data may bring their own: (x, y, sample_weight).

    Raises:
        DataError: x, y and the sample weights do not fit together.
        ArgumentError: what was given cannot be split, weighed or loaded in the way that was asked for.
    """
    _check_arguments(validation_data, validation_split, options)
    check_beside_loader(x, shuffle=options.get("shuffle"))
    shuffled = seed if options.get("shuffle", True) else None
    loading, weight = loading_of(options), options.get("sample_weight")
    valid = None
    if validation_data is not None:
        given = validation_data if isinstance(validation_data, tuple) else (validation_data, None)
        valid = evaluation_batches(*given, batch_size=batch_size, network=network, loading=loading)
    if y is None:
        if validation_split:
            raise ArgumentError(
                "validation_split needs arrays or tensors x and y.", "validation_data=.", "split the data yourself."
            )
        return _own_batches(x, batch_size, shuffled, loading, weight=weight, network=network), valid
    _refuse_targets(x, y)
    columns = _columns(x, y, weight, network)
    if count_rows(columns) == 0:
        raise DataError("x and y are empty: there are no rows to learn from.", "at least one row.")
    if not validation_split:
        return _column_batches(columns, batch_size, shuffled, loading), valid
    train, held = split_rows(count_rows(columns), validation_split, seed, _classes(columns[1]))
    valid = _column_batches(columns, batch_size, None, for_measuring(loading), held)
    return _column_batches(columns, batch_size, shuffled, loading, train), valid


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


def _refuse_targets(x: Any, y: Any) -> None:
    """Refuse targets beside what holds its own."""
    if isinstance(x, (DataLoader, Dataset, Iterator)):
        refuse_beside_batches(x, y=y)


def evaluation_batches(
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    batch_size: int,
    network: nn.Module,
    loading: Loading | None = None,
) -> Any:
    """Give batches in the order of the data, for measuring; arguments as in `plain_batches`."""
    measuring = for_measuring(loading or {})
    if y is None:
        is_own = isinstance(x, DataLoader) or not hasattr(x, "__getitem__")
        return _own_batches(x, batch_size, None, {} if is_own else measuring, weight=sample_weight, network=network)
    _refuse_targets(x, y)
    columns = _columns(x, y, sample_weight, network)
    if count_rows(columns) == 0:
        raise DataError("there is nothing to measure: x is empty.", "at least one row.", "check how x was made.")
    return _column_batches(columns, batch_size, None, measuring)


def prediction_batches(
    x: Any, *, batch_size: int | None = None, network: nn.Module, loading: Loading | None = None
) -> Any:
    """Give batches of inputs alone, in the order of the data; a loader or generator of inputs keeps its own."""
    check_beside_loader(x, batch_size)
    batch_size = int(batch_size or USUAL_BATCH_SIZE)
    if isinstance(x, Iterator):
        return x
    if isinstance(x, (DataLoader, Dataset)):
        loader = x if isinstance(x, DataLoader) else _loader(x, batch_size, None, for_measuring(loading or {}))
        return _Inputs(loader) if _takes_one(network) else loader
    inputs = as_tensors(x, network)
    if count_rows(inputs) == 0:
        raise DataError("there is nothing to predict: x is empty.", "at least one row.", "check how x was made.")
    return TensorBatches(inputs, batch_size, None, is_labelled=False)


class _Inputs:
    """A loader whose pairs `(x, y)` are for a network with one argument: their targets are left aside."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        for data in self.loader:
            is_labelled = isinstance(data, (tuple, list)) and len(data) in (2, 3)
            yield data[0] if is_labelled else data


def _takes_one(network: nn.Module) -> bool:
    """Tell whether a network is called with one argument."""
    parameters = signature(network.forward).parameters.values()
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in kinds and p.default is Parameter.empty]
    return len(required) == 1 and all(p.kind is not Parameter.VAR_POSITIONAL for p in parameters)


def _columns(x: Any, y: Any, sample_weight: Any, network: nn.Module) -> tuple[Any, ...]:
    """Give (x, y), or (x, y, weights), as tensors of as many rows.

    Raises:
        DataError: they have different numbers of rows.
    """
    pair = (as_tensors(x, network), as_tensors(y, network, is_target=True))
    rows = count_rows(pair)
    return pair if sample_weight is None else (*pair, torch.from_numpy(as_weights(sample_weight, rows, network)))


def _column_batches(
    columns: tuple[Any, ...], batch_size: int, seed: int | None, loading: Loading, rows: Indices | None = None
) -> Any:
    """Give batches of columns, or of some of their rows: sliced by us, or by a DataLoader that the user configures."""
    if rows is not None:
        columns = take(columns, torch.from_numpy(rows))
    if set(loading) - {"sampler"}:
        return _loader(_Columns(columns), batch_size, seed, loading)
    return TensorBatches(columns, batch_size, seed, sampler=loading.get("sampler"), rows_of=rows)


def _own_batches(
    source: Any, batch_size: int, seed: int | None, loading: Loading, *, weight: Any, network: nn.Module
) -> Any:
    """Give a DataLoader for a data set whose items are pairs or dicts; a loader or generator as it is."""
    if isinstance(source, DataLoader) or not hasattr(source, "__getitem__"):
        if not hasattr(source, "__iter__"):
            raise DataError(
                f"x is {type(source).__name__}, and there is no y.",
                "x and y, a torch Dataset, or a DataLoader or generator of pairs (x, y).",
            )
        refuse_loading(source, loading)
        refuse_weights(source, weight)
        return source
    if not isinstance(source, Dataset) and not hasattr(source, "features"):
        raise DataError("there are inputs x but no targets y.", "one target per row.", "give y.")
    weights = None if weight is None else as_weights(weight, len(source), network)
    return _loader(source, batch_size, seed, loading, weights)


def refuse_weights(source: Any, weight: Any) -> None:
    """Refuse sample weights beside batches that come as they are.

    Raises:
        ArgumentError: there are weights.
    """
    if weight is not None:
        raise ArgumentError(
            f"x is a {type(source).__name__}, which is read as it comes, and sample_weight is given.",
            "the weights in its batches.",
            "yield (x, y, sample_weight), the third with one number per row of x.",
        )


def _loader(
    dataset: Any, batch_size: int, seed: int | None, loading: Loading, weights: Weights | None = None
) -> OwnLoader:
    """Make a DataLoader with our order, or the user's, that draws from a generator of its own."""
    arguments: dict[str, Any] = {"batch_size": batch_size, "collate_fn": _Collate()}
    arguments |= {"generator": torch.Generator().manual_seed(seed or 0), **loading}
    is_ordered = bool({"sampler", "batch_sampler", "shuffle"} & loading.keys()) or isinstance(dataset, IterableDataset)
    if seed is not None and not is_ordered:
        arguments["sampler"] = EpochOrder(dataset, seed)
    if "batch_sampler" in loading:
        arguments["batch_size"] = 1  # torch's default; the sampler's batches hold
    if weights is not None:
        dataset = _Weighed(dataset, weights)
        arguments["collate_fn"] = _CollateWeighed(arguments["collate_fn"])
    return OwnLoader(dataset, **arguments)


class _Collate:
    """Batches pairs as torch does, and dicts as `TransformerCollator` does; told from the rows when they come."""

    def __init__(self) -> None:
        self.labelled = TransformerCollator(y_keys="labels")
        self.unlabelled = TransformerCollator()

    def __call__(self, rows: list[Any]) -> Any:
        if not isinstance(rows[0], Mapping):
            return default_collate(rows)
        return self.labelled(rows) if any(name in rows[0] for name in LABEL_NAMES) else self.unlabelled(rows)


class _Columns(Dataset[Any]):
    """Tensors as a torch Dataset of rows, for users who configure their own DataLoader."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.rows = count_rows(data)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> Any:
        return take(self.data, index)


class _Weighed(Dataset[Any]):
    """A data set whose every row comes with its weight."""

    def __init__(self, rows: Any, weights: Weights) -> None:
        self.rows, self.weights = rows, weights

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index], self.weights[index]


class _CollateWeighed:
    """Batches the rows, and puts their weights behind: (x, y, sample_weight)."""

    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, rows: list[Any]) -> Any:
        return *self.collate([row for row, _ in rows]), torch.tensor(np.array([weight for _, weight in rows]))


def _classes(y: Any) -> list[int] | None:
    """Give the classes to stratify by: whole numbers, one per row."""
    is_classes = isinstance(y, torch.Tensor) and y.ndim == 1 and not y.is_floating_point()
    return y.tolist() if is_classes else None
