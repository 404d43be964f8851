"""Folders of images or sounds: one folder for each class, or one for each split and in it one for each class."""

import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data.files import quiet
from keraslike.data.pictures import is_image_file
from keraslike.data.reading import is_kind
from keraslike.data.splits import is_splits
from keraslike.errors import DataError, LoadError

SAVED = ("dataset_dict.json", "dataset_info.json")
"""What tells a folder that `save_to_disk` wrote."""

SOUNDS = (".wav", ".wave", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma")
"""Endings of files that are sounds, whether they can be read or not: none is left out without a word."""

BUILDERS = ("imagefolder", "audiofolder")
"""What the data set of a folder says it was made by, as `datasets` calls them."""


def is_class_folder(x: Any) -> bool:
    """Tell a folder, but for one that `save_to_disk` wrote, from anything else.

    Raises:
        LoadError: it is a name without an ending, and nothing of that name is there.

    Example:
        >>> is_class_folder("pets.csv"), is_class_folder(["cat.png"])
        (False, False)
    """
    if not isinstance(x, (str, os.PathLike)):
        return False
    path = Path(x)
    if not path.suffix and not path.exists():
        raise _no_folder(path)
    return path.is_dir() and not any((path / name).exists() for name in SAVED)


def open_image_folder(path: str | os.PathLike[str]) -> Any:
    """List a folder with a folder for each class, or with one for each split and in it one for each class.

    Returns:
        A `datasets.Dataset`, or a `DatasetDict` of the splits.

    Raises:
        DataError: it holds no image, or `datasets` cannot read it.
    """
    from datasets import load_dataset

    try:
        with quiet():
            found = load_dataset("imagefolder", data_dir=os.fspath(path))
    except Exception as error:
        has_images = any(is_image_file(file) for file in Path(path).rglob("*"))
        reason = f"cannot be read: {type(error).__name__}: {error}".rstrip(".") if has_images else "holds no image"
        raise DataError(f"the folder {os.fspath(path)!r} {reason}.", *_advice(os.fspath(path), "image")) from error
    return found if len(found) > 1 else next(iter(found.values()))


def open_sound_folder(path: str | os.PathLike[str]) -> Any:
    """List a folder as `open_image_folder` does, by ourselves: `datasets` wants torchcodec to list sounds.

    Folders and files whose names begin with a dot are passed over, and so are files that are no sounds.

    Returns:
        A `datasets.Dataset` of paths, and of the folders' names as labels, or a `DatasetDict` of the splits.

    Raises:
        DataError: it holds no sound, or its sounds lie at different depths, so that their folders name no classes.
    """
    from datasets import DatasetDict

    root = Path(path)
    listed = sorted(map(Path, glob("**/*", root_dir=root, recursive=True)))
    sounds = [file for file in listed if file.suffix.lower() in SOUNDS and (root / file).is_file()]
    if not sounds:
        raise DataError(f"the folder {str(path)!r} holds no sound.", *_advice(str(path), "sound"))
    splits: dict[str, list[Path]] = {}
    for file in sounds:
        splits.setdefault(file.parts[0], []).append(file.relative_to(file.parts[0]))
    lowered = {name.lower() for name in splits}
    if len(lowered) < len(splits) or not is_splits(dict.fromkeys(lowered)):  # Train beside train is no pair of splits
        return _sounds(root, sounds)
    return DatasetDict({name.lower(): _sounds(root / name, own) for name, own in splits.items()})


def _sounds(root: Path, sounds: Sequence[Path]) -> Any:
    """Give the sounds of a folder, whose paths begin there, with their labels where they lie in a folder each."""
    from datasets import Dataset, DatasetInfo

    by_depth = {len(file.parts): str(root / file) for file in sounds}
    if list(by_depth) not in ([1], [2]):
        found = " and ".join(map(repr, by_depth.values()))
        raise DataError(f"the sounds do not lie in one folder for each class: {found}.", *_advice(str(root), "sound"))
    columns = {"audio": [str(root / file) for file in sounds]}
    columns |= {"label": [file.parts[0] for file in sounds]} if 2 in by_depth else {}
    return Dataset.from_dict(columns, info=DatasetInfo(builder_name="audiofolder"))


def refuse_unlabelled(x: Any, noun: str) -> None:
    """Refuse the images, or sounds, of a folder whose folders name no classes, where labels are looked for.

    Args:
        x: what a function above gave for the folder, or anything else.
        noun: "image" or "sound".

    Raises:
        DataError: x has no column but the images, or the sounds.
    """
    is_listed = is_kind(x, "datasets", "Dataset") and x.info.builder_name in BUILDERS
    if is_listed and x.column_names in (["image"], ["audio"]):
        raise DataError(
            f"the folder says no labels: its {noun}s do not lie in two folders or more, one for each class.",
            *_advice("folder", noun),
        )


def refuse_targets(x: str | os.PathLike[str], noun: str) -> None:
    """Refuse y beside a folder: the order of files in it is nobody's.

    Args:
        x: the folder.
        noun: "image" or "sound".

    Raises:
        DataError: always.
    """
    raise DataError(f"x is the folder {os.fspath(x)!r}, and y is given.", *_advice(os.fspath(x), noun))


def _advice(folder: str, noun: str) -> tuple[str, str]:
    """Say how a folder of images, or sounds, looks, and what to do without one."""
    name = {"image": "1.png", "sound": "1.wav"}[noun]
    return (
        f"a folder for each class, and no y: {Path(folder, 'cat', name)!s}, {Path(folder, 'dog', name)!s}, ...",
        f"sort the {noun}s into folders, or give a list of paths and their labels as y.",
    )


def _no_folder(path: Path) -> LoadError:
    neighbours = [folder.name for folder in path.parent.iterdir()] if path.parent.is_dir() else []
    return LoadError(
        f"there is no folder {str(path)!r}.",
        f"the path of a folder or a file, seen from {str(Path.cwd())!r}.",
        did_you_mean(path.name, neighbours, "check the name."),
    )
