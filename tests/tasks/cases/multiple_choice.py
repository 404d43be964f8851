"""A text with two to four words to choose from; the right one is in the text."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0][:24]
WORDS = ["boring", "superb", "clumsy", "great"]
ROWS = [(text, [*WORDS[: 1 + number % 3], "film"][::-1]) for number, text in enumerate(TEXTS)]
RIGHT = [number % len(choices) for number, (_, choices) in enumerate(ROWS)]
CASE = Case(ROWS, RIGHT, int, is_ready=True)
