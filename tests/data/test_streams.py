"""Streams of rows."""

from collections import Counter
from typing import Any

import datasets
import pytest

from keraslike.data.dataset import as_dataset
from keraslike.data.streams import is_stream, stream
from keraslike.errors import DataError

DATA = datasets.Dataset.from_dict(
    {"premise": [f"a{i}" for i in range(50)], "hypothesis": ["b"] * 50, "label": [i % 2 for i in range(50)]},
    features=datasets.Features(
        premise=datasets.Value("string"),
        hypothesis=datasets.Value("string"),
        label=datasets.ClassLabel(names=["no", "yes"]),
    ),
)


def test_the_same_rows_as_a_table() -> None:
    """A stream gives one by one what `as_dataset` gives of the same data."""
    source = DATA.to_iterable_dataset()

    assert is_stream(source)
    assert not is_stream(DATA)
    assert list(stream(source)) == list(as_dataset(DATA))


def test_shuffled_by_seed_and_epoch() -> None:
    """The same seed and epoch give the same order; every row comes once, none much too early."""

    def texts(**options: Any) -> list[str]:
        return [row["text"] for row in stream(DATA.to_iterable_dataset(), buffer=8, **options)]

    first = texts(seed=1, epoch=1)

    assert first == texts(seed=1, epoch=1)
    assert len({tuple(first), tuple(texts(seed=1, epoch=2)), tuple(texts(seed=2, epoch=1)), tuple(texts())}) == 4
    assert Counter(first) == Counter(texts())
    assert all(place >= int(text[1:]) - 8 for place, text in enumerate(first))


def test_nothing_is_drawn_before_it_is_asked_for() -> None:
    """Making a stream looks at no row."""
    drawn = []

    def rows() -> Any:
        for i in range(3):
            drawn.append(i)
            yield {"text": "a", "label": i}

    made = stream(rows(), prepare=lambda row: {**row, "label": -row["label"]})

    assert drawn == []
    assert next(made) == {"text": "a", "target": 0}
    assert drawn == [0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a"], r"row 0 of the stream \(counted from 0\) is 'a', a str"),
        ([{"text": "a"}, {"text": None}], "row 1 of the stream .* has no text: None"),
        ([{"text": "a", "label": None}], "row 0 of the stream .* has no label"),
    ],
)
def test_errors_name_the_row(rows: list[Any], message: str) -> None:
    """Rows are checked when they come."""
    with pytest.raises(DataError, match=message):
        list(stream(rows))
