"""What `fit` scores on real texts, beside a plain PyTorch loop of the same recipe; each run is a row of a CSV file.

Usage::

    python tests/benchmarks/real_data.py --data DIR --model DIR [--out FILE.csv] [--only NAME] [--seeds 3]
    python tests/benchmarks/real_data.py --table [--out FILE.csv]

The data's DIR holds a folder per data set (`sms_spam/train.csv`, `sms_spam/dev.csv`, ...), the model's a body and its
tokenizer. Runs that are in the file are skipped, so a command that was stopped goes on where it was. Both sides learn
from the first 1,500 rows for 2 epochs: batches of 32, AdamW at 5e-5 without decay of biases and norms, 10 % warm-up and
linear decay, gradients clipped at 1. The loop reads, encodes, shuffles and scores by other libraries than keraslike.
With `--same-order` a second loop takes the rows in keraslike's order; its loss is then the same, to 1e-6.
"""

import csv
import json
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
import transformers
from scipy.stats import pearsonr
from sklearn import metrics
from sklearn.metrics import label_ranking_average_precision_score as rank
from sklearn.preprocessing import LabelEncoder, MultiLabelBinarizer
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

import keraslike
from keraslike.data.order import order

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
SCORES = ("loss", "accuracy", "f1_macro", "f1_micro", "ranking", "pearson", "r2", "mae")
KEY = ("settings", "data", "who", "seed")
COLUMNS = (*KEY, "part", *SCORES, "cpu_seconds", "versions")
RESULTS = Path(__file__).parent / "results" / "real_data.csv"
BATCH = 32
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = 1e-9  # the same predictions, added up by another library in another order

Row = dict[str, Any]
Scores = dict[str, float]


@dataclass(frozen=True)
class DataSet:
    """Where the texts and targets of a data set stand, and the parts that it is measured on."""

    problem_type: str = SINGLE
    text: tuple[str, ...] = ("text",)
    target: tuple[str, ...] = ("label",)
    parts: tuple[str, ...] = ("dev",)
    ending: str = "csv"

    def file(self, folder: Path, part: str) -> Path:
        """Give the file of one part."""
        return folder / f"{part}.{self.ending}"

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


def read_rows(path: Path, limit: int | None = None) -> list[Row]:
    """Read the first rows of a file; the values of a CSV file stay strings."""
    with path.open(encoding="utf-8", newline="") as file:
        rows: Iterator[Row] = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        return list(islice(rows, limit))


def write_rows(rows: Sequence[Row], path: Path) -> str:
    """Write rows into a new file of the kind that its name says, and give its name."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


def score(problem_type: str, truth: Any, predicted: Any) -> Scores:
    """Score classes, rows of 0 and 1, or numbers by scikit-learn and scipy."""
    if problem_type == REGRESSION:
        truth, predicted = (np.asarray(values, dtype=np.float32).astype(np.float64) for values in (truth, predicted))
        correlations = [pearsonr(*columns).statistic for columns in zip(truth.T, predicted.T, strict=True)]
        numbers = {"pearson": mean(correlations), "r2": metrics.r2_score(truth, predicted)}
        return numbers | {"mae": metrics.mean_absolute_error(truth, predicted)}
    macro = {"f1_macro": metrics.f1_score(truth, predicted, average="macro", zero_division=0)}
    if problem_type == MULTI:
        return macro | {"f1_micro": metrics.f1_score(truth, predicted, average="micro", zero_division=0)}
    return macro | {"accuracy": metrics.accuracy_score(truth, predicted)}


# keraslike


def with_keraslike(data: DataSet, folder: Path, given: Namespace, seed: int) -> tuple[float, dict[str, Scores]]:
    """Learn and measure from files; give the CPU seconds of learning, and the scores of each part."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = read_rows(data.file(folder, "train"), given.rows)
        train = write_rows(rows, data.file(Path(scratch), "train"))
        several = {"target": list(data.target)} if len(data.target) > 1 else {}
        began = time.process_time()
        model = keraslike.Model(given.model, task="text-classification", max_length=given.max_length)
        whole = {"micro_batch_size": None} if given.same_order else {}  # cut batches have other last digits
        model.fit(train, epochs=given.epochs, batch_size=BATCH, seed=seed, verbose=0, **several, **whole)
        seconds = time.process_time() - began
    return seconds, {part: evaluated(model, data, data.file(folder, part), seed == 0) for part in data.parts}


def evaluated(model: Any, data: DataSet, path: Path, is_checked: bool) -> Scores:
    """Give what `evaluate` says of a file, where asked held against scikit-learn on what `predict` says of it."""
    found = {name: value for name, value in model.evaluate(str(path), verbose=0).items() if name in SCORES}
    truth = data.targets(read_rows(path))
    if data.problem_type == MULTI:
        truth = multi_hot(truth, model.labels)
        found["ranking"] = rank(truth, model.predict_logits(path))
    if is_checked:
        predicted = model.predict(path)
        if data.problem_type == MULTI:
            predicted = multi_hot(predicted, model.labels)
        elif data.problem_type == SINGLE:
            predicted = [str(label) for label in predicted]
        for name, value in score(data.problem_type, truth, predicted).items():
            if abs(found[name] - value) > TOLERANCE:
                raise AssertionError(f"evaluate gives {name} {found[name]}, scikit-learn {value} for its predictions")
    return found


def multi_hot(targets: Sequence[Any], labels: Any) -> Any:
    """Make rows of 0 and 1 of rows of labels."""
    return MultiLabelBinarizer(classes=labels).fit_transform(targets)


# by hand


def by_hand(
    data: DataSet, folder: Path, given: Namespace, seed: int, shuffle: Callable[..., Any] | None = None
) -> tuple[float, dict[str, Scores]]:
    """Do what `with_keraslike` does by PyTorch and transformers; `shuffle` gives the order of an epoch."""
    began = time.process_time()
    transformers.set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    rows = read_rows(data.file(folder, "train"), given.rows)
    encode, width = target_encoder(data, rows)

    def features(rows: Sequence[Row]) -> list[Row]:
        texts = [[row[name] for row in rows] for name in data.text]
        columns = {**tokenizer(*texts, truncation=True, max_length=given.max_length)}
        columns["labels"] = encode(data.targets(rows))
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    head = {"num_labels": width, "problem_type": data.problem_type}
    network = AutoModelForSequenceClassification.from_pretrained(given.model, **head).to(DEVICE)
    learn(network, tokenizer, features(rows), given.epochs, seed, shuffle)
    seconds = time.process_time() - began
    parts = {part: features(read_rows(data.file(folder, part))) for part in data.parts}
    return seconds, {part: measured(network, tokenizer, data.problem_type, found) for part, found in parts.items()}


def target_encoder(data: DataSet, rows: Sequence[Row]) -> tuple[Callable[[list[Any]], list[Any]], int]:
    """Give what makes numbers of targets, and how many outputs the network needs."""
    if data.problem_type == REGRESSION:
        return lambda targets: targets, len(data.target)
    encoder, kind = (LabelEncoder(), int) if data.problem_type == SINGLE else (MultiLabelBinarizer(), float)
    labels = encoder.fit(data.targets(rows))
    return lambda targets: labels.transform(targets).astype(kind).tolist(), len(labels.classes_)


def learn(network: Any, tokenizer: Any, features: list[Row], epochs: int, seed: int, shuffle: Any) -> None:
    """Fine-tune, as anyone would write it."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in network.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    updates = -(-len(features) // 32) * epochs
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, -(-updates // 10), updates)
    loading = {"batch_size": BATCH, "collate_fn": DataCollatorWithPadding(tokenizer)}
    loading["generator"] = torch.Generator().manual_seed(seed)
    network.train()
    for epoch in range(1, epochs + 1):
        rows = {"shuffle": True} if shuffle is None else {"sampler": shuffle(len(features), seed, epoch).tolist()}
        for batch in DataLoader(features, **rows, **loading):
            optimizer.zero_grad()
            network(**batch.to(DEVICE)).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def measured(network: Any, tokenizer: Any, problem_type: str, features: list[Row]) -> Scores:
    """Give the loss and the scores of a fine-tuned network."""
    network.eval()
    with torch.inference_mode():
        batches = DataLoader(features, batch_size=BATCH, collate_fn=DataCollatorWithPadding(tokenizer))
        found = [(batch["labels"], network(**batch.to(DEVICE))) for batch in batches]
    loss = sum(len(labels) * outputs.loss.item() for labels, outputs in found) / len(features)
    truth = torch.cat([labels for labels, _ in found]).cpu()
    logits = torch.cat([outputs.logits for _, outputs in found]).cpu()
    if problem_type == MULTI:
        multi = score(problem_type, truth.numpy(), (logits > 0).numpy())
        return {"loss": loss, **multi, "ranking": rank(truth.numpy(), logits.numpy())}
    predicted = logits.argmax(-1) if problem_type == SINGLE else logits
    return {"loss": loss, **score(problem_type, truth.numpy(), predicted.numpy())}


RUNS = {"keraslike": with_keraslike, "by hand": by_hand, "by hand, same order": partial(by_hand, shuffle=order)}


# The file of results


def run_missing(given: Namespace, names: Sequence[str], sides: Sequence[str]) -> None:
    """Make the runs that are not in the file yet, one seed after the other, and write each when it ends."""
    versions = f"keraslike {keraslike.__version__}, torch {torch.__version__}, transformers {transformers.__version__}"
    settings = f"{given.rows} rows, {given.epochs} epochs, max_length {given.max_length}"
    done = {tuple(row[name] for name in KEY) for row in (read_rows(given.out) if given.out.exists() else [])}
    for seed, name, who in [(seed, name, who) for seed in range(given.seeds) for name in names for who in sides]:
        key = (settings, name, who, str(seed))
        if key in done:
            continue
        seconds, by_part = RUNS[who](DATA[name], given.data / name, given, seed)
        shared = {**dict(zip(KEY, key, strict=True)), "cpu_seconds": f"{seconds:.1f}", "versions": versions}
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with given.out.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows({**shared, "part": part, **found} for part, found in by_part.items())
        print(f"seed {seed}, {name}, {who}: {seconds:.0f} s", flush=True)


def table(rows: Sequence[Row]) -> str:
    """Give mean and standard deviation over the seeds as a markdown table, a line per part and score."""
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for name in [name for name in (*SCORES, "cpu_seconds") if row[name]]:
            values[f"{row['data']}, {row['part']}", name][row["who"]].append(float(row[name]))
    sides = [who for who in RUNS if any(row["who"] == who for row in rows)]
    lines = [f"| data | score | {' | '.join(sides)} |", "|---" * (2 + len(sides)) + "|"]
    lines += [
        f"| {' | '.join([*key, *(spread(found[who]) if found[who] else '' for who in sides)])} |"
        for key, found in values.items()
    ]
    return "\n".join([f"Settings: {'; '.join(sorted({row['settings'] for row in rows}))}.", "", *lines])


def spread(values: Sequence[float]) -> str:
    """Give the mean, the standard deviation, and how many runs they are of."""
    return f"{mean(values):.4f} ± {stdev(values) if len(values) > 1 else 0:.4f} ({len(values)})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs, or print the table."""
    parser = ArgumentParser(description="Score keraslike beside a hand-written loop, on real texts.")
    parser.add_argument("--data", type=Path, help="folder with a folder per data set")
    parser.add_argument("--model", help="name or directory of the body that is fine-tuned")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of results (%(default)s)")
    parser.add_argument("--only", choices=DATA, help="one data set; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="runs per data set and side (%(default)s)")
    parser.add_argument("--rows", type=int, default=1_500, help="training rows (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="passes over them (%(default)s)")
    parser.add_argument("--max-length", type=int, help="tokens that a text is cut at; default: the model's limit")
    parser.add_argument("--same-order", action="store_true", help="write the loop in keraslike's order too")
    parser.add_argument("--table", action="store_true", help="print the table of the file, and run nothing")
    given = parser.parse_args(arguments)
    if given.table:
        print(table(read_rows(given.out)))
    elif given.data is None or given.model is None:
        parser.error("runs need --data and --model")
    else:
        run_missing(given, [given.only] if given.only else list(DATA), list(RUNS)[: 3 if given.same_order else 2])


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    main()
