"""What `fit` scores on real texts, beside a plain PyTorch loop of the same recipe; one row of a CSV file per run.

Usage::

    python tests/benchmarks/real_data.py --data DIR --model DIR [--out FILE.csv] [--only NAME] [--seeds 3]
    python tests/benchmarks/real_data.py --table [--out FILE.csv]

DIR holds a folder per data set (`sms_spam/train.csv`, `sms_spam/dev.csv`, ...), and a body with its tokenizer. Runs whose
row is in the file are skipped, so a command that was stopped goes on where it was. Both sides learn from the first 1,500
rows for 2 epochs: batches of 32, AdamW at 5e-5 without decay of biases and norms, a linear schedule with 10 % warm-up,
gradients clipped at 1. The loop shares no code with keraslike: it reads, encodes, shuffles and scores by other libraries.
With `--same-order` a second loop takes over keraslike's order of the rows; its scores are then the same to the last bit.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Any

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
KERASLIKE, BY_HAND, SAME_ORDER = "keraslike", "by hand", "by hand, same order"
SCORES = ("loss", "accuracy", "f1_macro", "f1_micro", "pearson", "r2", "mae")
KEY = ("settings", "data", "who", "seed")
COLUMNS = (*KEY, "part", *SCORES, "cpu_seconds", "versions")
TOLERANCE = 1e-9  # the same predictions, counted and averaged by another library in another order

Row = dict[str, Any]


@dataclass(frozen=True)
class DataSet:
    """Where the texts and targets of a data set stand, and on which parts it is measured."""

    problem_type: str = SINGLE
    text: tuple[str, ...] = ("text",)
    target: tuple[str, ...] = ("label",)
    parts: tuple[str, ...] = ("dev",)
    ending: str = "csv"

    def targets(self, rows: Sequence[Row]) -> list[Any]:
        """Give what is to be learned: a label, a list of labels, or a list of numbers per row."""
        if self.problem_type == REGRESSION:
            return [[float(row[name]) for name in self.target] for row in rows]
        return [row[self.target[0]] for row in rows]


DATA = {
    "sms_spam": DataSet(),
    "sentence_polarity": DataSet(),
    "mnli": DataSet(text=("premise", "hypothesis"), parts=("dev_matched", "dev_mismatched")),
    "goemotions": DataSet(MULTI, target=("labels",), ending="jsonl"),
    "emobank": DataSet(REGRESSION, target=("valence", "arousal", "dominance")),
}


@dataclass(frozen=True)
class Settings:
    """What all runs have in common."""

    data: Path
    model: str
    rows: int
    epochs: int
    max_length: int | None

    def __str__(self) -> str:
        cut = "" if self.max_length is None else f", cut at {self.max_length} tokens"
        return f"{self.rows} rows, {self.epochs} epochs{cut}"


# Reading


def read_rows(path: Path, limit: int | None = None) -> list[Row]:
    """Read the first rows of a file; a CSV file's values stay strings."""
    with path.open(encoding="utf-8", newline="") as file:
        lines: Iterator[Row] = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        return list(islice(lines, limit))


def write_rows(rows: Sequence[Row], path: Path) -> Path:
    """Write rows into a new file of the kind that its name says."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


# Scores, by scikit-learn and scipy


def scores(problem_type: str, truth: Any, predicted: Any) -> dict[str, float]:
    """Give the scores that suit the kind of targets; both are classes, rows of 0 and 1, or numbers."""
    import numpy as np
    from scipy.stats import pearsonr
    from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score

    if problem_type == REGRESSION:
        truth, predicted = (np.asarray(values, dtype=np.float32).astype(np.float64) for values in (truth, predicted))
        correlations = [pearsonr(*columns).statistic for columns in zip(truth.T, predicted.T, strict=True)]
        by_name = {"pearson": mean(correlations), "r2": r2_score(truth, predicted)}
        return by_name | {"mae": mean_absolute_error(truth, predicted)}
    by_name = {"f1_macro": f1_score(truth, predicted, average="macro", zero_division=0)}
    if problem_type == MULTI:
        return by_name | {"f1_micro": f1_score(truth, predicted, average="micro", zero_division=0)}
    return by_name | {"accuracy": accuracy_score(truth, predicted)}


# keraslike


def with_keraslike(data: DataSet, folder: Path, settings: Settings, seed: int) -> tuple[float, dict[str, Any]]:
    """Learn and measure from files by keraslike; give the CPU seconds of learning and the scores of each part."""
    from keraslike import Model

    with tempfile.TemporaryDirectory() as scratch:
        name = f"train.{data.ending}"
        train = write_rows(read_rows(folder / name, settings.rows), Path(scratch) / name)
        columns = {"target": list(data.target)} if len(data.target) > 1 else {}
        began = time.process_time()
        model = Model(settings.model, task="text-classification", max_length=settings.max_length)
        model.fit(str(train), epochs=settings.epochs, seed=seed, verbose=0, **columns)
        seconds = time.process_time() - began
    measured = {part: model.evaluate(str(path), verbose=0) for part, path in part_paths(data, folder)}
    for part, path in part_paths(data, folder):
        require_agreement(measured[part], scores(data.problem_type, *predictions(model, data, path)))
    return seconds, measured


def part_paths(data: DataSet, folder: Path) -> list[tuple[str, Path]]:
    """Give the parts that are measured, and their files."""
    return [(part, folder / f"{part}.{data.ending}") for part in data.parts]


def predictions(model: Any, data: DataSet, path: Path) -> tuple[Any, Any]:
    """Give the targets as they stand in the file, and what the model's `predict` says."""
    truth, predicted = data.targets(read_rows(path)), model.predict(path)
    if data.problem_type == SINGLE:
        return truth, [str(label) for label in predicted]
    if data.problem_type == MULTI:
        from sklearn.preprocessing import MultiLabelBinarizer

        binarizer = MultiLabelBinarizer(classes=model.labels).fit(truth)
        return binarizer.transform(truth), binarizer.transform(predicted)
    return truth, predicted


def require_agreement(measured: dict[str, float], truth: dict[str, float]) -> None:
    """Stop where `evaluate` says something else than scikit-learn of the same model's predictions."""
    for name, value in truth.items():
        if abs(measured[name] - value) > TOLERANCE:
            raise AssertionError(f"evaluate gives {name} {measured[name]}, its predictions have {value}")


# By hand


def by_hand(
    data: DataSet, folder: Path, settings: Settings, seed: int, order: Callable[..., Any] | None = None
) -> tuple[float, dict[str, Any]]:
    """Learn and measure as `with_keraslike` does, by PyTorch and transformers alone; `order` replaces the shuffling."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

    began = time.process_time()
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    rows = read_rows(folder / f"train.{data.ending}", settings.rows)
    encode, width = encoder(data, rows)

    def features(rows: Sequence[Row]) -> list[Row]:
        texts = [[row[name] for row in rows] for name in data.text]
        encoded = tokenizer(*texts, truncation=True, max_length=settings.max_length)
        columns = {**encoded, "labels": encode(data.targets(rows))}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    sizes = {"num_labels": width, "problem_type": data.problem_type}
    network = AutoModelForSequenceClassification.from_pretrained(settings.model, **sizes)
    learn(network, tokenizer, features(rows), settings.epochs, seed, order)
    seconds = time.process_time() - began
    measure = {part: features(read_rows(path)) for part, path in part_paths(data, folder)}
    return seconds, {part: measured(network, tokenizer, data, found) for part, found in measure.items()}


def encoder(data: DataSet, rows: Sequence[Row]) -> tuple[Callable[[list[Any]], list[Any]], int]:
    """Give what makes numbers of targets, and how many outputs the network needs."""
    from sklearn.preprocessing import LabelEncoder, MultiLabelBinarizer

    if data.problem_type == REGRESSION:
        return lambda targets: targets, len(data.target)
    labels = (LabelEncoder() if data.problem_type == SINGLE else MultiLabelBinarizer()).fit(data.targets(rows))
    kind = int if data.problem_type == SINGLE else float
    return lambda targets: labels.transform(targets).astype(kind).tolist(), len(labels.classes_)


def learn(network: Any, tokenizer: Any, features: list[Row], epochs: int, seed: int, order: Any) -> None:
    """Fine-tune: the loop as anyone would write it."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding, get_linear_schedule_with_warmup

    matrices = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in network.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    updates = -(-len(features) // 32) * epochs
    schedule = get_linear_schedule_with_warmup(optimizer, -(-updates // 10), updates)
    shared = {"batch_size": 32, "collate_fn": DataCollatorWithPadding(tokenizer)}
    shared["generator"] = torch.Generator().manual_seed(seed)
    network.train()
    for epoch in range(1, epochs + 1):
        chosen = {"shuffle": True} if order is None else {"sampler": order(len(features), seed, epoch).tolist()}
        for batch in DataLoader(features, **chosen, **shared):
            optimizer.zero_grad()
            network(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def measured(network: Any, tokenizer: Any, data: DataSet, features: list[Row]) -> dict[str, float]:
    """Give loss and scores of a fine-tuned network."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    network.eval()
    with torch.inference_mode():
        loader = DataLoader(features, batch_size=32, collate_fn=DataCollatorWithPadding(tokenizer))
        found = [(len(batch["labels"]), batch["labels"], network(**batch)) for batch in loader]
    loss = sum(size * outputs.loss.item() for size, _, outputs in found) / len(features)
    truth, logits = torch.cat([labels for _, labels, _ in found]), torch.cat([outputs.logits for *_, outputs in found])
    read = {SINGLE: lambda: logits.argmax(-1), MULTI: lambda: (logits > 0).long(), REGRESSION: lambda: logits}
    return {"loss": loss, **scores(data.problem_type, truth.numpy(), read[data.problem_type]().numpy())}


def by_hand_in_order(data: DataSet, folder: Path, settings: Settings, seed: int) -> tuple[float, dict[str, Any]]:
    """Learn by hand from the rows in the order that keraslike documents."""
    from keraslike.data.order import order

    return by_hand(data, folder, settings, seed, order)


RUNS = {KERASLIKE: with_keraslike, BY_HAND: by_hand, SAME_ORDER: by_hand_in_order}


# The file of results


def run(who: str, name: str, seed: int, settings: Settings) -> list[Row]:
    """Make one run and give its rows, one per part that was measured."""
    import torch
    import transformers

    import keraslike

    versions = f"keraslike {keraslike.__version__}, torch {torch.__version__}, transformers {transformers.__version__}"
    seconds, by_part = RUNS[who](DATA[name], settings.data / name, settings, seed)
    shared = {"settings": str(settings), "data": name, "who": who, "seed": seed, "versions": versions}
    return [
        {**shared, "part": part, "cpu_seconds": f"{seconds:.1f}", **{k: v for k, v in found.items() if k in SCORES}}
        for part, found in by_part.items()
    ]


def run_missing(out: Path, settings: Settings, names: Sequence[str], whos: Sequence[str], seeds: int) -> None:
    """Make the runs that are not in the file yet, one seed after the other, and write each as it ends."""
    done = {tuple(row[column] for column in KEY) for row in (read_rows(out) if out.exists() else [])}
    wanted = [(name, who, seed) for seed in range(seeds) for name in names for who in whos]
    for name, who, seed in wanted:
        if (str(settings), name, who, str(seed)) in done:
            continue
        rows = run(who, name, seed, settings)
        is_new = not out.exists()
        with out.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
        print(f"{name}, {who}, seed {seed}: {rows[0]['cpu_seconds']} s", flush=True)


def table(rows: Sequence[Row]) -> str:
    """Give mean and standard deviation over the seeds as a markdown table, a line per part and score."""
    values: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for score in (*SCORES, "cpu_seconds"):
            if row[score]:
                values[row["settings"], f"{row['data']} {row['part']}", score][row["who"]].append(float(row[score]))
    whos = [who for who in RUNS if any(row["who"] == who for row in rows)]
    lines = [f"| settings | data | score | {' | '.join(whos)} |", "|---" * (3 + len(whos)) + "|"]
    for key, found in values.items():
        lines.append(f"| {' | '.join([*key, *(spread(found[who]) for who in whos)])} |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Give the mean, the standard deviation and how many runs they are of."""
    if not values:
        return ""
    return f"{mean(values):.4f} ± {stdev(values) if len(values) > 1 else 0:.4f} ({len(values)})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the missing runs, or print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with a folder per data set")
    parser.add_argument("--model", help="name or directory of the body that is fine-tuned")
    parser.add_argument("--out", type=Path, default=Path("real_data.csv"), help="file of results (%(default)s)")
    parser.add_argument("--only", choices=DATA, help="one data set; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="runs per data set and side (%(default)s)")
    parser.add_argument("--rows", type=int, default=1_500, help="training rows (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="%(default)s")
    parser.add_argument("--max-length", type=int, help="tokens a text is cut at; default: the model's limit")
    parser.add_argument("--same-order", action="store_true", help="run the loop in keraslike's order too")
    parser.add_argument("--table", action="store_true", help="print the table of the file and stop")
    given = parser.parse_args(arguments)
    if given.table:
        print(table(read_rows(given.out)))
        return 0
    if given.data is None or given.model is None:
        parser.error("--data and --model are needed to run")
    settings = Settings(given.data, given.model, given.rows, given.epochs, given.max_length)
    whos = list(RUNS) if given.same_order else [KERASLIKE, BY_HAND]
    run_missing(given.out, settings, [given.only] if given.only else list(DATA), whos, given.seeds)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
