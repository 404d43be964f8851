"""Files and functions are small enough to be read at once, and documented."""

import ast
from statistics import median

import pytest

from tests.architecture.sources import PACKAGE, Source, length, sources

FILE_LINES = 300
FUNCTION_LINES = 40
MEDIAN_LINES = 8  # about 6 is the aim
ARGUMENTS = 15

EACH = pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)


@EACH
def test_file_fits(source: Source):
    """A file has at most 300 lines; with more it has two purposes."""
    assert source.text.count("\n") <= FILE_LINES


@EACH
def test_functions_fit(source: Source):
    """A function has at most 40 lines, its docstring not counted."""
    long = [
        f"{source.where(node.lineno)} {node.name}: {length(node)}"
        for node in source.functions()
        if length(node) > FUNCTION_LINES
    ]

    assert not long


def test_most_functions_are_short():
    """Half of all functions are a few lines long."""
    assert median(length(node) for source in sources() for node in source.functions()) <= MEDIAN_LINES


@EACH
def test_signatures_fit(source: Source):
    """A signature shows at most 15 arguments, `self` not counted."""
    crowded = [
        f"{source.where(node.lineno)} {node.name}: {count}"
        for node in source.functions()
        if (count := count_arguments(node)) > ARGUMENTS
    ]

    assert not crowded


def count_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the arguments that a signature shows, without `self` and `cls`."""
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return len([argument for argument in named if argument.arg not in {"self", "cls"}]) + len(starred)


@EACH
def test_says_its_purpose(source: Source):
    """A file says in its first line what it is for."""
    assert ast.get_docstring(source.tree)


@EACH
def test_public_things_are_documented(source: Source):
    """Every public class, function and method has a docstring."""
    bare = [f"{source.where(node.lineno)} {node.name}" for node in source.public() if not ast.get_docstring(node)]

    assert not bare


def test_every_test_tells_its_rule():
    """Every test has a docstring: the rule that it holds."""
    tests = PACKAGE.parent / "tests"
    silent = [
        f"{path.relative_to(tests.parent)}:{node.lineno} {node.name}"
        for path in sorted(tests.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert not silent
