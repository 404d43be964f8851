"""GLUE's own files: tab-separated ones without quotes, and folders with one file for each part."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keraslike.data.arrow import read_dataset
from keraslike.data.files import FILE_READERS, quiet
from keraslike.data.reading import is_kind
from keraslike.data.rows import Rows
from keraslike.data.splits import NAMES, open_folder
from keraslike.errors import DataError, LoadError

COLA = ("source", "label", "mark", "sentence")
"""The columns of CoLA's files, whose first line is no header."""

_KNOWN = {known: name for name, several in NAMES.items() for known in several}
_PART = re.compile(rf"({'|'.join(_KNOWN)})(?:[-_](matched|mismatched))?")
_SHARD = re.compile(r"-(\d+)-of-(\d+)$")
_PARAPHRASES = {"msr_paraphrase_train": "train", "msr_paraphrase_test": "test"}


def split_name(name: str) -> str | None:
    """Give the name of a part as GLUE's data sets have it; None for any other word.

    Example:
        >>> split_name("dev-matched"), split_name("train"), split_name("dev_ids")
        ('validation_matched', 'train', None)
    """
    found = _PART.fullmatch(name.lower())
    if found is None:
        return None
    return _KNOWN[found[1]] + (f"_{found[2]}" if found[2] else "")


def splits_of(x: Any) -> dict[str, Any]:
    """Give the parts of a folder of files, of a `DatasetDict`, or of a dict under the names of parts; else nothing.

    Args:
        x: a folder with files such as train.tsv and dev_matched.tsv (or as the hub names them,
            train-00000-of-00001.parquet), a folder that `save_to_disk` wrote, a `DatasetDict`, a dict, or anything.

    Returns:
        The parts by their names: "train", "validation", "validation_matched", "test_mismatched", ...

    Raises:
        DataError: a folder holds no such file, or two for one part.
    """
    if isinstance(x, (str, os.PathLike)):
        if not Path(x).is_dir():
            return {}
        is_saved = any(Path(x, name).exists() for name in ("dataset_dict.json", "dataset_info.json"))
        if not is_saved:
            return dict(_files_of(Path(x)))
        x = open_folder(x)
    if not isinstance(x, Mapping):
        return {}
    names = {name: split_name(str(name)) for name in x}
    is_of_parts = is_kind(x, "datasets", "DatasetDict", "IterableDatasetDict") or all(names.values())
    return {part: x[name] for name, part in names.items() if part} if is_of_parts else {}


def _files_of(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        stem = _SHARD.sub("", file.stem)
        part = split_name(stem)
        if part is None or file.suffix.lower() not in FILE_READERS:
            continue
        if part in found:
            raise DataError(
                f"the folder {str(folder)!r} has two files for {part}: {found[part].name} and {file.name}.",
                "one file for each part.",
                f"name the one that you mean: {str(file)!r}.",
            )
        found[part] = file
    for stem, part in _PARAPHRASES.items():
        if part not in found and (folder / f"{stem}.txt").is_file():
            found[part] = folder / f"{stem}.txt"
    if not found:
        raise DataError(
            f"the folder {str(folder)!r} holds no file that is named after a part of a data set.",
            "files such as train.tsv, dev.tsv and test.tsv, or train.csv and validation.csv.",
            "name one file, or give a DatasetDict.",
        )
    return found


def read_tsv(path: str | os.PathLike[str], *, has_header: bool = True) -> Rows:
    """Read one of GLUE's tab-separated files: a quotation mark in it is a character like any other.

    Args:
        path: the file.
        has_header: whether the first line names the columns; else they are CoLA's.

    Raises:
        LoadError: there is no such file.
        DataError: it cannot be read.
    """
    from datasets import Dataset, Features, Value

    if not Path(path).is_file():
        raise LoadError(f"there is no file {os.fspath(path)!r}.", "the path of a file.", "check the name.")
    names = first_line(path) if has_header else list(COLA)
    features = Features(**{name: Value("string") for name in names})
    form: dict[str, Any] = {"sep": "\t", "quoting": 3, "keep_default_na": False, "encoding": "utf-8-sig"}
    form |= {"index_col": False} if has_header else {"header": None, "column_names": names}
    try:
        with quiet():
            dataset = Dataset.from_csv(os.fspath(path), features=features, **form)
    except Exception as error:
        raise DataError(
            f"{os.fspath(path)!r} cannot be read: {error.__cause__ or error}".rstrip(".") + ".",
            "a line with the names of the columns, then one line per row, as many tabs in each.",
            "look at the place named above; a file with quoted texts is a .csv.",
        ) from error
    rows = read_dataset(dataset, False)
    return Rows({name: rows.column(name) for name in rows.columns}, untyped=True)


def first_line(path: str | os.PathLike[str]) -> list[str]:
    """Give the fields of a tab-separated file's first line."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return file.readline().rstrip("\r\n").split("\t")
