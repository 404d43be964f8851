"""Mistakes that are found before the first step, one file per family."""

from keraslike.checks.arguments import check_bound, check_numbers, check_options

__all__ = ["check_bound", "check_numbers", "check_options"]
