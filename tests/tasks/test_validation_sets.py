"""validation_data is one data set: a dict of several is told from columns and splits, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, DatasetDict

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from tests.tiny import texts_with_labels

TEXTS, LABELS = texts_with_labels()
COLUMNS = {"text": TEXTS[:4], "label": LABELS[:4]}
FRAME = pd.DataFrame(COLUMNS)
PAIRS = list(zip(TEXTS[:4], LABELS[:4], strict=True))

SETS: dict[str, dict[str, Any]] = {
    "one table": {"near": FRAME},
    "tables": {"near": FRAME, "far": Dataset.from_dict(COLUMNS)},
    "columns": {"near": COLUMNS, "far": COLUMNS},
    "x and y": {"near": (TEXTS, LABELS), "far": (TEXTS, LABELS)},
    "rows": {"near": PAIRS, "far": [{"text": "a film", "label": "good"}]},
    "a table beside a list": {"near": FRAME, "far": TEXTS[:4]},
}

ONE_SET: dict[str, Any] = {
    "columns": COLUMNS,
    "a plain dict of splits": {"train": FRAME, "dev": FRAME},
    "a split alone": {"validation": FRAME},
    "a DatasetDict": DatasetDict(validation=Dataset.from_dict(COLUMNS), test=Dataset.from_dict({"text": ["a"]})),
    "columns of tuples": {"text": tuple(TEXTS[:4]), "label": tuple(LABELS[:4])},
}


@pytest.mark.parametrize("kind", SETS)
def test_several_sets(kind: str, tiny_bert: Path):
    """The message names the sets, and says where several are taken; nothing has been trained."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")

    with pytest.raises(ArgumentError) as error:
        model.fit(TEXTS, LABELS, validation_data=SETS[kind], epochs=1, verbose=0)

    names = ", ".join(map(repr, SETS[kind]))
    assert str(error.value) == (
        f"validation_data is a dict of data sets: {names}.\n"
        "  Expected: one data set; several are taken by evaluate alone.\n"
        "  Do: give one of them, data['near'], and measure all after training: evaluate(data)."
    )
    assert len(model.history) == 0


@pytest.mark.parametrize("kind", ["tables", "columns", "a table beside a list"])
def test_several_sets_are_not_predicted(kind: str, tiny_bert: Path):
    """Predict answers one set: several are named, rather than taken for columns."""
    model = Model(str(tiny_bert), task="text-classification", device="cpu")
    model.fit(FRAME, epochs=1, verbose=0)

    with pytest.raises(ArgumentError, match=r"x is a dict of data sets: 'near', 'far'\.\n(.|\n)*data\['near'\]"):
        model.predict(SETS[kind])


def test_a_table_is_no_column_of_texts(tiny_bert: Path):
    """Where texts are all that is learned from, the names of a table's columns would be texts."""
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")

    with pytest.raises(ArgumentError, match="validation_data is a dict of data sets: 'near'"):
        model.fit(TEXTS, validation_data={"near": FRAME}, epochs=1, verbose=0)


STORIES = [["a film", "a cast", "the plot"]] * 4


@pytest.mark.parametrize(
    ("task", "x"), [("fill-mask", TEXTS[:4]), ("text-generation", TEXTS[:4]), ("sentence-ordering", STORIES)]
)
def test_several_sets_of_lists(task: str, x: list[Any], tiny_bert: Path):
    """Where evaluate takes lists under names of the user's own for sets, they are no columns here either."""
    model = Model(str(tiny_bert), task=task, device="cpu")

    with pytest.raises(ArgumentError, match=r"validation_data is a dict of data sets: 'near', 'far'\.\n"):
        model.fit(x, validation_data={"near": x, "far": x}, epochs=1, verbose=0)
    assert next(iter(model.evaluate({"near": x, "far": x}, verbose=0))).startswith("near_")
    with pytest.raises(DataError, match="row 1"):  # what is wrong with a split is said of that split
        model.fit(x, validation_data={"train": x, "validation": [x[0], 3]}, epochs=1, verbose=0)


@pytest.mark.parametrize("kind", ONE_SET)
def test_one_set(kind: str, tiny_bert: Path):
    """Columns and splits stay one set: the same four rows are validated on."""
    first, second = (Model(str(tiny_bert), task="text-classification", device="cpu") for _ in range(2))
    settings: dict[str, Any] = {"epochs": 1, "seed": 0, "verbose": 0}

    history = first.fit(TEXTS, LABELS, validation_data=ONE_SET[kind], **settings)

    expected = second.fit(TEXTS, LABELS, validation_data=(TEXTS[:4], LABELS[:4]), **settings)
    assert history[0]["val_loss"] == expected[0]["val_loss"]


def test_tuples_that_are_columns(tiny_bert: Path):
    """Columns of tuples could be sets; they are read as what they are, whatever was learned from."""
    model = Model(str(tiny_bert), task="token-classification", device="cpu")
    columns = {"words": [("a", "film"), ("great",)], "tags": [("O", "O"), ("P",)]}

    history = model.fit([["a", "great"]], [["O", "P"]], validation_data=columns, epochs=1, verbose=0)

    assert np.isfinite(history[0]["val_loss"])
