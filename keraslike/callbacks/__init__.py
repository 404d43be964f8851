"""Callbacks of keraslike's own, beside Poutyne's."""

from keraslike.callbacks.anneal_on_plateau import AnnealOnPlateau, annealing_of

__all__ = ["AnnealOnPlateau", "annealing_of"]
