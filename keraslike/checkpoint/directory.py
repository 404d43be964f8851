"""Writes a model's directory whole or not at all, and reads its `keraslike.json`."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keraslike.calling import nearest_directory
from keraslike.errors import ArgumentError, LoadError

MANIFEST = "keraslike.json"
FORMAT = 1


def write_directory(
    directory: str | os.PathLike[str], manifest: dict[str, Any], write: Callable[[str], None], *, overwrite: bool
) -> None:
    """Write a directory beside its place, then move it there, so that a failure leaves what was there.

    Args:
        directory: where it is to be.
        manifest: what `keraslike.json` holds, beside the number of the format.
        write: writes everything else into the directory whose name it is given.
        overwrite: whether a directory that keraslike wrote before may be replaced.

    Raises:
        ArgumentError: something stands there, and it may not be replaced.
    """
    place = Path(directory).absolute()
    _check_place(place, overwrite)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        write(str(draft))
        files = sorted(path.name for path in draft.iterdir())
        text = json.dumps({"format": FORMAT, **manifest, "files": files}, indent=2, ensure_ascii=False)
        (draft / MANIFEST).write_text(text + "\n", encoding="utf-8")
        draft.chmod(0o777 & ~_umask())  # mkdtemp's 0o700 would lock out those who may read its neighbours
        _move(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_place(place: Path, overwrite: bool) -> None:
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if overwrite and (place / MANIFEST).is_file():
        _check_ours(place)
        return
    raise ArgumentError(
        f"{str(place)!r} exists already.",
        "a new directory, or an empty one.",
        "choose another name."
        if not (place / MANIFEST).is_file()
        else "choose another name, or write save(..., overwrite=True).",
    )


def _check_ours(place: Path) -> None:
    """Refuse to replace a directory in which the user keeps files of their own."""
    written = {MANIFEST, *read_manifest(place).get("files", [])}
    theirs = sorted(path.name for path in place.iterdir() if path.name not in written)
    if theirs:
        raise ArgumentError(
            f"{str(place)!r} holds more than a saved model: {', '.join(theirs[:5])}.",
            "a directory with nothing but what save(...) wrote.",
            "move these files away, or choose another name.",
        )


def _move(draft: Path, place: Path) -> None:
    if not place.exists():
        draft.rename(place)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{place.name}-old-", dir=place.parent))
    place.rename(old / place.name)
    try:
        draft.rename(place)
    except BaseException:
        (old / place.name).rename(place)
        old.rmdir()
        raise
    shutil.rmtree(old)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_manifest(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Read `keraslike.json` of a directory that `write_directory` wrote.

    Raises:
        LoadError: there is none, or a later version of keraslike wrote it.
    """
    path = Path(directory) / MANIFEST
    if not Path(directory).is_dir():
        near = nearest_directory(directory)
        raise LoadError(
            f"{str(directory)!r} is a file." if path.parent.is_file() else f"there is no directory {str(directory)!r}.",
            "a directory that model.save(...) wrote.",
            "check the path." if near is None else f"did you mean {near!r}?",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LoadError(
            f"{str(directory)!r} was not written by model.save(...): it has no {MANIFEST}.",
            "a directory that model.save(...) wrote.",
            f'start from it as from any checkpoint: Model({str(directory)!r}, task="text-classification").',
        ) from None
    except ValueError as error:
        raise LoadError(f"{str(path)!r} is damaged: {error}.", "a file as model.save(...) wrote it.") from None
    if not isinstance(manifest, dict):
        raise LoadError(f"{str(path)!r} is damaged: it holds no object.", "a file as model.save(...) wrote it.")
    if manifest.get("format", 0) > FORMAT:
        raise LoadError(
            f"{str(path)!r} was written by a later keraslike ({manifest.get('versions', {}).get('keraslike')}).",
            f"format {FORMAT} or older.",
            "upgrade: pip install -U keraslike.",
        )
    return manifest
