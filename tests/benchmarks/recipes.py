"""What recipes of `fit` score and cost on real texts, beside the Trainer and by hand; each run is a row of a CSV file.

Usage::

    python tests/benchmarks/recipes.py --data DIR --out FILE.csv [--model DIR] [--only NAME ...] [--on NAME ...]
    python tests/benchmarks/recipes.py --table --out FILE.csv

The data's DIR holds a folder per data set, the model's a body and its tokenizer (default: MiniLM). Runs that are in the
file are skipped, so a command that was stopped goes on where it was; seed 0 of everything comes first. Everyone learns
from the first 1,500 rows for 2 epochs and is measured on the first 1,000 test rows, by the same lines of torch and
scikit-learn; `differs` holds keraslike's `evaluate` against them. No recipe was chosen by these scores. CPU seconds are
those of one thread: `cpu` from texts in memory to the trained network, `epoch 1` and `epoch 2` between optimizer steps.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from statistics import mean, stdev

import torch
import transformers
from on_data import parser_for, run
from recipe_sides import DEFAULT, RECIPE, SIDES, TRAINER, Job, Learned, scores, watched
from recipe_sides.job import Steps
from results import Results, Row, markdown, single_threaded

import keraslike

DATA = {"sentence_polarity": "label", "clinc_domains": "domain"}
"""The data sets, each with the column that is learned."""

SETTINGS = ("data", "rows", "test_rows", "epochs")
KEY = (*SETTINGS, "recipe", "seed")
SCORES = ("accuracy", "f1_macro", "loss")
SECONDS = ("cpu", "epoch 1", "epoch 2")


def run_missing(given: Namespace, results: Results) -> None:
    """Make the runs that are not in the file, and write each when it ends."""
    single_threaded()
    names = [name for name in given.only or SIDES if is_possible(name)]
    runs = [(seed, name, data) for seed in range(given.seeds) for name in names for data in given.on or DATA]
    for seed, name, data in runs:
        key = dict(zip(KEY, (data, given.rows, given.test_rows, given.epochs, name, seed), strict=True))
        if results.has(key):
            continue
        job = Job(given.data / data, DATA[data], given.model, seed, given.epochs, given.rows, given.test_rows)
        with watched() as steps:
            found = SIDES[name].learn(job)
        results.add(row(key, job, found, steps))


def is_possible(name: str) -> bool:
    """Tell whether a recipe can run; say why not."""
    missing = SIDES[name].missing
    if missing:
        print(f"{name} is skipped: {missing}.", file=sys.stderr)
        return False
    import_module(SIDES[name].package)  # not in the first run's time
    return True


def row(key: Row, job: Job, found: Learned, steps: Steps) -> Row:
    """Lay out a run."""
    own = scores(job, found.logits)
    differs = max((abs(found.evaluated[name] - own[name]) for name in SCORES if name in found.evaluated), default="")
    epochs = steps.epochs(job.epochs)
    seconds = dict(zip(SECONDS, (found.seconds, epochs[0], epochs[-1]), strict=True))
    libraries = (keraslike, torch, transformers)
    versions = ", ".join(f"{library.__name__} {library.__version__}" for library in libraries)
    shared = {"learned": steps.moved, "megabytes": found.megabytes, "weights": found.digest, "versions": versions}
    return {**key, **own, "differs": differs, **seconds, **shared}


def table(rows: Sequence[Row]) -> str:
    """Lay out means and standard deviations over the seeds, and whether the Trainer's recipe gives its weights."""
    lines, said = [], []
    for settings in dict.fromkeys(settings_of(one) for one in rows):
        own = {name: [one for one in rows if settings_of(one) == settings and one["recipe"] == name] for name in SIDES}
        task = [settings[0], f"{settings[1]} x {settings[3]}"]
        lines += [[*task, *line(name, own[name], own[DEFAULT])] for name in SIDES if own[name]]
        said += [f"{settings[0]}: {beside(own[RECIPE], own[TRAINER])}"] if own[RECIPE] and own[TRAINER] else []
    heads = (
        "data",
        "rows x epochs",
        "recipe",
        "seeds",
        "accuracy",
        "beside the default",
        "macro F1",
        "test loss",
        "CPU s",
    )
    units = ("CPU s, epoch 1", "CPU s, epoch 2", "parameters that learn", "MB to keep")
    return "\n\n".join([markdown([*heads, *units], lines), *said])


def settings_of(one: Row) -> tuple[str, ...]:
    """Give what the runs of one table have in common."""
    return tuple(str(one[name]) for name in SETTINGS)


def line(name: str, own: Sequence[Row], default: Sequence[Row]) -> list[str]:
    """Give the cells of a recipe."""
    measured = [spread(values(own, score)) for score in SCORES]
    differences = [here - there for here, there in paired(own, default, "accuracy")]
    beside_default = "" if name == DEFAULT or not differences else spread(differences, "+.3f")
    seconds = [f"{mean(values(own, column)):.1f}" for column in SECONDS]
    size = [f"{int(own[-1]['learned']):,}", f"{mean(values(own, 'megabytes')):.1f}"]
    return [name, str(len(own)), measured[0], beside_default, *measured[1:], *seconds, *size]


def values(rows: Sequence[Row], column: str) -> list[float]:
    """Give a column."""
    return [float(one[column]) for one in rows]


def paired(rows: Sequence[Row], others: Sequence[Row], column: str) -> list[tuple[float, float]]:
    """Give a column of both, seed by seed, where both have the seed."""
    known = {str(one["seed"]): float(one[column]) for one in others}
    return [(float(one[column]), known[str(one["seed"])]) for one in rows if str(one["seed"]) in known]


def spread(numbers: Sequence[float], how: str = ".3f") -> str:
    """Give the mean, and the standard deviation where there are several."""
    middle = format(mean(numbers), how)
    return f"{middle} ± {stdev(numbers):.3f}" if len(numbers) > 1 else middle


def beside(ours: Sequence[Row], theirs: Sequence[Row]) -> str:
    """Say how far `recipe="hf-trainer"` is from the Trainer."""
    known = {str(one["seed"]): one["weights"] for one in theirs}
    same = [one["weights"] == known[str(one["seed"])] for one in ours if str(one["seed"]) in known]
    far = max((abs(here - there) for score in SCORES for here, there in paired(ours, theirs, score)), default=0.0)
    return (
        f'`recipe="hf-trainer"` gives the weights of the Trainer, bit for bit, in {sum(same)} of {len(same)} seeds; '
        f"the scores differ by {far:.0e} at most."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs, or print the table."""
    parser = parser_for("Score recipes of fit beside the Trainer and a loop by hand, on real texts.", SIDES)
    parser.add_argument("--on", nargs="+", choices=DATA, help="these data sets alone")
    parser.add_argument("--rows", type=int, default=1_500, help="training rows (%(default)s)")
    parser.add_argument("--test-rows", type=int, default=1_000, help="rows that are measured (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the training rows (%(default)s)")
    run(parser, arguments, KEY, run_missing, table)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    main()
