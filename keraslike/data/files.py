"""Reads files and saved folders by their path, memory-mapped by `datasets`: they may be larger than memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keraslike.calling import did_you_mean
from keraslike.data.arrow import read_dataset
from keraslike.data.reading import read, reader_of
from keraslike.data.rows import Rows
from keraslike.data.splits import open_folder
from keraslike.errors import DataError, KeraslikeError, LoadError


@reader_of.register(str)
@reader_of.register(os.PathLike)
def read_path(x: str | os.PathLike[str], pairs: bool) -> Rows:
    """Read a file by its ending, or a folder that `save_to_disk` wrote."""
    path = Path(x)
    if path.is_dir():
        return read(open_folder(path), pairs)
    reader = FILE_READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise _no_file(path)
    if not path.stat().st_size:
        return Rows({})
    try:
        with quiet():
            return reader(path)
    except KeraslikeError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def read_csv(path: Path) -> Rows:
    """Read a CSV or TSV file with a header; every value stays the string that it is in the file."""
    from datasets import Dataset, Features, Value

    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    names, has_rows = _header(path, separator)
    _refuse_other_separator(path, names, separator)
    if not has_rows:
        return Rows({name: [] for name in names})
    features = Features(**{name: Value("string") for name in names})
    dataset = Dataset.from_csv(str(path), features=features, sep=separator, keep_default_na=False)
    rows = read_dataset(dataset, False)
    return Rows({name: rows.column(name) for name in rows.columns}, untyped=True)


def read_json(path: Path) -> Rows:
    """Read JSON: one row per line, a list of rows, or a dict of columns."""
    from datasets import Dataset

    dataset = Dataset.from_json(str(path))
    row = dataset[0] if len(dataset) == 1 and path.suffix.lower() == ".json" else {}
    is_columns = row and all(isinstance(column, list) for column in row.values())
    return Rows(row) if is_columns else read_dataset(dataset, False)


def read_parquet(path: Path) -> Rows:
    """Read a Parquet file."""
    from datasets import Dataset

    return read_dataset(Dataset.from_parquet(str(path)), False)


PLAIN_ENDINGS = (".txt", ".md")
"""How the names of plain text files end."""

FILE_READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".json": read_json,
    ".jsonl": read_json,
    ".parquet": read_parquet,
}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep `datasets` from drawing progress bars inside; what the user chose comes back afterwards."""
    from datasets import disable_progress_bars, enable_progress_bars, is_progress_bar_enabled

    was_enabled = is_progress_bar_enabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if was_enabled:
            enable_progress_bars()


def _header(path: Path, separator: str) -> tuple[list[str], bool]:
    """Give the column names as pandas, which `datasets` reads with, will call them, and whether rows follow.

    Reading the first row beside them shows whether it has more values than there are names; pandas would take the first
    column of such a file for row names.
    """
    import pandas as pd

    first = pd.read_csv(path, sep=separator, header=None, nrows=2, dtype=str, keep_default_na=False)
    names = [name or f"Unnamed: {index}" for index, name in enumerate(first.iloc[0])]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{str(path)!r} has two columns {twice[0]!r}.",
            "a first line with a different name for each column.",
            "rename one of them.",
        )
    return names, len(first) > 1


def _refuse_other_separator(path: Path, names: list[str], separator: str) -> None:
    """Refuse a file whose only column has a name that holds another separator: its columns were not parted."""
    other = next((sign for sign in (";", "\t", "|", ",") if sign != separator and sign in names[0]), None)
    if len(names) > 1 or other is None:
        return
    raise DataError(
        f"{str(path)!r} has one column, {names[0]!r:.80}, with {other!r} in its name: another separator, it seems.",
        "',' between the values of a .csv, a tab between those of a .tsv.",
        f"read it yourself: pandas.read_csv({str(path)!r}, sep={other!r}), and give the table.",
    )


def _no_file(path: Path) -> KeraslikeError:
    endings = ", ".join(FILE_READERS)
    if path.is_file():
        return LoadError(
            f"{str(path)!r} has the ending {path.suffix!r}.",
            f"a file ending in {endings}, or a folder that save_to_disk wrote.",
            "read it yourself and give the rows, such as a list of dicts.",
        )
    if path.suffix.lower() not in FILE_READERS:
        return DataError(
            f"x is the str {str(path)!r:.80}, and a str is the path of a file; there is none of that name.",
            f"a path ending in {endings}, or another that the task reads, such as .txt or .conll; or rows.",
            "put one text into a list: [x].",
        )
    neighbours = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    return LoadError(
        f"there is no file {str(path)!r}.",
        f"the path of a file, seen from {str(Path.cwd())!r}.",
        did_you_mean(path.name, neighbours, "check the folder and the name."),
    )


def _unreadable(path: Path, error: Exception) -> DataError:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return DataError(
        f"{str(path)!r} cannot be read: {type(cause).__name__}: {cause}".rstrip(".") + ".",
        f"a well-formed {path.suffix} file in UTF-8, each column of one type.",
        "look at the place named above; save the file as UTF-8; put quotes around texts with commas.",
    )
