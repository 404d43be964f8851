"""Several data sets at once: tells a dict of them from a dict of columns, of a network's inputs, and of splits."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from keraslike.data.columns import TARGETS, TEXT_PAIRS, TEXTS
from keraslike.data.conll import SUFFIXES as CONLL_ENDINGS
from keraslike.data.files import FILE_READERS, PLAIN_ENDINGS
from keraslike.data.reading import is_kind
from keraslike.data.rows import Rows
from keraslike.data.splits import is_plain_dict, is_splits
from keraslike.data.tables import is_row_of_frame
from keraslike.data.values import kind_of
from keraslike.errors import ArgumentError, KeraslikeError

SET, EITHER, COLUMN = "a set", "a set or a column", "a column"

TEXT_FILES = frozenset({*FILE_READERS, *CONLL_ENDINGS, *PLAIN_ENDINGS})
"""How the names of files end that some task reads."""


def as_sets(x: Any, columns: Collection[str] = (), *, has_y: bool = False) -> dict[str, Any]:
    """Give the data sets of a dict of several, by name; an empty dict where x is anything else.

    The values tell; the names count only where a value could be both.

    * A `DatasetDict` with a split by a known name, such as "train" or "test", is one source of splits, not several
      sets: its test split is measured. A plain dict under such names is like any other.
    * Sets without doubt: a dict (of columns), a pandas or polars DataFrame, an Arrow table, a Dataset of `datasets` or
      torch, a DataLoader, a `Path`, and a str that ends like a file that is read, or names a folder.
    * Columns without doubt: an array, a tensor, a Series, a list of anything but dicts and tuples (so a list of lists
      too), a tuple of texts or numbers, and single values.
    * Either: a tuple `(x, y)` or `(x, y, sample_weight)` of containers, a list of dicts, tuples or rows of a DataFrame,
      a generator. They are columns where one value is a column without doubt, where one of the dict's names is one of
      `columns`, or where its names hold both a known text column and a known target, such as "text" and "label". Else
      they are sets.

    Args:
        x: what was given to `evaluate`.
        columns: the names of the columns that the model reads, where it has read some.
        has_y: whether targets were given beside x, so that frames and tuples may be the inputs of a network.

    Raises:
        ArgumentError: some values are sets without doubt, and one is a column.

    Example:
        >>> list(as_sets({"matched": (["a"], [0]), "mismatched": [("b", 1)]}))
        ['matched', 'mismatched']
        >>> as_sets({"text": ["a"], "label": [0]})
        {}
    """
    if not isinstance(x, Mapping) or not x or _is_source_of_splits(x):
        return {}
    kinds = {name: _kind(value) for name, value in x.items()}
    if has_y:
        return dict(x) if all(_is_read_alone(value) for value in x.values()) else {}
    strange = next((name for name, kind in kinds.items() if kind == COLUMN), None)
    if strange is not None:
        _refuse_mixture(x, kinds, strange)
        return {}
    if EITHER in kinds.values() and _are_columns(x, columns):
        return {}
    return {str(name): value for name, value in x.items()}


def sets_of_lists(x: Any) -> dict[str, Any]:
    """Give a dict of several sets that are lists of texts; none where one name is that of a text column.

    One list alone may be a column under any name, so it is none of several sets. Beside a set without doubt, as in
    `as_sets`, all are sets, whatever their names.

    Example:
        >>> list(sets_of_lists({"old": ["a rose"], "new": ["a bird", "a tree"]})), sets_of_lists({"text": ["a rose"]})
        (['old', 'new'], {})
    """
    if not isinstance(x, Mapping) or _is_source_of_splits(x):
        return {}
    if any(_kind(value) == SET for value in x.values()):
        return dict(x)
    is_named = any(str(name).lower() in TEXTS for name in x)
    return dict(x) if len(x) > 1 and not is_named and all(map(_is_list_of_texts, x.values())) else {}


@contextmanager
def one_set(x: Any, given_as: str, columns: Collection[str] = (), own: Collection[str] = ()) -> Iterator[None]:
    """Refuse a dict of several sets where one is expected: at once, or instead of an error where it may be columns.

    Args:
        x: what was given, read inside.
        given_as: the argument that it is.
        columns: as in `as_sets`.
        own: the names of the sets that a task sees in it.

    Raises:
        ArgumentError: it is such a dict.
    """
    values = x.values() if isinstance(x, Mapping) and not is_splits(x) else ()
    kinds = {_kind(value) for value in values}
    has_table = any(_kind(value) == SET and not isinstance(value, (str, os.PathLike, Mapping)) for value in values)
    if has_table or (SET in kinds and COLUMN not in kinds):
        raise _several(x, given_as)
    try:
        yield
    except KeraslikeError as error:
        if (kinds == {EITHER} or (kinds and own)) and not _are_columns(x, columns):
            raise _several(x, given_as) from error
        raise


def _several(x: Mapping[str, Any], given_as: str) -> ArgumentError:
    return ArgumentError(
        f"{given_as} is a dict of data sets: {', '.join(map(repr, x))}.",
        "one data set; several are taken by evaluate alone.",
        f"give one of them, data[{next(iter(x))!r}], and measure all after training: evaluate(data).",
    )


def parts_of(value: Any) -> tuple[Any, Any, Any]:
    """Give one set as (x, y, sample_weight), None for what it does not bring along.

    Example:
        >>> parts_of((["a"], [0])), parts_of("dev.csv")
        ((['a'], [0], None), ('dev.csv', None, None))
    """
    if isinstance(value, tuple) and _is_tuple_of_containers(value) and not all(isinstance(p, Mapping) for p in value):
        x, y, *weight = value
        return x, y, weight[0] if weight else None
    return value, None, None


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and isinstance(value[0], str)


def _is_source_of_splits(x: Mapping[str, Any]) -> bool:
    if is_plain_dict(x):
        return False
    return any(is_splits({name: None}) for name in x)  # a DatasetDict under names of the user's own holds sets


def _kind(value: Any) -> str:
    if _is_read_alone(value) or isinstance(value, (Mapping, Rows)):
        return SET
    if (
        is_kind(value, "pandas", "DataFrame")
        or is_kind(value, "polars", "DataFrame")
        or is_kind(value, "pyarrow", "Table")
    ):
        return SET
    if isinstance(value, tuple) and _is_tuple_of_containers(value):
        return EITHER
    if isinstance(value, list):
        first = next((row for row in value if row is not None), None)
        return EITHER if isinstance(first, (tuple, Mapping)) or is_row_of_frame(first) else COLUMN
    return EITHER if isinstance(value, Iterator) else COLUMN


def _is_read_alone(value: Any) -> bool:
    """Tell what can only be a whole data set: a path, a Dataset, a loader."""
    if isinstance(value, str):
        return Path(value).suffix.lower() in TEXT_FILES or os.path.isdir(value)
    hugging_face = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
    return isinstance(value, (os.PathLike, DataLoader, Dataset)) or is_kind(value, "datasets", *hugging_face)


def _is_tuple_of_containers(value: tuple[Any, ...]) -> bool:
    return len(value) in (2, 3) and all(_is_container(part) for part in value[:2])


def _is_container(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes)) and getattr(value, "ndim", 1) > 0


def _are_columns(x: Mapping[str, Any], columns: Collection[str]) -> bool:
    """Tell by the names, where the values could be either."""
    names = {str(name).lower() for name in x}
    texts = {*TEXTS, *(name for pair in TEXT_PAIRS for name in pair)}
    return not names.isdisjoint(map(str.lower, columns)) or not (names.isdisjoint(texts) or names.isdisjoint(TARGETS))


def _refuse_mixture(x: Mapping[str, Any], kinds: Mapping[str, str], strange: str) -> None:
    """Refuse columns beside sets: neither reading makes sense."""
    certain = next((name for name, kind in kinds.items() if kind == SET), None)
    if certain is None:
        return
    raise ArgumentError(
        f"x is a dict whose {certain!r} is {kind_of(x[certain])}, a data set of its own, but whose {strange!r} is "
        f"{kind_of(x[strange])}, a column.",
        "a dict of data sets alone, or of columns alone.",
        f"give each set whole: {{{certain!r}: ..., {strange!r}: (x, y)}}.",
    )
