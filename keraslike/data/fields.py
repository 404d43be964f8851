"""Reads containers whose columns are not a text and a label: words and tags, a question and its context, sentences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keraslike.data import arrow, files, lists, tables
from keraslike.data.columns import NUMBERING, ColumnError
from keraslike.data.reading import is_kind, read
from keraslike.data.rows import LazyColumn, Prepare, Rows
from keraslike.data.values import is_missing, kind_of, plain, plain_list
from keraslike.errors import DataError

READERS = (lists, tables, arrow, files)  # importing them has registered what they read


@dataclass(frozen=True)
class Field:
    """One thing that a task reads from every row.

    Args:
        name: what the column is called in our rows; the target's is "target".
        known: what users call such a column, the most usual name first; `name` itself is known too.
        kind: what a value is, in words, for messages: "a list of words".
        is_optional: whether rows may lack it.
    """

    name: str
    known: tuple[str, ...] = ()
    kind: str = "a text"
    is_optional: bool = False

    @property
    def is_target(self) -> bool:
        """Whether it is what the network learns to give."""
        return self.name == "target"


def read_fields(
    x: Any,
    y: Any = None,
    *,
    fields: Sequence[Field],
    text: str | Sequence[str] | None = None,
    target: str | None = None,
    prepare: Prepare | None = None,
    labelled: bool = True,
) -> Rows:
    """Give any container as rows with the columns that `fields` name; further columns keep their names behind them.

    Containers with names (dicts of columns, lists of dicts, tables, datasets, files) are searched for the known names.
    In those without, such as a list or an array, a row is the value of the only input, or a tuple of all of them.

    Args:
        x: as in `as_dataset`.
        y: the targets, where x does not hold them.
        fields: what the task reads: its inputs in order, and the target.
        text: the user's names of the inputs, in order; None: found by the known names.
        target: the user's name of the target; None: found by the known names.
        prepare: as in `as_dataset`.
        labelled: False for predicting: no target is looked for.

    Raises:
        DataError: a column is not found, or x and y differ in length.
        ArgumentError: `text` or `target` names no column.

    Example:
        >>> fields = [Field("words", ("tokens",)), Field("target", ("tags", "ner_tags"))]
        >>> rows = read_fields({"tokens": [["Ann", "ran"]], "ner_tags": [["PER", "O"]]}, fields=fields)
        >>> rows[0], rows.source_columns
        ({'words': ['Ann', 'ran'], 'target': ['PER', 'O']}, {'text': 'tokens', 'target': 'ner_tags'})
        >>> read_fields([["Ann", "ran"]], [["PER", "O"]], fields=fields)[0]
        {'words': ['Ann', 'ran'], 'target': ['PER', 'O']}
    """
    inputs = [field for field in fields if not field.is_target]
    x = drawn(x)
    if y is None and labelled and isinstance(x, tuple) and len(x) == 2 and len(inputs) == 1:
        x, y = x
    rows = _named(x, inputs)
    if not len(rows):
        raise DataError("x is empty: it holds no rows.", "at least one row.", "check how x was made.")
    rows = rows if prepare is None else rows.prepared(prepare)
    wanted = [field for field in fields if not field.is_target or (labelled and y is None)]
    source = _find(rows, wanted, text, target) if rows.named else {field.name: field.name for field in inputs}
    columns: dict[str, Sequence[Any]] = {ours: rows.column(theirs) for ours, theirs in source.items()}
    if y is not None:
        columns["target"] = _targets(y, len(rows))
    ours = {field.name for field in fields}
    others = {name: rows.column(name) for name in rows.columns if name not in {*source.values(), *ours}}
    found = Rows({**columns, **others}, named=False, untyped=rows.untyped, source_columns=_as_chosen(source, rows))
    found.numbers = rows.numbers
    return found


def _named(x: Any, inputs: Sequence[Field]) -> Rows:
    """Read a container; the columns of one without names take those of the inputs, in order."""
    if isinstance(x, LazyColumn):  # of a Dataset, for the only input
        return Rows({inputs[0].name: x}, named=False)
    if is_unnamed(x):
        values = list(x)  # arrays stay arrays: those of images
        if len(inputs) == 1:
            return Rows({inputs[0].name: values}, named=False)
        for number, row in enumerate(values):
            if not isinstance(row, (tuple, list)) or len(row) != len(inputs):
                raise DataError(
                    f"row {number} of x (counted from 0) is {row!r:.80}, {kind_of(row)}.",
                    f"a dict, or a tuple of {' and '.join(field.name for field in inputs)}.",
                    f"look at x[{number}] and its neighbours.",
                )
        columns = zip(*values, strict=True)
        return Rows({field.name: list(column) for field, column in zip(inputs, columns, strict=True)}, named=False)
    rows = read(x, True)
    return rows if rows.named else Rows({name: rows.column(name) for name in rows.columns})


def drawn(x: Any) -> Any:
    """Give the rows of a generator or a torch Dataset as a list; any other container as it is.

    Example:
        >>> drawn(iter([["Ann", "ran"]])), drawn({"words": []})
        ([['Ann', 'ran']], {'words': []})
    """
    if isinstance(x, Iterator):
        return list(x)
    if not is_kind(x, "torch", "Dataset") or is_kind(x, "datasets", "Dataset", "IterableDataset"):
        return x
    return [x[index] for index in range(len(x))] if hasattr(x, "__len__") else list(x)


def is_unnamed(x: Any) -> bool:
    """Say whether a container has no names for its columns: a list, tuple or array whose rows are no dicts.

    Example:
        >>> is_unnamed([["a", "b"]]), is_unnamed([{"words": ["a"]}]), is_unnamed({"words": [["a"]]})
        (True, False, False)
    """
    if is_kind(x, "numpy", "ndarray") or is_kind(x, "torch", "Tensor"):
        return True
    if not isinstance(x, (list, tuple)):
        return False
    return not isinstance(next((row for row in x if row is not None), None), Mapping)


def are_strings(x: Any) -> bool:
    """Say whether x is one list of strings (or tuple, array, Series), some of which may be missing.

    Example:
        >>> are_strings(["Ann", "ran"]), are_strings(["Ann", None]), are_strings([["Ann"]]), are_strings("Ann")
        (True, True, False, False)
    """
    if is_kind(x, "numpy", "ndarray") or is_kind(x, "pandas", "Series") or is_kind(x, "polars", "Series"):
        x = plain(x)
    if not isinstance(x, (list, tuple)) or not all(isinstance(part, str) or is_missing(plain(part)) for part in x):
        return False
    return any(isinstance(part, str) for part in x)


def _find(rows: Rows, fields: Sequence[Field], text: str | Sequence[str] | None, target: str | None) -> dict[str, str]:
    """Give the user's column of each field that is there."""
    chosen = dict(zip([field.name for field in fields if not field.is_target], _listed(text), strict=False))
    chosen |= {} if target is None else {"target": target}
    lower = {name.lower(): name for name in rows.columns}
    found: dict[str, str] = {}
    for field in fields:
        name = chosen.get(field.name)
        if name is not None and name not in rows.columns:
            other = _proposed(rows, field, found)
            raise ColumnError(str(name), "target" if field.is_target else "text", rows.columns, other)
        free = (lower[known] for known in (field.name, *field.known) if known in lower)
        name = name or next((known for known in free if known not in found.values()), None)
        if name is None and not field.is_optional:
            raise _missing(rows, field, fields, found)
        found |= {} if name is None else {field.name: name}
    return found


def _missing(rows: Rows, field: Field, fields: Sequence[Field], found: Mapping[str, str]) -> DataError:
    inputs = [one for one in fields if not one.is_target and not one.is_optional]
    chosen = dict(found)
    for one in [field] if field.is_target else inputs:
        other = chosen.get(one.name) or _proposed(rows, one, chosen)
        chosen |= {} if other is None else {one.name: other}
    named = [chosen.get(one.name) for one in ([field] if field.is_target else inputs)]
    do = f"give the rows a column {field.name!r}."
    if None not in named:
        do = f"name it: {'target' if field.is_target else 'text'}={(named[0] if len(named) == 1 else tuple(named))!r}."
    return DataError(
        f"no column holds {field.kind} for each row; there are {', '.join(map(repr, rows.columns))}.",
        f"a column named {' or '.join(map(repr, dict.fromkeys((field.name, *field.known[:3]))))}.",
        do,
    )


def _proposed(rows: Rows, field: Field, taken: Mapping[str, str]) -> str | None:
    """Give a column that may be the field's: not one that is another's, nor one of other values."""
    left = [name for name in rows.columns if name not in taken.values() and name.lower() not in NUMBERING]
    kinds = (list, tuple) if " list " in f" {field.kind} " else (str,) if " text " in f" {field.kind} " else None
    fitting = [name for name in left if kinds is None or isinstance(rows.column(name)[0], kinds)]
    return next(reversed(fitting) if field.is_target else iter(fitting), None)


def _listed(names: str | Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _as_chosen(source: Mapping[str, str], rows: Rows) -> dict[str, str | list[str]]:
    """Give the columns as a user would name them: text= (one name, or several) and target=."""
    if not rows.named:
        return {}
    inputs = [theirs for ours, theirs in source.items() if ours != "target"]
    chosen: dict[str, str | list[str]] = {"text": inputs[0] if len(inputs) == 1 else inputs} if inputs else {}
    return {**chosen, **({"target": source["target"]} if "target" in source else {})}


def _targets(y: Any, rows: int) -> list[Any]:
    if isinstance(y, (str, bytes)) or not hasattr(y, "__iter__"):
        raise DataError(f"y is {y!r:.80}, {kind_of(y)}.", "one target per row: a list, an array, a Series.")
    targets = plain_list(y)
    if len(targets) != rows:
        raise DataError(
            f"x has {rows} rows but y has {len(targets)} targets.",
            "one target per row.",
            "check that x and y come from the same rows, in the same order.",
        )
    return targets
