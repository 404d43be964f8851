"""Mistakes that are found before the first step, one file per family."""

from keraslike.checks.arguments import check_bound, check_early, check_numbers, check_options
from keraslike.checks.attributes import missing_attribute
from keraslike.checks.callbacks import check_callbacks

__all__ = ["check_bound", "check_callbacks", "check_early", "check_numbers", "check_options", "missing_attribute"]
