"""Words with a label each: the words of opinion, and all others."""

from tests.tasks.cases import Case
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
WORDS = [text.split() for text in TEXTS]
OPINIONS = {word for words in WORDS for word in words if sum(word in others for others in WORDS) == 4}


def tag(word: str, sentiment: str) -> str:
    """Give the tag of a word: an opinion is an entity of its sentiment."""
    return f"B-{sentiment}" if word in OPINIONS else "O"


TAGS = [[tag(word, sentiment) for word in words] for words, sentiment in zip(WORDS, SENTIMENTS, strict=True)]
CASE = Case(WORDS, TAGS, list)
