"""Data sets that tasks are measured on: a file for each kind, with keraslike's side and the one written by hand."""

from collections.abc import Callable
from dataclasses import dataclass

from . import answering, masking, ordering, similarity, tagging
from .run import Found, Run


@dataclass(frozen=True)
class Entry:
    """What is run.

    Args:
        with_keraslike: learns by keraslike, and measures.
        by_hand: learns by torch and transformers, and measures.
        scores: what is measured.
        epochs: passes over the training rows.
        updates: optimizer steps; None: as many as the epochs have.
        seeds: runs of each side, at most.
    """

    with_keraslike: Callable[[Run], Found]
    by_hand: Callable[[Run], Found]
    scores: tuple[str, ...]
    epochs: int = 1
    updates: int | None = None
    seeds: int = 100


ANSWERS = Entry(answering.with_keraslike, answering.by_hand, ("exact_match", "answer_f1"), epochs=2, seeds=1)
ENTRIES = {
    "sts_images": Entry(similarity.with_keraslike, similarity.by_hand, ("pearson",), epochs=4),
    "ud_ewt_pos": Entry(tagging.with_keraslike, tagging.by_hand, ("accuracy",), epochs=2),
    "wnut17": Entry(tagging.with_keraslike, tagging.by_hand, ("entity_f1",), epochs=3),
    "stories5": Entry(ordering.with_keraslike, ordering.by_hand, ("tau", "position_accuracy"), updates=250),
    "tinyshakespeare": Entry(masking.with_keraslike, masking.by_hand, ("perplexity",), epochs=3),
    "squad_new_wiki": ANSWERS,
    "squad_new_wiki_v2": ANSWERS,
}
"""By name, the cheapest first."""
