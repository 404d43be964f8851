"""Readers of Arrow: `datasets.Dataset`, kept memory-mapped, and pyarrow tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.data.lists import read_list
from keraslike.data.reading import foreign, read
from keraslike.data.rows import LazyColumn, Rows
from keraslike.data.splits import split_of

Decode = Callable[[Any], Any]


class ArrowColumn(LazyColumn):
    """One column of a `datasets.Dataset`, read from its Arrow table when asked for.

    Args:
        dataset: a dataset of that one column, in the format "arrow".
        decode: makes the user's own value of what Arrow holds; the names of a `ClassLabel`.
        indices: which rows, in which order; None: all as they are.
    """

    def __init__(self, dataset: Any, decode: Decode | None, indices: npt.NDArray[np.int64] | None = None) -> None:
        self.dataset = dataset
        self.decode = decode
        self.indices = indices

    def __len__(self) -> int:
        return len(self.dataset) if self.indices is None else len(self.indices)

    def fetch(self, indices: Sequence[int]) -> list[Any]:
        """Read some values from the table."""
        wanted = indices if self.indices is None else self.indices[np.asarray(indices, dtype=np.int64)]
        values: list[Any] = self.dataset[wanted].column(0).to_pylist()
        return values if self.decode is None else [self.decode(value) for value in values]

    def take(self, indices: Sequence[int]) -> "ArrowColumn":
        """Remember the rows; nothing is read."""
        chosen = np.asarray(indices, dtype=np.int64)
        return ArrowColumn(self.dataset, self.decode, chosen if self.indices is None else self.indices[chosen])


@foreign("datasets", "Dataset")
def read_dataset(x: Any, pairs: bool) -> Rows:
    """Read a Dataset without loading it; one with a transform of its own is read through that, row by row."""
    if x.format["type"] == "custom":
        return read_list(list(x), pairs)
    arrow = x.with_format("arrow")
    return Rows({name: ArrowColumn(arrow.select_columns([name]), decoder(x.features[name])) for name in x.column_names})


@foreign("datasets", "DatasetDict")
@foreign("datasets", "IterableDatasetDict")
def read_splits(x: Any, pairs: bool) -> Rows:
    """Read the training split."""
    return read(split_of(x, "train"), pairs)


@foreign("datasets", "IterableDataset")
def read_stream(x: Any, pairs: bool) -> Rows:
    """Read a stream to its end; `streams.stream` reads one row by row."""
    decoders = {name: decoder(feature) for name, feature in (x.features or {}).items()}
    return read_list([decoded(row, decoders) for row in x], pairs)


@foreign("pyarrow", "Table")
def read_arrow(x: Any, pairs: bool) -> Rows:
    """Read a pyarrow table."""
    from datasets import Dataset

    return read_dataset(Dataset(x), pairs)


def decoder(feature: Any) -> Decode | None:
    """Give the function that makes names of a `ClassLabel`'s numbers, also in lists; None where there is none.

    A number that stands for no class (-1 in a test set without labels) becomes None.
    """
    inner = getattr(feature, "feature", None)
    if inner is not None:
        decode = decoder(inner)
        return None if decode is None else lambda values: None if values is None else [decode(v) for v in values]
    if type(feature).__name__ != "ClassLabel":
        return None
    names = dict(enumerate(feature.names))
    return names.get


def decoded(row: Mapping[str, Any], decoders: Mapping[str, Decode | None]) -> dict[str, Any]:
    """Apply the decoders to one row."""
    return {name: decode(value) if (decode := decoders.get(name)) else value for name, value in row.items()}
