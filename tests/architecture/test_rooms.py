"""What a room exports is what its files hold."""

import ast

import pytest

from tests.architecture.sources import Source, sources

ROOMS = [source for source in sources() if source.is_package and source.name.count(".") == 1]

BASES = {"losses": "Loss", "metrics": "Metric", "tasks": "Task", "callbacks": "Callback"}

EACH = pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)


def files_of(room: Source) -> list[Source]:
    """Give the files that lie in the room, without its `__init__`."""
    return [source for source in sources() if source.room == room.room and source is not room]


def test_every_folder_is_a_room():
    """A folder with Python files in it has an `__init__.py`, or it would not be installed."""
    folders = {source.path.parent for source in sources()}

    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


@EACH
def test_exports_what_it_imports(room: Source):
    """`__all__` names what the room's `__init__` imports from its files or defines: no more, no less."""
    imported = {i.name for i in room.imports if i.module.startswith(room.name)}
    defined = {name for name in room.defined() if not name.startswith("_")}

    assert sorted(room.exported()) == sorted(name for name in imported | defined if name is not None)


@EACH
def test_exports_what_its_files_define(room: Source):
    """Each name that a room imports from one of its files is defined there, not passed on."""
    homes = {source.name: source.defined() for source in files_of(room)}

    wrong = [i for i in room.imports if i.module in homes and i.name not in homes[i.module]]

    assert not wrong


@pytest.mark.parametrize("room", [room for room in ROOMS if room.room in BASES], ids=lambda room: room.name)
def test_exports_every_kind(room: Source):
    """In a room with one file per thing, every public class of that thing is exported: none is forgotten."""
    bases = {
        node.name: {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
        for source in files_of(room)
        for node in source.tree.body
        if isinstance(node, ast.ClassDef)
    }
    kinds = {BASES[room.room]}
    while more := {name for name, above in bases.items() if above & kinds} - kinds:
        kinds |= more

    public = {name for name in kinds & set(bases) if not name.startswith("_")}

    assert public <= set(room.exported())


def test_package_exports_have_homes():
    """The package's `__all__` is what it imports for type checkers and can import when asked, and its version."""
    import keraslike

    package = next(source for source in sources() if source.room == "__init__")
    for_types = {i.name for i in package.imports if i.module.startswith("keraslike")}

    assert sorted(keraslike.__all__) == sorted(for_types | {"__version__"})
    assert all(hasattr(keraslike, name) for name in keraslike.__all__)
