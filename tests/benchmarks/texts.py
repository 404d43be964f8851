"""What fine-tuning costs on real texts of ragged length: MiniLM, batches of 16 and 32.

Usage::

    python tests/benchmarks/texts.py --data DIR [--model DIR] [--out FILE.csv] [--rounds 7] [--only WHO ...]
    python tests/benchmarks/texts.py --table --out FILE.csv

A round is one epoch of 160 texts of the mixture in `mixture.py`, everyone on the same ones, each with its own plain
shuffling, in turn, on one thread. The best loop by hand may do what changes the experiment: its batches are of texts of
like length, padded beforehand; once cut from the round's own texts, and once from a hundred batches' worth, as in a
long epoch, so that times are given per real token. Loading and tokenizing are not timed. What goes through the network
is counted inside it. Before that everyone takes two steps in the order given, with dropout off, and the losses are held
against those of the loop by hand; and keraslike's cut batch against the whole one.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import transformers
from clock import Clock, counting, forget_peak, memory
from jobs import Learned, TextJob, minilm
from mixture import described, made_up, mixture, read_sources
from peers import BEST, measured
from results import Results, Row, in_own_process, interleaved, markdown, middle, parser, ratios, single_threaded, spread

TEXTS = 160
POOL = "best by hand, of 100 batches"
LOSS_BOUND = (
    1e-4  # the same steps, dropout off; Keras' AdamW has its epsilon elsewhere, and so moves a little otherwise
)
GRADIENT_BOUND = 1e-6


def job(given: Any, batch_size: int, seed: int, texts: int) -> TextJob:
    """Draw the texts of a round."""
    drawn, labels = mixture(sources(given.data), texts, seed)

    def pool(count: int) -> tuple[list[str], list[str]]:
        return mixture(sources(given.data), count, seed)

    return TextJob(given.model, drawn, labels, seed, batch_size, Clock(0, texts // batch_size), pool=pool)


@cache
def sources(folder: Any) -> dict[str, list[str]]:
    """Read the texts once; without a folder, make some up."""
    return made_up(1000) if folder is None else read_sources(folder)


def timed(train: Any, task: TextJob) -> Row:
    """Train once; give milliseconds per real token, the tokens that the texts have and that were sent, and the loss."""
    real = task.real_tokens  # tokenizes, before the clock starts
    with counting() as sent, task.clock as clock:
        learned = train(task)
    if sent.examples < len(task.texts):  # Keras sends one batch more, to build
        raise AssertionError(f"{sent.examples} texts went through the network, of {len(task.texts)}")
    real = learned.real_tokens or real
    times = {name: 1e3 * seconds * clock.last / real for name, seconds in clock.seconds.items()}
    return {**times, "real": real, "sent": sent.tokens, "loss": learned.loss}


def loss_in_order(train: Any, task: TextJob) -> float:
    """Train without shuffling and dropout, and give the loss."""
    plain = replace(task, is_shuffled=False, dropout=0.0)
    with plain.clock:
        learned: Learned = train(plain)
    return learned.loss


def check_losses(given: Any, sides: dict[str, Any]) -> dict[str, float]:
    """Give how far everyone's loss is from that of the loop by hand after the same two steps."""
    by_hand = measured("train_texts", ["by hand"])["by hand"]
    truth = loss_in_order(by_hand, job(given, 16, 0, 32))
    found = {who: abs(loss_in_order(train, job(given, 16, 0, 32)) - truth) for who, train in sides.items()}
    for who, difference in found.items():
        if not difference <= LOSS_BOUND:
            raise AssertionError(f"{who}: the loss differs by {difference} from that of the loop by hand")
    return found


def gradient_difference(task: TextJob) -> tuple[float, int, int]:
    """Make one step of SGD on one batch, cut and whole, dropout off.

    Returns:
        The relative difference of the two changes of the weights, and how many tokens went through, cut and whole.
    """
    import keraslike

    moved, tokens = [], []
    options: Any = {"batch_size": len(task.texts), "clip_norm": None, "schedule": "constant", "warmup": 0}
    for micro_batch_size in ("auto", None):
        network = replace(task, dropout=0.0).network().double()
        before = [values.detach().clone() for values in network.parameters()]
        kinds = {"task": "text-classification", "tokenizer": task.tokenizer, "labels": list(task.kinds)}
        model = keraslike.Model(network, {"optim": "sgd", "lr": 1.0}, device="cpu", **kinds)
        with counting() as sent:
            model.fit(
                task.texts, task.labels, epochs=1, seed=0, verbose=0, micro_batch_size=micro_batch_size, **options
            )
        pairs = zip(before, network.parameters(), strict=True)
        moved.append(torch.cat([(old - new.detach()).ravel() for old, new in pairs]))
        tokens.append(sent.tokens)
    cut, whole = moved
    return float((cut - whole).norm() / whole.norm()), tokens[0], tokens[1]


def run(given: Any, results: Results) -> None:
    """Make the runs that are missing."""
    sides = measured("train_texts", given.only)
    keys = [{"round": count, "batch": size} for count in range(given.rounds) for size in given.batches]
    if all(results.has({**key, "who": who}) for key in keys for who in sides):
        return
    differences = check_losses(given, sides)
    if "keraslike" in sides:
        difference, cut, whole = gradient_difference(job(given, 16, 0, 16))
        print(f"gradient of a batch of 16, {cut} tokens cut, {whole} whole: relative difference {difference:.1e}")
        if not difference <= GRADIENT_BOUND:
            raise AssertionError("the gradient of a cut batch is not that of the batch")
    peaks: dict[str, float] = {}
    for count, who in interleaved(list(sides), given.rounds):
        for size in given.batches:
            key = {"round": count, "batch": size, "who": who}
            if not results.has(key):
                if who not in peaks:
                    peaks[who] = peak_of(given, who)
                shared = {"difference": differences[who], "peak": peaks[who]}
                results.add({**key, **timed(sides[who], job(given, size, count, given.texts)), **shared})


def peak_of(given: Any, who: str) -> float:
    """Ask a process of its own for somebody's peak memory."""
    where: list[Any] = ["--model", given.model, *(["--data", given.data] if given.data else [])]
    peak: float = in_own_process(__file__, ["--memory-of", who, *where])["peak"]
    return peak


def peak(given: Any, who: str) -> float:
    """Give by how many MB this process grows while it takes three steps of 32 texts, the network with it."""
    task = job(given, 32, 0, 96)
    train, _ = measured("train_texts", [who])[who], task.features
    before = forget_peak()
    with task.clock:
        train(task)
    return memory("VmHWM") - before


def table(rows: Sequence[Row]) -> str:
    """Give medians over the rounds, ratios to the best loop by hand on a long epoch first; a table per batch size."""
    tables = []
    for size in sorted({int(row["batch"]) for row in rows}):
        chosen = [row for row in rows if int(row["batch"]) == size]
        cpu, own, wall = (ratios(chosen, column, to) for column, to in (("cpu", POOL), ("cpu", BEST), ("wall", POOL)))
        of = partial(middle, chosen)
        lines = [
            [
                *(
                    who,
                    spread(cpu.get(who, [])),
                    spread(own.get(who, [])),
                    spread(wall.get(who, [])),
                    f"{sent(chosen, who):.2f}",
                    f"{of(who, 'cpu'):.3f}",
                ),
                *(f"{of(who, 'loss'):.3f}", f"{of(who, 'difference'):.0e}", f"{of(who, 'peak'):.0f}"),
            ]
            for who in sorted({row["who"] for row in chosen}, key=lambda who: of(who, "cpu"))
        ]
        heads = [
            "CPU time, ratio",
            "CPU time, to buckets of the round's texts",
            "wall time, ratio",
            "tokens sent / real",
            "CPU ms per real token",
            "loss",
        ]
        tables.append(markdown([f"batches of {size}", *heads, "same steps: loss differs", "peak MB"], lines))
    return "\n\n".join(tables)


def sent(rows: Sequence[Row], who: str) -> float:
    """Give the tokens sent in all rounds over the real ones."""
    sums = [sum(int(row[name]) for row in rows if row["who"] == who) for name in ("sent", "real")]
    return sums[0] / sums[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the tables."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder with a folder per data set; default: made-up texts")
    options.add_argument(
        "--model", type=Path, default=minilm(), help="directory of a BERT body; default: MiniLM, where installed"
    )
    options.add_argument("--batches", type=int, nargs="+", default=[16, 32], help="texts per step (%(default)s)")
    options.add_argument("--texts", type=int, default=TEXTS, help="texts per round (%(default)s)")
    given = options.parse_args(arguments)
    single_threaded()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if given.memory_of:
        print(json.dumps({"peak": peak(given, given.memory_of)}))
        return
    results = Results(given.out, ["round", "batch", "who"])
    if not given.table:
        lengths = [len(feature["input_ids"]) for feature in job(given, 16, 0, 1000).features]
        print(f"{described(lengths)} (of the mixture)\n")
        run(given, results)
    print(table(results.rows))


if __name__ == "__main__":
    main()
