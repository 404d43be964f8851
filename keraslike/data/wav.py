"""Reads WAV files by scipy, and refuses those that are broken or cut off, with the row and the file that are meant."""

import io
import os
import struct
import warnings
from typing import IO, Any, NamedTuple

import numpy.typing as npt

from keraslike.data.media import content_of, name_of_file
from keraslike.errors import DataError

UNKNOWN = 0x7FF00000
"""Sizes from here on, such as 0x7fff0000 - 36, are those of writers that did not know theirs, and could not go back."""

OPENING = 12
"""Bytes before the first chunk: RIFF, the size of all behind it, WAVE."""


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
        DataError: it is missing, it is no WAV file that scipy reads, or it ends before its header says. Where its
            writer left the size open, the samples go on to the end of the file.
    """
    from scipy.io import wavfile

    source = content_of(value)
    named = f"{place}{name_of_file(value)}"
    _check_file(source, place)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            whole = _whole(file, named)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of tags that it passes over
                rate, array = wavfile.read(whole)
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


class _Samples(NamedTuple):
    """Where a WAV file holds its samples.

    Args:
        order: that of the bytes of numbers, as `struct` writes it.
        start: where the samples begin.
        said: how many bytes of them the header says.
        there: how many bytes follow.
        frame: the bytes of one sample in all channels.
    """

    order: str
    start: int
    said: int
    there: int
    frame: int


def _whole(file: IO[bytes], named: str) -> IO[bytes]:
    """Give a WAV file, from its beginning, in a form whose samples scipy reads to their end.

    Raises:
        DataError: fewer bytes of samples are there than it says, which scipy would read as a shorter sound.
    """
    samples = _samples(file)
    if samples is None:  # scipy says what is wrong
        file.seek(0)
        return file
    is_left_open = _is_left_open(file, samples)
    file.seek(0)
    if is_left_open:
        return _with_sizes(file.read(), samples)
    if samples.there < samples.said < UNKNOWN:
        raise DataError(
            f"{named} is cut off: {samples.there:,} of {samples.said:,} bytes of samples are there.",
            "a whole WAV file.",
            "copy or download it again, or leave out that row; scipy.io.wavfile.read gives what is there.",
        )
    return file


def _samples(file: IO[bytes]) -> _Samples | None:
    """Find the samples of a WAV file; None where it has none."""
    opening = file.read(OPENING)
    order, frame = ">" if opening.startswith(b"RIFX") else "<", 1
    while opening[8:] == b"WAVE" and len(head := file.read(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        start = file.tell()
        if name == b"data":
            return _Samples(order, start, size, file.seek(0, io.SEEK_END) - start, frame)
        if name == b"fmt " and len(form := file.read(14)) == 14:
            (frame,) = struct.unpack_from(f"{order}H", form, 12)
        file.seek(start + size + size % 2)
    return None


def _is_left_open(file: IO[bytes], samples: _Samples) -> bool:
    """Tell a file whose writer did not know how many samples come: it says none of them, or more than can be."""
    if samples.said >= UNKNOWN:
        return samples.there < samples.said
    file.seek(samples.start)
    return samples.said == 0 and not _is_chunk(file.read(8), samples)


def _is_chunk(head: bytes, samples: _Samples) -> bool:
    """Tell the head of another chunk, such as LIST, behind one without samples from the first of them."""
    if len(head) < 8:
        return False
    name, size = struct.unpack(f"{samples.order}4sI", head)
    return bool(name.strip().isalnum() and size <= samples.there - 8)


def _with_sizes(content: bytes, samples: _Samples) -> IO[bytes]:
    """Give a WAV file that says how many samples it has; half a one at its end is left out."""
    size = samples.there - samples.there % max(samples.frame, 1)
    whole = bytearray(content[: samples.start + size])
    struct.pack_into(f"{samples.order}I", whole, 4, len(whole) - 8)
    struct.pack_into(f"{samples.order}I", whole, samples.start - 4, size)
    return io.BytesIO(whole)
