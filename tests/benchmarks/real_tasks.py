"""What each task scores on real data, beside a loop by hand of the same recipe; each run is a row of a CSV file.

Usage::

    python tests/benchmarks/real_tasks.py --data DIR --out FILE.csv [--model DIR] [--only NAME ...] [--seeds 3]
    python tests/benchmarks/real_tasks.py --table --out FILE.csv

The data's DIR holds a folder per data set, the model's a body and its tokenizer (default: MiniLM). Runs that are in the
file are skipped, so a command that was stopped goes on where it was; seed 0 of everything comes first. Both sides learn
by the same recipe: batches of 16, AdamW at 5e-5 without decay of biases and norms, 10 % warm-up and linear decay,
gradients clipped at 1. The side by hand is torch, transformers, seqeval and scipy alone; it draws orders, masks and
permutations of its own to learn from. All is measured on the test part (of `squad_new_wiki_v2` on its dev part), both
sides by the same few lines of scipy, seqeval and Python; `differs` holds keraslike's `evaluate` against them.
"""

from argparse import Namespace
from collections.abc import Sequence
from statistics import mean, stdev

import torch
import transformers
from on_data import parser_for, run
from results import Results, Row, markdown, single_threaded
from tasks import ENTRIES
from tasks.run import Found, Run

import keraslike

KEY = ("data", "who", "seed", "updates", "limit")
SIDES = ("by hand", "keraslike")
SCORES = tuple(dict.fromkeys(score for entry in ENTRIES.values() for score in entry.scores))
LESS_IS_BETTER = ("perplexity",)


def run_missing(given: Namespace, results: Results) -> None:
    """Make the runs that are not in the file, and write each when it ends."""
    single_threaded()
    names = given.only or list(ENTRIES)
    for seed, name, who in [(seed, name, who) for seed in range(given.seeds) for name in names for who in SIDES]:
        entry = ENTRIES[name]
        updates = given.updates or entry.updates
        key = dict(zip(KEY, (name, who, seed, updates or f"{entry.epochs} epochs", given.limit or "all"), strict=True))
        if seed >= entry.seeds or results.has(key):
            continue
        side = entry.by_hand if who == "by hand" else entry.with_keraslike
        results.add(row(key, side(Run(name, given.data, given.model, seed, entry.epochs, updates, given.limit))))


def row(key: Row, found: Found) -> Row:
    """Lay out a run; what it does not measure is empty."""
    scores = {name: found.scores.get(name, "") for name in SCORES}
    errors = {f"{name}_error": found.errors.get(name, "") for name in ENTRIES["squad_new_wiki"].scores}
    libraries = (keraslike, torch, transformers)
    versions = ", ".join(f"{library.__name__} {library.__version__}" for library in libraries)
    differs = "" if found.differs is None else found.differs
    return {**key, **scores, **errors, "differs": differs, "cpu": found.seconds, "versions": versions}


def table(rows: Sequence[Row]) -> str:
    """Lay out mean and standard deviation over the seeds, and whether keraslike's scores are as good."""
    lines = []
    for settings in dict.fromkeys((one["data"], str(one["updates"]), str(one["limit"])) for one in rows):
        own = [one for one in rows if (one["data"], str(one["updates"]), str(one["limit"])) == settings]
        hand, ours = ([one for one in own if one["who"] == who] for who in SIDES)
        if hand and ours:
            name, length, limit = settings
            length += ("" if "epochs" in length else " updates") + ("" if limit == "all" else f", {limit} rows")
            cpu = [f"{mean(float(one['cpu']) for one in side):.0f}" for side in (hand, ours)]
            lines += [[name, length, *compared(hand, ours, score), *cpu] for score in ENTRIES[name].scores]
    heads = ("data", "length", "score", "by hand", "keraslike", "difference", "at least equal?", "CPU s by hand")
    return markdown([*heads, "CPU s keraslike"], lines)


def compared(hand: Sequence[Row], ours: Sequence[Row], score: str) -> list[str]:
    """Give the score, both sides' means and spreads, by how much ours is higher, and what that says.

    The spread is the standard deviation over the seeds; of a single run that has one, the standard error over its rows.
    """
    sides = [(*middle(side, score), len(side)) for side in (hand, ours)]
    (theirs, their_spread, _), (own, own_spread, _) = sides
    better = theirs - own if score in LESS_IS_BETTER else own - theirs
    cells = [f"{value:.4g} ± {spread:.2g} ({runs})" for value, spread, runs in sides]
    return [score, *cells, f"{own - theirs:+.2g}", verdict(better, their_spread + own_spread)]


def verdict(better: float, spread: float) -> str:
    """Say whether keraslike is at least equal: its mean ± spread reaches the other's."""
    if better >= 0:
        return "yes, better" if better > spread else "yes, within the spread"
    if not spread:
        return "lower; the spread is not known"
    return "yes, within the spread" if better >= -spread else "no"


def middle(rows: Sequence[Row], score: str) -> tuple[float, float]:
    """Give the mean of a score, and its spread."""
    values = [float(row[score]) for row in rows]
    if len(values) > 1:
        return mean(values), stdev(values)
    return values[0], float(rows[0].get(f"{score}_error") or 0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs, or print the table."""
    parser = parser_for("Score keraslike's tasks beside loops by hand, on real data.", ENTRIES)
    parser.add_argument("--updates", type=int, help="optimizer steps; default: what each data set is given")
    parser.add_argument("--limit", type=int, help="rows that are read of each file; default: all")
    run(parser, arguments, KEY, run_missing, table)


if __name__ == "__main__":
    main()
