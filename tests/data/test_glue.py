"""GLUE's own files: tab-separated without quotes, one for each part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest

from keraslike.data.files import quiet
from keraslike.data.glue import read_tsv, split_name, splits_of
from keraslike.errors import DataError, LoadError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies that `datasets` makes in a folder of the test's own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_quotes_are_characters(tmp_path: Path):
    """A quotation mark at the start of a text, never closed, does not swallow the rows behind it."""
    (tmp_path / "dev.tsv").write_text('index\tsentence\tlabel\n0\t"Oh, he said.\t1\n1\tNA ""x""\t0\n')

    rows = read_tsv(tmp_path / "dev.tsv")

    assert list(rows.column("sentence")) == ['"Oh, he said.', 'NA ""x""']
    assert list(rows.column("label")) == ["1", "0"]


def test_a_byte_order_mark_is_no_name(tmp_path: Path):
    """The mark at the start of MRPC's original file is not part of the first column's name."""
    (tmp_path / "a.txt").write_text("Quality\t#1 String\n1\ta\n", encoding="utf-8-sig")

    assert read_tsv(tmp_path / "a.txt").columns == ["Quality", "#1 String"]


def test_without_a_header(tmp_path: Path):
    """CoLA's first line is a row."""
    (tmp_path / "dev.tsv").write_text("gj04\t1\t\tThe sailors rode.\ncj99\t0\t*\tThe more.\n")

    rows = read_tsv(tmp_path / "dev.tsv", has_header=False)

    assert list(rows.column("sentence")) == ["The sailors rode.", "The more."]
    assert list(rows.column("label")) == ["1", "0"]


def test_no_such_file(tmp_path: Path):
    """A missing file is named."""
    with pytest.raises(LoadError, match=r"there is no file '.*dev\.tsv'"):
        read_tsv(tmp_path / "dev.tsv")


def test_lines_of_other_lengths(tmp_path: Path):
    """What cannot be read says how such a file looks."""
    (tmp_path / "dev.tsv").write_bytes(b"sentence\tlabel\n\xff\xfe\t1\n")

    with pytest.raises(DataError, match=r"dev\.tsv' cannot be read: (.|\n)*as many tabs in each(.|\n)*is a \.csv"):
        read_tsv(tmp_path / "dev.tsv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("Dev", "validation"),
        ("val", "validation"),
        ("testing", "test"),
        ("dev_matched", "validation_matched"),
        ("validation-mismatched", "validation_mismatched"),
        ("test_matched", "test_matched"),
        ("matched", None),
        ("dev_ids", None),
        ("unsupervised", None),
    ],
)
def test_names_of_parts(name: str, expected: str | None):
    """The hub's names, GLUE's own and Keras-like ones are the same parts; another word is none."""
    assert split_name(name) == expected


def names_of(parts: Mapping[str, Any]) -> dict[str, str]:
    return {name: Path(part).name for name, part in parts.items()}


def test_a_folder_of_files(tmp_path: Path):
    """Files are parts by their names, other files are left alone."""
    for name in ("train.tsv", "dev_matched.tsv", "dev_mismatched.csv", "dev_ids.tsv", "readme.txt", "train.py"):
        (tmp_path / name).write_text("a\n")

    parts = splits_of(str(tmp_path))

    assert names_of(parts) == {
        "train": "train.tsv",
        "validation_matched": "dev_matched.tsv",
        "validation_mismatched": "dev_mismatched.csv",
    }


def test_a_folder_as_on_the_hub(tmp_path: Path):
    """Parquet files carry the number of their piece."""
    for name in ("train-00000-of-00001.parquet", "validation_matched-00000-of-00001.parquet"):
        (tmp_path / name).write_text("")

    assert list(splits_of(tmp_path)) == ["train", "validation_matched"]


def test_paraphrases(tmp_path: Path):
    """MRPC's files have names of their own, which count where no other file has the part."""
    for name in ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "train.tsv"):
        (tmp_path / name).write_text("a\n")

    assert names_of(splits_of(tmp_path)) == {"train": "train.tsv", "test": "msr_paraphrase_test.txt"}


def test_two_files_for_a_part(tmp_path: Path):
    """Two files for one part are refused, by name; so are the pieces of one."""
    for name in ("train.csv", "train.tsv"):
        (tmp_path / name).write_text("a\n")

    with pytest.raises(DataError, match=r"two files for train: train\.csv and train\.tsv"):
        splits_of(tmp_path)


def test_a_folder_without_parts(tmp_path: Path):
    """A folder of other files says what is looked for."""
    (tmp_path / "readme.txt").write_text("a")

    with pytest.raises(DataError, match=r"no file that is named after a part(.|\n)*train\.tsv"):
        splits_of(tmp_path)


def test_a_saved_folder(tmp_path: Path):
    """A folder that `save_to_disk` wrote is opened; one data set alone has no parts."""
    one = datasets.Dataset.from_dict({"a": [1]})
    with quiet():
        datasets.DatasetDict(train=one, dev_matched=one).save_to_disk(tmp_path / "several")
        one.save_to_disk(tmp_path / "one")

    assert list(splits_of(tmp_path / "several")) == ["train", "validation_matched"]
    assert splits_of(tmp_path / "one") == {}


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ({"train": ["a"], "dev-matched": ["b"]}, {"train": ["a"], "validation_matched": ["b"]}),
        ({"train": ["a"], "text": ["b"]}, {}),
        ({"text": ["a"], "label": [0]}, {}),
        (["a"], {}),
        ("no_such_folder", {}),
        ("train.csv", {}),
    ],
)
def test_other_containers(x: Any, expected: Any):
    """A dict is one of parts where all its names are; anything else is not."""
    assert splits_of(x) == expected


def test_a_dataset_dict_of_more():
    """A DatasetDict may hold more than the parts."""
    one = datasets.Dataset.from_dict({"a": [1]})

    assert list(splits_of(datasets.DatasetDict(train=one, extra=one))) == ["train"]
