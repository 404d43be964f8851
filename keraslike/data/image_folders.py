"""Folders of images: one folder for each class, listed by `datasets`."""

import os
from pathlib import Path
from typing import Any

from keraslike.calling import did_you_mean
from keraslike.data.files import quiet
from keraslike.data.pictures import is_image_file
from keraslike.data.reading import is_kind
from keraslike.errors import DataError, LoadError

SAVED = ("dataset_dict.json", "dataset_info.json")
"""What tells a folder that `save_to_disk` wrote."""


def is_image_folder(x: Any) -> bool:
    """Tell a folder, but for one that `save_to_disk` wrote, from anything else.

    Raises:
        LoadError: it is a name without an ending, and nothing of that name is there.

    Example:
        >>> is_image_folder("pets.csv"), is_image_folder(["cat.png"])
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
        raise DataError(f"the folder {os.fspath(path)!r} {reason}.", *_advice(os.fspath(path))) from error
    return found if len(found) > 1 else next(iter(found.values()))


def refuse_unlabelled(x: Any) -> None:
    """Refuse the images of a folder whose folders name no classes, where labels are looked for.

    Raises:
        DataError: x is that of `open_image_folder`, with no column but the images.
    """
    if is_kind(x, "datasets", "Dataset") and x.info.builder_name == "imagefolder" and x.column_names == ["image"]:
        raise DataError(
            "the folder says no labels: its images do not lie in two folders or more, one for each class.",
            *_advice("folder"),
        )


def refuse_targets(x: str | os.PathLike[str]) -> None:
    """Refuse y beside a folder: the order of files in it is nobody's.

    Raises:
        DataError: always.
    """
    raise DataError(f"x is the folder {os.fspath(x)!r}, and y is given.", *_advice(os.fspath(x)))


def _advice(folder: str) -> tuple[str, str]:
    """Say how a folder of images looks, and what to do without one."""
    return (
        f"a folder for each class, and no y: {Path(folder, 'cat', '1.png')!s}, {Path(folder, 'dog', '1.png')!s}, ...",
        "sort the images into folders, or give a list of paths and their labels as y.",
    )


def _no_folder(path: Path) -> LoadError:
    neighbours = [folder.name for folder in path.parent.iterdir()] if path.parent.is_dir() else []
    return LoadError(
        f"there is no folder {str(path)!r}.",
        f"the path of a folder or a file, seen from {str(Path.cwd())!r}.",
        did_you_mean(path.name, neighbours, "check the name."),
    )
