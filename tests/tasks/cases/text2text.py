"""Short texts, each with its words in reverse."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0][:16]
REVERSED = [" ".join(text.split()[::-1]) for text in TEXTS]
CASE = Case(TEXTS, REVERSED, str, body="tiny_t5", is_ready=True)
