"""Labels: the user's own, in the order of the network's outputs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.calling import did_you_mean
from keraslike.data.targets import is_multi_hot
from keraslike.data.values import kind_of, plain, plain_list
from keraslike.errors import LabelError

Label = str | int | float | bool


@dataclass(frozen=True, eq=False)
class Labels:
    """The user's labels; a label's place is its id.

    Attributes:
        names: the labels, each once; numpy scalars become Python's, whole floats ints.

    Raises:
        LabelError: a label comes twice.

    Example:
        >>> labels = Labels.from_targets(["spam", "ham", "spam"])
        >>> labels.names, labels.encode(["spam"]), labels.decode([0, 1])
        (('ham', 'spam'), array([1]), ['ham', 'spam'])
    """

    names: tuple[Label, ...]

    def __init__(self, names: Iterable[Label]) -> None:
        own = tuple(_own(name) for name in names)
        twice = [name for place, name in enumerate(own) if name in own[:place]]
        if twice:
            raise LabelError(f"the label {twice[0]!r} comes twice.", "each label once.", f"labels={_unique(own)}")
        object.__setattr__(self, "names", own)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self._typed == other._typed

    def __hash__(self) -> int:
        return hash(self._typed)

    @cached_property
    def _typed(self) -> tuple[tuple[type, Label], ...]:
        """The names with their types, since Python holds True and 1 for equal."""
        return tuple((type(name), name) for name in self.names)

    @classmethod
    def from_targets(cls, targets: Iterable[Any]) -> "Labels":
        """Collect the labels of single-label targets, in sorted order.

        Numbers are sorted numerically, False before True, strings by code point.

        Raises:
            LabelError: the labels are of kinds that have no common order, such as str and int.

        Example:
            >>> import numpy as np
            >>> Labels.from_targets(np.array([10.0, 9.0, 10.0])).names
            (9, 10)
        """
        first_rows: dict[tuple[type, Any], int] = {}
        for row, target in enumerate(targets):
            own = _own(target)
            first_rows.setdefault((type(own), str(own) if isinstance(own, (list, dict)) else own), row)
        _check_one_kind(first_rows)
        return cls(sorted(label for _, label in first_rows))

    @classmethod
    def from_many(cls, targets: Sequence[Sequence[Any]]) -> "Labels":
        """Collect the labels of rows of labels; for rows of 0 and 1, one label per place, numbered from 0.

        Example:
            >>> Labels.from_many([["joy", "love"], [], ["anger"]]).names, Labels.from_many([[0, 1, 1]]).names
            (('anger', 'joy', 'love'), (0, 1, 2))
        """
        if is_multi_hot(targets):
            return cls(range(len(targets[0])))
        return cls.from_targets(label for target in targets for label in target)

    def encode(self, targets: Iterable[Any]) -> npt.NDArray[np.int64]:
        """Give the ids of labels, shape `(rows,)`.

        Raises:
            LabelError: a label is unknown; the message names it, its row and the nearest known one.
        """
        labels = plain_list(targets)
        ids = [self._id(label) for label in labels]
        if None in ids:
            row = ids.index(None)
            raise self._unknown(labels[row], row)
        return np.array(ids, dtype=np.int64)

    def encode_many(self, targets: Iterable[Any]) -> npt.NDArray[np.float32]:
        """Give 1 for each label that a row has and 0 for the others, shape `(rows, labels)`.

        Args:
            targets: lists of labels.

        Raises:
            LabelError: as in `encode`.

        Example:
            >>> Labels(["a", "b", "c"]).encode_many([["c", "a"], []]).tolist()
            [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
        """
        rows = plain_list(targets)
        encoded = np.zeros((len(rows), len(self)), dtype=np.float32)
        for row, labels in enumerate(rows):
            for label in labels:
                label_id = self._id(label)
                if label_id is None:
                    raise self._unknown(label, row)
                encoded[row, label_id] = 1
        return encoded

    def decode(self, ids: Iterable[Any]) -> list[Label]:
        """Give the labels of ids."""
        return [self.names[label_id] for label_id in plain_list(ids)]

    def decode_many(self, encoded: Iterable[Any]) -> list[list[Label]]:
        """Give each row's labels, in id order, from rows of 0 and 1.

        Example:
            >>> Labels(["a", "b"]).decode_many([[1, 1], [0, 0]])
            [['a', 'b'], []]
        """
        return [[name for name, has in zip(self.names, row, strict=True) if has] for row in plain_list(encoded)]

    def to_json(self) -> list[Label]:
        """Give plain data that JSON keeps with its types."""
        return list(self.names)

    @classmethod
    def from_json(cls, value: Iterable[Label]) -> "Labels":
        """Make labels of what `to_json` gave."""
        return cls(value)

    def id2label(self) -> dict[int, str]:
        """Give the names of the ids as a transformers config holds them.

        Example:
            >>> Labels([False, True]).id2label()
            {0: 'False', 1: 'True'}
        """
        return {label_id: str(name) for label_id, name in enumerate(self.names)}

    @cached_property
    def _ids(self) -> dict[Label, int]:
        return {name: label_id for label_id, name in enumerate(self.names)}

    def _id(self, label: Any) -> int | None:
        return self._ids.get(label) if isinstance(label, (str, int, float)) else None

    def _unknown(self, label: Any, row: int) -> LabelError:
        same = [name for name in self.names if str(name) == str(label)]
        known = ", ".join(map(repr, self.names[:10])) + (f" and {len(self) - 10} more" if len(self) > 10 else "")
        otherwise = "correct it, or give all labels from the start: Model(..., labels=[...])."
        return LabelError(
            f"row {row} (counted from 0) has the unknown label {label!r}, {kind_of(label)}.",
            f"one of {known}.",
            f"give {same[0]!r}, {kind_of(same[0])}, as in training."
            if same
            else did_you_mean(str(label), map(str, self.names), otherwise),
        )


def _own(label: Any) -> Any:
    """Give a label in Python's own types; a whole float as the int that it is."""
    value = plain(label)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unique(labels: Iterable[Label]) -> list[Label]:
    return list(dict.fromkeys(labels))


def _check_one_kind(first_rows: dict[tuple[type, Any], int]) -> None:
    """Refuse labels that are not all strings, all numbers, or all bools."""
    kinds = {(float if kind is int else kind): (label, row) for (kind, label), row in reversed(first_rows.items())}
    strange = [kind for kind in kinds if kind not in (str, float, bool)]
    if len(kinds) < 2 and not strange:
        return
    found = " and ".join(f"{label!r} in row {row} ({kind_of(label)})" for label, row in reversed(kinds.values()))
    raise LabelError(
        f"the labels are of kinds that do not go together: {found}.",
        "all str, all numbers, or all bool (rows are counted from 0).",
        "make strings of them: [str(label) for label in y].",
    )
