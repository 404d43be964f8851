"""Reads SQuAD's own file: articles of paragraphs of questions become one row per question."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from keraslike.data.values import kind_of
from keraslike.errors import DataError

NESTED = "paragraphs"
"""What an article holds, and no row does."""


def read_squad(x: Any) -> Any:
    """Give the rows of SQuAD's nested form; anything else as it is.

    Args:
        x: the path of a `.json` file, or what it holds: `{"data": [{"paragraphs": [...]}]}`, or the list in it.

    Returns:
        A list of dicts with id, title, context, question and answers, as `datasets` has them; answers are empty for
        questions that are marked as impossible.

    Raises:
        DataError: an article has no paragraphs, a paragraph no context or no questions.

    Example:
        >>> paragraph = {"context": "Ann ran.", "qas": [{"id": "1", "question": "Who ran?", "answers": []}]}
        >>> read_squad({"data": [{"title": "Ann", "paragraphs": [paragraph]}]})[0]["question"]
        'Who ran?'
        >>> read_squad(["no articles"])
        ['no articles']
    """
    articles = _articles(_loaded(x))
    return x if articles is None else [row for number, article in enumerate(articles) for row in _rows(article, number)]


def is_squad(x: Any) -> bool:
    """Say whether a dict is what SQuAD's nested file holds.

    Example:
        >>> is_squad({"version": "1.1", "data": [{"paragraphs": []}]}), is_squad({"question": "Who?"})
        (True, False)
    """
    return isinstance(x, Mapping) and _articles(x) is not None


def _loaded(x: Any) -> Any:
    """Read a JSON file that holds one value; one row per line, and other files, are for other readers."""
    if not isinstance(x, (str, os.PathLike)) or Path(x).suffix.lower() != ".json" or not Path(x).is_file():
        return x
    try:
        return json.loads(Path(x).read_text("utf-8"))
    except ValueError:
        return x


def _articles(x: Any) -> list[Any] | None:
    articles = x.get("data") if isinstance(x, Mapping) else x
    if not isinstance(articles, list) or not articles:
        return None
    return articles if isinstance(articles[0], Mapping) and NESTED in articles[0] else None


def _rows(article: Any, number: int) -> Iterable[dict[str, Any]]:
    if not isinstance(article, Mapping) or not isinstance(article.get(NESTED), list):
        raise _malformed(f"article {number} (counted from 0)", article, NESTED)
    for place, paragraph in enumerate(article[NESTED]):
        where = f"paragraph {place} of article {number} (both counted from 0)"
        if not isinstance(paragraph, Mapping) or not isinstance(paragraph.get("qas"), list):
            raise _malformed(where, paragraph, "qas")
        for question in paragraph["qas"]:
            if not isinstance(question, Mapping):
                raise _malformed(f"a question of {where}", question, "question")
            yield _row(question, paragraph.get("context"), article.get("title"))


def _row(question: Mapping[str, Any], context: Any, title: Any) -> dict[str, Any]:
    answers = [] if question.get("is_impossible") else question.get("answers") or []
    known = {"id": question.get("id"), "title": title, "context": context, "question": question.get("question")}
    return {**known, "answers": answers}


def _malformed(where: str, found: Any, wanted: str) -> DataError:
    has = f"has {', '.join(map(repr, found))}" if isinstance(found, Mapping) else f"is {kind_of(found)}"
    return DataError(
        f"{where} {has}.",
        f"a dict with {wanted!r}, as SQuAD's files have it.",
        "give rows instead: dicts with question, context and answers.",
    )
