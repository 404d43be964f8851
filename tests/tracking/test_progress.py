import io
import re
import subprocess
import sys

import pytest
import torch
from wcwidth import wcswidth

from keraslike.errors import ArgumentError
from keraslike.tracking import BatchLogs, Progress, screen

EPOCH = (
    r"Epoch {}/2  loss [\d.]+  acc [\d.]+  fscore_macro [\d.]+  val_loss [\d.]+  val_acc [\d.]+  val_fscore_macro .*"
)


def fit(model, rows, progress, **options):
    return model.fit(*rows, epochs=2, batch_size=8, verbose=False, callbacks=[progress], **options)


def test_a_log_file_gets_one_line_per_epoch(model, rows):
    """With every metric, the time and the speed."""
    stream = io.StringIO()
    fit(model, rows, Progress(stream=stream), validation_data=rows)
    lines = stream.getvalue().splitlines()

    assert len(lines) == 2
    for epoch, line in enumerate(lines, start=1):
        assert re.fullmatch(EPOCH.format(epoch) + r"[\d.]+  [\d.]+s  [\d,.]+ examples/s", line)


def test_the_lines_say_what_the_history_says(model, rows):
    """The figures that stay are the epoch's own, to four digits."""
    stream = io.StringIO()
    history = fit(model, rows, Progress(stream=stream), validation_data=rows)

    for row, line in zip(history, stream.getvalue().splitlines(), strict=True):
        shown = dict(re.findall(r"(\w+) ([\d.]+)  ", line))
        names = ["loss", "acc", "fscore_macro", "val_loss", "val_acc", "val_fscore_macro"]
        assert [float(shown[name]) for name in names] == [pytest.approx(row[name], rel=6e-4) for name in names]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_never_wraps(terminal, model, rows, columns):
    """At no moment are there more lines than finished epochs and one live line."""
    emulated = terminal(columns)
    progress = Progress(stream=emulated.stream)
    fit(model, rows, progress, validation_data=rows)
    most = max(len(view) for view in emulated.views)
    widest = max(wcswidth(part.rstrip()) for part in re.split(r"[\r\n]+", emulated.raw()))

    assert most <= 2
    assert widest < columns
    assert [line.split("  ")[0] for line in emulated.lines()] == ["Epoch 1/2", "Epoch 2/2"]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_never_wraps_with_thirty_metrics(terminal, columns):
    """The losses are shown, and how many figures are not."""
    emulated = terminal(columns)
    progress = Progress(stream=emulated.stream)
    logs = {f"metric_{index}": 0.5 for index in range(30)}
    progress.set_params({"epochs": 10, "steps": 2})
    progress.on_train_begin({})
    for epoch in (1, 2):
        progress.on_epoch_begin(epoch, {})
        for batch in (1, 2):
            progress.on_train_batch_end(batch, BatchLogs({"batch": batch, "size": 8, "loss": 0.5, **logs}))
        progress.on_epoch_end(epoch, {"epoch": epoch, "time": 1.0, "loss": 0.5, **logs, "val_loss": 0.5})
    progress.on_train_end({})
    lines = emulated.lines()

    assert max(len(view) for view in emulated.views) <= 2
    assert len(lines) == 2
    assert all(re.match(r"Epoch  [12]/10  loss 0.5000  .*val_loss 0.5000  \+\d+$", line) for line in lines)


def test_the_live_line_tells_steps_loss_speed_and_time_left(terminal, model, rows):
    """On the way through training and validation."""
    emulated = terminal(120)
    fit(model, rows, Progress(stream=emulated.stream), validation_data=rows)
    seen = {line for view in emulated.views for line in view}
    passing = r".*  [12]/8  loss [\d.]+  acc [\d.]+  00:00 left  [\d,.]+ examples/s"

    assert any(re.fullmatch("Epoch 1/2" + passing, line) for line in seen)
    assert any(re.fullmatch("Epoch 2/2 validation" + passing, line) for line in seen)


def test_the_live_line_shows_means_of_the_batches_read(terminal):
    """(30 * 1.0 + 10 * 2.0) / 40."""
    emulated = terminal(80)
    progress = Progress(stream=emulated.stream)
    progress.on_epoch_begin(1, {})
    progress.on_train_batch_end(1, BatchLogs({"size": 30, "loss": torch.tensor(1.0)}))
    progress.on_train_batch_end(2, BatchLogs({"size": 10, "loss": torch.tensor(2.0)}))

    assert "Epoch 1  2 steps  loss 1.250" in emulated.lines()[0]


def test_a_batch_that_is_not_drawn_is_not_read():
    """On a GPU reading waits for the batch."""
    progress = Progress(verbose=2, stream=io.StringIO())
    progress.on_epoch_begin(1, {})

    progress.on_train_batch_end(1, BatchLogs({"size": 8, "loss": lambda: pytest.fail("read")}))


def test_a_validation_inside_an_epoch_gives_the_line_back(terminal):
    """The training goes on where it was."""
    emulated = terminal(80)
    progress = Progress(stream=emulated.stream)
    progress.set_params({"epochs": 1, "steps": 2, "valid_steps": 1})
    progress.on_epoch_begin(1, {})
    progress.on_train_batch_end(1, {"size": 8, "loss": 1.0})
    progress.on_valid_begin({})
    progress.on_valid_batch_end(1, {"size": 8, "val_loss": 1.0})
    progress.on_valid_end({})
    progress.on_train_batch_end(2, {"size": 8, "loss": 1.0})

    steps = [re.search(r"(Epoch 1/1|validation)  .* ?(\d/\d)  loss", view[0]) for view in emulated.views if view]
    assert [found.groups() for found in steps] == [("Epoch 1/1", "1/2"), ("validation", "1/1"), ("Epoch 1/1", "2/2")]


def test_an_evaluation_leaves_one_line(terminal, model, rows):
    """Without the prefix that its label makes needless."""
    emulated = terminal(80)
    model.evaluate(*rows, batch_size=8, verbose=False, callbacks=[Progress(stream=emulated.stream)])

    assert len(emulated.lines()) == 1
    assert re.match(r"Evaluation  loss [\d.]+  acc [\d.]+  fscore_macro [\d.]+  [\d.]+s", emulated.lines()[0])


def test_an_evaluation_is_one_line_in_a_log_file(model, rows):
    """As an epoch is."""
    stream = io.StringIO()
    model.evaluate(*rows, verbose=False, callbacks=[Progress(stream=stream)])

    assert re.fullmatch(r"Evaluation  loss .* examples/s\n", stream.getvalue())


def test_a_short_prediction_shows_nothing(terminal, model, rows):
    """Not even for a moment."""
    emulated = terminal(80)
    model.predict(rows[0], verbose=False, callbacks=[Progress(stream=emulated.stream)])

    assert emulated.raw() == ""


def test_a_long_prediction_shows_its_progress_and_takes_it_away(terminal, monkeypatch, model, rows):
    """What is left is the answer."""
    monkeypatch.setattr(screen.Screen, "wait", lambda self, seconds: None)
    emulated = terminal(80)
    model.predict(rows[0], batch_size=8, verbose=False, callbacks=[Progress(stream=emulated.stream)])

    assert any(re.match(r"Prediction  .*  1/8  00:00 left", line) for view in emulated.views for line in view)
    assert emulated.lines() == []


def test_a_prediction_is_silent_in_a_log_file(model, rows):
    """There is nothing to log."""
    stream = io.StringIO()
    model.predict(rows[0], verbose=False, callbacks=[Progress(stream=stream)])

    assert stream.getvalue() == ""


def test_say_stands_above_the_live_line(terminal):
    """The line goes on below."""
    emulated = terminal(80)
    progress = Progress(stream=emulated.stream)
    progress.on_epoch_begin(1, {})
    progress.on_train_batch_end(1, {"size": 8, "loss": 1.0})
    progress.say("A smaller micro-batch is tried.")
    progress.on_train_batch_end(2, {"size": 8, "loss": 1.0})
    progress.close()

    assert emulated.views[-3][0] == "A smaller micro-batch is tried."
    assert emulated.lines() == ["A smaller micro-batch is tried."]


def test_an_interrupted_run_leaves_no_live_line(terminal, model, rows):
    """`close` may be called at any time, and twice."""
    emulated = terminal(80)
    progress = Progress(stream=emulated.stream)
    progress.on_epoch_begin(1, {})
    progress.on_train_batch_end(1, {"size": 8, "loss": 1.0})
    progress.close()
    progress.close()

    assert emulated.lines() == []


def test_silent(model, rows, capsys):
    """`verbose=0` shows nothing at all."""
    progress = Progress(verbose=0)
    fit(model, rows, progress)
    progress.say("a word")

    assert capsys.readouterr() == ("", "")


def test_verbose_is_checked_at_the_door():
    """Before any training."""
    with pytest.raises(ArgumentError, match="verbose=7"):
        Progress(verbose=7)


SCRIPT = """
import poutyne, torch
from keraslike.tracking import Progress
model = poutyne.Model(torch.nn.Linear(2, 1), "sgd", "mse", device="cpu")
x, y = torch.rand(64, 2), torch.rand(64, 1)
progress = [Progress()]
model.fit(x, y, validation_data=(x, y), epochs=2, batch_size=2, verbose=False, callbacks=progress)
_ = model.predict(x, batch_size=2, verbose=False, callbacks=progress)
"""


def test_a_pipe_gets_no_carriage_return_and_no_escape_code():
    """A program of its own, its output and errors caught."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)

    assert done.stderr == b""
    assert not {b"\r"[0], b"\x1b"[0]} & set(done.stdout)
    assert len(done.stdout.splitlines()) == 2


def test_a_notebook_gets_one_output():
    """A kernel of its own; what it sends on the way has one display's id."""
    pytest.importorskip("ipykernel", reason="a kernel comes with the docs extra")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    quiet = "import warnings\nwith warnings.catch_warnings(action='ignore'):\n    import tqdm.auto\n"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(quiet + SCRIPT)])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    (output,) = notebook.cells[0].outputs

    assert output.output_type == "display_data"
    assert [line.split("  ")[0] for line in output.data["text/plain"].splitlines()] == ["Epoch 1/2", "Epoch 2/2"]
