"""What one more micro-batch costs, in padded tokens: the prices by which keraslike cuts batches.

Usage::

    python tests/benchmarks/prices.py [--out FILE.csv] [--rounds 7] [--only NAME ...] [--device cuda]

A batch of `parts` micro-batches of `tokens` padded tokens each takes `parts x (a + b x tokens)` seconds, forward and
backward; the price of a part is a / b tokens. Both are fitted to medians over the rounds, each relative to its time, so
that short ones count as much as long ones. Bodies are BERTs of random weights: time does not depend on them. A body's
parameters are those without its embeddings.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers
from results import Results, Row, markdown, parser, single_threaded

# name -> (layers, width, heads, whether the body is trained); the third is MiniLM's shape
BODIES = {
    "0.1 M": (2, 64, 2, True),
    "0.8 M": (4, 128, 2, True),
    "10.8 M": (6, 384, 12, True),
    "10.8 M, frozen": (6, 384, 12, False),
}
SHAPES = [(1, 8), (1, 32), (2, 16), (4, 16), (8, 16), (2, 64), (4, 64), (8, 32), (16, 24), (4, 128), (16, 32)]


def body(name: str, device: str) -> Any:
    """Make a classifier."""
    layers, width, heads, is_trained = BODIES[name]
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    config = transformers.BertConfig(vocab_size=2000, intermediate_size=4 * width, num_labels=3, **sizes)
    torch.manual_seed(0)
    network = transformers.BertForSequenceClassification(config).to(device).train()
    network.bert.requires_grad_(is_trained)
    return network


def parameters(network: Any) -> int:
    """Count the body's parameters without its embeddings."""
    embeddings = sum(values.numel() for values in network.bert.embeddings.parameters())
    return sum(values.numel() for values in network.bert.parameters()) - embeddings


def step(network: Any, batch: tuple[int, int], parts: int, device: str) -> Callable[[], None]:
    """Give what sends one shape through the network, forward and backward, so many times."""
    ids = torch.randint(5, 2000, batch, device=device)
    mask, labels = torch.ones_like(ids), torch.zeros(batch[0], dtype=torch.long, device=device)
    precision = torch.autocast(device, torch.bfloat16, enabled=device != "cpu")

    def run() -> None:
        for _ in range(parts):
            with precision:
                loss = network(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()

    return run


def seconds(run: Callable[[], None], device: str) -> float:
    """Time it: CPU time on a CPU, else wall time until the device is done."""
    if device == "cpu":
        began = time.process_time()
        run()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(name: str, device: str, parts: int) -> list[Row]:
    """Time all shapes once; give seconds per part."""
    network, rows = body(name, device), []
    for batch in SHAPES:
        run = step(network, batch, parts, device)
        run()  # the first is slower
        shape = {"examples": batch[0], "tokens": batch[0] * batch[1], "seconds": seconds(run, device) / parts}
        rows.append({"parameters": parameters(network), **shape})
        network.zero_grad()
    return rows


def fit(rows: Sequence[Row]) -> tuple[float, float]:
    """Fit seconds = a + b x tokens to the medians, each relative to its time; give a and b."""
    times: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        times.setdefault((int(row["examples"]), int(row["tokens"])), []).append(float(row["seconds"]))
    middles = np.array([median(found) for found in times.values()])
    tokens = np.array([tokens for _, tokens in times], dtype=float)
    columns = np.stack([np.ones_like(tokens), tokens], axis=1) / middles[:, None]
    (a, b), *_ = np.linalg.lstsq(columns, np.ones_like(middles), rcond=None)
    return float(a), float(b)


def table(rows: Sequence[Row]) -> str:
    """Give each body's price."""
    lines = []
    for name in dict.fromkeys(row["body"] for row in rows):
        chosen = [row for row in rows if row["body"] == name]
        a, b = fit(chosen)
        each = [fit([row for row in chosen if row["round"] == count]) for count in {row["round"] for row in chosen}]
        prices = sorted(one / other for one, other in each)
        reach = f"{prices[0]:.0f} to {prices[-1]:.0f}"
        lines.append([name, chosen[0]["device"], chosen[0]["parameters"], 1e3 * a, 1e6 * b, f"{a / b:.0f}", reach])
    heads = ["body", "device", "parameters", "ms per part", "µs per token", "price of a part, tokens", "single rounds"]
    return markdown(heads, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the table."""
    options = parser(__doc__)
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="%(default)s here")
    options.add_argument("--parts", type=int, default=5, help="micro-batches that are timed at once (%(default)s)")
    given = options.parse_args(arguments)
    single_threaded()
    results = Results(given.out, ["round", "body", "device"])
    for count in range(0 if given.table else given.rounds):
        for name in given.only or BODIES:
            key = {"round": count, "body": name, "device": given.device}
            if not results.has(key):
                for row in measure(name, given.device, given.parts):
                    results.add({**key, **row})
    print(table(results.rows))


if __name__ == "__main__":
    main()
