"""Texts of one to five sentences in their true order; all words are tokens of the tiny models."""

from itertools import product

from tests.tasks.cases import Case

NAMES = ("film", "story", "scene", "cast", "ending", "the", "what", "a")
STEPS = ("wonderful", "great", "moving", "boring", "awful")
TEXTS = [[f"{name} {step}" for step in STEPS[:size]] for name, size in product(NAMES, (5, 3, 2, 4, 1))]

CASE = Case(TEXTS, None, list, to_predict=[text[::-1] for text in TEXTS], is_ready=True)
