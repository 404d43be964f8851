"""The benchmark on real texts, run on small files and a tiny model."""

from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import real_data

TRAIN_ROWS = 24  # given twice, so that an epoch has two batches and their order matters


def columns_of(texts: list[str], labels: list[str]) -> dict[str, dict[str, list[Any]]]:
    """Give each data set's columns: the same texts, and targets of its kind."""
    lengths = [len(text) / 10 + 0.01 for text in texts]
    several = [[label, "long"] if len(text) > 20 else [label] for text, label in zip(texts, labels, strict=True)]
    return {
        "sms_spam": {"text": texts, "label": labels},
        "sentence_polarity": {"text": texts, "label": [int(label == "good") for label in labels]},
        "mnli": {"premise": texts, "hypothesis": texts[::-1], "label": [0, 1, 2, 0] * (len(texts) // 4)},
        "goemotions": {"text": texts, "labels": several},
        "emobank": {"text": texts, **dict.fromkeys(("valence", "arousal", "dominance"), lengths)},
    }


@pytest.fixture(scope="module")
def rows(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, texts_and_labels: tuple[list[str], list[str]]
) -> list[dict[str, str]]:
    """What the command writes for one seed of all data sets and sides, when it is given twice."""
    folder = tmp_path_factory.mktemp("data")
    for name, columns in columns_of(*texts_and_labels).items():
        data = real_data.DATA[name]
        table = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        (folder / name).mkdir()
        real_data.write_rows(table[:TRAIN_ROWS] * 2, data.file(folder / name, "train"))
        for part in data.parts:
            real_data.write_rows(table[TRAIN_ROWS:], data.file(folder / name, part))
    command = ["--data", folder, "--model", tiny_bert, "--out", folder / "rows.csv", "--seeds", 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
        for _ in range(2):
            real_data.main([*map(str, command), "--same-order"])
    return real_data.read_rows(folder / "rows.csv")


def test_a_row_for_every_part_and_side(rows: list[dict[str, str]]):
    """Every data set is measured on each of its parts by each side, once, however often the command is given."""
    wanted = [
        (name, part, who) for name, data in real_data.DATA.items() for part in data.parts for who in real_data.RUNS
    ]

    assert sorted((row["data"], row["part"], row["who"]) for row in rows) == sorted(wanted)


def test_same_order_learns_the_same(rows: list[dict[str, str]]):
    """A loop written by hand, given the documented order of the rows, has the same loss.

    The weights are the same; the loss is added up in float32 over other batches, which differ in the last digits.
    """
    losses = {who: [float(row["loss"]) for row in rows if row["who"] == who] for who in real_data.RUNS}

    assert losses["by hand, same order"] == pytest.approx(losses["keraslike"], rel=1e-6)


@pytest.mark.parametrize("score", real_data.SCORES)
def test_same_order_scores_the_same(rows: list[dict[str, str]], score: str):
    """Its scores are the same too, but for the order in which their sums are added up."""
    by_side = {who: [float(row[score]) for row in rows if row["who"] == who and row[score]] for who in real_data.RUNS}

    assert by_side["keraslike"]
    assert by_side["by hand, same order"] == pytest.approx(by_side["keraslike"], rel=1e-6)


def test_table_gives_mean_and_spread():
    """The table has a line per part and score: mean, standard deviation, number of runs."""
    shared = {**dict.fromkeys(real_data.COLUMNS, ""), "settings": "as ever", "data": "sms_spam", "part": "dev"}
    runs = [{**shared, "who": "keraslike", "accuracy": value} for value in ("0.5", "0.7")]

    assert real_data.table(runs).splitlines()[-1] == "| sms_spam, dev | accuracy | 0.6000 ± 0.1414 (2) |"
