import io

from keraslike.tracking.logfile import LogFile, Nowhere


class Flushed(io.StringIO):
    """Remembers what a reader of the file would have seen."""

    seen = ""

    def flush(self):
        self.seen = self.getvalue()


def test_kept_lines_are_written_and_drawn_ones_are_not():
    """Nothing is drawn twice in a file."""
    stream = io.StringIO()
    log = LogFile(stream)
    log.draw("passing")
    log.keep("one")
    log.erase()
    log.keep("two")
    log.close()

    assert stream.getvalue() == "one\ntwo\n"


def test_a_line_can_be_read_at_once():
    """Who follows a log sees each epoch when it is over."""
    stream = Flushed()
    LogFile(stream).keep("one")

    assert stream.seen == "one\n"


def test_characters_that_the_file_cannot_hold_are_replaced():
    """A metric's name never ends a training."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    LogFile(stream).keep("précision 0.5")

    assert stream.buffer.getvalue() == b"pr?cision 0.5\n"


def test_a_process_without_a_screen_shows_nothing():
    """`sys.stdout` is None in a program without a console."""
    LogFile(None).keep("one")


def test_nowhere_shows_nothing(capsys):
    """Silent is silent."""
    nowhere = Nowhere(None)
    nowhere.keep("one")
    nowhere.draw("two")
    nowhere.close()

    assert capsys.readouterr() == ("", "")
