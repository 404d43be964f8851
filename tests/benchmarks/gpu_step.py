"""What keraslike's loop adds to a step on a GPU: a small BERT in bf16, beside the best loop by hand.

Usage::

    python tests/benchmarks/gpu_step.py [--out FILE.csv] [--rounds 7]

Both fine-tune the same classifier on the same random tokens, 60 steps of 32 x 128 in the order given, fused AdamW,
autocast to bfloat16, clipping at 1. The loop by hand reads nothing from the device; its data lie there already.
keraslike is given tensors on the CPU and everything it does by itself: moving them, the loss's sum, accuracy, and the
guard against steps that are not finite. Timed is wall time from the end of step 20 to that of step 60, with the device
waited for at both ends; the share is keraslike's median over that of the loop, less one. Needs a CUDA device.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from results import Results, Row, interleaved, markdown, parser, ratios, spread
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

BY_HAND, OURS = "best by hand", "keraslike"
FIRST, LAST, ROWS, TOKENS, RATE = 20, 60, 32, 128, 5e-5
LOSS_BOUND = 0.05  # relative; bfloat16, and dropout of another draw


class Classifier(nn.Module):
    """A small BERT that takes ids and gives logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048}
        config = transformers.BertConfig(vocab_size=30_522, num_labels=4, **sizes)
        self.bert = transformers.BertForSequenceClassification(config)

    def forward(self, ids: Tensor) -> Tensor:
        """Give the logits."""
        logits: Tensor = self.bert(input_ids=ids).logits
        return logits


def data() -> tuple[Tensor, Tensor]:
    """Draw ids and classes."""
    generator = torch.Generator().manual_seed(0)
    rows = LAST * ROWS
    return (
        torch.randint(5, 30_000, (rows, TOKENS), generator=generator),
        torch.randint(4, (rows,), generator=generator),
    )


def by_hand(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Train, and give the mean loss."""
    network.cuda().train()
    parameters, total = list(network.parameters()), torch.zeros((), device="cuda")
    optimizer = torch.optim.AdamW(parameters, lr=RATE, fused=True)
    correct = torch.zeros((), dtype=torch.long, device="cuda")
    for inputs, targets in zip(x.cuda().split(ROWS), y.cuda().split(ROWS), strict=True):
        with torch.autocast("cuda", torch.bfloat16):
            outputs = network(inputs)
        loss = F.cross_entropy(outputs.float(), targets)
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            total += loss
            correct += (outputs.argmax(1) == targets).sum()
    return float(total) / LAST


def with_keraslike(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Train, and give the mean loss."""
    from keraslike import Model

    optimizer: Any = {"optim": "adamw", "lr": RATE}
    model = Model(network, optimizer, "cross_entropy", metrics=["accuracy"], device="cuda", precision="bf16")
    return float(model.fit(x, y, batch_size=ROWS, shuffle=False, clip_norm=1.0, seed=0, verbose=0)[-1]["loss"])


def timed(train: Any) -> Row:
    """Train once, and give seconds per step."""
    marks: list[float] = []

    def tick(*_: Any) -> None:
        marks.append(0.0)
        if len(marks) in {FIRST, LAST}:
            torch.cuda.synchronize()
            marks[-1] = time.perf_counter()

    hook = register_optimizer_step_post_hook(tick)
    torch.cuda.reset_peak_memory_stats()
    loss = train(Classifier(), *data())
    hook.remove()
    if len(marks) != LAST:
        raise AssertionError(f"{len(marks)} steps were made where {LAST} were asked for")
    peak = torch.cuda.max_memory_allocated() / 2**20
    return {"wall": (marks[LAST - 1] - marks[FIRST - 1]) / (LAST - FIRST), "loss": loss, "peak": peak}


def table(rows: Sequence[Row]) -> str:
    """Give the medians, and the share that keraslike adds."""
    found = ratios(rows, "wall", BY_HAND)
    lines = []
    for who, values in found.items():
        of = {name: median(float(row[name]) for row in rows if row["who"] == who) for name in ("wall", "loss", "peak")}
        share = f"{100 * (median(values) - 1):.1f} %"
        lines.append([who, spread(values), share, 1e3 * of["wall"], of["loss"], f"{of['peak']:.0f}"])
    return markdown(["who", "wall time, ratio", "added", "ms per step", "loss", "peak MB"], lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing runs and print the table."""
    given = parser(__doc__).parse_args(arguments)
    results = Results(given.out, ["round", "who"])
    if not given.table:
        if not torch.cuda.is_available():
            raise SystemExit("gpu_step.py needs a CUDA device, and there is none: nothing was measured")
        sides = {BY_HAND: by_hand, OURS: with_keraslike}
        timed(by_hand)  # the first is slower
        for count, who in interleaved(list(sides), given.rounds):
            if not results.has({"round": count, "who": who}):
                results.add({"round": count, "who": who, **timed(sides[who])})
        losses = [float(row["loss"]) for row in results.rows]
        if max(losses) - min(losses) > LOSS_BOUND * max(losses):
            raise AssertionError(f"the losses differ: {losses}")
    print(table(results.rows))


if __name__ == "__main__":
    main()
