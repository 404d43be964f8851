"""What `predict` costs from raw texts: MiniLM with a head of three classes, texts of ragged length.

Usage::

    python tests/benchmarks/predicting.py --data DIR [--model DIR] [--out FILE.csv] [--rounds 7] [--only WHO ...]
    python tests/benchmarks/predicting.py --table --out FILE.csv

A round is 192 texts of the mixture in `mixture.py`, everyone the same ones, in turn, on one thread; from the list of
texts to the list of their classes, tokenizing with it, the network loaded before. Who takes batches is given 32. The
best loop by hand sorts the whole set by length and fills batches by a budget of padded tokens. All classes have to be
those of the loop by hand.
"""

import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import transformers
from clock import Clock, counting
from jobs import TextJob, minilm
from mixture import made_up, mixture, read_sources
from peers import BEST, keraslike, measured
from results import Results, Row, interleaved, markdown, middle, parser, ratios, single_threaded, spread


@cache
def sources(folder: Path | None) -> dict[str, list[str]]:
    """Read the texts once; without a folder, make some up."""
    return made_up(1000) if folder is None else read_sources(folder)


def timed(predict: Any, task: TextJob, network: Any) -> tuple[Row, list[str]]:
    """Ask once; give seconds for all texts, the tokens that were sent, and the classes."""
    with counting() as sent:
        cpu, wall = time.process_time(), time.perf_counter()
        found = predict(task, network)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "real": task.real_tokens, "sent": sent.tokens}, found


def run(given: Any, results: Results) -> None:
    """Make the runs that are missing."""
    sides = measured("predict_texts", given.only)
    truth = measured("predict_texts", ["by hand"])["by hand"]
    texts, labels = mixture(sources(given.data), given.texts, seed=0)
    first = TextJob(given.model, texts, labels, 0, 32, Clock(0, 1))
    network = first.network().eval()
    networks = dict.fromkeys(sides, network)
    if "keraslike" in sides:
        networks["keraslike"] = keraslike.for_prediction(first, network)
    known: dict[int, list[str]] = {}
    for count, who in interleaved(list(sides), given.rounds):
        key = {"round": count, "who": who}
        if results.has(key):
            continue
        texts, labels = mixture(sources(given.data), given.texts, seed=count)
        task = TextJob(given.model, texts, labels, count, 32, Clock(0, 1))
        if count not in known:
            known[count] = truth(task, network)
        row, found = timed(sides[who], task, networks[who])
        if found != known[count]:
            different = sum(ours != theirs for ours, theirs in zip(found, known[count], strict=True))
            raise AssertionError(f"{who} gives {different} of {len(found)} texts other classes")
        results.add({**key, **row})


def table(rows: Sequence[Row]) -> str:
    """Give medians over the rounds, ratios to the best loop by hand first."""
    cpu, wall = (ratios(rows, column, BEST) for column in ("cpu", "wall"))
    of = partial(middle, rows)
    lines = [
        [who, spread(cpu[who]), spread(wall[who]), f"{of(who, 'sent') / of(who, 'real'):.2f}", f"{of(who, 'cpu'):.2f}"]
        for who in sorted(cpu, key=lambda who: median(cpu[who]))
    ]
    return markdown(["who", "CPU time, ratio", "wall time, ratio", "tokens sent / real", "CPU s"], lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the table."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder with a folder per data set; default: made-up texts")
    options.add_argument("--model", type=Path, default=minilm(), help="directory of a BERT body; default: MiniLM")
    options.add_argument("--texts", type=int, default=192, help="texts per round (%(default)s)")
    given = options.parse_args(arguments)
    single_threaded()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    results = Results(given.out, ["round", "who"])
    if not given.table:
        run(given, results)
    print(table(results.rows))


if __name__ == "__main__":
    main()
