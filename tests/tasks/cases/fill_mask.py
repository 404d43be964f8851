"""Plain texts, and some with a word left out."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0]
MASKED = ["a [MASK] film", "the <mask> was [MASK] from the first scene", "what a [MASK] cast !", "the ending [MASK]"]
CASE = Case(TEXTS, None, list, to_predict=MASKED, is_ready=True, is_packed=True)
