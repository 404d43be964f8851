"""Finding splits, and splitting."""

from pathlib import Path

import datasets
import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from keraslike.data.files import quiet
from keraslike.data.splits import as_split, split_of
from keraslike.data.splitting import split_rows
from keraslike.errors import ArgumentError, DataError


def make(**texts: str) -> datasets.DatasetDict:
    return datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": [text]}) for name, text in texts.items()})


@pytest.mark.parametrize("name", ["validation", "val", "dev", "valid"])
def test_train_and_validation(name: str) -> None:
    """'train' trains, 'validation', 'val' or 'dev' validates, 'test' is left alone."""
    train, validation = as_split(make(train="a", test="c", **{name: "b"}))

    assert (train["text"][:], validation["text"][:]) == (["a"], ["b"])


def test_no_validation_split() -> None:
    """Without one there is none; other splits are left alone."""
    assert as_split(make(train="a", unsupervised="b"))[1] is None


def test_a_source_without_splits_is_whole() -> None:
    """A list, a table or a file has no parts."""
    assert as_split(["a"]) == (["a"], None)
    assert split_of({"text": ["a"]}, "test") == {"text": ["a"]}
    assert as_split("train.csv") == ("train.csv", None)


def test_a_saved_folder_of_splits(tmp_path: Path) -> None:
    """The folder is opened, to see its parts."""
    with quiet():
        make(train="a", test="b").save_to_disk(tmp_path)

    assert split_of(tmp_path, "test")["text"][:] == ["b"]
    assert as_split(str(tmp_path))[0]["text"][:] == ["a"]


def test_missing_split() -> None:
    """The error lists the splits there are; a part that no one knows is another error."""
    with pytest.raises(DataError, match=r"no split for 'test' among 'train', 'dev'(.|\n)*data\['train'\]"):
        split_of(make(train="a", dev="b"), "test")
    with pytest.raises(ArgumentError, match="no part 'dev'"):
        split_of(["a"], "dev")


@pytest.mark.parametrize(("rows", "fraction"), [(100, 0.1), (101, 0.25), (3, 0.5), (10, 0.3)])
def test_shuffled_as_scikit_learn_does(rows: int, fraction: float) -> None:
    """The same rows as `train_test_split`, in the order given."""
    train, valid = split_rows(rows, fraction, seed=3)

    expected = train_test_split(np.arange(rows), test_size=fraction, random_state=3)
    assert (train.tolist(), valid.tolist()) == (sorted(expected[0]), sorted(expected[1]))


def test_stratified_as_scikit_learn_does() -> None:
    """The same rows as `train_test_split(stratify=)`."""
    classes = ["a", "b", "b", "c", "c", "c"] * 20

    train, valid = split_rows(120, 0.2, seed=2**40 + 7, stratify=classes)

    expected = train_test_split(np.arange(120), test_size=0.2, random_state=7, stratify=classes)
    assert (train.tolist(), valid.tolist()) == (sorted(expected[0]), sorted(expected[1]))


def test_a_class_with_one_row_trains() -> None:
    """Its row never validates."""
    classes = ["alone", *["a", "b"] * 10]

    valid = [split_rows(21, 0.3, seed, classes)[1] for seed in range(20)]

    assert all(len(rows) == 7 and 0 not in rows for rows in valid)


def test_more_classes_than_validation_rows() -> None:
    """No class can have its share, so one row of each trains, and the number of rows is kept."""
    classes = list(range(10)) * 2

    train, valid = split_rows(20, 0.2, seed=0, stratify=classes)

    assert len(valid) == 4
    assert {classes[row] for row in train} == set(range(10))


def test_nearly_everything_validates() -> None:
    """Of each class one row still trains."""
    train, valid = split_rows(4, 0.75, seed=0, stratify=["a", "b", "a", "b"])

    assert (train.tolist(), valid.tolist()) == ([0, 1], [2, 3])


def test_two_rows_of_one_class() -> None:
    """The smallest split there is."""
    train, valid = split_rows(2, 0.5, seed=0, stratify=["a", "a"])

    assert len(train) == len(valid) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, True, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    """Only shares between 0 and 1 split."""
    with pytest.raises(ArgumentError, match="validation_split is"):
        split_rows(10, fraction, seed=0)


@pytest.mark.parametrize(("rows", "fraction", "stratify"), [(1, 0.5, None), (5, 0.9, None), (3, 0.5, ["a", "b", "c"])])
def test_no_side_is_empty(rows: int, fraction: float, stratify: list[str] | None) -> None:
    """A split that leaves a side empty is refused."""
    with pytest.raises(DataError, match=f"{rows} rows cannot be split with validation_split={fraction}"):
        split_rows(rows, fraction, seed=0, stratify=stratify)
