import io

from tqdm import tqdm

from keraslike.tracking.terminal import Terminal


def test_a_drawn_line_replaces_the_one_before(terminal):
    """Shorter lines leave nothing of longer ones."""
    emulated = terminal(80)
    screen = Terminal(emulated.stream)
    screen.draw("a long line")
    screen.draw("a line")

    assert [view for view in emulated.views if view] == [["a long line"], ["a line"]]


def test_an_erased_line_leaves_nothing(terminal):
    """The next line stands where it stood."""
    emulated = terminal(80)
    screen = Terminal(emulated.stream)
    screen.draw("passing")
    screen.erase()
    screen.keep("kept")

    assert emulated.lines() == ["kept"]


def test_kept_lines_take_the_drawn_ones_place(terminal):
    """An epoch's last word replaces its live line."""
    emulated = terminal(80)
    screen = Terminal(emulated.stream)
    for epoch in (1, 2):
        screen.draw(f"passing {epoch}")
        screen.keep(f"kept {epoch}")

    assert emulated.lines() == ["kept 1", "kept 2"]


def test_what_others_write_stands_above_the_live_line(terminal):
    """A callback's `tqdm.write` does not break the line."""
    emulated = terminal(80)
    screen = Terminal(emulated.stream)
    screen.draw("passing")
    tqdm.write("a word", file=emulated.stream)

    assert emulated.lines() == ["a word", "passing"]


def test_stands_below_the_bar_of_a_loop_around_it(terminal):
    """A loop over seeds may have a bar of its own."""
    emulated = terminal(80)
    with tqdm(total=3, desc="seeds", file=emulated.stream, bar_format="{desc} {n}", mininterval=0) as outer:
        screen = Terminal(emulated.stream)
        screen.draw("passing")
        screen.keep("kept")
        outer.update()

    assert emulated.lines() == ["kept", "seeds 1"]


def test_the_width_is_the_terminals(terminal):
    """One column stays free, as some terminals wrap when the last one is taken."""
    assert Terminal(terminal(60).stream).width == 59


def test_a_terminal_without_a_size_is_taken_for_80_columns(terminal):
    """Pseudo-terminals start with a size of 0."""
    assert Terminal(terminal(0).stream).width == 79


def test_a_stream_without_a_descriptor_is_taken_for_80_columns():
    """Some consoles are terminals in name alone."""
    assert Terminal(io.StringIO()).width == 79
