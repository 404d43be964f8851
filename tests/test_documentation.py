"""The Python blocks of the README and of the pages run as they stand, each page's from its top to its end.

They run in a folder of their own, where the models and files that they name are tiny local ones, and where the names
that a page leaves to its reader, such as `texts` and `labels`, hold something.
"""

import re
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from torch import nn

import keraslike

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
PARSER = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])

WITH_EXAMPLES = [page for page in PAGES if "```python" in page.read_text("utf-8")]


@pytest.fixture
def names(texts_and_labels: tuple[list[str], list[str]]) -> Mapping[str, Any]:
    """Give what a page's reader has already: texts with labels, and a network with arrays."""
    texts, labels = texts_and_labels
    rng = np.random.default_rng(0)
    x = rng.standard_normal((128, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int64")
    return {
        "texts": texts,
        "labels": labels,
        "network": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)),
        **{f"{name}_{part}": value for part in ("train", "val", "test") for name, value in (("X", x), ("y", y))},
    }


@pytest.fixture
def folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_distilbert: Path,
    tiny_bert: Path,
    texts_and_labels: tuple[list[str], list[str]],
) -> Path:
    """Stand in a folder where `distilbert-base-uncased`, `bert-base-uncased` and `reviews.csv` exist."""
    shutil.copytree(tiny_distilbert, tmp_path / "distilbert-base-uncased")
    shutil.copytree(tiny_bert, tmp_path / "bert-base-uncased")
    rows = [f"{text},{label}" for text, label in zip(*texts_and_labels, strict=True)]
    (tmp_path / "reviews.csv").write_text("\n".join(["review,stars", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_run(page: Path, names: Mapping[str, Any], folder: Path):
    """Every Python block of a page runs, in order, without a warning."""
    document = PARSER.parse(page)
    document.namespace.update(names)

    for example in document.examples():
        example.evaluate()


def test_pages_are_reached():
    """The README and the first pages have examples: an empty search is not a passing one."""
    assert {"README.md", "index.md", "getting-started.md", "poutyne.md"} <= {page.name for page in WITH_EXAMPLES}


def test_reference_has_every_name():
    """Every public name of the package is on a page of the reference, on its own or with its whole room."""
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    rooms = [import_module(name) for name in re.findall(r"automodule:: (keraslike\.\w+)$", pages, re.MULTILINE)]
    listed = {name for room in rooms for name in getattr(room, "__all__", ())} | {room.__name__[10:] for room in rooms}

    missing = {name for name in keraslike.__all__ if not re.search(rf":: keraslike\.{name}$", pages, re.MULTILINE)}

    assert missing - listed == {"__version__"}


def test_readme_holds_the_two_commands():
    """The README has one line that installs and shows, and one that installs and checks, each to be typed as it is."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [line.partition(" && ")[2] for line in lines if line.startswith("python -m pip install ")]

    assert commands == ["python -m keraslike.demo", "python -m tests"]
