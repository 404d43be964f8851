"""Whether `evaluate` holds what it has seen: memory and time per row for logits 30,000 wide.

Usage::

    python tests/benchmarks/evaluating.py [--out FILE.csv] [--rounds 3] [--only WHO ...]
    python tests/benchmarks/evaluating.py --table --out FILE.csv

A tiny masked language model measures loss and accuracy on 64, 256 and 1,024 rows of 16 tokens, eight rows at a time, so
that a row has 1.9 MB of logits. Each run has a process of its own; the peak is what the process grew by over what it
held before, libraries, network and rows. Everybody's loss and accuracy have to be those of a loop by hand.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from clock import forget_peak, memory
from jobs import Scores
from peers import measured
from results import Results, Row, in_own_process, interleaved, markdown, parser, single_threaded
from torch import Tensor

ROWS, TOKENS, WIDTH = (64, 256, 1024), 16, 30_000
BOUND = 1e-4  # sums of float32 in another order


def network(width: int) -> Any:
    """Make a masked language model of one narrow layer."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    return transformers.BertForMaskedLM(
        transformers.BertConfig(vocab_size=width, max_position_embeddings=TOKENS, **sizes)
    ).eval()


def rows(count: int, width: int) -> tuple[dict[str, Tensor], Tensor]:
    """Draw inputs and labels."""
    generator = torch.Generator().manual_seed(count)
    ids, labels = (torch.randint(5, width, (count, TOKENS), generator=generator) for _ in range(2))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, labels


def by_hand(model: Any, inputs: dict[str, Tensor], labels: Tensor) -> Scores:
    """Keep two sums."""
    model.eval()
    total, correct = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(labels), 8):
            part = slice(start, start + 8)
            logits = model(**{name: values[part] for name, values in inputs.items()}).logits
            total += float(torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels[part], reduction="sum"))
            correct += int((logits.argmax(-1) == labels[part]).sum())
    return Scores(total / labels.numel(), correct / labels.numel())


def measure(who: str, count: int, width: int) -> Row:
    """Measure once in this process; a run on 16 rows before it loads what is loaded late."""
    side = by_hand if who == "by hand" else measured("evaluate_tokens", [who])[who]
    model = network(width)
    side(model, *rows(16, width))
    inputs, labels = rows(count, width)
    truth = by_hand(model, inputs, labels)
    before, cpu, wall = forget_peak(), time.process_time(), time.perf_counter()
    found = side(model, inputs, labels)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = memory("VmHWM") - before
    if max(abs(found.loss - truth.loss), abs(found.accuracy - truth.accuracy)) > BOUND:
        raise AssertionError(f"{who}: {found}, by hand {truth}")
    return {"peak": peak, "cpu_per_row": cpu / count, "wall_per_row": wall / count, "loss": found.loss}


def table(results: Sequence[Row]) -> str:
    """Give the medians: memory and time per row for each number of rows."""
    from statistics import median

    sizes = sorted({int(row["rows"]) for row in results})
    lines = []
    for who in dict.fromkeys(row["who"] for row in results):
        of = {
            (size, name): median(float(row[name]) for row in results if row["who"] == who and int(row["rows"]) == size)
            for size in sizes
            for name in ("peak", "cpu_per_row")
        }
        lines.append(
            [
                who,
                *(f"{of[size, 'peak']:.0f}" for size in sizes),
                *(f"{1e3 * of[size, 'cpu_per_row']:.2f}" for size in sizes),
            ]
        )
    heads = [*(f"peak MB, {size} rows" for size in sizes), *(f"CPU ms per row, {size} rows" for size in sizes)]
    return markdown(["who", *heads], lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the table."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--rows", type=int, nargs="+", default=ROWS, help="numbers of rows (64 256 1024)")
    options.add_argument("--width", type=int, default=WIDTH, help="classes (%(default)s)")
    given = options.parse_args(arguments)
    single_threaded()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if given.memory_of:
        print(json.dumps(measure(given.memory_of, given.rows[0], given.width)))
        return
    results = Results(given.out, ["round", "rows", "who"])
    names = given.only or ["by hand", *measured("evaluate_tokens")]
    for count, who in interleaved(names, 0 if given.table else given.rounds):
        for size in given.rows:
            command = ["--memory-of", who, "--rows", size, "--width", given.width]
            key = {"round": count, "rows": size, "who": who}
            if not results.has(key):
                results.add({**key, **in_own_process(__file__, command)})
    print(table(results.rows))


if __name__ == "__main__":
    main()
