import io
import sys

import pytest

from keraslike.errors import ArgumentError
from keraslike.tracking import Screen, screen
from keraslike.tracking.screen import as_verbose


@pytest.mark.parametrize(
    ("given", "meant"), [("auto", "auto"), (True, "auto"), (False, 0), (0, 0), (1, 1), (2, 2), (1.0, 1)]
)
def test_verbose_as_meant(given, meant):
    """Poutyne's True and False are understood."""
    assert as_verbose(given) == meant


@pytest.mark.parametrize("given", ["Auto", 3, -1, None])
def test_verbose_that_nobody_knows(given):
    """The choices are listed."""
    with pytest.raises(ArgumentError) as raised:
        Screen(given)

    assert str(raised.value) == (
        f"verbose={given!r} is not known.\n"
        '  Expected: one of "auto", 0 (silent), 1 (live line), 2 (one line per epoch).\n'
        '  Do: leave it out, or type verbose="auto".'
    )


def test_silent(capsys):
    """Nothing is shown, and nothing is ever due."""
    silent = Screen(verbose=0)
    silent.say("a word")
    silent.draw("passing")

    assert capsys.readouterr() == ("", "")
    assert silent.is_due is False


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_a_stream_that_is_no_terminal_gets_lines(verbose):
    """Whatever is asked for: no carriage return, no escape code."""
    stream = io.StringIO()
    log = Screen(verbose, stream)
    log.draw("passing")
    log.say("a word")
    log.close()

    assert (stream.getvalue(), log.is_due, log.width) == ("a word\n", False, None)


@pytest.mark.parametrize(("verbose", "expected"), [("auto", True), (1, True), (2, False), (0, False)])
def test_a_terminal_is_drawn_in(terminal, verbose, expected):
    """Only where lines may be drawn is a drawing ever due."""
    assert Screen(verbose, terminal(60).stream).is_due is expected


def test_lines_are_cut_in_a_terminal_even_if_none_is_drawn(terminal):
    """`verbose=2` does not wrap either."""
    assert Screen(2, terminal(60).stream).width == 59


def test_a_terminal_that_cannot_draw_gets_lines(terminal, monkeypatch):
    """An editor's shell says TERM=dumb."""
    monkeypatch.setenv("TERM", "dumb")

    assert Screen("auto", terminal(60).stream).is_due is False


def test_a_notebook_is_drawn_in(monkeypatch):
    """Unless one line per epoch, or a stream, was asked for."""
    monkeypatch.setattr(screen, "is_notebook", lambda: True)

    assert (Screen().is_due, Screen().width) == (True, 100)
    assert Screen(2).is_due is False
    assert Screen(1, io.StringIO()).is_due is False


def test_a_drawing_is_due_again_after_a_while(terminal, monkeypatch):
    """Ten times a second at most."""
    now = [50.0]
    monkeypatch.setattr(screen.Terminal, "interval", 0.1)
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    live = Screen(1, terminal(60).stream)
    live.draw("passing")

    assert live.is_due is False
    now[0] += 0.11
    assert live.is_due is True


def test_characters_of_blocks_need_a_unicode_terminal(terminal):
    """A file gets none."""
    assert Screen(1, terminal(60).stream).is_unicode is True
    assert Screen(1, io.StringIO()).is_unicode is False


def test_a_program_without_a_console_shows_nothing(monkeypatch):
    """`sys.stdout` is None there."""
    monkeypatch.setattr(sys, "stdout", None)

    Screen().say("a word")
