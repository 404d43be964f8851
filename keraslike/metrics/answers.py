"""Exact match and F1 of answers in words, as the official scripts of SQuAD count them."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from keraslike.data.answers import read_answers
from keraslike.data.values import kind_of
from keraslike.errors import DataError
from keraslike.metrics.rows import row_metric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _check(name: str, references: Sequence[Any], answers: Sequence[Any] | None) -> None:
    """Refuse references that are no answers in words, and tasks that give a list of labels for each row."""
    for number, truth in enumerate(references):
        is_list = answers is not None and isinstance(answers[number], (list, tuple))
        if is_list or not _is_answer(truth):
            raise DataError(
                f"the metric {name!r} was given {truth!r:.60}, {kind_of(truth)}, for row {number} (counted from 0).",
                "one answer in words for each row: a text, or texts as SQuAD gives them.",
                'take it for answers, such as those of "question-answering"; labels are measured by '
                "metrics=['accuracy'].",
            )


def _is_answer(truth: Any) -> bool:
    try:
        read_answers(truth)
    except DataError:
        return False
    return True


@row_metric("exact_match", partial(_check, "exact_match"))
def exact_match(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the share of rows whose answer is one of the true ones, but for case, punctuation, articles and spaces.

    Args:
        predictions: of each row what `predict` gives: a dict with `answer`, a text, or a list of them, the best first.
        references: of each row the true answers: SQuAD's dict with `text`, a list of such dicts, texts, or a text.
            Nothing, or an empty list, means that no answer is right.

    Returns:
        A fraction, 0 to 1, where SQuAD's scripts give percent. Answers of nothing but articles and punctuation do not
        count as answers, as in v2.0.

    Example:
        >>> exact_match([{"answer": "the Hague"}, "Delft"], [{"text": ["Hague", "The Hague."]}, "Leiden"])
        0.5

    Source:
        https://worksheets.codalab.org/rest/bundles/0x6b567e1cf2e041ec80d7098f031c5c9e/contents/blob/ (v2.0)
    """
    return _mean(_same, predictions, references)


@row_metric("answer_f1", partial(_check, "answer_f1"))
def answer_f1(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the mean over rows of the F1 of the answer's words, against the true answer that it is most like.

    Words are counted as often as they stand in the answer; case, punctuation and articles do not matter. Where there is
    no answer it is 1 if none was given, else 0.

    Args:
        predictions: as in `exact_match`.
        references: as in `exact_match`.

    Returns:
        A fraction, 0 to 1.

    Example:
        >>> answer_f1(["old city of Delft"], [["Delft", "the city"]])
        0.4

    Source:
        As `exact_match`.
    """
    return _mean(_f1, predictions, references)


def normalised(text: str) -> str:
    """Give a text in small letters, without punctuation, articles and further spaces, as SQuAD compares answers.

    Example:
        >>> normalised("  The U.S. (an  ally)")
        'us ally'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def _mean(score: Callable[[str, str], float], predictions: Sequence[Any], references: Sequence[Any]) -> float:
    pairs = zip(predictions, references, strict=True)
    scores = [max(score(_given(answer), truth) for truth in _truths(truths)) for answer, truths in pairs]
    return sum(scores) / len(scores)


def _given(prediction: Any) -> str:
    """Give the first answer, normalised; nothing where there is none."""
    return normalised(next((answer.text for answer in read_answers(prediction)), ""))


def _truths(reference: Any) -> list[str]:
    """Give the true answers, normalised; those that are nothing then are left out, unless there are no others."""
    return [text for answer in read_answers(reference) if (text := normalised(answer.text))] or [""]


def _same(given: str, truth: str) -> float:
    return float(given == truth)


def _f1(given: str, truth: str) -> float:
    ours, theirs = given.split(), truth.split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * common / (len(ours) + len(theirs))
