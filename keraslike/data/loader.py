"""Batches rows of tokenised data: pads what is ragged, and parts the inputs from the targets."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from keraslike.calling import INPUT_NAMES, did_you_mean
from keraslike.data.encoding import are_flat, pad_flat
from keraslike.errors import ArgumentError, DataError

Row = Mapping[str, Any]

IGNORED_LABEL = -100  # what torch's cross-entropy skips (`ignore_index`)

# One label column under three names, as in transformers' default_data_collator; the first that is there is taken.
LABEL_NAMES = ("labels", "label", "label_ids")


class TransformerCollator:
    """Makes a pair `(inputs, targets)` of rows of tokenised data; a DataLoader's `collate_fn`.

    The inputs are a plain dict of tensors for a `ModelWrapper`: ragged columns are padded on the right as in
    `pad_features`, and columns of texts are left out, which a UserWarning names once.

    Args:
        y_keys: what the targets are. A name gives the column's tensor, a list of names a dict of tensors; None gives
            NaN for every row, shape `(rows,)`, for a loss that does not look at targets, such as `model_loss`. "label"
            and "label_ids" find the column that became "labels".
        custom_collator: makes the dict of tensors from the list of rows instead, such as
            `DataCollatorWithPadding(tokenizer)`.
        remove_labels: takes the labels out of the inputs, so that the network computes no loss of its own: every name
            in `y_keys` that is no model input (as `input_ids` and `attention_mask` are).
        pad_token_id: the tokenizer's. It matters to networks that look for it (GPT-2 finds the last token by it) and
            to losses that do; attention masks hide it from all others.

    Raises:
        ArgumentError: an argument is of the wrong kind.

    Example:
        >>> collate = TransformerCollator(y_keys="labels", remove_labels=True)
        >>> rows = [{"input_ids": [2, 7, 3], "label": 1}, {"input_ids": [2, 3], "label": 0}]
        >>> inputs, targets = collate(rows)
        >>> inputs["input_ids"].tolist(), inputs["attention_mask"].tolist(), targets.tolist()
        ([[2, 7, 3], [2, 3, 0]], [[1, 1, 1], [1, 1, 0]], [1, 0])
    """

    def __init__(
        self,
        y_keys: str | Sequence[str] | None = None,
        custom_collator: Callable[[list[Any]], Mapping[str, Any]] | None = None,
        remove_labels: bool = False,
        *,
        pad_token_id: int = 0,
    ) -> None:
        _check_arguments(y_keys, custom_collator)
        self.y_keys = y_keys
        self.custom_collator = custom_collator
        self.remove_labels = remove_labels
        self.pad_token_id = pad_token_id
        self._names = [y_keys] if isinstance(y_keys, str) else list(y_keys or ())
        self._label_names = [name for name in self._names if name not in INPUT_NAMES]  # what networks read
        self._has_named_texts = False

    def __call__(self, rows: Sequence[Any]) -> tuple[dict[str, Any], Any]:
        """Give the inputs, a dict of tensors `(rows, ...)`, and the targets.

        Raises:
            DataError: the rows do not fit together, or a name in `y_keys` is not among their columns.
        """
        batch = self._collate(list(rows))
        keys = {name: _find(name, batch) for name in self._names}
        targets = {name: batch[key] for name, key in keys.items()}
        if self.remove_labels:
            for name in self._label_names:
                batch.pop(keys[name], None)
        if self.y_keys is None:
            return batch, torch.full((len(rows),), torch.nan)
        return batch, targets[self.y_keys] if isinstance(self.y_keys, str) else targets

    def _collate(self, rows: list[Any]) -> dict[str, Any]:
        if self.custom_collator is not None:
            return dict(self.custom_collator(rows))
        batch = pad_features(rows, self._label_names, pad_token_id=self.pad_token_id)
        self._name_texts([name for name in rows[0] if name not in batch and name not in LABEL_NAMES])
        return batch

    def _name_texts(self, names: list[str]) -> None:
        worker = get_worker_info()
        if not names or self._has_named_texts or (worker is not None and worker.id > 0):
            return
        self._has_named_texts = True
        listed = ", ".join(repr(name) for name in names)
        message = f"TransformerCollator leaves out the columns {listed}: they hold no numbers."
        warnings.warn(message, UserWarning, stacklevel=4)


def pad_features(
    features: Sequence[Row], label_names: Collection[str] = (), pad_token_id: int = 0, pad_token_type_id: int = 0
) -> dict[str, Tensor]:
    """Give one tensor `(features, ...)` for every column of numbers, ragged ones padded on the right.

    `input_ids` are padded with `pad_token_id`, labels with -100, `special_tokens_mask` with 1 and everything else with
    0. Ragged `input_ids` without an `attention_mask` get one. "label" and "label_ids" become "labels". Integers of any
    width and bool labels become int64; Python's floats become float32, arrays and tensors of floats keep their type.
    Columns without numbers (texts, None) are left out.

    Args:
        features: rows with the same columns: numbers, or lists (nested ones too), arrays or tensors of numbers.
        label_names: columns that are labels, beside those with "label" in their name.
        pad_token_id: the tokenizer's.
        pad_token_type_id: the tokenizer's.

    Raises:
        DataError: there are no rows, their columns differ, or a column is not of one kind.

    Example:
        >>> batch = pad_features([{"input_ids": [2, 3], "order": [0]}, {"input_ids": [2], "order": [1, 0]}], ["order"])
        >>> {name: tensor.tolist() for name, tensor in batch.items()}
        {'input_ids': [[2, 3], [2, 0]], 'attention_mask': [[1, 1], [1, 0]], 'order': [[0, -100], [1, 0]]}
    """
    columns = _columns(features)
    batch: dict[str, Tensor] = {}
    for name, values in columns.items():
        fill = _fill_value(name, label_names, pad_token_id, pad_token_type_id)
        is_flat = are_flat(values)  # tokens as a task keeps them take a tenth of the time of a tensor for each
        rows = values if is_flat else [_tensor(value, name, index, fill) for index, value in enumerate(values)]
        batch[name] = _padded(rows, name, fill)
        if name == "input_ids" and "attention_mask" not in columns and len({row.shape for row in rows}) > 1:
            batch["attention_mask"] = _padded([row**0 for row in rows], name, 0)
    return batch


def _columns(features: Sequence[Row]) -> dict[str, list[Any]]:
    """Turn rows into columns of numbers, the labels under one name."""
    _check_rows(features)
    columns = {name: [feature[name] for feature in features] for name in features[0]}
    numeric = {name: values for name, values in columns.items() if _holds_numbers(name, values)}
    labels = next((numeric[name] for name in LABEL_NAMES if name in numeric), None)
    found = {name: values for name, values in numeric.items() if name not in LABEL_NAMES}
    return found if labels is None else {**found, "labels": labels}


def _check_rows(features: Sequence[Row]) -> None:
    if not features:
        raise DataError("a batch has no rows.", "at least one row.", "check the data set's length.")
    for index, feature in enumerate(features):
        if not isinstance(feature, Mapping):
            raise DataError(
                f"row {index} of a batch is a {type(feature).__name__}.",
                "a dict of columns, such as {'input_ids': [...], 'labels': 1}.",
                "tokenise the texts first: dataset.map(lambda rows: tokenizer(rows['text']), batched=True).",
            )
        if feature.keys() != features[0].keys():
            raise DataError(
                f"row {index} of a batch has the columns {', '.join(feature)}.",
                f"the columns of row 0: {', '.join(features[0])}.",
                "give all rows the same columns.",
            )


def _holds_numbers(name: str, values: list[Any]) -> bool:
    """Tell a column of numbers from one of texts, and refuse one that is both."""
    numeric = [True] if are_flat(values) else [_is_numeric(value) for value in values]
    if any(numeric) and not all(numeric):
        index = numeric.index(not numeric[0])
        raise DataError(
            f"column {name!r} has {_described(values[index])} in row {index} of a batch, "
            f"but {_described(values[0])} in row 0.",
            "numbers, or lists of numbers, in every row.",
            f"mend or drop the rows without numbers in {name!r}.",
        )
    return numeric[0]


def _described(value: Any) -> str:
    return "None" if value is None else f"{value!r:.40} ({type(value).__name__})"


def _is_numeric(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf" or (value.dtype.kind == "O" and _is_numeric(value.tolist()))
    if isinstance(value, (list, tuple)):
        return all(_is_numeric(item) for item in value[:1])
    return isinstance(value, (Tensor, int, float, np.number, np.bool_))


def _fill_value(name: str, label_names: Collection[str], pad_token_id: int, pad_token_type_id: int) -> int:
    if "label" in name or name in label_names:
        return IGNORED_LABEL
    if name.endswith("input_ids"):
        return pad_token_id
    return {"token_type_ids": pad_token_type_id, "special_tokens_mask": 1}.get(name, 0)


def _tensor(value: Any, name: str, index: int, fill: int) -> Tensor:
    """Make a tensor of one row's value; lists of lists, or of arrays, may be ragged themselves."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = value.tolist()
    if isinstance(value, (list, tuple)) and len(value) > 0 and not isinstance(value[0], (int, float, np.number)):
        return _stack([_tensor(item, name, index, fill) for item in value], name, fill)
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"column {name!r} cannot be made a tensor in row {index} of a batch: {error}.",
            "numbers, or lists of numbers.",
            f"look at {_described(value)}.",
        ) from None
    if tensor.is_floating_point() and isinstance(value, (float, list, tuple)):
        tensor = tensor.float()  # numpy's float64 scalars too
    is_mask = tensor.dtype == torch.bool and fill != IGNORED_LABEL
    return tensor if tensor.is_floating_point() or is_mask else tensor.long()


def _padded(rows: list[Any], name: str, fill: int) -> Tensor:
    return torch.from_numpy(pad_flat(rows, fill)) if isinstance(rows[0], np.ndarray) else _stack(rows, name, fill)


def _stack(tensors: list[Tensor], name: str, fill: int) -> Tensor:
    """Stack tensors; the dimensions in which they differ are filled up behind."""
    shapes = [tuple(tensor.shape) for tensor in tensors]
    dtype = _common_dtype(tensors)
    if len(set(shapes)) == 1:
        return torch.stack([tensor.to(dtype) for tensor in tensors])
    if len({len(shape) for shape in shapes}) > 1:
        raise DataError(
            f"column {name!r} has values of the shapes {sorted(set(shapes), key=len)} in one batch.",
            "the same number of dimensions in every row.",
            f"give {name!r} a number in every row, or a list in every row.",
        )
    longest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    padded = torch.full((len(tensors), *longest), fill, dtype=dtype, device=tensors[0].device)
    for row, tensor in zip(padded, tensors, strict=True):
        row[tuple(slice(size) for size in tensor.shape)] = tensor
    return padded


def _common_dtype(tensors: list[Tensor]) -> torch.dtype:
    """Give the type that holds all; empty ones, which torch takes for floats, have no say."""
    dtypes = [tensor.dtype for tensor in tensors if tensor.numel() > 0]
    common = dtypes[0] if dtypes else torch.int64
    for dtype in dtypes[1:]:
        common = torch.promote_types(common, dtype)
    return common


def _find(name: str, batch: Mapping[str, Any]) -> str:
    """Give the column of this name; the label column answers to all its names."""
    choices = [name, *LABEL_NAMES] if name in LABEL_NAMES else [name]
    found = next((choice for choice in choices if choice in batch), None)
    if found is not None:
        return found
    raise DataError(
        f"y_keys asks for {name!r}, but no column of numbers of this name is in the batch.",
        f"one of: {', '.join(batch)}.",
        did_you_mean(name, batch, f"set y_keys= to one of them, or give the rows a column {name!r}."),
    )


def _check_arguments(y_keys: Any, custom_collator: Any) -> None:
    is_names = isinstance(y_keys, (list, tuple)) and len(y_keys) > 0 and all(isinstance(key, str) for key in y_keys)
    if not (y_keys is None or isinstance(y_keys, str) or is_names):
        raise ArgumentError(
            f"TransformerCollator was given y_keys={y_keys!r}.",
            "None, the name of a column, or a list of names.",
            "write y_keys='labels', or y_keys=['labels', 'input_ids'].",
        )
    if not (custom_collator is None or callable(custom_collator)):
        raise ArgumentError(
            f"TransformerCollator was given custom_collator={custom_collator!r}, which cannot be called.",
            "a function that makes a dict of tensors from a list of rows.",
            "write custom_collator=DataCollatorWithPadding(tokenizer), or leave it out.",
        )
