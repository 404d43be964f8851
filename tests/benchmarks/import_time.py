"""How long imports take, in CPU seconds, against what they cannot do without.

Usage::

    python tests/benchmarks/import_time.py [rounds]

Each import runs in a process of its own, in turn, so that a busy machine slows all of them alike; of each the median
over the rounds is taken. The first round only warms the disk's cache and is not counted.
"""

import resource
import subprocess
import sys
from statistics import median

LIMIT = 1.1

WITHOUT = {
    "import keraslike": "import torch",
    "from keraslike import Model": (
        "import torch, poutyne, transformers; from transformers import AutoModelForSequenceClassification"
    ),
}


def cpu_seconds(statement: str) -> float:
    """Give the CPU time, user's and system's, of a fresh interpreter that runs the statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int) -> int:
    """Print the ratios; give 1 if one is over the limit."""
    statements = [*WITHOUT, *WITHOUT.values()]
    times = {statement: [] for statement in statements}
    for count in range(rounds + 1):
        for statement in statements:
            seconds = cpu_seconds(statement)
            if count > 0:
                times[statement].append(seconds)
    ratios = []
    for ours, theirs in WITHOUT.items():
        ratios.append(median(times[ours]) / median(times[theirs]))
        print(f"{ours}: {median(times[ours]):.2f} s; {theirs}: {median(times[theirs]):.2f} s; ratio {ratios[-1]:.3f}")
    return int(max(ratios) > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
