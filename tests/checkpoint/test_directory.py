"""A directory is written whole or not at all, and read with care."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from keraslike.checkpoint import MANIFEST, read_manifest, write_directory
from keraslike.errors import ArgumentError, LoadError


def write_one(text: str) -> Any:
    def write(draft: str) -> None:
        Path(draft, "weights").write_text(text)

    return write


def test_writes_files_and_manifest(tmp_path: Path):
    """The directory holds what the function wrote, and keraslike.json with the format's number."""
    write_directory(tmp_path / "saved", {"größe": [1, 2.5, None]}, write_one("w"), overwrite=False)

    assert (tmp_path / "saved" / "weights").read_text() == "w"
    assert read_manifest(tmp_path / "saved") == {"format": 1, "größe": [1, 2.5, None], "files": ["weights"]}
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [MANIFEST, "weights"]


def test_others_may_read_it(tmp_path: Path):
    """The directory has the permissions that a plain mkdir gives."""
    (tmp_path / "plain").mkdir()

    write_directory(tmp_path / "saved", {}, write_one("w"), overwrite=False)

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "saved")]
    assert modes[0] == modes[1]


def test_writes_beside_the_place(tmp_path: Path):
    """While it is written nothing stands at the place, and the draft is its neighbour, so that moving is one step."""
    seen = []

    def look(draft: str) -> None:
        seen.append((Path(draft).parent, (tmp_path / "saved").exists()))

    write_directory(tmp_path / "saved", {}, look, overwrite=False)

    assert seen == [(tmp_path, False)]


def test_a_failure_leaves_nothing(tmp_path: Path):
    """An error while writing, an interrupt too, leaves no draft behind."""

    def fail(draft: str) -> None:
        Path(draft, "half").write_text("h")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_directory(tmp_path / "saved", {}, fail, overwrite=False)

    assert not list(tmp_path.iterdir())


def test_a_manifest_that_is_no_json_leaves_nothing(tmp_path: Path):
    """What cannot be written as JSON is an error, not half a directory."""
    with pytest.raises(TypeError):
        write_directory(tmp_path / "saved", {"object": object()}, write_one("w"), overwrite=False)

    assert not list(tmp_path.iterdir())


def test_a_failing_move_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """If the new directory cannot be moved to its place, the old one stands there as before."""
    write_directory(tmp_path / "saved", {"is": "old"}, write_one("old"), overwrite=False)
    rename = Path.rename

    def fail_for_drafts(self: Path, target: Any) -> Path:
        if Path(target) == tmp_path / "saved" and "-old-" not in str(self):
            raise OSError("the disk went away")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_drafts)
    with pytest.raises(OSError, match="the disk went away"):
        write_directory(tmp_path / "saved", {"is": "new"}, write_one("new"), overwrite=True)

    assert (tmp_path / "saved" / "weights").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_an_empty_directory_is_filled(tmp_path: Path):
    """A directory that exists and is empty is as good as none."""
    (tmp_path / "saved").mkdir()

    write_directory(tmp_path / "saved", {}, write_one("w"), overwrite=False)

    assert (tmp_path / "saved" / "weights").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_file_in_the_place(tmp_path: Path):
    """A file is never replaced."""
    (tmp_path / "saved").write_text("a file")

    with pytest.raises(ArgumentError, match="exists already"):
        write_directory(tmp_path / "saved", {}, write_one("w"), overwrite=True)

    assert (tmp_path / "saved").read_text() == "a file"


def test_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A name is looked up from where the program stands."""
    monkeypatch.chdir(tmp_path)

    write_directory("saved", {}, write_one("w"), overwrite=False)

    assert os.path.isfile("saved/weights")


def test_a_later_format(tmp_path: Path):
    """A directory of a later keraslike is refused with the line that upgrades."""
    (tmp_path / MANIFEST).write_text(json.dumps({"format": 99, "versions": {"keraslike": "9.9"}}))

    with pytest.raises(LoadError, match=r"later keraslike \(9\.9\)(.|\n)*pip install -U keraslike"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"'])
def test_a_damaged_manifest(content: str, tmp_path: Path):
    """What is no JSON object is named as damaged."""
    (tmp_path / MANIFEST).write_text(content)

    with pytest.raises(LoadError, match="is damaged"):
        read_manifest(tmp_path)


def test_no_manifest(tmp_path: Path):
    """A directory that keraslike did not write is a checkpoint like any other, as the error says."""
    with pytest.raises(LoadError, match=r"was not written by model\.save(.|\n)*task=\"text-classification\""):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("given", "what", "do"),
    [
        ("p.txt", "is a file", "check the path."),
        ("modl", "there is no directory", "did you mean '{}/model'?"),
        ("q.txt", "there is no directory", "check the path."),
    ],
)
def test_no_directory(given: str, what: str, do: str, tmp_path: Path):
    """A file is called one, and what is suggested instead is a directory."""
    (tmp_path / "p.txt").touch()
    (tmp_path / "model").mkdir()

    with pytest.raises(LoadError, match=what) as error:
        read_manifest(tmp_path / given)

    assert error.value.do == do.format(tmp_path)
