"""Finds the training, validation and test split in a DatasetDict, a dict of tables, or a folder of one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keraslike.data.reading import is_kind
from keraslike.errors import ArgumentError, DataError

NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "dev", "valid"),
    "test": ("test", "testing"),
}


def is_splits(source: Any) -> bool:
    """Say whether a source holds several data sets under the names of splits.

    Example:
        >>> is_splits({"train": ["a"], "test": ["b"]}), is_splits({"text": ["a"], "label": [0]})
        (True, False)
    """
    if is_kind(source, "datasets", "DatasetDict", "IterableDatasetDict"):
        return True
    known = {name for names in NAMES.values() for name in names}
    return isinstance(source, Mapping) and bool(source) and set(source) <= known


def is_plain_dict(source: Any) -> bool:
    """Say whether a source is a dict of the user's own making, whose names mean nothing by themselves.

    Example:
        >>> is_plain_dict({"train": ["a"]}), is_plain_dict("data.csv")
        (True, False)
    """
    return isinstance(source, Mapping) and not is_kind(source, "datasets", "DatasetDict", "IterableDatasetDict")


def as_split(source: Any) -> tuple[Any, Any]:
    """Give the training and the validation part of a source; `(source, None)` of one that has no parts.

    Example:
        >>> as_split({"train": ["a"], "dev": ["b"], "test": ["c"]})
        (['a'], ['b'])
    """
    opened = open_folder(source)
    if not is_splits(opened):
        return source, None
    return split_of(opened, "train"), _find(opened, "validation")


def split_of(source: Any, part: str) -> Any:
    """Give one part of a source of splits; a source without splits is given back whole.

    Args:
        source: a `DatasetDict`, a dict of splits, the path of a `save_to_disk` folder, or anything else.
        part: "train", "validation" (also found as "val", "dev" and "valid") or "test".

    Raises:
        ArgumentError: `part` is none of the three.
        DataError: there is no such split.

    Example:
        >>> split_of({"train": ["a"], "dev": ["b"]}, "validation")
        ['b']
    """
    if part not in NAMES:
        raise ArgumentError(f"there is no part {part!r}.", f"one of {', '.join(map(repr, NAMES))}.")
    opened = open_folder(source)
    if not is_splits(opened):
        return source
    found = _find(opened, part)
    if found is None:
        raise DataError(
            f"there is no split for {part!r} among {', '.join(map(repr, opened))}.",
            f"a split named {' or '.join(map(repr, NAMES[part]))}.",
            f"choose one yourself: data[{next(iter(opened), part)!r}].",
        )
    return found


def open_folder(source: Any) -> Any:
    """Load a folder that `save_to_disk` wrote, memory-mapped; give anything else back.

    Raises:
        DataError: the folder holds no saved data set.
    """
    if not isinstance(source, (str, os.PathLike)) or not Path(source).is_dir():
        return source
    if not any(Path(source, name).exists() for name in ("dataset_dict.json", "dataset_info.json")):
        raise DataError(
            f"{os.fspath(source)!r} is a folder without a saved data set.",
            "a folder that Dataset.save_to_disk wrote, or the path of one file.",
            f"name a file in it: {str(Path(source, 'train.csv'))!r}.",
        )
    from datasets import load_from_disk

    return load_from_disk(os.fspath(source))


def _find(splits: Mapping[str, Any], part: str) -> Any:
    return next((splits[name] for name in NAMES[part] if name in splits), None)
