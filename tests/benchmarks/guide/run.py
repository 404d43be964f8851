"""The guide's experiment, sentence ordering, with Trainer, Lightning, Poutyne and keraslike side by side.

Usage::

    python tests/benchmarks/guide/run.py --data DIR --out FILE.csv [--model DIR] [--seeds 3] [--updates 250]
    python tests/benchmarks/guide/run.py --table --out FILE.csv

Stories of five sentences, shuffled; the separator marks each sentence, and the score there is to be its index. Everyone
is written as its documentation teaches today, on the same pretrained body: once with what each tool sets by itself
(AdamW at 5e-5 where it sets none), once by one and the same recipe, and that also on the body's first two layers. Then
keraslike alone, with one thing of that recipe changed at a time. The test's loss, accuracy and Kendall's tau are
measured for all by the same few lines here, with scipy, on the same permutations. Runs in the file are
skipped.
"""

import importlib
import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from jobs import minilm
from results import Results, Row, markdown, parser, single_threaded
from scipy.stats import kendalltau
from stories import Pad, Recipe, encoded

TOOLS = ("trainer", "lightning", "poutyne", "keraslike")
CHANGES = ("constant rate", "no clipping", "in the order of the file")
CHANGES += ("batches of 8, twice the updates", "batches of 32, half the updates")
KEY = ("tool", "recipe", "layers", "changed", "seed")
SHARED = {"trainer": ["stories.py"], "lightning": ["stories.py"], "poutyne": ["stories.py"], "keraslike": []}


def entries() -> list[Row]:
    """Give what is compared, the most telling first."""
    own = [{"tool": tool, "recipe": "own", "layers": "", "changed": ""} for tool in TOOLS]
    same = [{"tool": tool, "recipe": "same", "layers": "", "changed": ""} for tool in TOOLS]
    small = [{"tool": tool, "recipe": "same", "layers": 2, "changed": ""} for tool in TOOLS]
    changed = [{"tool": "keraslike", "recipe": "same", "layers": "", "changed": change} for change in CHANGES]
    return [*own, *same, *changed, *small]


def measured(network: Any, recipe: Recipe) -> Row:
    """Give loss, accuracy and tau on the test's stories, each in a permutation of its own that never changes."""
    stories = encoded(recipe, "test", 0)
    order = np.argsort([len(ids) for ids in stories["input_ids"]])
    pad, found = Pad(recipe.tokenizer().pad_token_id), []
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            batch = pad([stories[int(row)] for row in order[start : start + 32]])
            labels = batch.pop("labels")
            scores = network(**batch).logits.squeeze(-1)
            for row, truth in zip(scores, labels, strict=True):
                is_marked = truth != -100
                found.append(_of_story(row[is_marked].double().numpy(), truth[is_marked].double().numpy()))
    return dict(zip(("loss", "accuracy", "tau", "spread"), map(float, np.mean(found, axis=0)), strict=True))


def _of_story(scores: Any, truth: Any) -> tuple[float, ...]:
    ranks = scores.argsort().argsort()
    tau = kendalltau(ranks, truth).statistic
    return float(((scores - truth) ** 2).sum()), float((ranks == truth).mean()), float(tau), float(scores.std())


def one(given: Any, entry: Row) -> Row:
    """Train once, and measure."""
    known: dict[str, Any] = {"updates": given.updates, "changed": entry["changed"]}
    recipe = Recipe(given.model, given.data, entry["seed"], entry["recipe"] == "same", **known)
    recipe.layers = entry["layers"] or None
    train = importlib.import_module(f"with_{entry['tool']}").train
    wall, cpu = time.perf_counter(), time.process_time()
    network = train(recipe)
    times = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {**entry, **measured(network, recipe), **times, "lines": lines_of(entry["tool"])}


def lines_of(tool: str) -> int:
    """Count the lines of code that a user writes: no blanks, no comments, no docstrings."""
    import ast

    here, count = Path(__file__).parent, 0
    for name in (f"with_{tool}.py", *SHARED[tool]):
        tree = ast.parse((here / name).read_text(encoding="utf-8"))
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
        hidden = {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        written = enumerate((here / name).read_text(encoding="utf-8").splitlines(), start=1)
        count += sum(bool(line.strip()) and number not in hidden for number, line in written)
    return count


def table(rows: list[Row]) -> str:
    """Lay out means and spreads over the seeds."""
    heads = [
        "who",
        "recipe",
        "layers",
        "changed",
        "seeds",
        "test loss",
        "accuracy",
        "Kendall's tau",
        "spread of scores",
    ]
    lines = []
    for entry in entries():
        own = [row for row in rows if all(str(row[name]) == str(entry[name]) for name in KEY[:-1])]
        if own:
            values = [_spread(own, name) for name in ("loss", "accuracy", "tau", "spread", "cpu")]
            named = [entry["tool"], entry["recipe"], entry["layers"] or "all", entry["changed"], len(own)]
            lines.append([*named, *values, own[0]["lines"]])
    return markdown([*heads, "CPU seconds", "lines"], lines)


def _spread(rows: list[Row], column: str) -> str:
    values = [float(row[column]) for row in rows]
    digits = 0 if column == "cpu" else 3
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def main(arguments: list[str] | None = None) -> None:
    """Make the runs that are missing, and print the table."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="directory with train.csv and test.csv: storyid, ..., sentence5")
    options.add_argument("--model", type=Path, default=None, help="directory of a body (default: MiniLM)")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--updates", type=int, default=250)
    given = options.parse_args(arguments)
    given.model = given.model or minilm()
    results = Results(given.out, KEY)
    single_threaded()
    for seed in range(0 if given.table else given.seeds):
        for entry in entries():
            is_wanted = given.only is None or entry["tool"] in given.only
            if is_wanted and not results.has({**entry, "seed": seed}):
                results.add(one(given, {**entry, "seed": seed}))
    print(table(results.rows))


if __name__ == "__main__":
    main()
