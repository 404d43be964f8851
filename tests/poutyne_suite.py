"""Runs Poutyne's own test suite with `keraslike.Model` in the place of `poutyne.Model`.

Usage::

    python tests/poutyne_suite.py            download Poutyne's sdist from PyPI and run its tests
    python tests/poutyne_suite.py SDIST      take the sdist from a file, poutyne-1.19.0.tar.gz
    python tests/poutyne_suite.py --plain    with `poutyne.Model` itself, to see what is Poutyne's own

It prints how many tests passed, and those that failed. It exits with 1 when fewer than 505 pass or when a test fails
that the list in docs/poutyne.md does not name; a named test that passes is said, so that the list stays short.
The suite needs matplotlib and tensorboard, which the extra `test` installs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "poutyne.md"
VERSION = "1.19.0"
LEAST = 505

BEGIN, END = "<!-- poutyne-suite: begin -->", "<!-- poutyne-suite: end -->"

# Loaded by pytest before it collects: every `from poutyne import Model` of the suite then finds ours. The report is
# written as tests end, so that a suite that breaks off still tells what it saw.
PLUGIN = """
import json
from pathlib import Path

import poutyne
import poutyne.framework.model_bundle

REPORT = Path(__file__).with_name("report.json")
seen = {}

if IN_PLACE:
    import keraslike

    ours = keraslike.Model
    poutyne.Model = poutyne.framework.Model = poutyne.framework.model_bundle.Model = ours


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        worst = "failed" if "failed" in (report.outcome, seen.get(report.nodeid)) else report.outcome
        seen[report.nodeid] = worst


def pytest_collectreport(report):
    if report.failed:
        seen[report.nodeid] = "failed"


def pytest_sessionfinish():
    REPORT.write_text(json.dumps(seen))
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the suite's tests; `failed` holds pytest's node ids."""

    passed: int
    skipped: int
    failed: frozenset[str]


def main() -> int:
    """Run the suite and judge it; give the exit status."""
    parser = argparse.ArgumentParser(description="Run Poutyne's own tests with keraslike.Model.")
    parser.add_argument("sdist", nargs="?", type=Path, help="poutyne's sdist; downloaded when it is not given")
    parser.add_argument("--plain", action="store_true", help="run them with poutyne.Model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extract_tests(options.sdist or download(folder), folder)
        outcome = run(folder, in_place=not options.plain)
    return judge(outcome, frozenset() if options.plain else named_on(PAGE.read_text("utf-8")))


def download(folder: Path) -> Path:
    """Download Poutyne's sdist from PyPI into the folder."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps"]
    subprocess.run([*pip, "--dest", str(folder), f"poutyne=={VERSION}"], check=True)
    return folder / f"poutyne-{VERSION}.tar.gz"


def extract_tests(sdist: Path, folder: Path) -> None:
    """Unpack the sdist's `tests/` into the folder; the rest of it stays out of the tests' way."""
    with tarfile.open(sdist) as archive:
        inside = f"poutyne-{VERSION}/tests/"
        archive.extractall(folder, [m for m in archive.getmembers() if m.name.startswith(inside)], filter="data")
    (folder / f"poutyne-{VERSION}" / "tests").rename(folder / "tests")


def run(folder: Path, in_place: bool) -> Outcome:
    """Run pytest on `folder/tests` in a process of its own, and read what its plugin wrote."""
    (folder / "in_place.py").write_text(f"IN_PLACE = {in_place}\n{PLUGIN}")
    (folder / "pytest.ini").write_text("[pytest]\npython_classes = *Test\n")
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1"}
    pytest = [sys.executable, "-m", "pytest", "tests", "-q", "-p", "in_place", "-p", "no:cacheprovider", "--tb=short"]
    subprocess.run(pytest, cwd=folder, env=environment, check=False)
    seen = json.loads((folder / "report.json").read_text())
    outcomes = list(seen.values())
    failed = frozenset(test for test, outcome in seen.items() if outcome == "failed")
    return Outcome(outcomes.count("passed"), outcomes.count("skipped"), failed)


def named_on(page: str) -> frozenset[str]:
    """Give the tests that the page names between its two marks, each in backticks at the start of an item."""
    marked = page.partition(BEGIN)[2].partition(END)[0]
    return frozenset(re.findall(r"^[-*] `(tests/[^`]+)`", marked, re.MULTILINE))


def judge(outcome: Outcome, named: frozenset[str]) -> int:
    """Print the outcome beside what the page names; give 1 if it is not as promised."""
    print(f"\n{outcome.passed} passed, {outcome.skipped} skipped, {len(outcome.failed)} failed")
    for test in sorted(outcome.failed):
        print(f"  {'on purpose' if test in named else 'NOT NAMED '}  {test}")
    for test in sorted(named - outcome.failed):
        print(f"  passes now  {test}: take it off docs/poutyne.md")
    unnamed = outcome.failed - named
    if unnamed:
        print(f"{len(unnamed)} failing tests are not named in docs/poutyne.md.")
    if outcome.passed < LEAST:
        print(f"Fewer than {LEAST} tests passed.")
    return int(bool(unnamed) or outcome.passed < LEAST)


if __name__ == "__main__":
    sys.exit(main())
