"""Every example runs, with what it makes itself and with files and a model given to it."""

import csv
import json
import re
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from datasets import Dataset
from transformers import logging

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Give a function that runs an example in an empty folder, as from the command line, and gives what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def run(name: str, *argv: Any) -> str:
        spec = spec_from_file_location(name, FOLDER / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main([*map(str, argv)])
        return capsys.readouterr().out

    verbosity = logging.get_verbosity()
    yield run
    logging.set_verbosity(verbosity)
    logging.enable_progress_bar()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes columns into a .csv file."""

    def write(name: str, **columns: list[Any]) -> Path:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
        return tmp_path / name

    return write


def last(metric: str, printed: str) -> float:
    """Give a metric's value in the last epoch's line."""
    return float(re.findall(rf" {metric} ([\d.]+)", printed)[-1])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_fits_on_a_screen(path):
    """An example has less than 60 lines, says how it is run with real data, and a test of its own runs it."""
    text = path.read_text("utf-8")

    assert text.count("\n") < 60
    assert f"{path.name} --" in text or "--model" in text.partition("\n")[0]
    assert f'run("{path.stem}"' in Path(__file__).read_text("utf-8")


def test_three_lines_offline(run):
    """Three lines learn from a file of made-up reviews, and give one of its labels for a text."""
    printed = run("three_lines_from_csv")

    assert last("val_accuracy", printed) > 0.6
    assert printed.splitlines()[-1] == "'the room was lovely': positive, of ['negative', 'positive']"


def test_three_lines_with_a_file(run, write, tiny_bert, texts_and_labels):
    """Three lines take a model's directory and a file, and answer with the file's labels."""
    texts, labels = texts_and_labels
    path = write("reviews.csv", text=texts, label=labels)

    printed = run("three_lines_from_csv", "--model", tiny_bert, "--data", path, "--text", "a great film")

    assert re.fullmatch(r"'a great film': (good|bad), of \['bad', 'good'\]", printed.splitlines()[-1])


def test_pairs_offline(run):
    """A small network learns to answer a question about a text."""
    printed = run("pairs")

    assert last("val_accuracy", printed) > 0.9
    assert printed.splitlines()[-1].endswith(": yes, of ['no', 'yes']")


def test_pairs_with_files(run, write, tiny_bert, texts_and_labels):
    """Two columns of texts are found, and the labels come back as the whole numbers that they are."""
    texts, _ = texts_and_labels
    columns = {"premise": texts, "hypothesis": texts[::-1], "label": [0, 1, 2, 0] * 10}
    train, valid = write("train.csv", **columns), write("dev.csv", **columns)

    printed = run("pairs", "--model", tiny_bert, "--data", train, "--validation", valid)

    assert printed.splitlines()[-1].endswith(", of [0, 1, 2]")


def test_several_labels_offline(run):
    """A small network learns to name all topics of a text."""
    printed = run("several_labels")

    assert last("val_f1_micro", printed) > 0.9
    assert ": ['desk', 'kitchen'], of ['bar', 'desk', 'house', 'kitchen']\n" in printed


def test_several_labels_with_a_file(run, tmp_path, tiny_bert, texts_and_labels):
    """A file with lists of labels is read, and every label has a probability."""
    rows = [{"text": text, "labels": [label, "film"]} for text, label in zip(*texts_and_labels, strict=True)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))

    printed = run("several_labels", "--model", tiny_bert, "--data", tmp_path / "train.jsonl", "--text", "a film")

    assert re.findall(r"^  (\w+): 0\.\d\d$", printed, re.MULTILINE) == ["bad", "film", "good"]


def test_own_network(run):
    """Poutyne's listing learns handwritten digits; accuracy is in percent there, F1 a fraction."""
    printed = run("own_network", "--device", "cpu")

    accuracy, f1 = re.search(r"accuracy (\S+) %, F1 (\S+)$", printed, re.MULTILINE).groups()

    assert 90 < float(accuracy) <= 100
    assert 0.9 < float(f1) <= 1


def test_by_hand_offline(run):
    """The loop written by hand and `fit` give the same weights, bit for bit."""
    assert run("by_hand").splitlines()[-1] == "largest difference: 0.0"


def test_by_hand_with_a_file(run, write, tiny_bert, texts_and_labels):
    """So they do with dropout, a last batch that is smaller, and labels from a file."""
    texts, labels = texts_and_labels
    path = write("reviews.csv", text=texts, label=labels)

    printed = run("by_hand", "--model", tiny_bert, "--data", path)

    assert printed.splitlines()[-1] == "largest difference: 0.0"


def test_guide_offline(run, tmp_path):
    """The guide's script trains, keeps a checkpoint of every epoch, and measures loss and tau on what was held out."""
    printed = run("guide_with_poutyne")

    assert len(list((tmp_path / "ordering").glob("checkpoint_epoch_*.ckpt"))) == 3
    assert re.search(r"'test_loss': [\d.]+, 'test_tau': ", printed)


def test_guide_with_a_file(run, write, tiny_bert):
    """The guide's script takes a model's directory and a file of stories."""
    columns = {f"sentence{number}": [f"scene {number} was great"] * 12 for number in range(1, 6)}
    path = write("stories.csv", storyid=list(range(12)), **columns)

    printed = run("guide_with_poutyne", "--model", tiny_bert, "--data", path)

    assert "'test_tau': " in printed


def test_sentence_ordering_offline(run):
    """A small network puts made-up stories in order; the last line is its row of the table."""
    printed = run("sentence_ordering")

    loss, accuracy, tau = map(float, printed.splitlines()[-1].split()[1:4])
    assert printed.splitlines()[-2].split()[:3] == ["loss", "position_accuracy", "tau"]
    assert loss < 1
    assert min(accuracy, tau) > 0.8


def test_sentence_ordering_with_bodies_and_a_file(run, write, tiny_bert, tiny_distilbert, tiny_roberta):
    """The guide's columns, several bodies and any setting are taken; the table has a row for each body."""
    words = ["wonderful", "great", "moving", "boring", "awful"]
    columns = {f"sentence{number}": [f"a {word} film"] * 50 for number, word in enumerate(words, start=1)}
    path = write("stories.csv", storyid=list(range(50)), storytitle=["NA"] * 50, **columns)
    models = [str(folder) for folder in (tiny_bert, tiny_distilbert, tiny_roberta)]
    settings = ["--epochs", 1, "--learning_rate", 1e-3, "--batch_size", 8, "--seed", 7]

    printed = run("sentence_ordering", "--data", path, "--model", ",".join(models), "--marker", "cls", *settings)

    rows = [line.split() for line in printed.splitlines()[-3:]]
    assert [row[0] for row in rows] == models
    assert all(len(row) == 6 for row in rows)
    assert printed.count("Epoch 1/1") == 3
    assert "with seed 7: texts of 5 sentences, marked by <s>." in printed


def test_sentence_ordering_splits_as_the_guide_does(run, write, monkeypatch):
    """Of the guide's 52,665 stories 42,132 train, 3,160 validate and 7,373 test, drawn as the guide draws them."""
    rows = Dataset.from_dict({"sentence1": [f"story {row}" for row in range(52_665)]})
    train, rest = rows.train_test_split(test_size=0.2, seed=42).values()
    test, valid = rest.train_test_split(test_size=0.3, seed=42).values()
    truth = [part["sentence1"][:] for part in (train, valid, test)]
    path = write("stories.csv", sentence1=rows["sentence1"][:], sentence2=["the end"] * len(rows))
    model = Mock(**{"evaluate.return_value": {"loss": 0.0}})
    monkeypatch.setattr("keraslike.Model", Mock(return_value=model))

    run("sentence_ordering", "--data", path, "--model", "any")

    fit, evaluate = model.fit.call_args, model.evaluate.call_args
    given = [part["sentence1"][:] for part in (fit.args[0], fit.kwargs["validation_data"], evaluate.args[0])]
    assert [len(part) for part in given] == [42_132, 3_160, 7_373]
    assert len({story for part in given for story in part}) == 52_665
    assert given == truth


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            ["--model", "any"],
            {"learning_rate": 3e-5, "shuffle": 1, "schedule": "linear", "clip_norm": 1.0, "warmup": 0.1},
        ),
        ([], {"learning_rate": 1.2e-3}),
        (["--learning_rate", 1e-4], {"learning_rate": 1e-4}),
        (["--shuffle", 0, "--schedule", "constant"], {"shuffle": 0, "schedule": "constant"}),
        (["--clip_norm", "inf", "--warmup", 0], {"clip_norm": float("inf"), "warmup": 0.0}),
        (["--batches_per_step", 4, "--weight_decay", 0], {"batches_per_step": 4, "weight_decay": 0.0}),
    ],
    ids=["default", "offline", "rate", "order and schedule", "clipping and warm-up", "accumulation and decay"],
)
def test_sentence_ordering_takes_every_setting(run, monkeypatch, settings, expected):
    """What the command line says reaches `fit` as it is; a network made here begins at a rate of its own."""
    model = Mock(**{"evaluate.return_value": {"loss": 0.0}})
    monkeypatch.setattr("keraslike.Model", Mock(return_value=model))

    run("sentence_ordering", *settings)

    given = model.fit.call_args.kwargs
    assert {name: given[name] for name in expected} == expected


def test_sentence_ordering_has_40_lines():
    """The whole experiment, from the file to the table, fits into 40 lines."""
    assert (FOLDER / "sentence_ordering.py").read_text("utf-8").count("\n") <= 40
