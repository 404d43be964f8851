"""Reads the package's sources without importing them: which module imports what, and which names it defines."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "keraslike"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported name: `from module import name`, or `import module` with `name` None."""

    module: str
    name: str | None
    line: int
    at_top: bool  # it runs when the module is imported: not inside a function, not under TYPE_CHECKING


@dataclass(frozen=True)
class Source:
    """One file of the package; `name` is its dotted name, `keraslike.losses` for `keraslike/losses/__init__.py`."""

    path: Path
    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The first name below `keraslike`; `__init__` for the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "__init__"

    @property
    def is_package(self) -> bool:
        """Whether the file is a room's `__init__.py`."""
        return self.path.name == "__init__.py"

    @cached_property
    def imports(self) -> list[Import]:
        """Every import of the file, lazy ones and those for type checkers included."""
        return list(_imports(self.tree, at_top=True))

    def where(self, line: int) -> str:
        """Give `path:line`, as an editor opens it."""
        return f"{self.path.relative_to(PACKAGE.parent)}:{line}"

    def functions(self) -> Iterator[FunctionNode]:
        """Give every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, FunctionNode))

    def public(self) -> Iterator[ast.ClassDef | FunctionNode]:
        """Give the public classes and functions, and the public methods of the public classes."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | FunctionNode) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    yield from (m for m in node.body if isinstance(m, FunctionNode) and not m.name.startswith("_"))

    def exported(self) -> list[str]:
        """Give the names in `__all__`."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                    return [str(name) for name in ast.literal_eval(node.value)]
        return []

    def defined(self) -> set[str]:
        """Give the names that the file itself defines at its top: classes, functions, assignments."""
        names = set()
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | FunctionNode):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
        return names


@cache
def sources() -> tuple[Source, ...]:
    """Give every file of the package, sorted by path."""
    return tuple(
        Source(path, _dotted(path), path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
        if "__pycache__" not in path.parts
    )


def own_imports(source: Source) -> Iterator[tuple[str, Import]]:
    """Give each import of keraslike's own modules with the dotted name of the file that it leads to."""
    known = {other.name for other in sources()}
    for imported in source.imports:
        if imported.module.split(".")[0] == "keraslike":
            below = f"{imported.module}.{imported.name}"
            yield (below if below in known else imported.module), imported


def length(node: FunctionNode) -> int:
    """Count a function's lines, from `def` to its end, without its docstring."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(node: ast.AST, at_top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, None, child.lineno, at_top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield from (Import(module, alias.name, child.lineno, at_top) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from _imports(child, at_top=False)
        else:
            yield from _imports(child, at_top and not isinstance(child, FunctionNode | ast.Lambda))
