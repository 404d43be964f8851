"""The command line: the right command gets the rest of the line, a wrong one the nearest name."""

import re
from importlib.metadata import entry_points, version

import pytest

from keraslike.cli import COMMANDS, main
from keraslike.errors import LoadError


def test_entry_point():
    """`pip install` makes a command named keraslike of `main`."""
    (command,) = entry_points(group="console_scripts", name="keraslike")

    assert command.load() is main


def test_rest_of_the_line(monkeypatch):
    """A command gets the words behind its name, and its exit status is the process's."""
    given = []
    monkeypatch.setitem(COMMANDS, "demo", lambda words: given.append(words) or 7)

    status = main(["demo", "--output", "model"])

    assert status == 7
    assert given == [["--output", "model"]]


def test_words_of_the_process(monkeypatch):
    """Without arguments the words are those that were typed."""
    monkeypatch.setitem(COMMANDS, "demo", len)
    monkeypatch.setattr("sys.argv", ["keraslike", "demo", "a", "b"])

    assert main() == 2


def test_misspelt_command(capsys):
    """A misspelt command is answered with the nearest one, on standard error, and exit status 2."""
    status = main(["dmeo"])

    assert status == 2
    assert capsys.readouterr().err.splitlines() == [
        "there is no command 'dmeo'.",
        "  Expected: one of demo.",
        "  Do: did you mean 'demo'?",
    ]


def test_unknown_command(capsys):
    """A command like no other is answered with where to look."""
    status = main(["xylophone"])

    assert status == 2
    assert capsys.readouterr().err.endswith("Do: type keraslike --help.\n")


def test_error_is_told_without_a_traceback(monkeypatch, capsys):
    """An error of keraslike's is three lines on standard error and exit status 1."""

    def fail(words):
        raise LoadError("there is no model 'x'.", "a directory.", "check the spelling.")

    monkeypatch.setitem(COMMANDS, "demo", fail)

    status = main(["demo"])

    assert status == 1
    assert capsys.readouterr().err == "there is no model 'x'.\n  Expected: a directory.\n  Do: check the spelling.\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--help"], 0, "usage: keraslike"),
        (["--version"], 0, re.escape(version("keraslike"))),
        ([], 2, "arguments are required: COMMAND"),
        (["demo", "--help"], 0, "usage: keraslike demo .*--output DIR"),
    ],
    ids=lambda value: None,
)
def test_help(words, status, said, capsys):
    """`--help` and `--version` answer, for a command too; nothing at all is answered with the usage."""
    with pytest.raises(SystemExit) as left:
        main(words)

    captured = capsys.readouterr()
    assert left.value.code == status
    assert re.search(said, captured.out + captured.err, re.DOTALL)
