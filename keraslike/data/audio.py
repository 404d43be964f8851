"""Sounds: whatever the user gave as a sound becomes one channel of floats at the rate that the network hears."""

from collections.abc import Mapping, Sequence
from math import gcd
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from keraslike.data.images import array_of, is_array
from keraslike.data.media import Whole, bare, content_of, described, held, is_column
from keraslike.data.reading import is_kind
from keraslike.data.rows import Rows
from keraslike.data.wav import is_sound_file, read_wav
from keraslike.errors import DataError

Wave = npt.NDArray[np.float32]

MOST_CHANNELS = 8
"""An array with two dimensions is one sound of some channels where one of them is no larger than this."""

RATES = ("sampling_rate", "sample_rate")
"""Columns that hold the rates of bare sounds."""

LOUDEST = 16.0
"""Floats beyond this are no waveform from -1 to 1: what decoders and filters overshoot stays far below."""


def is_sound(value: Any) -> bool:
    """Tell a sound from labels and other values.

    Example:
        >>> is_sound(np.zeros(16000)), is_sound({"array": [0.0, 0.1], "sampling_rate": 16000}), is_sound("dog.wav")
        (True, True, True)
        >>> is_sound("dog"), is_sound([0, 1, 1]), is_sound(0.5)
        (False, False, False)
    """
    if is_array(value):
        return value.ndim in (1, 2) and _holds_numbers(value)
    if isinstance(value, Mapping):
        return "array" in value or set(value) == {"bytes", "path"}
    return (
        isinstance(value, bytes)
        or is_sound_file(value)
        or hasattr(value, "get_all_samples")
        or _is_list_of_samples(value)
    )


def is_one_sound(x: Any) -> bool:
    """Tell a single sound, given to `predict`, from a container of sounds; an array of two dimensions holds many.

    Example:
        >>> is_one_sound(np.zeros(16000)), is_one_sound(np.zeros((4, 16000))), is_one_sound("dog.wav")
        (True, False, True)
    """
    if isinstance(x, Mapping) and "array" in x:  # a dict of columns holds a list of sounds, or of rates
        return np.ndim(x.get("sampling_rate", 0)) == 0 and not _is_list_of_sounds(x["array"])
    return x.ndim == 1 and _holds_numbers(x) if is_array(x) else is_sound(x)


def _is_list_of_sounds(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and is_sound(value[0])


def _holds_numbers(array: Any) -> bool:
    """Tell an array of numbers from one of paths, or of whatever Python has."""
    return is_kind(array, "torch", "Tensor") or array.dtype.kind in "biufc"


def refuse_channels(x: Any) -> None:
    """Refuse an array `(samples, channels)`, which would be many sounds of a few samples.

    Raises:
        DataError: it is one.
    """
    if is_array(x) and x.ndim == 2 and x.shape[1] <= MOST_CHANNELS:
        raise DataError(
            f"x is an array of the shape {tuple(x.shape)}: {x.shape[0]:,} sounds of {x.shape[1]} samples each, or one "
            "sound with channels.",
            "(rows, samples), or a list of sounds.",
            'write [x], or {"array": x, "sampling_rate": ...}, if it is one sound.',
        )


def read_sound(value: Any, place: str = "the sound") -> tuple[Wave, int | None]:
    """Give a sound as one channel of floats from -1 to 1, `(samples,)`, and its rate; None where it does not say one.

    Whole numbers are scaled by their type (int16 by 32,768), several channels are averaged.

    Args:
        value: an array `(samples,)`, `(channels, samples)` or `(samples, channels)`; a dict of it under "array" and its
            "sampling_rate" in hertz; a decoder of `datasets`; the path, or the bytes, of a WAV file.
        place: what a message calls it.

    Raises:
        DataError: it is no sound, it is empty, or its numbers are none of a waveform.

    Example:
        >>> wave, rate = read_sound({"array": np.array([0, 16384], dtype="int16"), "sampling_rate": 8000})
        >>> wave.tolist(), rate
        ([0.0, 0.5], 8000)
    """
    array, rate = _opened(value, place)
    if array.ndim == 2 and array.size:
        array = _averaged(array, place)
    if array.ndim != 1 or not array.size:
        raise DataError(
            f"{place} has the shape {array.shape}.",
            "one dimension of samples, or two: a few channels and their samples.",
            "give one array for each sound; leave out empty ones.",
        )
    return _scaled(array, place), rate


def with_rates(rows: Rows, name: str) -> Rows:
    """Give each sound the rate that stands beside it, where the rows have a column "sampling_rate" of them.

    Args:
        rows: from `read_media`.
        name: the column of the sounds.

    Example:
        >>> rows = with_rates(Rows({"audio": [np.zeros(4)], "sampling_rate": [8000]}), "audio")
        >>> read_sound(rows[0]["audio"].value)[1]
        8000
    """
    rates = next((rows.column(known) for known in RATES if known in rows.columns), None)
    if rates is None:
        return rows
    pairs = zip(held(rows.column(name)), rates, strict=True)
    sounds = [Whole({"array": sound, "sampling_rate": rate}) for sound, rate in pairs]
    return rows.replaced({column: sounds if column == name else rows.column(column) for column in rows.columns})


def resample(wave: Wave, rate: int, wanted: int) -> Wave:
    """Give a sound at another rate.

    Args:
        wave: `(samples,)`.
        rate: its samples per second.
        wanted: those of what is given.

    Returns:
        `(ceil(samples * wanted / rate),)`; the very same array where the rates are equal.

    Example:
        >>> len(resample(np.zeros(441, dtype=np.float32), 44100, 16000))
        160
    """
    if rate == wanted:
        return wave
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return np.asarray(resample_poly(wave, wanted // common, rate // common), dtype=np.float32)


def _opened(value: Any, place: str) -> tuple[npt.NDArray[Any], int | None]:
    """Give the numbers of a sound as they are, and its rate."""
    if hasattr(value, "get_all_samples"):
        samples = value.get_all_samples()
        return _as_array(samples.data), int(samples.sample_rate)
    if isinstance(value, Mapping) and "array" in value:
        array = bare(value["array"])
        if not is_array(array) and is_sound(array) and not _is_list_of_samples(array):
            return _opened(array, place)  # a file, or a dict, knows its rate better than the column beside it
        return _as_array(array), _rate(value.get("sampling_rate"), place)
    content = content_of(value)
    if isinstance(content, bytes) or is_sound_file(content):
        return read_wav(value, place)
    if not is_array(value) and not _is_list_of_samples(value):
        raise DataError(
            f"{place} is {described(value)}.",
            'an array of samples, {"array": ..., "sampling_rate": ...}, or the path or the bytes of a .wav file.',
            "decode other files yourself, with soundfile or torchcodec for example, and give the arrays.",
        )
    return _as_array(value), None


def _rate(rate: Any, place: str) -> int | None:
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, Real) or not float(rate).is_integer() or rate < 1:
        raise DataError(f"{place} has the sampling_rate {rate!r}.", "whole samples per second, such as 16000.")
    return int(float(rate))


def _averaged(array: npt.NDArray[Any], place: str) -> npt.NDArray[Any]:
    channels = 0 if array.shape[0] <= array.shape[1] else 1
    if array.shape[channels] > MOST_CHANNELS:
        raise DataError(
            f"{place} has the shape {array.shape}.",
            f"samples of at most {MOST_CHANNELS} channels, which are averaged.",
            "give one array for each sound: an array of many has the rows in front.",
        )
    if array.dtype.kind == "f" or array.shape[channels] == 1:
        return np.asarray(array.mean(axis=channels) if array.shape[channels] > 1 else array.take(0, axis=channels))
    scaled = [_scaled(array.take(channel, axis=channels), place) for channel in range(array.shape[channels])]
    return np.asarray(np.mean(scaled, axis=0))


def _scaled(array: npt.NDArray[Any], place: str) -> Wave:
    if array.dtype.kind == "i" and array.dtype.itemsize <= 4:
        return (array / 2.0 ** (8 * array.dtype.itemsize - 1)).astype(np.float32)
    if array.dtype == np.uint8:  # WAV files of 8 bits have their middle at 128
        return ((array.astype(np.float32) - 128) / 128).astype(np.float32)
    largest = float(np.abs(array).max()) if array.dtype.kind == "f" else np.inf
    if largest <= LOUDEST:
        return np.asarray(array, dtype=np.float32)
    raise DataError(
        f"{place} holds numbers of type {array.dtype}"
        + (f", the largest {largest:g}." if array.dtype.kind == "f" else "."),
        "a waveform: floats from -1 to 1, int16 or int32.",
        _way_out(array, largest),
    )


def _way_out(array: npt.NDArray[Any], largest: float) -> str:
    if array.dtype.kind != "f":
        return 'write x.astype("int16") if they are samples of 16 bits.'
    return "find the rows with NaN or infinity: np.isfinite(x)." if not largest < np.inf else "divide by 32768."


def _as_array(value: Any) -> npt.NDArray[Any]:
    return array_of(value) if is_kind(value, "torch", "Tensor") else np.asarray(value)


def _is_list_of_samples(value: Any) -> bool:
    """Tell a list of real numbers; one of Python's ints, which have no type to scale by, is one of labels."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or is_column(value):
        return False
    first = value[:100]
    are_real = all(isinstance(number, (int, float, np.integer, np.floating)) for number in first)
    return are_real and any(not isinstance(number, int) for number in first)
