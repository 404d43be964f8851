"""Images: whatever the user gave as an image becomes RGB, 8 bits a channel."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.data.media import described
from keraslike.data.pictures import (
    ENDINGS,
    Pixels,
    check_header,
    check_picture,
    encoded,
    is_image_file,
    is_picture,
    rgb_of_picture,
)
from keraslike.data.reading import is_kind
from keraslike.errors import DataError

ROUNDING = 1e-6
"""How far beyond 0 and 1 the floats of an image may be: what arithmetic leaves, lost in the steps of 8 bits."""

OVERSHOT = 0.1
"""How far resizing may overshoot, which is for the user to clip."""


def is_image(value: Any) -> bool:
    """Tell an image from labels and other values: an array, a tensor, a picture of Pillow, or an encoded file.

    Example:
        >>> is_image(np.zeros((8, 8))), is_image({"bytes": b"...", "path": None}), is_image("cat"), is_image([0.5, 1.0])
        (True, True, False, False)
    """
    if is_array(value):
        return value.ndim in (2, 3)
    if isinstance(value, Mapping):
        return set(value) == {"bytes", "path"}
    return isinstance(value, bytes) or is_picture(value) or is_image_file(value) or _is_nested(value)


def is_array(value: Any) -> bool:
    """Tell numpy's arrays and torch's tensors.

    Example:
        >>> is_array(np.zeros(3)), is_array([0, 0, 0])
        (True, False)
    """
    return is_kind(value, "numpy", "ndarray") or is_kind(value, "torch", "Tensor")


def array_of(tensor: Any) -> npt.NDArray[Any]:
    """Give a tensor as an array; a type that numpy lacks becomes float32, which holds all its numbers.

    Example:
        >>> import torch
        >>> array_of(torch.tensor([0.5, 1.0], dtype=torch.bfloat16)).dtype
        dtype('float32')
    """
    tensor = tensor.detach().cpu()
    return np.asarray((tensor if str(tensor.dtype) != "torch.bfloat16" else tensor.float()).numpy())


def is_one_image(x: Any) -> bool:
    """Tell a single image, given to `predict`, from a container of images.

    An array of three dimensions is one image where its last has 3 or 4 numbers; else its first counts grey images.

    Example:
        >>> is_one_image(np.zeros((8, 8))), is_one_image(np.zeros((8, 8, 3))), is_one_image(np.zeros((3, 8, 8)))
        (True, True, False)
    """
    if is_array(x):
        return x.ndim == 2 or (x.ndim == 3 and x.shape[-1] in (3, 4))
    return is_image(x) and not isinstance(x, (list, tuple))


def as_rgb(value: Any, place: str = "the image") -> Pixels:
    """Give an image as `(height, width, 3)` in 0..255; grey ones three times the same, without transparency.

    Args:
        value: `(height, width)`, `(height, width, channels)` or `(channels, height, width)` with 1, 3 or 4 channels of
            uint8, bool, or floats from 0 to 1, but for rounding; a picture of Pillow; the path or the bytes of a file,
            also as the dict that a column of `datasets` holds.
        place: what a message calls it.

    Raises:
        DataError: it is no image, or its numbers are not in that range.
        MissingDependencyError: a file is to be read, and Pillow is not installed.

    Example:
        >>> as_rgb(np.array([[0.0, 1.0]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    if encoded(value) is not None or is_picture(value):
        return rgb_of_picture(value, place)
    check_image(value, place)
    pixels = _as_array(value)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    elif pixels.shape[-1] not in (1, 3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.dtype == bool or pixels.dtype.kind == "f":
        pixels = np.rint(pixels.astype(np.float64) * 255)
    pixels = pixels.astype(np.uint8)
    rgb = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3]
    return np.ascontiguousarray(rgb)


def check_image(value: Any, place: str = "the image", largest: float | None = None) -> None:
    """Refuse what is no image, as far as numbers, the headers of files, and pictures without decoding can tell it.

    Args:
        value: as in `as_rgb`.
        place: what a message calls it.
        largest: the largest number of all images, for the message; None: that of this one.

    Raises:
        DataError: it is no image, or its numbers are not in the range.
        MissingDependencyError: a file is to be read, and Pillow is not installed.

    Example:
        >>> check_image(np.zeros((8, 8)))
    """
    if encoded(value) is not None:
        check_header(value, place)
    elif is_picture(value):
        check_picture(value, place)
    elif is_array(value) or _is_nested(value):
        _check_array(_as_array(value), place, largest)
    else:
        raise DataError(
            f"{place} is {described(value)}.",
            "an array (height, width) or (height, width, 3), a picture of Pillow, or the path or the bytes of an image "
            f"({', '.join(ENDINGS[:4])}, ...).",
            "look at that row; open files of other kinds yourself, and give the pictures.",
        )


def largest_number(values: Iterable[Any]) -> float | None:
    """Give the largest number of all arrays of floats or ints; None where there are none.

    Example:
        >>> largest_number([np.array([[0.0, 15.0]]), np.array([[16.0, 2.0]]), "cat.png"])
        16.0
    """
    arrays = (_as_array(value) for value in values if is_array(value) or _is_nested(value))
    return max((float(array.max()) for array in arrays if array.size and array.dtype.kind in "iuf"), default=None)


def are_nearly_black(values: Iterable[Any]) -> bool:
    """Tell images of 0 and 1 alone that are bytes: black and almost black, where black and white may be meant.

    Example:
        >>> digit = np.eye(3, dtype=np.uint8)
        >>> are_nearly_black([digit]), are_nearly_black([digit.astype(bool)]), are_nearly_black([digit * 255])
        (True, False, False)
    """
    arrays = [_as_array(value) for value in values if is_array(value) or _is_nested(value)]
    are_bytes = len(arrays) > 0 and all(array.dtype == np.uint8 and array.size for array in arrays)
    return are_bytes and bool(max(array.max() for array in arrays) == 1)


def _check_array(array: npt.NDArray[Any], place: str, largest: float | None) -> None:
    channels = {array.shape[0], array.shape[-1]} & {1, 3, 4} if array.ndim == 3 else {1}
    if array.ndim not in (2, 3) or not channels or not array.size:
        raise DataError(
            f"{place} has the shape {array.shape}.",
            "(height, width), (height, width, 3) or (3, height, width).",
            "give one array for each image: an array of many has the rows in front.",
        )
    if array.dtype in (np.uint8, np.bool_):
        return
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"{place} is an array of type {array.dtype}.",
            "floats from 0 to 1, or uint8 from 0 to 255.",
            'write x.astype("uint8"), if these are numbers from 0 to 255.',
        )
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f" and low >= -ROUNDING and high <= 1 + ROUNDING:
        return
    is_uint8 = array.dtype.kind in "iu" and low >= 0 and high <= 255
    raise DataError(
        f"{place} holds numbers from {low:.7g} to {high:.7g} of type {array.dtype}.",
        "floats from 0 to 1, or uint8 from 0 to 255.",
        _way_out(low, high if largest is None else max(largest, high), is_uint8=is_uint8),
    )


def _way_out(low: float, high: float, *, is_uint8: bool) -> str:
    if not np.isfinite([low, high]).all():
        return "find the rows with NaN or infinity: np.isfinite(x)."
    if not is_uint8 and low >= -OVERSHOT and high <= 1 + OVERSHOT:
        return "clip what resizing has overshot: x.clip(0, 1)."
    if low < 0:
        return "give images that are not normalised yet (the processor does that), or scale them to 0..1."
    if is_uint8 and (high > 16 or high == 0):
        return 'write x.astype("uint8").'
    return f"divide by {high:.7g}: x / {high:.7g}."


def _as_array(value: Any) -> npt.NDArray[Any]:
    if is_kind(value, "torch", "Tensor"):
        return array_of(value)
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    is_bytes = array.dtype.kind == "i" and array.size and array.min() >= 0 and array.max() <= 255
    return array.astype(np.uint8) if is_bytes else array  # a list of lists says nothing of its type


def _is_nested(value: Any) -> bool:
    """Tell lists of lists of numbers, as a column of `datasets` gives arrays."""
    is_list = isinstance(value, list) and len(value) > 0 and isinstance(value[0], list) and len(value[0]) > 0
    return is_list and all(isinstance(row, list) and len(row) == len(value[0]) for row in value)
