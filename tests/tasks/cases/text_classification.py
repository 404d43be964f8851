"""Texts with a label each."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
CASE = Case(TEXTS, SENTIMENTS, str)
