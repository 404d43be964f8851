"""Whether `plan` is right: time and memory that it tells, beside those that `fit` then takes.

Usage::

    python tests/benchmarks/plan.py --data DIR [--model DIR] [--out FILE.csv] [--rounds 3] [--batches 8 16 32]
    python tests/benchmarks/plan.py --table --out FILE.csv

MiniLM learns the mixture of texts in `mixture.py`, a tenth of them held out, for two epochs, on one thread; a round is
a seed, which draws texts and order. `plan` and `fit` each have a process of their own, in which nothing was trained
before, and both start from the name of the model: reading, encoding and building count. The peak is that of the whole
process; what it grew by over what it held before is told too.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers
from clock import MEGABYTE, forget_peak, memory
from jobs import minilm
from mixture import made_up, mixture, read_sources
from results import Results, Row, in_own_process, interleaved, markdown, parser, single_threaded, spread

SIDES = ("plan", "fit")
TEXTS, EPOCHS = 600, 2
WITHIN = {"cpu": 0.25, "peak": 0.20}  # what is promised


def measure(who: str, given: Any) -> Row:
    """Plan, or train, in this process."""
    import keraslike

    size, seed = given.batches[0], given.seed
    sources = made_up(1000) if given.data is None else read_sources(given.data)
    texts, labels = mixture(sources, given.texts, seed)
    model = keraslike.Model(str(given.model), task="text-classification", device="cpu")
    arguments: Any = {"validation_split": 0.1, "epochs": given.epochs, "batch_size": size, "seed": seed}
    if who == "plan":
        began = time.process_time()
        plan = model.plan(texts, labels, **arguments)
        own = time.process_time() - began
        peak, held = plan.peak_bytes / MEGABYTE, plan.held_bytes / MEGABYTE
        row = {"cpu": plan.cpu_seconds, "wall": plan.seconds, "peak": peak, "grown": peak - held, "own": own}
        return {**row, "updates": plan.updates, "tokens": plan.tokens, "padding": plan.padding}
    before, cpu, wall = forget_peak(), time.process_time(), time.perf_counter()
    history = model.fit(texts, labels, verbose=0, **arguments)
    cpu, wall, peak = time.process_time() - cpu, time.perf_counter() - wall, memory("VmHWM")
    row = {"cpu": cpu, "wall": wall, "peak": peak, "grown": peak - before, "own": cpu}
    return {**row, "updates": len(history.learning_rates), "tokens": history.tokens_sent, "padding": history.padding}


def table(rows: Sequence[Row]) -> str:
    """Give what was told over what was taken, for each batch size: the median of the seeds, and their range."""
    lines = []
    for size in sorted({int(row["batch"]) for row in rows}):
        pairs = [_pair(rows, size, count) for count in sorted({row["round"] for row in rows}, key=str)]
        found = [pair for pair in pairs if len(pair) == len(SIDES)]
        of = {name: [float(told[name]) / float(taken[name]) for told, taken in found] for name in COLUMNS}
        own = [float(told["own"]) / float(taken["cpu"]) for told, taken in found]
        lines.append([size, len(found), *(spread(of[name]) for name in COLUMNS), spread(own)])
    heads = ["batch size", "seeds", "CPU time", "wall time", "peak memory", "memory grown by", "updates", "tokens"]
    return markdown([*heads, "CPU time of plan itself"], lines)


COLUMNS = ("cpu", "wall", "peak", "grown", "updates", "tokens")


def _pair(rows: Sequence[Row], size: int, count: Any) -> list[Row]:
    own = {row["who"]: row for row in rows if int(row["batch"]) == size and row["round"] == count}
    return [own[who] for who in SIDES if who in own]


def broken(rows: Sequence[Row]) -> list[str]:
    """Give the promises that were not kept."""
    found = []
    for size in sorted({int(row["batch"]) for row in rows}):
        for count in sorted({row["round"] for row in rows}, key=str):
            pair = _pair(rows, size, count)
            for name, share in WITHIN.items() if len(pair) == len(SIDES) else ():
                ratio = float(pair[0][name]) / float(pair[1][name])
                if abs(ratio - 1) > share:
                    found.append(f"batch {size}, seed {count}: {name} {ratio:.2f} of what was taken")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the table; a promise that is broken is an error."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--data", type=Path, help="folder of the data sets; default: texts that are made up")
    options.add_argument("--model", type=Path, default=minilm(), help="directory of the network (MiniLM)")
    options.add_argument("--batches", type=int, nargs="+", default=(8, 16, 32), help="batch sizes (8 16 32)")
    options.add_argument("--texts", type=int, default=TEXTS, help="texts in a run (%(default)s)")
    options.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of a run (%(default)s)")
    options.add_argument("--seed", type=int, default=0, help="used by the command itself")
    given = options.parse_args(arguments)
    single_threaded()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if given.memory_of:
        print(json.dumps(measure(given.memory_of, given)))
        return
    results = Results(given.out, ["round", "batch", "who"])
    where: list[Any] = ["--model", given.model, *(["--data", given.data] if given.data else [])]
    where += ["--texts", given.texts, "--epochs", given.epochs]
    for count, who in interleaved(SIDES, 0 if given.table else given.rounds):
        for size in given.batches:
            key = {"round": count, "batch": size, "who": who}
            if not results.has(key):
                command = ["--memory-of", who, *where, "--batches", size, "--seed", count]
                results.add({**key, **in_own_process(__file__, command)})
    print(table(results.rows))
    if found := broken(results.rows):
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
