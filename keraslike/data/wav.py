"""Reads WAV files by scipy, and refuses those that are broken or cut off, with the row and the file that are meant."""

import io
import os
import struct
import warnings
from typing import IO, Any

import numpy.typing as npt

from keraslike.data.media import content_of, name_of_file
from keraslike.errors import DataError

UNKNOWN = 0x7FFF0000
"""Sizes from here on stand in files whose writer did not know their size beforehand, and could not go back."""


def is_sound_file(value: Any) -> bool:
    """Tell the path of a WAV file by its ending.

    Example:
        >>> is_sound_file("dog.wav"), is_sound_file("dog.csv")
        (True, False)
    """
    return isinstance(value, (str, os.PathLike)) and os.fspath(value).lower().endswith((".wav", ".wave"))


def read_wav(value: Any, place: str) -> tuple[npt.NDArray[Any], int]:
    """Give the numbers of a WAV file as they are, `(samples,)` or `(samples, channels)`, and its rate.

    Args:
        value: its path, or what it holds, also as the dict that a column of `datasets` has.
        place: what a message calls it.

    Raises:
        DataError: it is missing, it is no WAV file that scipy reads, or it ends before its header says.
    """
    from scipy.io import wavfile

    source = content_of(value)
    named = f"{place}{name_of_file(value)}"
    _check_file(source, place)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            _refuse_cut(file, named)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of tags that it passes over
                rate, array = wavfile.read(file)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # scipy checks little: a short header is a struct.error, for example
        is_said = isinstance(error, (ValueError, OSError))
        raise DataError(
            f"{named} cannot be read: {error if is_said else 'its header is broken'}".rstrip(".") + ".",
            "a WAV file.",
            "leave out that row, or decode the file yourself, with soundfile or torchcodec: give the array.",
        ) from error
    return array, int(rate)


def _check_file(source: bytes | str | os.PathLike[str], place: str) -> None:
    if not isinstance(source, bytes) and not os.path.isfile(source):
        raise DataError(
            f"{place} is {os.fspath(source)!r}, and there is no such file.",
            f"the path of a .wav file, seen from {os.getcwd()!r}.",
            "check the folder and the name, or give whole paths.",
        )


def _refuse_cut(file: IO[bytes], named: str) -> None:
    """Refuse a file with fewer bytes of samples than it says, which scipy would read as a shorter sound."""
    there, wanted = _sizes(file)
    file.seek(0)
    if there < wanted < UNKNOWN:
        raise DataError(
            f"{named} is cut off: {there:,} of {wanted:,} bytes of samples are there.",
            "a whole WAV file.",
            "copy or download it again, or leave out that row; scipy.io.wavfile.read gives what is there.",
        )


def _sizes(file: IO[bytes]) -> tuple[int, int]:
    """Give how many bytes of samples a WAV file holds, and how many it says; (0, 0) where it says nothing of them."""
    opening = file.read(12)
    order = ">" if opening.startswith(b"RIFX") else "<"
    while opening[8:] == b"WAVE" and len(head := file.read(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        if name == b"data":
            start = file.tell()
            return file.seek(0, io.SEEK_END) - start, size
        file.seek(size + size % 2, io.SEEK_CUR)
    return 0, 0
