"""Images and sounds among other columns: what is wrapped, what is told apart, and what readers refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import wavfile
from torch.utils.data import IterableDataset

from keraslike.data.audio import is_one_sound, is_sound, read_sound, refuse_channels, resample, with_rates
from keraslike.data.cutting import WHOLE, Cut
from keraslike.data.features import FeatureBatch
from keraslike.data.fields import Field
from keraslike.data.images import as_rgb, check_image, is_image, is_one_image, largest_number
from keraslike.data.media import Stored, Whole, bare, held, read_media
from keraslike.data.rows import Rows
from keraslike.errors import DataError

FIELDS = (Field("image", ("img",), "an image"), Field("target", ("label",), "a label"))
GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
PICTURE = Image.fromarray(GREY)


def read(x: Any, y: Any = None, **options: Any) -> Any:
    return read_media(x, y, fields=FIELDS, is_value=is_image, **options)


# Reading


def test_other_columns_keep_their_names():
    """A further column stands behind the two."""
    rows = read({"img": [GREY, GREY], "label": [0, 1], "source": ["a", "b"]})

    assert rows.columns == ["image", "target", "source"]
    assert rows[1]["source"] == "b"


def test_column_named_by_the_user():
    """`text` names the column of the images, as it does for texts."""
    rows = read({"left": [GREY], "right": [GREY + 1], "label": [0]}, text="right")

    assert rows[0]["image"].value[0, 0] == 1
    assert rows.source_columns == {"text": "right", "target": "label"}


def test_training_split_is_read():
    """Of several splits the training split is read."""
    rows = read({"train": {"img": [GREY], "label": [3]}, "test": {"img": [GREY], "label": [4]}})

    assert rows.column("target") == [3]


def test_iterable_of_pairs():
    """A torch data set without a length is read to its end."""

    class Pairs(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter([(GREY, "a"), (PICTURE, "b")])

    rows = read(Pairs())

    assert rows.column("target") == ["a", "b"]
    assert rows[1]["image"].value is PICTURE


def test_generator_without_labels():
    """A generator of images is read to its end; to predict, no label is looked for."""
    rows = read((image for image in (GREY, PICTURE)), labelled=False)

    assert [value.value for value in held(rows.column("image"))][1] is PICTURE
    assert rows.columns == ["image"]


def test_labels_of_pairs_to_predict():
    """Pairs lose their labels where no target is asked for."""
    assert read([(GREY, "a"), (GREY, "b")], labelled=False).columns == ["image"]


def test_row_that_is_no_dict():
    """A row of another kind is the reader's to refuse."""
    with pytest.raises(DataError, match=r"row 1 of x .* is 3"):
        read([{"img": GREY, "label": 0}, 3])


def test_prepared_rows_of_a_dataset_are_not_read():
    """A Dataset behind `prepare` stays where it is until a value is asked for."""
    from datasets import Dataset

    calls = []

    def note(row: dict[str, Any]) -> dict[str, Any]:
        calls.append(row["label"])
        return row

    rows = read(Dataset.from_dict({"img": [PICTURE] * 3, "label": [5, 6, 7]}), prepare=note)
    calls.clear()

    values = list(held(rows.column("image")))

    assert calls == []
    assert all(type(value) is Stored for value in values)
    assert bare(values[2]) == {"bytes": values[2].value["bytes"], "path": None}
    assert set(calls) == {7}


def test_held_wraps_once():
    """What is wrapped already stays the object that it is."""
    whole = Whole(GREY)

    assert list(held([whole])) == [whole]
    assert bare(3) == 3


# Images


@pytest.mark.parametrize(
    ("value", "expected"),
    [(GREY, True), (PICTURE, True), (b"", True), ([[1, 2], [3, 4]], True), ([[1, 2], [3]], False), (GREY[0], False)],
)
def test_what_is_an_image(value: Any, expected: bool):
    """Arrays of two or three dimensions, pictures, bytes and lists of equally long lists are images."""
    assert is_image(value) is expected


def test_one_image_or_many():
    """A list is many images."""
    assert [is_one_image(x) for x in (PICTURE, [PICTURE], [[1, 2], [3, 4]], torch.zeros(2, 2))] == [
        True,
        False,
        False,
        True,
    ]


def test_channels_first_or_last():
    """Where both ends could be channels, the last dimension is."""
    image = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)

    np.testing.assert_array_equal(as_rgb(image), image)
    np.testing.assert_array_equal(as_rgb(np.moveaxis(image[:2], -1, 0)), image[:2])


@pytest.mark.parametrize("kind", ["uint8", "float32", "channels first", "tensor", "nested"])
def test_transparency_is_dropped(kind: str):
    """Of four channels the last is left out, as Pillow's convert does; the others keep their order."""
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    forms: dict[str, Any] = {
        "uint8": image,
        "float32": (image / 255).astype(np.float32),
        "channels first": np.moveaxis(image, -1, 0),
        "tensor": torch.from_numpy(image),
        "nested": image.tolist(),
    }

    rgb = as_rgb(forms[kind])

    np.testing.assert_array_equal(rgb, np.asarray(Image.fromarray(image, "RGBA").convert("RGB")))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0000001), (-1e-9, 1.0), (-1e-6, 1 + 1e-6)])
def test_rounding_beyond_the_ends(low: float, high: float):
    """What arithmetic leaves below 0 or above 1 is black and white."""
    assert as_rgb(np.array([[low, 0.5, high]]))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (
            0.0,
            1.00001,
            r"from 0 to 1\.00001 of type float64.\n.*\n  Do: clip what resizing has overshot: x\.clip\(0, 1\)\.",
        ),
        (
            -1e-5,
            1.0,
            r"from -1e-05 to 1 of type float64.\n.*\n  Do: clip what resizing has overshot: x\.clip\(0, 1\)\.",
        ),
        (0.0, 1.000003, r"from 0 to 1\.000003 of"),
        (0.0, 1.2, r"divide by 1\.2: x / 1\.2\."),
        (-0.2, 1.0, "not normalised yet"),
    ],
)
def test_what_is_more_than_rounding(low: float, high: float, text: str):
    """More than that is refused, with all its digits and a way out that brings it into the range."""
    with pytest.raises(DataError, match=text):
        check_image(np.array([[low, high]]))


def test_half_floats_of_torch():
    """A type that numpy lacks is read like any other: 0.5 and 0.25 have no more digits in it."""
    values = torch.tensor([[0.5, 0.25, 1.0]], dtype=torch.bfloat16)

    assert as_rgb(values)[0, :, 0].tolist() == [128, 64, 255]
    assert read_sound(values[0])[0].tolist() == [0.5, 0.25, 1.0]
    assert largest_number([values]) == 1


def test_bools_and_halves():
    """Bools are black and white; floats are rounded to the nearest of 256 steps."""
    assert as_rgb(np.array([[False, True]]))[0, :, 0].tolist() == [0, 255]
    assert as_rgb(np.array([[0.5, 0.25, 1.0]], dtype=np.float32))[0, :, 1].tolist() == [128, 64, 255]


def test_photo_is_turned_as_its_data_say(tmp_path: Path):
    """A photo that was taken upright is turned, as transformers and datasets do."""
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.zeros((8, 4, 3), np.uint8)).save(tmp_path / "photo.png", exif=exif)

    assert as_rgb(str(tmp_path / "photo.png")).shape == (4, 8, 3)


def test_encoded_image_by_its_path(tmp_path: Path):
    """A dict of datasets without bytes is read from its path."""
    PICTURE.save(tmp_path / "one.png")

    np.testing.assert_array_equal(as_rgb({"bytes": None, "path": str(tmp_path / "one.png")})[..., 0], GREY)


def test_animated_image(tmp_path: Path):
    """Of an image of many pictures the first is read, and its file is closed."""
    Image.fromarray(GREY).save(tmp_path / "two.gif", save_all=True, append_images=[Image.fromarray(255 - GREY)])

    check_image(str(tmp_path / "two.gif"))

    np.testing.assert_array_equal(as_rgb(str(tmp_path / "two.gif"))[..., 0], GREY)


def test_encoded_image_without_an_ending(tmp_path: Path):
    """In a dict of datasets a path may end in anything."""
    PICTURE.save(tmp_path / "one.png")
    (tmp_path / "one.png").rename(tmp_path / "cached")

    np.testing.assert_array_equal(as_rgb({"bytes": None, "path": str(tmp_path / "cached")})[..., 0], GREY)


def test_dict_that_holds_no_image():
    """A dict of datasets with neither bytes nor a path is no image."""
    with pytest.raises(DataError, match=r"the image is \{'bytes': None, 'path': None\}, a dict"):
        check_image({"bytes": None, "path": None})


def test_largest_number_of_all():
    """Pictures, paths and bools have no numbers to divide by."""
    assert largest_number([PICTURE, "a.png", np.ones((2, 2), bool)]) is None
    assert largest_number([[[1, 2], [3, 4]], torch.full((2, 2), 7.0)]) == 7


def test_small_whole_numbers_are_to_be_divided():
    """Whole numbers up to 16 are hardly uint8: dividing is the way out."""
    with pytest.raises(DataError, match=r"divide by 16: x / 16\."):
        check_image(np.full((2, 2), 16))


# Sounds


def test_what_is_a_sound():
    """An array of labels for each row is a sound as well as any; lists of ints are not."""
    assert [is_sound(x) for x in (np.zeros(3), torch.zeros(2, 3), {"bytes": b"", "path": None}, [0, 1], {"a": 1})] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert [is_one_sound(x) for x in ([0.0, 0.1], [np.zeros(3)], torch.zeros(2, 3))] == [True, False, False]


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_wav_files_of_every_type(kind: str, tmp_path: Path):
    """WAV files of 8, 16 and 32 bits, and of floats, hold the same wave, to their precision."""
    wave = np.sin(np.arange(400) / 7) * 0.7
    scale = {"uint8": 128, "int16": 2**15, "int32": 2**31}.get(kind, 1)
    wavfile.write(
        tmp_path / "one.wav", 8_000, (np.stack([wave] * 2, -1) * scale + 128 * (kind == "uint8")).astype(kind)
    )

    given, rate = read_sound(tmp_path / "one.wav")

    assert rate == 8_000
    np.testing.assert_allclose(given, wave, atol=1 / scale if scale > 1 else 1e-7)


@pytest.mark.parametrize("kind", ["float32", "float64", "int16", "int32", "uint8"])
@pytest.mark.parametrize("axis", [0, 1])
def test_channels_that_differ_are_averaged(kind: str, axis: int):
    """Two channels become their mean, by hand, whichever dimension they are."""
    scale, middle = {"int16": (2**15, 0), "int32": (2**31, 0), "uint8": (128, 128)}.get(kind, (1, 0))
    left, right = np.array([0.5, -0.25, 0.0]), np.array([0.25, 0.75, -0.5])
    stereo = (np.stack([left, right], axis) * scale + middle).astype(kind)

    wave, _ = read_sound(stereo)

    assert wave.tolist() == [0.375, 0.25, -0.25]


LISTS = {
    "floats": [0.0, 0.5, -0.25],
    "float32": list(np.array([0.0, 0.5, -0.25], np.float32)),
    "float64": list(np.array([0.0, 0.5, -0.25])),
    "int16": list(np.array([0, 16384, -8192], np.int16)),
    "floats and ints": [0, 0.5, -0.25],
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_real_numbers(kind: str):
    """A list of numbers, Python's or numpy's, is a sound; numpy's whole ones are scaled by their type."""
    assert is_sound(LISTS[kind])
    assert is_one_sound(LISTS[kind])
    assert read_sound(LISTS[kind])[0].tolist() == [0.0, 0.5, -0.25]


def test_bytes_are_a_sound():
    """What a file holds is a sound as well as its path, in a row and alone."""
    assert (is_sound(b"RIFF"), is_one_sound(b"RIFF"), is_one_sound([b"RIFF"])) == (True, True, False)


@pytest.mark.parametrize("shape", [(1600, 1), (1600, 8), (2, 2)])
def test_samples_before_channels(shape: tuple[int, int]):
    """An array with at most 8 columns is no array of many sounds."""
    with pytest.raises(DataError, match=r"one sound with channels"):
        refuse_channels(torch.zeros(shape))


@pytest.mark.parametrize("x", [np.zeros((2, 1600)), np.zeros(4), [np.zeros((1600, 2))], np.zeros((4, 2, 1600))])
def test_sounds_that_are_many(x: Any):
    """Rows of samples, a list, and rows of channels are what they seem."""
    refuse_channels(x)

    assert len(x)


def test_lists_that_are_no_sounds():
    """Python's ints may be labels, and bools and complex numbers are none of a wave."""
    others: list[Any] = [[0, 1], [True, False], [0.5, "a"], [0.5, None], [1j, 0.5], [np.complex64(1)], [np.True_], []]

    assert [is_sound(value) for value in others] == [False] * len(others)


def test_equal_rates_copy_nothing():
    """A sound that has the rate already is the very same array."""
    wave = np.zeros(10, np.float32)

    assert resample(wave, 16_000, 16_000) is wave
    assert read_sound(wave)[0] is wave


def test_unknown_rate_in_a_dict():
    """A dict may leave its rate out."""
    assert read_sound({"array": [0.0, 0.5], "sampling_rate": None})[1] is None


# Parts of one width


def test_features_with_a_width():
    """Features with a width go through with those of their own width alone; a limit still holds."""
    features = [{"width": width, "length": 1, "row": row} for row, width in enumerate([5, 3, 5, 5, 3])]
    batch = FeatureBatch(features, lambda features: ([feature["width"] for feature in features], None))

    assert [part.x for part in batch.parts(WHOLE)] == [[5, 5, 5], [3, 3]]
    assert [part.index.tolist() for part in batch.parts(WHOLE) if part.index is not None] == [[0, 2, 3], [1, 4]]
    assert sorted(map(len, (part.x for part in batch.parts(Cut(limit=2))))) == [1, 2, 2]


def test_labels_are_given_once():
    """Rows that are pairs bring their labels, so that y beside them is refused."""
    with pytest.raises(DataError, match="y is given too; row 0 has 16000"):
        read([(GREY, 16000), (GREY, 16000)], [0, 1])


def test_rates_of_a_column():
    """A column of rates belongs to the bare sounds beside it; a file, or a dict, keeps its own."""
    sounds = [Whole(np.zeros(4)), Whole({"array": np.zeros(4), "sampling_rate": 44100}), Whole([0.0, 0.5])]

    rows = with_rates(Rows({"audio": sounds, "sampling_rate": [8000, 8000, 22050]}), "audio")

    assert [read_sound(value.value)[1] for value in rows.column("audio")] == [8000, 44100, 22050]


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), "16000", True, 0])
def test_a_rate_is_a_whole_number(rate: Any):
    """What is no number of samples per second is refused in words."""
    with pytest.raises(DataError, match="sampling_rate"):
        read_sound({"array": np.zeros(4), "sampling_rate": rate})


@pytest.mark.parametrize(("kind", "way"), [("int64", "astype"), ("complex128", "type complex128")])
def test_arrays_of_other_types(kind: str, way: str):
    """A black image of whole numbers is told to become uint8, and numbers of another kind are named."""
    with pytest.raises(DataError, match=way):
        check_image(np.zeros((4, 4), dtype=kind))


@pytest.mark.parametrize("x", ["t.mp3", 0.5, None], ids=str)
def test_what_holds_none(x: Any):
    """A number, None, or a file of another kind is told what is read, in the task's words."""
    with pytest.raises(DataError, match=r"which holds no image(.|\n)*an image, or many"):
        read_media(x, fields=[Field("image", (), "an image")], is_value=lambda value: False, labelled=False)


def test_number_is_for_messages_alone():
    """What is the same image is equal, whatever row it is said to be."""
    column = read({"img": [GREY]}, labelled=False).column("image")

    assert Whole(GREY, 3) == Whole(GREY) != Whole(GREY.copy())
    assert len({Whole(GREY, 3), Whole(GREY)}) == 1
    assert Stored(column, 0, 3) == Stored(column, 0) != Stored(column, 1)


@pytest.mark.parametrize("x", ["one.png", b"\x89PNG"], ids=str)
def test_what_is_one_by_itself(x: Any):
    """One image, where rows are read, is told to become a list."""
    with pytest.raises(DataError, match=r"an image by itself\.(.|\n)*put it into a list: \[x\]"):
        read(x, ["a"])


def test_file_that_holds_none(tmp_path: Path):
    """A file that is there, and of another kind, is not said to be missing."""
    (tmp_path / "a.mp3").write_bytes(b"x")

    with pytest.raises(DataError, match=r"a\.mp3', which holds no image\.\n"):
        read(tmp_path / "a.mp3", ["a"])
