"""Imports point one way, and heavy libraries are imported where they are used."""

import ast
from graphlib import CycleError, TopologicalSorter

import poutyne
import pytest

from tests.architecture.sources import Source, own_imports, sources

ORDER = (
    "errors",
    "calling",
    "data",
    "losses",
    "metrics",
    "tracking",
    "checkpoint",
    "engine",
    "recipes",
    "callbacks",
    "tasks",
    "checks",
    "views",
    "model",
    "bundle",
    "demo",
    "cli",
    "__init__",
)

LAZY = {
    "IPython",
    "accelerate",
    "datasets",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
    "scipy",
    "seqeval",
    "sklearn",
    "tensorboard",
    "transformers",
}

PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

PRIVATE = {name for name in vars(poutyne.Model) if name.startswith("_") and not name.startswith("__")}

EACH = pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)


@EACH
def test_room_has_a_place(source: Source):
    """Every file and folder of the package has a place in the order of imports; a new one adds itself there."""
    assert source.room in ORDER


@EACH
def test_imports_only_from_the_left(source: Source):
    """A module imports only from its own room and from rooms to its left, inside functions and for types too."""
    place = ORDER.index(source.room)

    wrong = [
        f"{source.where(imported.line)} imports {target}"
        for target, imported in own_imports(source)
        if target == "keraslike" or ORDER.index(target.split(".")[1]) > place
    ]

    assert not wrong


@EACH
def test_imports_nothing_from_the_init_above(source: Source):
    """A module never imports from the `__init__` of a package that it lies in."""
    parents = {source.name.rsplit(".", count)[0] for count in range(1, source.name.count(".") + 1)}

    wrong = [
        f"{source.where(imported.line)} imports {target}"
        for target, imported in own_imports(source)
        if target in parents
    ]

    assert not wrong


@EACH
def test_imports_are_absolute(source: Source):
    """Imports are written out, from `keraslike` on, so that they can be found and their order be read."""
    assert not [source.where(imported.line) for imported in source.imports if imported.module.startswith(".")]


def test_no_cycle():
    """No module is imported, through whatever others, by one that it imports; lazy imports count."""
    graph = {source.name: {target for target, _ in own_imports(source)} for source in sources()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@EACH
def test_heavy_libraries_are_lazy(source: Source):
    """What is slow to import, or optional, is imported inside the function that needs it."""
    wrong = [
        f"{source.where(imported.line)} imports {imported.module}"
        for imported in source.imports
        if imported.at_top and imported.module.split(".")[0] in LAZY
    ]

    assert not wrong


@EACH
def test_trainer_is_never_imported(source: Source):
    """Hugging Face's Trainer is nowhere part of the way: no module imports it, not even lazily."""
    assert not [source.where(i.line) for i in source.imports if i.module.startswith("transformers.trainer")]
    assert not [source.where(i.line) for i in source.imports if i.module == "transformers" and i.name == "Trainer"]


@EACH
def test_poutynes_private_names_stay_in_the_engine(source: Source):
    """An underscore name of Poutyne is overridden, called or imported only in `engine/`."""
    if source.room == "engine":
        return

    imported = [
        source.where(i.line)
        for i in source.imports
        if i.module.split(".")[0] == "poutyne"
        and any(part.startswith("_") for part in f"{i.module}.{i.name}".split("."))
    ]
    used = [
        source.where(node.lineno)
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Attribute) and node.attr in PRIVATE)
        or (isinstance(node, ast.ClassDef) and PRIVATE & {getattr(child, "name", None) for child in node.body})
        or (isinstance(node, ast.Constant) and node.value in PRIVATE)
    ]

    assert not imported + used


@EACH
def test_no_pickle(source: Source):
    """No pickle is read or written: no pickling library, no `torch.load` or `torch.save`, no object arrays."""
    imported = [source.where(i.line) for i in source.imports if i.module.split(".")[0] in PICKLERS]
    called = [
        source.where(node.lineno)
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in {"torch.load", "torch.save"})
        or (isinstance(node, ast.keyword) and node.arg == "allow_pickle")
    ]

    assert not imported + called
