"""What one batch of 14 teaches when it goes through in micro-batches of 4, 4, 4 and 2: beside the whole batch.

Usage::

    python tests/benchmarks/accumulation.py [--only WHO ...]

Everyone makes one step of SGD at a rate of 1, so that the weights move by the gradient, each by its own word for
accumulation: once with a label per example, once with a label for some of the tokens of each (-100 elsewhere), and both
with clipping at 1.1 times the norm of the true gradient, which that leaves as it is, and at half of it. Told is the
norm beside that of the gradient of the whole batch: 1 is right; and how far the gradient is from the true one,
relative to its norm.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jobs import AccumulationJob
from peers import measured
from results import markdown, parser, single_threaded

ROWS, TOKENS = 14, 12


def per_example() -> AccumulationJob:
    """Draw a batch with a label per example."""
    generator = torch.Generator().manual_seed(0)
    return AccumulationJob(torch.randn(ROWS, 8, generator=generator), torch.randint(5, (ROWS,), generator=generator))


def per_token() -> AccumulationJob:
    """Draw a batch of token sequences of ragged length."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, TOKENS, 8, generator=generator)
    y = torch.randint(5, (ROWS, TOKENS), generator=generator)
    lengths = torch.randint(1, TOKENS + 1, (ROWS, 1), generator=generator)
    return AccumulationJob(x, torch.where(torch.arange(TOKENS) < lengths, y, -100))


def jobs() -> dict[str, AccumulationJob]:
    """Give what is asked of everyone, by name."""
    found = {}
    for name, make in (("per example", per_example), ("per token", per_token)):
        plain = make()
        norm = float(plain.gradient().norm())
        found[name] = plain
        for words, share in (("not reached", 1.1), ("at half", 0.5)):
            clipped = make()
            clipped.clip_norm = share * norm
            found[f"{name}, clip {words}"] = clipped
    return found


def beside(accumulate: Any, job: AccumulationJob) -> str:
    """Give the ratio of the norms, and the relative difference of the gradients."""
    truth, found = job.gradient(), accumulate(job)
    ratio, difference = found.norm() / truth.norm(), (found - truth).norm() / truth.norm()
    return f"{float(ratio):.6f} ({float(difference):.0e})"


def table(only: Sequence[str] | None = None) -> str:
    """Ask everyone for everything."""
    asked = jobs()
    sides = measured("accumulate", only)
    lines = [[who, *(beside(accumulate, job) for job in asked.values())] for who, accumulate in sides.items()]
    return markdown(["who", *asked], lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = parser(__doc__).parse_args(arguments)
    single_threaded()
    print(table(given.only))


if __name__ == "__main__":
    main()
