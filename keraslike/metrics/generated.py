"""`bleu`, `chrf`, `chrf++` and `rouge`: generated texts held against the user's own, over all rows at once; 0 to 1."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from string import punctuation
from typing import Any

from keraslike.errors import ArgumentError, DataError, MissingDependencyError
from keraslike.metrics.rows import row_metric

CHARACTERS = 6
"""chrF looks at runs of one to so many characters."""

RECALL = 2.0
"""How many times as much as precision recall counts in chrF (its beta)."""

ROUGES = ("rouge1", "rouge2", "rougeL")

Runs = Counter[str | tuple[str, ...]]
Counts = tuple[int, int, int]


def _check(name: str, references: Sequence[Any], answers: Sequence[Any] | None) -> None:
    """Refuse references and answers that are no texts, and a package that is not there."""
    if name == "rouge":
        _rouge_scorers()
    _texts(name, [""] * len(references) if answers is None else answers, references)


@row_metric("bleu", partial(_check, "bleu"))
def bleu(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the corpus BLEU as sacreBLEU counts it: runs of one to four words of all rows, and a penalty for brevity.

    The penalty looks at the reference whose length is nearest, of two as near at the shorter one, whatever their order.

    Args:
        predictions: one text for each row.
        references: as many texts, or lists of several right ones.

    Raises:
        DataError: something is no text.

    Example:
        >>> bleu(["the cat sat on the mat"], ["the cat sat on the mat"])
        1.0

    Source:
        M. Post, A Call for Clarity in Reporting BLEU Scores, WMT 2018 (tokenization "13a", no smoothing); computed by
        torchmetrics.
    """
    from torchmetrics.functional.text import sacre_bleu_score

    texts, truths = _texts("bleu", predictions, references)
    return float(sacre_bleu_score(texts, [sorted(right, key=_words) for right in truths]))


@row_metric("chrf", partial(_check, "chrf"))
def chrf(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the corpus chrF: runs of one to six characters of all rows, white space left out.

    It is what torchmetrics gives for `n_word_order=0` but for two things: torchmetrics forgets the reference of a row
    with nothing right, and takes 9 ms for a row of 11 words, where this takes 0.2 ms. Lengths that no text has count as
    0, so that a right answer of two letters has a third. sacreBLEU counts so with `eps_smoothing=True`, but leaves out
    a row's runs of a length that its reference is too short for, where here, as in torchmetrics, they are wrong ones.

    Args:
        predictions: as in `bleu`.
        references: as in `bleu`; of several the one that suits a row best counts.

    Raises:
        DataError: something is no text.

    Example:
        >>> chrf(["a black cat"], ["a black cat"]), round(chrf(["a black cat"], ["a black dog"]), 4)
        (1.0, 0.5022)

    Source:
        M. Popović, chrF: character n-gram F-score for automatic MT evaluation, WMT 2015.
    """
    return _chrf(*_texts("chrf", predictions, references), words=0)


@row_metric("chrf++", partial(_check, "chrf++"))
def chrf_with_words(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the corpus chrF++: as `chrf`, with single words and pairs of words beside the runs of characters.

    Args:
        predictions: as in `chrf`.
        references: as in `chrf`.

    Raises:
        DataError: something is no text.

    Example:
        >>> chrf_with_words(["a black cat"], ["a black cat"])
        1.0

    Source:
        M. Popović, chrF++: words helping character n-grams, WMT 2017.
    """
    return _chrf(*_texts("chrf++", predictions, references), words=2)


@row_metric("rouge", partial(_check, "rouge"))
def rouge(predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
    """Give ROUGE-1, ROUGE-2 and ROUGE-L: the F1 of single words, of pairs, and of the longest common run of words.

    Each is the mean over rows, without stemming. It needs the package rouge-score.

    Args:
        predictions: as in `bleu`.
        references: as in `bleu`.

    Raises:
        MissingDependencyError: rouge-score is not installed.
        DataError: something is no text.

    Source:
        C.-Y. Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004; computed by Google's rouge-score.
    """
    texts, truths = _texts("rouge", predictions, references)
    scorer = _rouge_scorers().RougeScorer(list(ROUGES))
    scores = [scorer.score_multi(right, text) for text, right in zip(texts, truths, strict=True)]
    return {name: sum(score[name].fmeasure for score in scores) / len(scores) for name in ROUGES}


def _rouge_scorers() -> Any:
    try:
        return import_module("rouge_score.rouge_scorer")
    except ImportError:
        raise MissingDependencyError(
            "the metric 'rouge' needs rouge-score, which is not installed.",
            "rouge-score, or the metrics bleu and chrf, which need nothing.",
            'pip install "keraslike[rouge]"',
        ) from None


def _words(text: str) -> int:
    """Count the words of a text as sacreBLEU's tokenization "13a" cuts them."""
    from torchmetrics.functional.text.sacre_bleu import _SacreBLEUTokenizer  # it has no public name

    return len(_SacreBLEUTokenizer.tokenize(text, "13a"))


def _texts(name: str, predictions: Sequence[Any], references: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    """Give the texts, and for each the list of the right ones."""
    right = [[truth] if isinstance(truth, str) else truth for truth in references]
    for number, (text, truths) in enumerate(zip(predictions, right, strict=True)):
        is_text = isinstance(truths, (list, tuple)) and truths and all(isinstance(truth, str) for truth in truths)
        if not isinstance(text, str) or not is_text:
            wrong = references[number] if isinstance(text, str) else text
            raise DataError(
                f"the metric {name!r} was given {wrong!r:.60}, a {type(wrong).__name__}, for row {number} "
                "(counted from 0).",
                "a text predicted for each row, and a text, or a list of texts, to hold it against.",
                'take it for a task that writes texts, such as "text2text".',
            )
    if not right:
        raise ArgumentError(f"the metric {name!r} was given no rows.", "at least one row.")
    return list(predictions), [list(truths) for truths in right]


def _chrf(texts: list[str], truths: list[list[str]], words: int) -> float:
    """Add up the counts of all rows, each with its best reference, and give their F."""
    sums = [(0, 0, 0)] * (CHARACTERS + words)
    for text, right in zip(texts, truths, strict=True):
        given = _runs(text, words)
        best = max((_matches(given, _runs(truth, words)) for truth in right), key=_f_score)
        sums = [(a + d, b + e, c + f) for (a, b, c), (d, e, f) in zip(sums, best, strict=True)]
    return _f_score(sums)


def _runs(text: str, words: int) -> list[Runs]:
    """Count the runs of a text: those of its characters by their length, then those of its words."""
    tokens = tuple(token for word in text.split() for token in _without_punctuation(word)) if words else ()
    of_letters = [_counted("".join(text.split()), length) for length in range(1, CHARACTERS + 1)]
    return [*of_letters, *(_counted(tokens, length) for length in range(1, words + 1))]


def _counted(items: str | tuple[str, ...], length: int) -> Runs:
    return Counter(items[start : start + length] for start in range(len(items) - length + 1))


def _without_punctuation(word: str) -> tuple[str, ...]:
    """Cut one mark off a word, the last before the first."""
    if len(word) == 1 or not (word[-1] in punctuation or word[0] in punctuation):
        return (word,)
    return (word[:-1], word[-1]) if word[-1] in punctuation else (word[0], word[1:])


def _matches(given: list[Runs], right: list[Runs]) -> list[Counts]:
    """Give, by length, how many runs are in both, in what was given, and in the right text."""
    pairs = zip(given, right, strict=True)
    return [((ours & theirs).total(), ours.total(), theirs.total()) for ours, theirs in pairs]


def _f_score(counts: Sequence[Counts]) -> float:
    """Give the mean of F over the lengths."""
    scores = []
    for both, ours, theirs in counts:
        precision, recall = both / ours if ours else 0.0, both / theirs if theirs else 0.0
        divisor = RECALL**2 * precision + recall
        scores.append((1 + RECALL**2) * precision * recall / divisor if divisor else 0.0)
    return sum(scores) / len(scores)
