"""What is proposed where a task's columns are not found."""

from typing import Any

import pytest

from keraslike.data.fields import Field, read_fields
from keraslike.errors import ArgumentError, DataError

WORDS, TAGS = Field("words", ("tokens",), "a list of words"), Field("target", ("tags",), "a list of labels")
QUESTION, CONTEXT = Field("question", ("query",), "a question"), Field("context", ("passage",), "a text")


@pytest.mark.parametrize(
    ("fields", "row", "options", "message"),
    [
        ([WORDS, TAGS], {"id": 1, "w": ["a"], "t": ["O"]}, {}, r"named 'words' or 'tokens'(.|\n)*name it: text='w'"),
        ([WORDS, TAGS], {"words": ["a"], "t": ["O"], "s": "x"}, {}, r"'target' or 'tags'(.|\n)*name it: target='t'"),
        ([WORDS, TAGS], {"words": ["a"]}, {}, r"give the rows a column 'target'"),
        ([QUESTION, CONTEXT], {"q": "a", "c": "b"}, {}, r"name it: text=\('q', 'c'\)"),
        ([QUESTION, CONTEXT], {"question": "a", "c": "b"}, {}, r"name it: text=\('question', 'c'\)"),
        ([WORDS, TAGS], {"words": ["a"], "t": ["O"]}, {"target": "q"}, r"as target= says(.|\n)*name it: target='t'"),
    ],
)
def test_columns_that_are_proposed(fields: Any, row: dict[str, Any], options: dict[str, Any], message: str):
    """A column that is proposed could fit, and is no other field's; several inputs are named together."""
    with pytest.raises((ArgumentError, DataError), match=message):
        read_fields([row], fields=fields, **options)
