"""The specification of keraslike; `python -m tests` checks everything."""
