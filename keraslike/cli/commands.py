"""Finds the command that was typed, and hands it the rest of the line."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from keraslike import demo
from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError, KeraslikeError

COMMANDS = {"demo": demo.main}
"""What can be typed after `keraslike`: each command takes the words behind it and gives the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words behind `keraslike`; default: those of the process.

    Returns:
        The exit status: 0 if all went well, 1 if the command failed, 2 if there is no such command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        print(_unknown(words[0]), file=sys.stderr)
        return 2
    command = COMMANDS[_parser().parse_args(words[:1]).command]
    try:
        return command(words[1:])
    except KeraslikeError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="keraslike", epilog="keraslike COMMAND --help tells more.")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--version", action="version", version=version("keraslike"))
    return parser


def _unknown(name: str) -> ArgumentError:
    return ArgumentError(
        f"there is no command {name!r}.",
        f"one of {', '.join(COMMANDS)}.",
        did_you_mean(name, COMMANDS, "type keraslike --help."),
    )
