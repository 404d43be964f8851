"""Images in files, and pictures of Pillow: opened by Pillow, and refused with the row and the file that are meant."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.data.media import content_of, name_of_file
from keraslike.data.reading import is_kind
from keraslike.errors import DataError, KeraslikeError, MissingDependencyError

Encoded = bytes | str | os.PathLike[str]
Pixels = npt.NDArray[np.uint8]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings of files that are images; a str with another ending is no image."""

DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of Pillow with more than 8 bits a channel, which it would clip to 255."""


def is_picture(value: Any) -> bool:
    """Tell pictures of Pillow, without importing it.

    Example:
        >>> is_picture("cat.png")
        False
    """
    return is_kind(value, "PIL", "Image")


def is_image_file(value: Any) -> bool:
    """Tell the path of an image by its ending.

    Example:
        >>> is_image_file("pets/cat.JPG"), is_image_file("pets.csv")
        (True, False)
    """
    return isinstance(value, (str, os.PathLike)) and os.fspath(value).lower().endswith(ENDINGS)


def encoded(value: Any) -> Encoded | None:
    """Give the bytes or the path of an encoded image, also of the dict of `datasets`; None for any other value.

    Example:
        >>> encoded({"bytes": None, "path": "cat.png"}), encoded(b"..."), encoded("cat"), encoded(3)
        ('cat.png', b'...', None, None)
    """
    content = content_of(value)  # the path in a dict may end in anything: that of a cache, for example
    is_file = isinstance(value, (Mapping, bytes)) or is_image_file(value)
    return content if is_file else None


def check_header(value: Any, place: str) -> None:
    """Refuse an encoded image that is missing, that Pillow does not know, or that has more than 8 bits a channel.

    Only its header is read, which says the kind and the size; pixels are looked at by `rgb_of_picture`.

    Args:
        value: the path or the bytes of a file, also as the dict that a column of `datasets` holds.
        place: what a message calls it.

    Raises:
        DataError: it is no image, or too deep.
        MissingDependencyError: Pillow is not installed.
    """
    with _opened(value, place):
        pass


def rgb_of_picture(value: Any, place: str) -> Pixels:
    """Give a picture of Pillow, or an encoded image, as `(height, width, 3)` in 0..255, turned as its EXIF data say.

    Args:
        value: a picture, or as in `check_header`.
        place: what a message calls it.

    Raises:
        DataError: as in `check_header`, or its pixels cannot be read.
        MissingDependencyError: Pillow is not installed.
    """
    if is_picture(value):
        check_picture(value, place)
        with _told(f"{place}{name_of_file(value)}"):
            return _as_pixels(value)
    with _opened(value, place) as picture:
        return _as_pixels(picture)


def check_picture(picture: Any, place: str) -> None:
    """Refuse a picture of Pillow without its pixels, or with more than 8 bits a channel; none is decoded for that.

    Raises:
        DataError: it is one.
    """
    named = f"{place}{name_of_file(picture)}"
    if _is_closed(picture):
        raise DataError(
            f"{named} is a closed picture of Pillow, whose pixels cannot be read any more.",
            "pictures that are open, or that were loaded.",
            "give the path of its file, or write picture.load() inside `with Image.open(...) as picture`.",
        )
    _check_mode(picture, named)


def _is_closed(picture: Any) -> bool:
    """Tell a picture that cannot be decoded any more: `close` takes its pixels, the end of `with` only its file.

    Some formats, such as AVIF, need no file once they are open: whether they do is tried.
    """
    try:
        getattr(picture, "readonly", 0)  # asks for what was decoded, if anything was
    except ValueError:
        return True
    file = getattr(picture, "fp", None)
    if not getattr(picture, "tile", None) or not (file is None or getattr(file, "closed", False)):
        return False
    try:
        picture.load()
    except Exception:  # noqa: BLE001  # whatever a decoder without its file runs into
        return True
    return False


def _check_mode(picture: Any, place: str) -> None:
    if picture.mode in DEEP_MODES:
        raise DataError(
            f"{place} is a picture of mode {picture.mode!r}, with more than 8 bits a channel.",
            "8 bits a channel, such as the modes 'L' and 'RGB'.",
            "scale its numbers to 0..1 yourself: np.asarray(picture) / 65535.",
        )


def pillow(needed_for: str) -> Any:
    """Give the module `PIL.Image`.

    Args:
        needed_for: what needs it, for the message.

    Raises:
        MissingDependencyError: Pillow is not installed.
    """
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError:
        raise MissingDependencyError(
            f"{needed_for} needs Pillow, which is not installed.", do='pip install "keraslike[image]"'
        ) from None
    return PIL


def _as_pixels(picture: Any) -> Pixels:
    library = pillow("reading an image")
    return np.asarray(library.ImageOps.exif_transpose(picture).convert("RGB"))  # as transformers' load_image does


@contextmanager
def _opened(value: Any, place: str) -> Iterator[Any]:
    """Open an encoded image, and close it; errors are those of `_told`, also where its pixels are decoded."""
    library = pillow("reading an image")
    source: Any = encoded(value)
    named = f"{place}{name_of_file(value)}"
    if not isinstance(source, bytes):
        _check_file(source, place)
    with (
        _told(named),
        library.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture,
    ):
        _check_mode(picture, named)
        yield picture


@contextmanager
def _told(named: str) -> Iterator[None]:
    """Say which row and which file are meant by whatever Pillow's decoders run into."""
    try:
        yield
    except (KeraslikeError, MemoryError):
        raise
    except Exception as error:
        is_unknown = isinstance(error, pillow("reading an image").UnidentifiedImageError)
        raise DataError(
            f"{named} cannot be read: {'cannot identify image file' if is_unknown else error}".rstrip(".") + ".",
            "an image that Pillow reads.",
            "open that file in a viewer; leave out that row.",
        ) from error


def _check_file(path: str | os.PathLike[str], place: str) -> None:
    if not os.path.isfile(path):
        raise DataError(
            f"{place} is {os.fspath(path)!r}, and there is no such file.",
            f"the path of an image, seen from {os.getcwd()!r}.",
            "check the folder and the name, or give whole paths.",
        )
