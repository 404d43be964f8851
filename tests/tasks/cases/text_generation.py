"""Plain texts, and the beginnings of some."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0]
CASE = Case(
    TEXTS, None, str, body="tiny_gpt2", to_predict=["a", "the story was", "what a great"], is_ready=True, is_packed=True
)
