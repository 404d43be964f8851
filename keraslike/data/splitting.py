"""Splits rows into a training and a validation part: shuffled, stratified, with a seed."""

import random
from collections import Counter
from collections.abc import Hashable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.errors import ArgumentError, DataError

Indices = npt.NDArray[np.int64]


def split_rows(
    rows: int, fraction: float, seed: int, stratify: Sequence[Hashable] | None = None
) -> tuple[Indices, Indices]:
    """Give the rows to train on and the rows to validate on, each in the order given by the user.

    Args:
        rows: how many rows there are.
        fraction: the share that validates, between 0 and 1; the number of rows is rounded up.
        seed: the same seed gives the same split.
        stratify: the class of every row; each class then has its share in both parts. A class with one row stays in
            training. If the validation part has fewer rows than there are classes, no class can have its share, and one
            row of each stays in training.

    Returns:
        Two sorted arrays of row numbers that have no row in common and miss none.

    Raises:
        ArgumentError: `fraction` is not between 0 and 1.
        DataError: a part would be empty.

    Example:
        >>> train, validation = split_rows(10, 0.2, seed=0, stratify=["a", "b"] * 5)
        >>> len(train), sorted(int(row) % 2 for row in validation)
        (8, [0, 1])

    Source:
        scikit-learn's `StratifiedShuffleSplit` and `ShuffleSplit`.
    """
    _check_fraction(fraction)
    free = _rows_with_company(rows, stratify)
    wanted = min(int(np.ceil(round(rows * fraction, 9))), rows)
    if not 0 < wanted < rows or len(free) < 2:
        raise DataError(
            f"{rows} rows cannot be split with validation_split={fraction}.",
            "at least one row in each part, and a class with two rows or more.",
            "give more rows, or validation_data=.",
        )
    classes = None if stratify is None else np.unique([str(stratify[row]) for row in free], return_inverse=True)[1]
    chosen = _choose(free, min(wanted, len(free) - 1), seed, classes)
    is_validation = np.zeros(rows, dtype=bool)
    is_validation[chosen] = True
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def _check_fraction(fraction: Any) -> None:
    if isinstance(fraction, bool) or not isinstance(fraction, Real) or not 0 < float(fraction) < 1:
        raise ArgumentError(
            f"validation_split is {fraction!r}.",
            "a share between 0 and 1, both left out.",
            "validation_split=0.1 validates on a tenth of the rows.",
        )


def _rows_with_company(rows: int, stratify: Sequence[Hashable] | None) -> Indices:
    """Give the rows whose class has another row."""
    if stratify is None:
        return np.arange(rows)
    counts = Counter(stratify)
    return np.array([row for row in range(rows) if counts[stratify[row]] > 1], dtype=np.int64)


def _choose(free: Indices, wanted: int, seed: int, classes: Indices | None) -> Indices:
    """Give `wanted` of the free rows, from every class its share where that is possible."""
    before = random.getstate()
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    random.setstate(before)  # scikit-learn 1.9 imports rich, which draws from Python's generator as it is imported

    if classes is not None and (classes.max() + 1 > min(wanted, len(free) - wanted)):
        free = np.delete(free, np.unique(classes, return_index=True)[1])
        wanted, classes = min(wanted, len(free)), None
    if wanted == len(free):
        return free
    splitter = ShuffleSplit if classes is None else StratifiedShuffleSplit
    split = splitter(n_splits=1, test_size=wanted, random_state=seed % 2**32)
    places: Indices = next(split.split(free, classes))[1]
    return free[places]
