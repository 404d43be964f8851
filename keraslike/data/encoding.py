"""Encoded rows, kept unpadded and compact until they are needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Feature = Mapping[str, Any]
SMALL = np.iinfo(np.int32)
"""Token ids fit in 4 bytes; what does not takes 8."""


class Ragged:
    """A column of integer sequences of different lengths, in one flat array.

    Example:
        >>> column = Ragged([[5, 6], [7]])
        >>> column[0].tolist(), column.lengths.tolist()
        ([5, 6], [2, 1])
    """

    def __init__(self, sequences: Sequence[Sequence[int] | npt.NDArray[Any]]) -> None:
        self.lengths: npt.NDArray[np.int64] = np.fromiter((len(s) for s in sequences), np.int64, len(sequences))
        self._ends = np.cumsum(self.lengths)
        flat = np.concatenate([np.asarray(sequence, dtype=np.int64) for sequence in sequences])
        is_small = flat.size == 0 or (flat.min() >= SMALL.min and flat.max() <= SMALL.max)
        self._values: npt.NDArray[Any] = flat.astype(np.int32) if is_small else flat

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        end = self._ends[index]
        return self._values[end - self.lengths[index] : end]


class Features(Sequence[Feature]):
    """The features of a data set: a sequence of dicts, stored by column.

    A token takes 4 bytes a column; in a list it takes a reference of 8 bytes and mostly an integer object of its own.

    Args:
        features: one dict per feature, all with the same keys; sequences of integers are stored flat.

    Attributes:
        columns: what is stored, by key: a `Ragged` or a list.

    Example:
        >>> features = Features([{"input_ids": [1, 2], "row": 0}, {"input_ids": [3], "row": 1}])
        >>> features[1]["input_ids"].tolist(), features[1]["row"]
        ([3], 1)
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        columns: dict[str, list[Any]] = {}
        self._size = 0
        for feature in features:
            self._size += 1
            for key, value in feature.items():
                columns.setdefault(key, []).append(value)
        self.columns: dict[str, Any] = {key: _compact(values) for key, values in columns.items()}

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Feature: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Feature]: ...

    def __getitem__(self, index: int | slice) -> Feature | Sequence[Feature]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._size))]
        if not -self._size <= index < self._size:
            raise IndexError(index)
        return {key: column[index] for key, column in self.columns.items()}

    def __iter__(self) -> Iterator[Feature]:
        return (self[index] for index in range(self._size))

    def column(self, key: str) -> Sequence[Any]:
        """Give one value of every feature, in order."""
        column: Sequence[Any] = self.columns[key]
        return column

    def lengths(self, key: str = "input_ids") -> npt.NDArray[np.int64]:
        """Give the length of a ragged column for every feature, shape `(features,)`."""
        column = self.columns[key]
        if isinstance(column, Ragged):
            return column.lengths
        return np.array([len(value) for value in column], dtype=np.int64)


def _compact(values: list[Any]) -> Any:
    """Store sequences of integers flat; leave anything else (targets, row numbers, texts) as it is."""
    arrays: list[npt.NDArray[Any]] = []
    for value in values:
        array = np.asarray(value) if isinstance(value, (list, np.ndarray)) and not is_nested(value) else None
        if array is None or array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            return values
        arrays.append(array)
    return Ragged(arrays)


def is_nested(value: Any) -> bool:
    """Tell lists of lists, which may be ragged and so no array."""
    return len(value) > 0 and isinstance(value[0], (list, np.ndarray))


def are_flat(values: Sequence[Any]) -> bool:
    """Say whether all values are arrays of whole numbers with one dimension, as a `Ragged` gives them.

    Example:
        >>> are_flat([np.array([1, 2]), np.array([3])]), are_flat([[1, 2]]), are_flat([np.array([0.5])])
        (True, False, False)
    """
    return all(type(value) is np.ndarray and value.ndim == 1 and value.dtype.kind in "iu" for value in values)


def pad_flat(sequences: Sequence[npt.NDArray[Any]], fill: int) -> npt.NDArray[np.int64]:
    """Give one array of flat sequences, shape `(sequences, longest)`, filled up behind.

    Example:
        >>> pad_flat([np.array([1, 2]), np.array([3])], fill=0).tolist()
        [[1, 2], [3, 0]]
    """
    padded = np.full((len(sequences), max(map(len, sequences))), fill, dtype=np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded
