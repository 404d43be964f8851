import builtins

import pytest

from keraslike.errors import ArgumentError, DataError, MissingDependencyError
from keraslike.tracking.curves import Series, draw_figure, save_figure, text_curve

NAN = float("nan")


def picture(text):
    return [line[12:] for line in text.splitlines()[:-2]]


def test_a_falling_loss_falls():
    """Three values, three rows: a diagonal."""
    text = text_curve([1, 2, 3], [Series("loss", [3.0, 2.0, 1.0])], columns=3, rows=3)

    assert picture(text) == ["*", " *", "  *"]


def test_two_series_have_two_marks():
    """Where both are is a cross-hatch."""
    text = text_curve([1, 2], [Series("loss", [2.0, 1.0]), Series("val_loss", [1.0, 1.0])], columns=2, rows=2)

    assert picture(text) == ["*", "o#"]
    assert text.endswith("* loss  o val_loss  by epoch")


def test_values_that_are_no_numbers_are_left_out():
    """A loss that left the numbers does not hide the others."""
    text = text_curve([1, 2, 3], [Series("loss", [2.0, NAN, 1.0])], columns=3, rows=2)

    assert picture(text) == ["*", "  *"]


def test_a_constant_loss_is_a_line():
    """Without a division by zero."""
    assert picture(text_curve([1, 2], [Series("loss", [1.0, 1.0])], columns=2, rows=2)) == ["**", ""]


@pytest.mark.parametrize(("epochs", "values"), [([], []), ([1], [1.0]), ([1, 2], [NAN, NAN])])
def test_too_little_for_a_picture(epochs, values):
    """A point is no curve."""
    assert text_curve(epochs, [Series("loss", values)]) == ""


def test_a_thousand_epochs_fit_80_columns():
    """The picture does not grow with the run."""
    values = [1 / epoch for epoch in range(1, 1001)]
    text = text_curve(range(1, 1001), [Series("loss", values), Series("val_loss", values)])

    assert max(map(len, text.splitlines())) <= 80


def test_training_and_validation_share_a_panel():
    """One panel per name, both curves in it."""
    figure = draw_figure([1, 2], [Series(name, [2.0, 1.0]) for name in ("loss", "f1", "val_loss", "val_f1")])
    panels = {panel.get_ylabel(): [line.get_label() for line in panel.get_lines()] for panel in figure.axes}

    assert panels == {"loss": ["loss", "val_loss"], "f1": ["f1", "val_f1"]}
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == [2.0, 1.0]


def test_a_notebook_shows_the_figure():
    """IPython asks for the bytes of a PNG."""
    assert draw_figure([1], [Series("loss", [1.0])])._repr_png_().startswith(b"\x89PNG")


def test_nothing_to_draw():
    """The answer says what to do."""
    with pytest.raises(DataError, match="call fit first"):
        draw_figure([], [])


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_the_ending_says_the_format(tmp_path, ending, start):
    """Told by the first bytes of the file."""
    path = tmp_path / f"curve.{ending}"
    save_figure(draw_figure([1, 2], [Series("loss", [2.0, 1.0])]), path)

    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["curve.xls", "curve"])
def test_an_unknown_ending_lists_the_known(tmp_path, name):
    """And nothing is written."""
    with pytest.raises(ArgumentError, match=r"one of .*\.pdf, .*\.png"):
        save_figure(draw_figure([1], [Series("loss", [1.0])]), tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_answer_says_what_to_type(monkeypatch):
    """It is an extra."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(MissingDependencyError, match=r'pip install "keraslike\[plot\]"'):
        draw_figure([1], [Series("loss", [1.0])])
