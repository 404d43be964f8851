"""The benchmarks, run on sizes that take no time, so that the scripts do not rot; nothing is timed in earnest."""

import csv
import json
import re
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).parent / "benchmarks"
OURS_AND_HAND = ["--only", "best by hand", "by hand", "keraslike"]


@pytest.fixture
def benchmark_named(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a benchmark as its command does, from its own folder; no memory is measured in a process of its own."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> ModuleType:
        module = import_module(name)
        if hasattr(module, "in_own_process"):
            monkeypatch.setattr(module, "in_own_process", lambda *_: {"peak": 0.0})
        monkeypatch.setattr(module, "single_threaded", lambda: None, raising=False)
        return module

    return load


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_steps(benchmark_named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """`steps.py` writes a row per run, skips those that are there, and prints a line for each side."""
    steps = benchmark_named("steps")
    monkeypatch.setattr(steps, "timed", lambda train, seed, timed=steps.timed: timed(train, seed, steps=3))
    command = [*OURS_AND_HAND, "--rounds", "2", "--out", str(tmp_path / "rows.csv")]
    steps.main(command)
    steps.main(command)
    rows, printed = read(tmp_path / "rows.csv"), capsys.readouterr().out

    assert sorted((row["round"], row["who"]) for row in rows) == [
        (count, who) for count in "01" for who in ("best by hand", "by hand", "keraslike")
    ]
    assert "| best by hand | 1.00 (1.00 to 1.00) |" in printed


def test_steps_notices_skipped_work(benchmark_named: Any):
    """A side whose weights are not those of the loop by hand after the same steps is refused."""
    steps, jobs = benchmark_named("steps"), benchmark_named("jobs")
    truth = steps.in_order(benchmark_named("peers").measured("train_tensors", ["by hand"])["by hand"])

    def lazy(job: Any) -> Any:
        for _ in range(job.clock.last):
            job.clock.tick()
        return jobs.Learned(0.0, list(job.network().parameters()))

    with pytest.raises(AssertionError, match="the weights differ"):
        steps.difference(lazy, truth)


def test_texts(benchmark_named: Any, tmp_path: Path, tiny_bert: Path):
    """`texts.py` sends every text through every network; keraslike's batches are those of a plain shuffle."""
    texts = benchmark_named("texts")
    sizes = ["--texts", "32", "--batches", "16", "--rounds", "1", "--model", str(tiny_bert)]
    texts.main([*OURS_AND_HAND, "keraslike, not cut", *sizes, "--out", str(tmp_path / "rows.csv")])
    sent = {row["who"]: int(row["sent"]) for row in read(tmp_path / "rows.csv")}
    real = {int(row["real"]) for row in read(tmp_path / "rows.csv")}

    assert len(real) == 1
    assert real.pop() <= sent["keraslike"] <= sent["keraslike, not cut"]


def test_texts_from_a_pool(benchmark_named: Any, tiny_bert: Path):
    """The loop that buckets a long epoch takes batches from the shortest to the longest, as many as the others."""
    texts, peers = benchmark_named("texts"), benchmark_named("peers")
    given = Namespace(model=tiny_bert, data=None)
    pooled = peers.measured("train_texts", ["best by hand, of 100 batches"])["best by hand, of 100 batches"]
    row = texts.timed(pooled, texts.job(given, 8, 0, 32))

    assert row["sent"] >= row["real"] > 0


def test_predicting(benchmark_named: Any, tmp_path: Path, tiny_bert: Path):
    """`predicting.py` holds everyone's classes against those of the loop by hand."""
    predicting = benchmark_named("predicting")
    sizes = ["--texts", "24", "--rounds", "1", "--model", str(tiny_bert), "--out", str(tmp_path / "rows.csv")]
    predicting.main([*OURS_AND_HAND, "pipeline", *sizes])

    assert {row["who"] for row in read(tmp_path / "rows.csv")} == {*OURS_AND_HAND[1:], "pipeline"}


@pytest.mark.parametrize("who", ["by hand", "keraslike"])
def test_evaluating(benchmark_named: Any, who: str):
    """`evaluating.py` measures the loss of all rows, whoever adds it up."""
    row = benchmark_named("evaluating").measure(who, 12, width=50)

    assert 0 < row["loss"] < 10
    assert row["cpu_per_row"] > 0


def test_accumulation(benchmark_named: Any):
    """Micro-batches of keraslike give the gradient of the whole batch, clipped or not, per example and per token."""
    line = benchmark_named("accumulation").table(["keraslike"]).splitlines()[-1]

    ratios = re.findall(r"([\d.]+) \(", line)
    assert [float(ratio) for ratio in ratios] == pytest.approx([1.0] * 6, abs=2e-6)


def test_prices_are_fitted(benchmark_named: Any):
    """Times that are a line of the tokens give this line's price."""
    prices = benchmark_named("prices")
    rows = [{"examples": 1, "tokens": tokens, "seconds": 0.25 + 0.5 * tokens} for tokens in (8, 32, 512)]

    assert prices.fit(rows) == pytest.approx((0.25, 0.5))


def test_prices(benchmark_named: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """`prices.py` tells the price of a part for each body."""
    prices = benchmark_named("prices")
    monkeypatch.setattr(prices, "SHAPES", [(1, 4), (2, 8), (4, 8)])
    prices.main(["--only", "0.1 M", "--rounds", "1", "--parts", "1", "--device", "cpu"])

    assert "| 0.1 M | cpu | 104128 |" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_step_says_that_it_was_not_run(benchmark_named: Any):
    """Without a GPU `gpu_step.py` measures nothing, and says so."""
    with pytest.raises(SystemExit, match="nothing was measured"):
        benchmark_named("gpu_step").main([])


@pytest.mark.gpu
def test_gpu_step(benchmark_named: Any, capsys: Any):
    """On a GPU it tells the share of a step that keraslike adds."""
    benchmark_named("gpu_step").main(["--rounds", "1"])

    assert "| keraslike |" in capsys.readouterr().out


def test_rounds_take_turns(benchmark_named: Any):
    """Every round has everyone, and another one first."""
    assert benchmark_named("results").interleaved("ab", 2) == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]


def test_ratios_are_of_one_round(benchmark_named: Any):
    """A run is divided by the reference's run of the same round, so that a busy machine slows both."""
    rows = [
        {"round": count, "who": who, "cpu": cpu}
        for count, who, cpu in [(0, "a", 1), (0, "b", 2), (1, "b", 9), (1, "a", 3)]
    ]

    assert benchmark_named("results").ratios(rows, "cpu", to="a")["b"] == [2.0, 3.0]


def test_unknown_side(benchmark_named: Any):
    """A name that is none of the sides is answered with those that are."""
    with pytest.raises(SystemExit, match=r"there is no TensorFlow; there are: best by hand, .*, Poutyne"):
        benchmark_named("peers").measured("train_tensors", ["TensorFlow"])


# What tasks score


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Write made-up rows as a file to learn from and one to measure, as CSV or JSON lines."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def made_up(tmp_path: Path, texts_and_labels: tuple[list[str], list[str]]) -> Path:
    """A directory with every data set of `real_tasks.py`, made of the same few texts."""
    texts = texts_and_labels[0]
    words = [text.split() for text in texts]
    tags = [["B-x" if len(word) > 5 else "I-x" if word == "cast" else "O" for word in row] for row in words]
    spans = [
        {"text": [row[-1]], "answer_start": [text.rindex(row[-1])]} for text, row in zip(texts, words, strict=True)
    ]
    asked = [{"question": "what ?", "context": text, "answers": span} for text, span in zip(texts, spans, strict=True)]
    nobody = [{**row, "answers": {"text": [], "answer_start": []}} for row in asked]
    tables = {
        "sts_images/{}.csv": [
            {"sentence1": text, "sentence2": "a film", "score": len(text) / 10 + 0.01} for text in texts
        ],
        "wnut17/{}.jsonl": [{"tokens": row, "ner_tags": own} for row, own in zip(words, tags, strict=True)],
        "ud_ewt_pos/{}.jsonl": [{"tokens": row, "upos": own} for row, own in zip(words, tags, strict=True)],
        "stories5/{}.csv": [{f"sentence{n}": ["a", "film", "moving", "cast", "the"][n - 1] for n in range(1, 6)}] * 20,
        "squad_new_wiki/{}.jsonl": asked,
        "squad_new_wiki/{}_v2.jsonl": [*asked[:20], *nobody[20:]],
    }
    for name, rows in tables.items():
        for part in ("train", "dev", "test"):
            write(tmp_path, name.format(part), rows if part == "train" else rows[::3])
    (tmp_path / "tinyshakespeare").mkdir()
    for part in ("train", "test"):
        (tmp_path / "tinyshakespeare" / f"{part}.txt").write_text("\n\n".join(texts * 4))
    return tmp_path


def test_real_tasks(benchmark_named: Any, made_up: Path, tiny_bert: Path, capsys: Any):
    """`real_tasks.py` has a row per data set and side, once, and `evaluate` gives what other libraries give."""
    real_tasks = benchmark_named("real_tasks")
    sizes = ["--seeds", "1", "--updates", "2", "--model", str(tiny_bert)]
    for _ in range(2):
        real_tasks.main(["--data", str(made_up), "--out", str(made_up / "rows.csv"), *sizes])
    rows = read(made_up / "rows.csv")
    printed = capsys.readouterr().out

    assert [(row["data"], row["who"]) for row in rows] == [
        (name, who) for name in real_tasks.ENTRIES for who in ("by hand", "keraslike")
    ]
    assert all(row[score] for row in rows for score in real_tasks.ENTRIES[row["data"]].scores)
    assert max(float(row["differs"]) for row in rows if row["who"] == "keraslike") < 1e-6  # float32 in other batches
    assert "| squad_new_wiki_v2 | 2 updates | answer_f1 | " in printed


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ((0.52, 0.56), "yes, better"),
        ((0.36, 0.44), "yes, within the spread"),
        ((0.28, 0.32), "no"),
    ],
)
def test_real_tasks_say_whether_scores_are_equal(benchmark_named: Any, ours: tuple[float, float], said: str):
    """Scores are at least equal where mean and standard deviation reach those of the loop by hand."""
    shared = {"data": "wnut17", "updates": "3 epochs", "limit": "all", "cpu": 1.0}
    pairs = {"by hand": (0.42, 0.44), "keraslike": ours}
    rows = [{**shared, "who": who, "entity_f1": value} for who, values in pairs.items() for value in values]

    assert f"| {said} |" in benchmark_named("real_tasks").table(rows)


def test_recipes(benchmark_named: Any, tmp_path: Path, tiny_bert: Path, texts_and_labels: Any, capsys: Any):
    """`recipes.py` has a row per recipe, once, scores all alike, and the recipe of the Trainer gives its weights."""
    recipes = benchmark_named("recipes")
    rows = [{"text": text, "label": label} for text, label in zip(*texts_and_labels, strict=True)]
    for part in ("train", "test"):
        write(tmp_path, f"sentence_polarity/{part}.csv", rows)
    possible = [name for name, side in recipes.SIDES.items() if side.missing is None]
    command = ["--data", str(tmp_path), "--model", str(tiny_bert), "--out", str(tmp_path / "rows.csv"), "--seeds", "1"]
    for _ in range(2):
        recipes.main([*command, "--on", "sentence_polarity", "--rows", "37", "--test-rows", "9"])
    found = {row["recipe"]: row for row in read(tmp_path / "rows.csv")}

    assert list(found) == possible
    assert len(read(tmp_path / "rows.csv")) == len(possible)
    assert all(float(row["differs"] or 0) < 1e-6 for row in found.values())
    assert int(found["frozen body"]["learned"]) < int(found["gradual unfreezing"]["learned"])
    assert all(found[name]["weights"] == found["recipe=hf-trainer"]["weights"] for name in found if "HF" in name)
    assert "| sentence_polarity | 37 x 2 | constant rate | 1 | " in capsys.readouterr().out


def test_recipes_that_cannot_run(benchmark_named: Any):
    """A recipe that needs what is not there says so."""
    side = benchmark_named("recipe_sides").Side

    assert side(print, "no_such_package").missing == "no_such_package is not installed"
    assert side(print, argument="magic").missing == "Model has no argument magic"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="there is no high-water mark")
def test_plan(benchmark_named: Any, tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """`plan.py` holds what is told beside what is taken; updates and tokens are equal, and a broken promise is said."""
    plan = benchmark_named("plan")

    def here(_: str, command: list[Any]) -> Any:
        plan.main([str(word) for word in command])
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    monkeypatch.setattr(plan, "in_own_process", here)
    monkeypatch.setattr(plan, "WITHIN", {"updates": 0.0, "tokens": 0.0})
    command = ["--model", str(tiny_bert), "--texts", "20", "--rounds", "1", "--batches", "8", "--epochs", "1"]
    command += ["--out", str(tmp_path / "rows.csv")]
    plan.main(command)
    monkeypatch.setattr(plan, "WITHIN", {"cpu": -1.0})

    assert "| 8 | 1 | " in capsys.readouterr().out
    with pytest.raises(SystemExit, match="batch 8, seed 0: cpu"):
        plan.main([*command, "--table"])
