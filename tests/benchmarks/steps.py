"""What a step costs beside the arithmetic: a tiny MLP (32-64-10, batches of 32, AdamW, accuracy) on tensors.

Usage::

    python tests/benchmarks/steps.py [--out FILE.csv] [--rounds 7] [--only WHO ...]
    python tests/benchmarks/steps.py --table --out FILE.csv

Everyone trains the same network for three epochs of 400 steps, in turn, on one thread; timed are the last two epochs,
ends and beginnings of epochs and the shuffling with them, but not what a library does before its first step. Before
that everyone trains 40 steps in the order given, and the weights are held against those of the loop by hand.
"""

import json
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import torch
from clock import Clock, forget_peak, memory
from jobs import TensorJob, tensors
from peers import BEST, measured
from results import Results, Row, in_own_process, interleaved, markdown, middle, parser, ratios, single_threaded, spread

STEPS, BATCH = 400, 32
WEIGHTS_BOUND = 1e-4  # largest difference of a weight after 40 steps of 1e-3: rounding, and Keras' own AdamW
LOSS_BOUND = 0.1  # shuffled runs: the same network, other orders


def timed(train: Any, seed: int, steps: int = STEPS) -> Row:
    """Train once, and give seconds per step and the last epoch's loss."""
    x, y = tensors(steps * BATCH, seed)
    with Clock(first=steps, last=3 * steps) as clock:
        learned = train(TensorJob(x, y, seed, clock, batch_size=BATCH))
    return {**clock.seconds, "loss": learned.loss}


def in_order(train: Any, steps: int = 40) -> list[torch.Tensor]:
    """Train without shuffling, and give the weights."""
    x, y = tensors(steps * BATCH, seed=0)
    with Clock(first=1, last=steps) as clock:
        learned = train(TensorJob(x, y, 0, clock, epochs=1, batch_size=BATCH, is_shuffled=False))
    return [weights.detach().clone() for weights in learned.weights]


def difference(train: Any, truth: Sequence[torch.Tensor]) -> float:
    """Give the largest difference of a weight to the truth; over the bound is an error."""
    found = max(float((ours - theirs).abs().max()) for ours, theirs in zip(in_order(train), truth, strict=True))
    if not found <= WEIGHTS_BOUND:
        raise AssertionError(f"the weights differ by {found} from those of the loop by hand, after the same steps")
    return found


def peak(train: Any) -> float:
    """Give by how many MB a process grows while it trains; the libraries are loaded before."""
    in_order(train, steps=2)
    before = forget_peak()
    timed(train, seed=0)
    return memory("VmHWM") - before


def run(given: Any, results: Results) -> None:
    """Make the runs that are missing."""
    sides = measured("train_tensors", given.only)
    truth = in_order(measured("train_tensors", ["by hand"])["by hand"])
    differences = {who: difference(train, truth) for who, train in sides.items()}
    peaks: dict[str, float] = {}
    for count, who in interleaved(list(sides), given.rounds):
        if results.has({"round": count, "who": who}):
            continue
        if who not in peaks:
            peaks[who] = in_own_process(__file__, ["--memory-of", who])["peak"]
        shared = {"difference": differences[who], "peak": peaks[who]}
        results.add({"round": count, "who": who, **timed(sides[who], count), **shared})


def table(rows: Sequence[Row]) -> str:
    """Give medians over the rounds, ratios to the best loop by hand first."""
    cpu, wall = (ratios(rows, column, BEST) for column in ("cpu", "wall"))
    of = partial(middle, rows)
    lines = [
        [
            *(who, spread(cpu[who]), spread(wall[who]), f"{1e6 * of(who, 'cpu'):.0f}", of(who, "loss")),
            *(f"{of(who, 'difference'):.0e}", f"{of(who, 'peak'):.0f}"),
        ]
        for who in sorted(cpu, key=lambda who: median(cpu[who]))
    ]
    heads = ["who", "CPU time, ratio", "wall time, ratio", "CPU µs per step", "loss", "weights differ", "peak MB"]
    return markdown(heads, lines)


def checked(rows: Sequence[Row]) -> None:
    """Stop where somebody's loss is not everybody's: who learns less may skip work."""
    for row in rows:
        best = next((other for other in rows if other["round"] == row["round"] and other["who"] == BEST), row)
        if abs(float(row["loss"]) - float(best["loss"])) > LOSS_BOUND:
            raise AssertionError(f"round {row['round']}: the loss of {row['who']} is {row['loss']}, not {best['loss']}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the table."""
    given = parser(__doc__).parse_args(arguments)
    single_threaded()
    if given.memory_of:
        print(json.dumps({"peak": peak(measured("train_tensors", [given.memory_of])[given.memory_of])}))
        return
    results = Results(given.out, ["round", "who"])
    if not given.table:
        run(given, results)
    checked(results.rows)
    print(table(results.rows))


if __name__ == "__main__":
    main()
