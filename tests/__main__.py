"""Checks everything, one tool after the other, and says at the end which of them found something.

Usage::

    python -m tests             format, lint, types, tests, docs
    python -m tests lint types  only these
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

OFFLINE = {
    "HF_HUB_OFFLINE": "1",  # a test that asks a hub is a test that fails where there is none
    "HF_DATASETS_OFFLINE": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait sleep instead of spinning on a shared core
    "MPLBACKEND": "Agg",
}


def steps(scratch: str) -> dict[str, list[str]]:
    """Give each step's command, in order; `scratch` is a folder for what they write."""
    return {
        "format": ["ruff", "format", "--check", "."],
        "lint": ["ruff", "check", "."],
        "types": ["mypy"],
        "tests": ["pytest", "--cov=keraslike", "--cov-report=term-missing"],
        "docs": ["sphinx", "-W", "--keep-going", "-q", "-d", f"{scratch}/trees", "docs", f"{scratch}/html"],
    }


def main(names: list[str]) -> int:
    """Run the named steps, all of them when none is named; give the number of those that failed."""
    with tempfile.TemporaryDirectory() as scratch:
        commands = steps(scratch)
        unknown = [name for name in names if name not in commands]
        if unknown:
            print(f"No such step: {', '.join(unknown)}. There are: {', '.join(commands)}.")
            return 2
        passed = {name: run(name, commands[name]) for name in names or commands}
    print("\n" + "  ".join(f"{name}: {'passed' if ok else 'FAILED'}" for name, ok in passed.items()))
    return list(passed.values()).count(False)


def run(name: str, command: list[str]) -> bool:
    """Run one module as a program in the repository's root; True if it found nothing."""
    print(f"\n== {name}: {' '.join(command)}", flush=True)
    started = time.monotonic()
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=os.environ | OFFLINE, check=False)
    passed = result.returncode == 0
    print(f"== {name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
