"""The screen is calm: what is shown, and what is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

from keraslike import Model
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()

SCRIPT = """
import sys
from keraslike import Model
from tests.tiny import texts_with_labels

texts, labels = texts_with_labels()
model = Model(sys.argv[1], task="text-classification", max_length=8)
model.fit(texts, labels, validation_split=0.2, epochs=2)
model.predict(texts)
"""


@pytest.fixture(scope="module")
def piped(smallest_bert: str) -> subprocess.CompletedProcess[bytes]:
    """A script of the user's, its output piped, with Python's default warnings."""
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, smallest_bert], capture_output=True, env=env, timeout=100, check=True
    )


def test_two_epochs_are_eight_lines_at_most(piped: subprocess.CompletedProcess[bytes]):
    """Two epochs with validation show at most eight lines, stdout and stderr together, one per epoch among them."""
    lines = (piped.stdout + piped.stderr).decode().splitlines()

    assert len(lines) <= 8
    assert [line.split("  ")[0] for line in lines if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]


def test_no_warning(piped: subprocess.CompletedProcess[bytes]):
    """A clean run writes nothing to stderr, warnings included."""
    assert piped.stderr.decode() == ""


def test_no_carriage_return_and_no_escape_code(piped: subprocess.CompletedProcess[bytes]):
    """What goes into a file is text."""
    assert b"\r" not in piped.stdout + piped.stderr
    assert b"\x1b" not in piped.stdout + piped.stderr


def test_epoch_lines_name_loss_metrics_and_speed(piped: subprocess.CompletedProcess[bytes]):
    """An epoch's line has loss, metrics, the validation's too, and examples per second."""
    line = next(line for line in piped.stdout.decode().splitlines() if line.startswith("Epoch 2/2"))

    assert all(word in line for word in ("loss ", "accuracy ", "f1_macro ", "val_loss ", "val_accuracy ", "examples/s"))


def test_lines_fit_on_a_page(piped: subprocess.CompletedProcess[bytes]):
    """No line is longer than a screen's two."""
    assert max(map(len, piped.stdout.decode().splitlines())) <= 160


def test_silent(smallest_bert: str, capfd: pytest.CaptureFixture[str]):
    """verbose=0 shows nothing at all, notes included."""
    model = Model(smallest_bert, task="text-classification", max_length=8, device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=2, verbose=0)
    model.evaluate(TEXTS, SENTIMENTS, verbose=0)
    model.predict(TEXTS)

    assert capfd.readouterr() == ("", "")


def test_predict_is_silent(smallest_bert: str, capfd: pytest.CaptureFixture[str]):
    """Predict shows nothing unless asked to."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")
    capfd.readouterr()

    model.predict(TEXTS)
    model.predict_proba(TEXTS)

    assert capfd.readouterr() == ("", "")


def test_evaluate_is_one_line(smallest_bert: str, capfd: pytest.CaptureFixture[str]):
    """Evaluate leaves one line with loss and metrics."""
    model = Model(smallest_bert, task="text-classification", labels=["bad", "good"], device="cpu")
    capfd.readouterr()

    model.evaluate(TEXTS, SENTIMENTS)

    shown = capfd.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert all(word in shown.out for word in ("loss", "accuracy", "f1_macro"))
    assert shown.err == ""


def truncation(directory: str, texts: list[str], limit: int) -> str:
    """Count by the tokenizer itself which texts are longer than the limit, and say it in the line's words."""
    lengths = [len(ids) for ids in AutoTokenizer.from_pretrained(directory)(texts, truncation=False)["input_ids"]]
    cut = sum(length > limit for length in lengths)
    share = f"{cut:,} of {len(texts):,} texts ({100 * cut / len(texts):.1f} %)"
    return f"{share} were cut at {limit} tokens; {max(lengths)} would keep all."


@pytest.mark.parametrize("limit", [5, 8])
@pytest.mark.parametrize("repeats", [1, 50])
def test_truncation_is_counted_and_said(
    limit: int, repeats: int, smallest_bert: str, capsys: pytest.CaptureFixture[str]
):
    """How many texts were cut, at which length, and which one would keep all: one line, right beyond a thousand."""
    texts = TEXTS * repeats
    model = Model(smallest_bert, task="text-classification", max_length=limit, device="cpu")

    model.fit(texts, SENTIMENTS * repeats, epochs=1, batch_size=256)

    lines = capsys.readouterr().out.splitlines()
    assert truncation(smallest_bert, texts, limit) in lines
    assert sum("were cut" in line for line in lines) == 1


def test_truncation_of_training_and_validation(smallest_bert: str, capsys: pytest.CaptureFixture[str]):
    """Of training and validation data each that was cut is said."""
    model = Model(smallest_bert, task="text-classification", max_length=5, device="cpu")

    model.fit(TEXTS[:30], SENTIMENTS[:30], (TEXTS[30:], SENTIMENTS[30:]), epochs=1)

    lines = capsys.readouterr().out.splitlines()
    assert truncation(smallest_bert, TEXTS[:30], 5) in lines
    assert truncation(smallest_bert, TEXTS[30:], 5).replace("texts", "validation texts") in lines


def test_no_truncation_no_line(smallest_bert: str, capsys: pytest.CaptureFixture[str]):
    """Where nothing was cut nothing is said."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1)

    assert "cut" not in capsys.readouterr().out


def test_truncation_in_predict_is_not_said_later(smallest_bert: str, capsys: pytest.CaptureFixture[str]):
    """What evaluate and predict have cut does not turn up in the lines of a later fit."""
    model = Model(smallest_bert, task="text-classification", max_length=5, device="cpu")
    model.fit(["a", "the"], ["good", "bad"], epochs=1)
    model.predict(TEXTS)
    model.evaluate(TEXTS, SENTIMENTS, verbose=0)
    capsys.readouterr()

    model.fit(["a", "the"], ["good", "bad"], epochs=1)

    assert "cut" not in capsys.readouterr().out


def test_truncation_in_a_loader_is_not_said_batch_by_batch(smallest_bert: str, capsys: pytest.CaptureFixture[str]):
    """A loader's batches are encoded as they come; nothing of each is kept to be said at the next fit."""
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, SENTIMENTS, strict=True)]
    model = Model(smallest_bert, task="text-classification", max_length=5, device="cpu")
    model.fit(DataLoader(rows, batch_size=4), epochs=2, verbose=0)

    model.fit(["a", "the"], ["good", "bad"], epochs=1)

    assert "cut" not in capsys.readouterr().out


def test_display_of_poutyne(smallest_bert: str, capsys: pytest.CaptureFixture[str]):
    """progress_options hand the display to Poutyne's callback; our notes are still said."""
    model = Model(smallest_bert, task="text-classification", device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1, progress_options={"coloring": False})

    shown = capsys.readouterr().out
    assert "Epoch: 1/1" in shown
    assert "New head" in shown
