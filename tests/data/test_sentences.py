"""Texts become lists of sentences: read from every container, or cut out of plain texts by a rule."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from keraslike.data.sentences import cut_sentences, read_sentences, windows
from keraslike.errors import ArgumentError, DataError

ROWS = [["He woke.", "He ate.", "He ran."], ["She slept."], ["One.", "Two."]]
COLUMNS = {
    "storyid": ["a", "b", "c"],
    "storytitle": ["x", "y", "z"],
    "sentence1": ["He woke.", "She slept.", "One."],
    "sentence2": ["He ate.", "", "Two."],
    "sentence3": ["He ran.", "", ""],
}


def sentences_of(x: Any, **options: Any) -> Any:
    """Give the lists of sentences that are read."""
    return list(read_sentences(x, **options).column("sentences"))


# Containers


def csv_file(folder: Path) -> str:
    pd.DataFrame(COLUMNS).to_csv(folder / "stories.csv", index=False)
    return str(folder / "stories.csv")


def jsonl_file(folder: Path) -> Path:
    (folder / "stories.jsonl").write_text("\n".join(json.dumps({"sentences": row}) for row in ROWS))
    return folder / "stories.jsonl"


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: ROWS,
        lambda folder: tuple(map(tuple, ROWS)),
        lambda folder: iter(ROWS),
        lambda folder: np.array(ROWS, dtype=object),
        lambda folder: {"sentences": ROWS},
        lambda folder: [{"sentences": row, "id": 1} for row in ROWS],
        lambda folder: Dataset.from_dict({"sentences": ROWS}),
        lambda folder: pd.DataFrame({"Sentences": ROWS}),
        lambda folder: pd.Series(ROWS),
        jsonl_file,
        lambda folder: COLUMNS,
        lambda folder: pd.DataFrame(COLUMNS).replace("", None),
        lambda folder: [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
        lambda folder: Dataset.from_dict(COLUMNS),
        csv_file,
    ],
    ids=[
        *("lists", "tuples", "iterator", "array", "dict", "dicts", "Dataset", "DataFrame", "Series", ".jsonl"),
        *("columns", "DataFrame of columns", "dicts of columns", "Dataset of columns", ".csv"),
    ],
)
def test_every_container_gives_the_same_lists(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A list per row, a column of lists, or a column per sentence, whose empty cells at the end are left out."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    assert sentences_of(make(tmp_path)) == ROWS


def test_columns_stand_in_the_order_of_their_numbers():
    """The tenth sentence comes behind the ninth, whatever the order of the columns."""
    columns = {f"Sentence {number}": [f"{number}."] for number in (10, 2, 1, 9, 3, 4, 5, 6, 7, 8)}

    assert sentences_of(columns) == [[f"{number}." for number in range(1, 11)]]


def test_columns_by_name():
    """`text` names the columns of the sentences, or the one of lists."""
    assert sentences_of({"a": ["He ran."], "b": ["He woke."]}, text=["b", "a"]) == [["He woke.", "He ran."]]
    assert sentences_of({"a": ROWS, "b": ROWS}, text="b") == ROWS


def test_one_column_of_a_sentence():
    """A single numbered column is a sentence, not a plain text."""
    assert sentences_of({"sentence1": ["He woke. He ate."]}) == [["He woke. He ate."]]


def test_prepared_rows():
    """`prepare` makes the rows before the columns are looked for."""
    rows = [{"first": "He woke.", "then": "He ate."}]

    assert sentences_of(rows, prepare=lambda row: {"sentences": [*row.values()]}) == [["He woke.", "He ate."]]


def test_spaces_around_sentences_are_left_out():
    """A sentence has none at its ends."""
    assert sentences_of([[" He woke. ", "He ate.\n"]]) == [["He woke.", "He ate."]]


# Mistakes


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ([["a"], ["b", ""]], r"sentence 2 of row 1 \(counted from 0\) is '', a str(?s:.)*look at row 1"),
        ([["a"], ["b", 3]], r"sentence 2 of row 1 \(counted from 0\) is 3, an int"),
        ([["a"], []], r"row 1 \(counted from 0\) is \[\], a list(?s:.)*a list of sentences in every row"),
        ([["a"], "b"], r"row 1 \(counted from 0\) is 'b', a str"),
        ([["a"], None], r"row 1 \(counted from 0\) is None"),
        ({"sentence1": ["a", ""], "sentence2": ["b", "c"]}, r"sentence 1 of row 1 \(counted from 0\) is None"),
        ({"sentence1": ["a", " "], "sentence2": ["b", None]}, r"row 1 \(counted from 0\) is \[\], a list"),
        ({"review": ["a"], "stars": [1]}, r"no columns hold sentences; there are 'review', 'stars'(?s:.)*sentence1"),
        ([], r"x is empty"),
        (["One sentence.", "Another one."], r"none of the 2 has two sentences; the first is 'One sentence\.'"),
    ],
)
def test_rows_that_hold_no_sentences(x: Any, text: str):
    """The error names row and value, and what was expected."""
    with pytest.raises(DataError, match=text):
        read_sentences(x)


def test_targets_are_refused():
    """The order is all there is to know."""
    with pytest.raises(DataError, match=r"y is given, a list(?s:.)*leave out y"):
        read_sentences(ROWS, [1, 2, 3])


def test_a_column_that_is_not_there():
    """A wrong name is answered with the names that there are."""
    with pytest.raises(ArgumentError, match=r"no column 'sentnece1', as text= says(?s:.)*'sentence1', 'sentence2'"):
        read_sentences(COLUMNS, text=["sentnece1", "sentence2"])


# Plain texts


@pytest.mark.parametrize(
    "sentences",
    [
        ["He woke.", "He ate!", "Did he run?", "He slept..."],
        ["Mr. Fox met Dr. J. R. Wolf.", "They ran."],
        ['"Can I kick the ball?" asked Tom.', '"No."', "He left."],
        ['He said "Go!"', "(It was late.)", "So he went."],
        ['"Stop! Leave them!" a voice said.', "“Yes. I will.”", "All left."],
        ["Er sagte: „Nein. Niemals.“", "«Non. Jamais.»", "Alle gingen."],
        ['"An open quotation.', "It never ends.", "Nobody knows why."],
        [
            "It cost 3.50 dollars, i.e. too much.",
            "See no. 5 and Fig. 2 there.",
            "No.",
            "She ate a fig.",
            "It was 1999.",
        ],
        ["Version 2.0 is out", "at the end of a paragraph"],
        ["It was he and I.", "Nobody else came."],
        ["今日は雨です。", "傘を持って行こう！"],
        ["Am Ende, z.B. hier, war Schluss.", "Hr. Maier ging."],
    ],
    ids=lambda sentences: sentences[0],
)
def test_sentences_are_cut(sentences: list[str]):
    """By the marks that end them, but not behind titles, initials, abbreviations, or before a small letter."""
    joint = "\n\n" if not sentences[0].endswith((".", "?", "!", '"', "。")) else " "

    assert cut_sentences(joint.join(sentences)) == sentences


def test_line_breaks_in_a_paragraph_are_spaces():
    """A text that was wrapped is cut as it was before; empty lines end a sentence; nothing gives nothing."""
    assert cut_sentences("He woke\nup. He\nate.\n\n\nA title\n\nHe ran.") == [
        "He woke up.",
        "He ate.",
        "A title",
        "He ran.",
    ]
    assert cut_sentences(" \n ") == []


def test_windows_do_not_overlap():
    """As many runs as there is room for, in order, with what is left over drawn between them."""
    starts = set()
    for seed in range(20):
        runs = windows(13, 5, np.random.default_rng(seed))
        places = [place for run in runs for place in run]
        starts.add(tuple(run.start for run in runs))

        assert [len(run) for run in runs] == [5, 5]
        assert places == sorted(set(places))
        assert places[0] >= 0
        assert places[-1] < 13
    assert len(starts) > 5


@pytest.mark.parametrize(
    ("count", "runs"), [(0, []), (1, []), (2, [range(2)]), (4, [range(4)]), (10, [range(5), range(5, 10)])]
)
def test_windows_without_a_choice(count: int, runs: list[range]):
    """A text of two to four sentences is one example; one sentence is none."""
    assert windows(count, 5, np.random.default_rng(0)) == runs


def test_plain_texts_become_examples_by_the_seed(tmp_path: Path):
    """Each text's runs depend on the seed and its number alone; the number is kept beside each example."""
    texts = [" ".join(f"Nr{number} was {letter}." for number in range(7)) for letter in "ab"]
    (tmp_path / "b.txt").write_text(texts[1])

    rows = read_sentences(texts, window=3, seed=1)

    assert [row["of_text"] for row in rows] == [0, 0, 1, 1]
    assert sentences_of(texts, window=3, seed=1) == list(rows.column("sentences"))
    assert sentences_of(texts[:1], window=3, seed=1) == list(rows.column("sentences"))[:2]
    assert len({str(sentences_of(texts, window=3, seed=seed)) for seed in range(9)}) > 2
    assert sentences_of(tmp_path / "b.txt", window=7) == [texts[1].replace(". ", ".|").split("|")]
    assert sentences_of({"story": texts}, window=3, seed=1) == list(rows.column("sentences"))
