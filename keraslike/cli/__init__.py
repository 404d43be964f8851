"""The command line: `keraslike COMMAND`."""

from keraslike.cli.commands import COMMANDS, main

__all__ = ["COMMANDS", "main"]
