"""The demo: data that a count of words cannot solve, and a run that says what it does."""

import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoModel, AutoTokenizer

import keraslike
from keraslike import demo
from keraslike.demo import QUESTIONS, make_network, make_reviews

# A run in a process of its own, as by `python -m`, but with so little data that it cannot learn.
SHORT_RUN = "from keraslike import demo; demo.ROWS, demo.HELD_OUT, demo.EPOCHS = 150, 50, 1; exit(demo.main([]))"


class Run(NamedTuple):
    status: int
    out: str
    err: str
    directory: Path
    scratch: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run in this process."""
    directory, scratch = tmp_path_factory.mktemp("demo") / "model", tmp_path_factory.mktemp("scratch")
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("tempfile.tempdir", str(scratch))
        status = demo.main(["--output", str(directory)])
    return Run(status, out.getvalue(), err.getvalue(), directory, scratch)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess:
    """A short run in a process of its own, warnings as errors."""
    unset = {"HF_HUB_OFFLINE", "OMP_WAIT_POLICY"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["TMPDIR"] = str(tmp_path_factory.mktemp("scratch"))
    command = [sys.executable, "-W", "error", "-c", SHORT_RUN]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


# Data


def test_reviews_are_repeatable():
    """The same seed gives the same reviews, another seed other ones, and the caller's random numbers do not matter."""
    assert make_reviews(50, seed=3) == make_reviews(50, seed=3)
    assert make_reviews(50, seed=3) != make_reviews(50, seed=4)


def test_no_review_twice():
    """No two reviews are the same, so that a part held out is new to the model."""
    texts, labels = make_reviews(3000, seed=0)

    assert len(texts) == len(labels) == len(set(texts)) == 3000


def test_label_noise():
    """The share of wrong labels is the one that was asked for: as many differ from those without noise."""
    truth = dict(zip(*make_reviews(4000, seed=0, noise=0.0), strict=True))
    noisy = dict(zip(*make_reviews(4000, seed=0, noise=0.05), strict=True))

    wrong = sum(truth[text] != label for text, label in noisy.items())

    assert list(truth) == list(noisy)
    assert wrong / 4000 == pytest.approx(0.05, abs=0.015)  # four standard deviations


def test_label_is_what_is_meant():
    """Denial, contrast, others' opinions, degree, and the thing itself decide what a review says."""
    truth = dict(zip(*make_reviews(20_000, seed=0, noise=0.0), strict=True))

    assert truth["the beer was cold"] == "positive"
    assert truth["the soup was cold"] == "negative"
    assert truth["the soup was never cold"] == "positive"
    for text, label in truth.items():
        if text.count(" was ") == 1 and text.endswith(("lovely", "great")):
            assert label == ("negative" if re.search("not|never|hardly", text) else "positive")


def test_count_of_words_does_not_help():
    """A model of which words occur is hardly better than the majority: less than 65 %, where 95 % is possible."""
    texts, labels = make_reviews(6000, seed=0)
    bag_of_words = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))

    accuracy = bag_of_words.fit(texts[:5000], labels[:5000]).score(texts[5000:], labels[5000:])

    assert accuracy < 0.65


# Network


def test_network_loads(tmp_path):
    """The directory loads with the Auto classes, every word is known, and the network takes the tokenizer's output."""
    texts, _ = make_reviews(500, seed=0)

    directory = make_network(texts, tmp_path / "network")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    outputs = AutoModel.from_pretrained(directory)(**tokenizer(texts[:4], padding=True, return_tensors="pt"))

    assert tokenizer.model_max_length == 64
    assert tokenizer.unk_token_id not in {token for ids in tokenizer(texts)["input_ids"] for token in ids}
    assert outputs.last_hidden_state.shape[::2] == (4, 64)


def test_network_is_repeatable(tmp_path):
    """The weights are the same each time, and torch's random numbers stay where they were."""
    texts, _ = make_reviews(100, seed=0)
    before = torch.random.get_rng_state()

    first, second = (AutoModel.from_pretrained(make_network(texts, tmp_path / name)) for name in "ab")

    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


# The run


def test_run_learns(run):
    """The run ends well, and its accuracy is far beyond the majority's: both numbers are printed."""
    shown = re.findall(r"(\d+\.\d)%$", run.out, re.MULTILINE)
    _, labels = make_reviews(demo.ROWS, demo.SEED)
    majority = Counter(labels[-demo.HELD_OUT :]).most_common(1)[0][1] / demo.HELD_OUT

    accuracy, baseline = (float(number) / 100 for number in shown)

    assert run.status == 0
    assert baseline == pytest.approx(majority)
    assert accuracy > 0.8


def test_run_says_each_step(run):
    """Every step has its numbered line, every question its answer, and every epoch its line."""
    assert re.findall(r"^(\d)\. ", run.out, re.MULTILINE) == list("1234567")
    assert all(f": {text}\n" in run.out for text in QUESTIONS)
    assert len(re.findall(r"^Epoch ", run.out, re.MULTILINE)) == demo.EPOCHS
    assert run.err == ""


def test_run_agrees_with_transformers(run):
    """The plain pipeline gives the same label for every review that was held out."""
    assert "1,000 of 1,000 answers are the same" in run.out


def test_output_is_kept(run):
    """The directory of `--output` holds the trained model; nothing else is left behind."""
    model = keraslike.load(run.directory)

    assert model.predict("the room was awful but the coffee was great") == "positive"
    assert list(run.scratch.iterdir()) == []


def test_output_exists(tmp_path, capsys):
    """A directory that holds something is refused at once, before anything is made."""
    (tmp_path / "thesis.txt").write_text("final")

    with pytest.raises(SystemExit) as refused:
        demo.main(["--output", str(tmp_path)])

    assert refused.value.code == 2
    assert "exists already: choose a new or an empty directory." in capsys.readouterr().err


def test_nothing_learned_is_told(short_run):
    """A run whose model is not clearly better than the majority ends with exit status 1 and says so."""
    assert short_run.returncode == 1, short_run.stderr
    assert short_run.stdout.endswith("Something is wrong: see above.\n")


def test_screen_is_calm(short_run):
    """No warning, no word of transformers', no carriage return and no escape code is written."""
    assert short_run.stderr == ""
    assert not {"\r", "\x1b"} & set(short_run.stdout)


def test_import_brings_no_torch():
    """Importing the demo brings no torch or transformers: what they read from the environment can still be set."""
    code = "import sys, keraslike.demo; print({'torch', 'transformers'} & set(sys.modules))"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout == "set()\n"
