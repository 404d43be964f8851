"""Finds the command that was typed, and hands it the rest of the line."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from keraslike import demo
from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError, KeraslikeError

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = MappingProxyType({"demo": demo.main})
"""What can be typed after `keraslike`: each command takes the words that follow it and gives the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after `keraslike`; default: those of the process.

    Returns:
        The exit status: 0 if all went well, 1 after an error that is told, 2 if there is no such command.

    Example:
        >>> main(["dmeo"])
        2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _find(words[0])(words[1:]) if words and not words[0].startswith("-") else _help(words)
    except KeraslikeError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, _UnknownCommandError) else 1


class _UnknownCommandError(ArgumentError):
    """There is no such command."""


def _find(name: str) -> Callable[[Sequence[str]], int]:
    if name not in COMMANDS:
        raise _UnknownCommandError(
            f"there is no command {name!r}.",
            f"one of {', '.join(COMMANDS)}.",
            did_you_mean(name, COMMANDS, "type keraslike --help."),
        )
    return COMMANDS[name]


def _help(words: list[str]) -> int:
    """Answer `--help`, `--version`, or nothing at all."""
    parser = argparse.ArgumentParser(prog="keraslike", description=__doc__)
    return 0
