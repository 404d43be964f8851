import sys
from types import SimpleNamespace

import IPython.display
import pytest

from keraslike.tracking.notebook import Notebook, is_notebook


@pytest.fixture
def outputs(monkeypatch):
    """The outputs of a cell: for each one its texts over time."""
    made = []

    def display(content, raw, display_id):
        texts = [content["text/plain"]]
        made.append(texts)
        return SimpleNamespace(update=lambda content, raw: texts.append(content["text/plain"]))

    monkeypatch.setattr(IPython.display, "display", display)
    return made


def test_a_run_is_one_output(outputs):
    """Drawn and kept lines share it."""
    screen = Notebook()
    for epoch in (1, 2):
        screen.draw(f"passing {epoch}")
        screen.keep(f"kept {epoch}")
    screen.close()

    assert outputs == [["passing 1", "kept 1", "kept 1\npassing 2", "kept 1\nkept 2"]]


def test_the_next_run_is_another_output(outputs):
    """It begins with an empty screen."""
    screen = Notebook()
    for run in (1, 2):
        screen.draw("passing")
        screen.keep(f"run {run}")
        screen.close()

    assert [texts[-1] for texts in outputs] == ["run 1", "run 2"]


def test_an_erased_line_leaves_the_output_empty(outputs):
    """A prediction leaves nothing to see."""
    screen = Notebook()
    screen.draw("passing")
    screen.close()

    assert outputs == [["passing", ""]]


def test_lines_outside_a_run_are_printed(outputs, capsys):
    """A word before the training needs no output of its own kind."""
    Notebook().keep("37 texts were cut")

    assert outputs == []
    assert capsys.readouterr().out == "37 texts were cut\n"


def test_of_many_lines_the_last_are_shown(outputs):
    """A thousand epochs are not sent a thousand times."""
    screen = Notebook()
    screen.draw("passing")
    for epoch in range(50):
        screen.keep(f"kept {epoch}")

    assert outputs[0][-1].splitlines() == ["... 10 lines before", *(f"kept {epoch}" for epoch in range(10, 50))]


@pytest.mark.parametrize(
    ("shell", "expected"), [(None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=1), True)]
)
def test_a_notebook_is_a_shell_with_a_kernel(monkeypatch, shell, expected):
    """IPython in a terminal is a terminal."""
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))

    assert is_notebook() is expected


def test_without_ipython_there_is_no_notebook(monkeypatch):
    """And it is not imported to find out."""
    monkeypatch.delitem(sys.modules, "IPython")

    assert is_notebook() is False
    assert "IPython" not in sys.modules
