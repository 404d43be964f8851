"""Which marker, learning rate and targets order sentences best; each run is a row of a CSV file.

Usage::

    python tests/benchmarks/ordering_recipe.py --data DIR --out FILE.csv [--seeds 3] [--model DIR]
    python tests/benchmarks/ordering_recipe.py --table --out FILE.csv

The data's DIR holds `stories5/train.csv` and `stories5/val.csv`: storyid, storytitle, sentence1 to sentence5. Each run
fine-tunes the same pretrained body by batches of 16 stories, with the library's recipe but for what is varied: the
marker (classification token, separator, a new token), the learning rate, whether there is dropout, whether a text's
squared errors are summed or averaged, and whether the head starts with a bias of zero, as transformers makes it, or of
the mean position; and the number of updates. Where the stories are "cut", each is left with its first two to five
sentences, drawn by its row.
All is measured on the validation stories. Runs in the file are skipped, so a command that was stopped goes on where it
was; the most telling entries come first, and a further seed after the first of all.
"""

import csv
import time
from argparse import Namespace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from jobs import minilm
from results import Results, Row, markdown, parser, single_threaded

KEY = ("stories", "marker", "lr", "dropout", "targets", "start", "updates", "seed")
FOUND = ("loss", "position_accuracy", "tau", "score_mean", "score_std")
NEW = "[SENTENCE]"


def entries() -> list[Row]:
    """Give what is compared, the most telling first: the defaults, then what differs from them by one thing or two."""
    usual: Row = dict(zip(KEY[:-1], ("whole", "sep", 1e-4, True, "index", "mean", 250), strict=True))
    zero: Row = {"start": "zero"}
    markers: list[Row] = [{"marker": "cls"}, {"marker": NEW}, {"marker": "cls", **zero}]
    rates: list[Row] = [{"lr": 3e-4}, {"lr": 5e-5}, {"lr": 5e-5, **zero}, {"lr": 1e-3}]
    long: list[Row] = [{"updates": 750, "lr": rate} for rate in (1e-4, 3e-4)]
    cut: list[Row] = [{"stories": "cut", "targets": targets, **zero} for targets in ("index", "averaged")]
    bare: list[Row] = [{"lr": 3e-4, "dropout": False, "marker": marker} for marker in ("sep", "cls")]
    changes = [{}, markers[0], rates[0], zero, *cut, *rates[1:2], markers[1], *bare, markers[2], *rates[2:], *long]
    return [{**usual, **change} for change in changes]


def stories(path: Path, is_cut: bool) -> list[list[str]]:
    """Read the sentences of each story."""
    with path.open(encoding="utf-8", newline="") as file:
        found = [[row[f"sentence{number}"] for number in range(1, 6)] for row in csv.DictReader(file)]
    sizes = np.random.default_rng(0).integers(2, 6, len(found))
    return [story[:size] for story, size in zip(found, sizes, strict=True)] if is_cut else found


def one(given: Namespace, entry: Row) -> Row:
    """Fine-tune once, and measure."""
    import torch
    from torch import nn

    from keraslike import Model
    from keraslike.tasks import SentenceOrdering

    torch.manual_seed(entry["seed"])
    parts = [given.data / "stories5" / f"{part}.csv" for part in ("train", "val")]
    train, valid = (stories(path, entry["stories"] == "cut") for path in parts)
    model = Model(str(given.model), task=SentenceOrdering(entry["marker"], entry["targets"]), device="cpu")
    for module in model.network.modules():
        if isinstance(module, nn.Dropout) and not entry["dropout"]:
            module.p = 0.0
    if entry["start"] == "mean":  # the head is then not drawn again in fit
        with torch.no_grad():
            model.network.classifier.bias.fill_(np.mean([place for story in train for place in range(len(story))]))
    began = time.process_time()
    options: dict[str, Any] = {"steps_per_epoch": entry["updates"], "learning_rate": entry["lr"], "seed": entry["seed"]}
    history = model.fit(train, epochs=1, batch_size=16, verbose=0, **options)
    seconds = time.process_time() - began
    measured = model.evaluate(valid, verbose=0)
    learned = {f"train_{name}": history[0][name] for name in ("loss", "tau", "score_std")}
    return {**entry, **{name: measured[name] for name in FOUND}, **learned, "cpu": seconds}


def table(rows: list[Row]) -> str:
    """Lay out mean and standard deviation over the seeds, the best tau first."""
    lines = []
    for entry in entries():
        own = [row for row in rows if all(str(row[name]) == str(entry[name]) for name in KEY[:-1])]
        if own:
            lines.append([*entry.values(), len(own), *(_spread(own, name) for name in ("tau", *FOUND[:2], FOUND[-1]))])
    lines.sort(key=lambda line: (line[0], line[6], -float(line[len(KEY)].partition(" ")[0])))
    heads = (
        "stories",
        "marker",
        "rate",
        "dropout",
        "targets",
        "start",
        "updates",
        "seeds",
        "tau",
        "loss",
        "accuracy",
        "spread of scores",
    )
    return markdown(heads, lines)


def _spread(rows: list[Row], column: str) -> str:
    values = [float(row[column]) for row in rows]
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def main() -> None:
    """Make the runs that are missing, and print the table."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="directory with stories5/train.csv and stories5/val.csv")
    options.add_argument("--model", type=Path, default=None, help="directory of a body (default: MiniLM)")
    options.add_argument("--seeds", type=int, default=3)
    given = options.parse_args()
    given.model = given.model or minilm()
    results = Results(given.out, KEY)
    single_threaded()
    for seed in range(0 if given.table else given.seeds):
        for entry in entries():
            if not results.has({**entry, "seed": seed}):
                results.add(one(given, {**entry, "seed": seed}))
    print(table(results.rows))


if __name__ == "__main__":
    main()
