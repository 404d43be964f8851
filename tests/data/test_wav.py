"""WAV files whose headers say too little, too much or nothing of the samples behind them."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from keraslike.data.audio import read_sound
from keraslike.data.wav import UNKNOWN, read_wav
from keraslike.errors import DataError

RATE = 8_000
STEREO = (np.random.default_rng(0).uniform(-1, 1, (400, 2)) * 32_767).astype("<i2")
TAGS = b"LIST" + struct.pack("<I", 4) + b"INFO"


def wav(samples: bytes, size: int, *, whole: int | None = None, before: bytes = b"", order: str = "<") -> bytes:
    """Write a WAV file of two channels of 16 bits by hand.

    Args:
        samples: what stands behind the header.
        size: how many bytes of them the header says.
        whole: how many bytes the file says to have behind its first 8; None: those that it has.
        before: a chunk before that of the samples.
        order: that of the bytes of numbers.
    """
    form = struct.pack(f"{order}4sIHHIIHH", b"fmt ", 16, 1, 2, RATE, RATE * 4, 4, 16)
    behind = b"WAVE" + form + before + struct.pack(f"{order}4sI", b"data", size) + samples
    kind = b"RIFF" if order == "<" else b"RIFX"
    return kind + struct.pack(f"{order}I", len(behind) if whole is None else whole) + behind


def opened(content: bytes, folder: Path, *, as_file: bool) -> object:
    """Give a file as its bytes, or as its path."""
    if not as_file:
        return content
    (folder / "one.wav").write_bytes(content)
    return folder / "one.wav"


def test_files_by_hand_are_those_of_scipy():
    """What is written by hand here, with the right sizes, is what scipy writes."""
    file = io.BytesIO()
    wavfile.write(file, RATE, STEREO)

    assert wav(STEREO.tobytes(), STEREO.nbytes) == file.getvalue()


SIZES = (0, 0x7FFF0000 - 36, 0x7FFF0000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""What writers that could not go back leave: GStreamer, arecord, SoX, ffmpeg and others."""


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("whole", [None, 0, 36, 0xFFFFFFFF], ids=["right", "zero", "header", "unknown"])
@pytest.mark.parametrize("size", SIZES, ids=hex)
def test_sizes_that_were_left_open(size: int, whole: int | None, as_file: bool, tmp_path: Path):
    """The samples go on to the end of the file, whatever is said of all of it."""
    content = wav(STEREO.tobytes(), size, whole=whole)

    array, rate = read_wav(opened(content, tmp_path, as_file=as_file), "the sound")

    np.testing.assert_array_equal(array, STEREO)
    assert rate == RATE


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("more", [1, 2, 3])
def test_half_a_sample_at_the_end(more: int, size: int):
    """A writer that was stopped within a sample of both channels leaves the ones before it."""
    array, _ = read_wav(wav(STEREO.tobytes() + b"\x01" * more, size), "the sound")

    np.testing.assert_array_equal(array, STEREO)


@pytest.mark.parametrize("order", ["<", ">"])
def test_left_open_in_both_orders(order: str):
    """Numbers of the other order are read, and corrected, in theirs."""
    content = wav(STEREO.astype(f"{order}i2").tobytes(), 0, whole=0, order=order)

    np.testing.assert_array_equal(read_wav(content, "the sound")[0], STEREO)


def test_silence_is_no_chunk():
    """Zeros behind a size of 0 are samples."""
    assert read_wav(wav(bytes(160), 0), "the sound")[0].shape == (40, 2)


def test_samples_that_look_like_a_name():
    """Samples whose bytes happen to be letters are no chunk, since nothing of such a size follows."""
    assert read_wav(wav(b"abcd" * 40, 0), "the sound")[0].shape == (40, 2)


@pytest.mark.parametrize("tags", [b"", TAGS, b"id3 " + struct.pack("<I", 2) + b"ab"], ids=["nothing", "LIST", "id3"])
def test_no_samples_at_all(tags: bytes):
    """A size of 0 is right where nothing follows, or other chunks do."""
    with pytest.raises(DataError, match=r"the sound has the shape \(0, 2\)"):
        read_sound(wav(tags, 0))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("odd", [1, 3])
def test_cut_off_behind_a_chunk_of_odd_size(odd: int, order: str):
    """A chunk of an odd size is followed by one byte more: the samples behind it are found, and counted."""
    chunk = struct.pack(f"{order}4sI", b"LIST", odd) + b"\x01" * odd + b"\x00"
    content = wav(STEREO.tobytes()[:-600], STEREO.nbytes, before=chunk, order=order)

    with pytest.raises(DataError, match=r"the sound is cut off: 1,000 of 1,600 bytes of samples are there"):
        read_wav(content, "the sound")


def test_large_files_can_be_cut_off():
    """A size that a file may have is believed."""
    with pytest.raises(DataError, match=r"cut off: 1,600 of 2,146,435,068 bytes"):
        read_wav(wav(STEREO.tobytes(), UNKNOWN - 4), "the sound")


def test_large_files_that_are_whole(monkeypatch: pytest.MonkeyPatch):
    """A size that is there is believed, however large: what stands behind is no sample."""
    monkeypatch.setattr("keraslike.data.wav.UNKNOWN", 1_000)

    array, _ = read_wav(wav(STEREO.tobytes() + TAGS, STEREO.nbytes), "the sound")

    np.testing.assert_array_equal(array, STEREO)


def test_sizes_that_stand_elsewhere():
    """RF64 says its sizes in a chunk of their own, which scipy reads: the tags behind the samples are none."""
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 0, STEREO.nbytes, 400, 0)
    riff = wav(STEREO.tobytes() + TAGS, 0xFFFFFFFF)
    content = b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + riff[12:]
    content = content.replace(sizes, struct.pack("<4sIQQQI", b"ds64", 28, len(content) - 8, STEREO.nbytes, 400, 0))

    np.testing.assert_array_equal(read_wav(content, "the sound")[0], STEREO)
