"""SQuAD's nested file becomes rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from keraslike.data.squad import is_squad, read_squad
from keraslike.errors import DataError

NESTED = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ann",
            "paragraphs": [
                {
                    "context": "Ann ran.",
                    "qas": [
                        {"id": "a", "question": "Who ran?", "answers": [{"text": "Ann", "answer_start": 0}]},
                        {
                            "id": "b",
                            "question": "Who sang?",
                            "is_impossible": True,
                            "answers": [],
                            "plausible_answers": [{"text": "Ann", "answer_start": 0}],
                        },
                    ],
                },
                {"context": "Nobody.", "qas": []},
            ],
        },
        {"paragraphs": [{"context": "Bob sat.", "qas": [{"question": "Who sat?"}]}]},
    ],
}
ROWS = [
    {
        "id": "a",
        "title": "Ann",
        "context": "Ann ran.",
        "question": "Who ran?",
        "answers": [{"text": "Ann", "answer_start": 0}],
    },
    {"id": "b", "title": "Ann", "context": "Ann ran.", "question": "Who sang?", "answers": []},
    {"id": None, "title": None, "context": "Bob sat.", "question": "Who sat?", "answers": []},
]


def test_file_dict_and_articles(tmp_path: Path):
    """The path of the file, what it holds, and the list of articles in it all give a row per question."""
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(NESTED))

    found = [read_squad(source) for source in (file, str(file), NESTED, NESTED["data"])]

    assert found == [ROWS] * 4


@pytest.mark.parametrize("answers", [[], [{"text": "Ann", "answer_start": 0}]], ids=["as in v2.0", "filled"])
def test_impossible_questions_have_no_answers(answers: list[dict[str, Any]]):
    """What is marked as impossible has no answer: neither the plausible ones nor what stands beside the mark."""
    plausible = [{"text": "ran", "answer_start": 4}]
    known = {"id": "a", "question": "Who sang?", "plausible_answers": plausible, "answers": answers}
    marked = [{**known, "is_impossible": is_impossible} for is_impossible in (True, False)]

    impossible, possible = read_squad({"data": [{"paragraphs": [{"context": "Ann ran.", "qas": marked}]}]})

    assert impossible["answers"] == []
    assert possible["answers"] == answers
    assert impossible.keys() == {"id", "title", "context", "question", "answers"}


def test_other_things_stay(tmp_path: Path):
    """Files of rows, files that are none, and everything else are left to other readers."""
    lines, rows, torn = (tmp_path / name for name in ("lines.json", "rows.json", "torn.json"))
    lines.write_text('{"question": "a"}\n{"question": "b"}\n')
    rows.write_text('[{"question": "a"}]')
    torn.write_text('{"data": [')
    others: list[Any] = [lines, rows, torn, tmp_path / "none.json", "x.jsonl", [], {}, {"data": []}, {"data": [1]}, 3]

    assert [read_squad(other) for other in others] == others


def test_tells_the_dict_from_a_row():
    """A dict of articles is told from one row, and from columns."""
    assert is_squad(NESTED)
    assert not is_squad({"question": "Who?", "context": "Ann."})
    assert not is_squad(NESTED["data"])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ([*NESTED["data"], 3], r"article 2 \(counted from 0\) is an int"),
        ([{"paragraphs": None}], r"article 0 .* has 'paragraphs'"),
        ([{"paragraphs": [{"context": "a"}]}], r"paragraph 0 of article 0 \(both counted from 0\) has 'context'"),
        ([{"paragraphs": ["a"]}], "paragraph 0 of article 0 .* is a str"),
        ([{"paragraphs": [{"context": "a", "qas": ["b"]}]}], "a question of paragraph 0 of article 0 .* is a str"),
    ],
)
def test_what_is_damaged(data: Any, what: str):
    """What is not nested as SQuAD's files are is refused, with its place."""
    with pytest.raises(DataError, match=what):
        read_squad({"data": data})
