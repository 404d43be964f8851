"""Questions about films, each with a context that answers it; every fourth is too long for one window."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0]
CONTEXTS = [" ".join(TEXTS[i : i + (24 if i % 4 == 0 else 1)]) + (" ." if i % 4 else "") for i in range(len(TEXTS))]
QUESTIONS = [f"what was the film in story {i} ?" for i in range(len(TEXTS))]


def answers_of(number: int) -> dict[str, list[object]]:
    """Give the last word of the context but one as its answer; every fifth question has none."""
    word = CONTEXTS[number].split()[-2]
    start = CONTEXTS[number].rindex(word)
    return {"text": [], "answer_start": []} if number % 5 == 4 else {"text": [word], "answer_start": [start]}


ROWS = [{"question": q, "context": c} for q, c in zip(QUESTIONS, CONTEXTS, strict=True)]
ANSWERS = [answers_of(number) for number in range(len(ROWS))]
CASE = Case(ROWS, ANSWERS, dict, is_ready=True)
