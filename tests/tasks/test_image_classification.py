"""Image classification beside transformers alone: processing, training, saving, the pipeline, and what is refused."""

import io
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, features
from sklearn.datasets import load_digits
from transformers import AutoModelForImageClassification, ViTConfig, ViTForImageClassification, ViTImageProcessor
from transformers import logging as transformers_logging

import keraslike
from keraslike import Model
from keraslike.data.arrow import ArrowColumn
from keraslike.data.features import FeatureBatches
from keraslike.data.media import Stored
from keraslike.errors import ArgumentError, DataError, LoadError, MissingDependencyError
from keraslike.tasks import ImageClassification, MediaClassification
from keraslike.tasks.feed import Feed
from tests.engine.loops import weights_of
from tests.tasks.cases.image_classification import IMAGES, PLACES
from tests.tasks.media_by_hand import fine_tune_by_hand
from tests.tiny import in_float64

NAME = "image-classification"
SEED = 7


@pytest.fixture(autouse=True)
def _calm() -> Any:
    """Keep transformers' progress bars off the screen."""
    transformers_logging.disable_progress_bar()
    yield
    transformers_logging.enable_progress_bar()


@pytest.fixture(scope="module")
def digits() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Give 1,797 handwritten digits of 8 x 8, from 0 to 16, and what they are."""
    x, y = load_digits(return_X_y=True)
    return x.reshape(-1, 8, 8), y


@pytest.fixture(scope="module")
def trained(tiny_vit: Path) -> Model:
    """A model that tells bright above from bright below."""
    model = Model(str(tiny_vit), task=NAME, device="cpu")
    model.fit(IMAGES, PLACES, epochs=8, learning_rate=3e-3, seed=0, verbose=0)
    return model


def rgb(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.stack([image] * 3, axis=-1)


def processed(images: Any) -> dict[str, torch.Tensor]:
    """Give what ViT's processor makes of grey images, by hand."""
    processor = ViTImageProcessor(size={"height": 16, "width": 16})
    return dict(processor(images=[Image.fromarray(rgb(image)) for image in images], return_tensors="pt"))


def small_vit(labels: int = 2, **config: Any) -> ViTForImageClassification:
    """Give a ViT without dropout, always with the same weights."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    return ViTForImageClassification(
        ViTConfig(**{"image_size": 8, "patch_size": 4, "num_labels": labels, **sizes, **config})
    ).eval()


# Learning


def test_three_lines_learn_digits(tiny_vit: Path, digits: Any):
    """A tiny ViT from a config learns handwritten digits from an array of floats, far above chance (0.1)."""
    x, y = digits

    model = Model(str(tiny_vit), task=NAME, device="cpu")
    model.fit(x[:500] / 16, y[:500], epochs=5, batch_size=16, learning_rate=5e-3, seed=0, verbose=0)

    assert model.evaluate(x[500:800] / 16, y[500:800], verbose=0)["accuracy"] > 0.6
    assert {type(answer) for answer in model.predict(x[:5] / 16)} == {int}


def test_twenty_updates_are_those_of_a_loop_by_hand(tiny_vit: Path):
    """The weights after 4 epochs of 5 batches are those of a loop of torch and transformers alone, bit for bit."""
    targets = torch.tensor([["above", "below"].index(place) for place in PLACES])
    known: dict[str, Any] = {"epochs": 4, "batch_size": 8, "seed": SEED}

    by_hand = fine_tune_by_hand(AutoModelForImageClassification, tiny_vit, processed, IMAGES, targets, **known)
    model = Model(str(tiny_vit), task=NAME, device="cpu")
    model.fit(IMAGES, PLACES, micro_batch_size=None, verbose=0, **known)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_parts_give_the_gradient_of_the_batch(size: int):
    """However a batch is cut, its step is that of the whole batch: 1e-10 in float64."""
    whole, cut = in_float64(small_vit()), in_float64(small_vit())

    for network, micro_batch_size in ((whole, None), (cut, size)):
        model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), task=NAME, device="cpu")
        known = {"batch_size": 8, "epochs": 2, "seed": SEED, "micro_batch_size": micro_batch_size}
        model.fit(IMAGES[:16], PLACES[:16], verbose=0, **known)

    torch.testing.assert_close(weights_of(cut), weights_of(whole), rtol=1e-10, atol=1e-10)


def test_loss_is_the_heads(trained: Model):
    """The loss is what the head itself computes from the same labels."""
    features = list(trained.task.encode_rows(trained.task.read(IMAGES, PLACES)))
    inputs, targets = trained.task.collate(features)
    with torch.no_grad():
        outputs = trained.network.wrapped(**inputs, labels=targets)

    ours = trained.task.loss.mean(outputs.logits, targets)

    assert float(ours) == pytest.approx(float(outputs.loss), abs=1e-6)


def test_several_labels(tiny_vit: Path):
    """Rows of labels are several labels per image, as for texts."""
    labels = [["bright", place] for place in PLACES]
    model = Model(str(tiny_vit), task=NAME, device="cpu")
    model.fit(IMAGES, labels, epochs=1, seed=0, verbose=0)

    assert model.labels == ["above", "below", "bright"]
    assert all(isinstance(answer, list) for answer in model.predict(IMAGES[:3]))


def test_numbers(tiny_vit: Path):
    """Fractional targets are a regression, as for texts."""
    model = Model(str(tiny_vit), task=NAME, device="cpu")
    model.fit(IMAGES, [float(image.mean()) / 255 for image in IMAGES], epochs=1, seed=0, verbose=0)

    assert model.predict(IMAGES).shape == (40,)


# What images may be


def make_containers(folder: Path) -> dict[str, Any]:
    """Give the same images, all 8 x 9, in every kind of container."""
    import pandas as pd
    import polars as pl
    from datasets import ClassLabel, Dataset, DatasetInfo, Features

    images = [rgb(image[:8]) for image in IMAGES]
    pictures = [Image.fromarray(image) for image in images]
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")
    stack = np.stack(images)
    paths = [str(folder / f"{number}.png") for number in range(40)]
    data = Dataset.from_dict({"image": pictures, "label": [int(place == "below") for place in PLACES]})
    features = Features({**data.features, "label": ClassLabel(names=["above", "below"])})
    dataset = Dataset(data.data.table, info=DatasetInfo(features=features))
    numbers = [int(place == "below") for place in PLACES]
    drawn = Dataset.from_dict({"image": [""] * 40, "number": [*range(40)]}).with_transform(
        lambda rows: {"image": [images[number] for number in rows["number"]]}
    )
    return {
        "(rows, h, w, 3)": (stack, PLACES),
        "(rows, 3, h, w)": (np.moveaxis(stack, -1, 1), PLACES),
        "(rows, h, w)": (stack[..., 0], PLACES),
        "(rows, h, w, 1)": (stack[..., :1], PLACES),
        "with transparency": (np.concatenate([stack, stack[..., :1]], axis=-1), PLACES),
        "floats": (stack / 255, PLACES),
        "tensor": (torch.from_numpy(stack), PLACES),
        "list of arrays": (images, PLACES),
        "lists of numbers": ([image[..., 0].tolist() for image in images], PLACES),
        "pictures": (pictures, PLACES),
        "grey pictures": ([picture.convert("L") for picture in pictures], PLACES),
        "paths": (paths, PLACES),
        "Path objects": ([Path(path) for path in paths], PLACES),
        "bytes": ([Path(path).read_bytes() for path in paths], PLACES),
        "frame of bytes": (pd.DataFrame({"image": [Path(p).read_bytes() for p in paths], "label": PLACES}), None),
        "x and y in a tuple": ((stack, PLACES), None),
        "pairs": (list(zip(images, PLACES, strict=True)), None),
        "dict of columns": ({"img": stack, "label": PLACES}, None),
        "list of dicts": ([{"img": i, "label": p} for i, p in zip(images, PLACES, strict=True)], None),
        "Dataset": (dataset, None),
        "Dataset in y": (dataset.remove_columns("label"), PLACES),
        "Series": (pd.Series(paths, index=range(5, 45)), PLACES),
        "Series of arrays": (pd.Series(images), pd.Series(PLACES)),
        "Index": (pd.Index(paths), PLACES),
        "polars Series": (pl.Series(paths), pl.Series(PLACES)),
        "column of paths": (Dataset.from_dict({"where": paths})["where"], Dataset.from_dict({"y": PLACES})["y"]),
        "column of files": (dataset["image"], PLACES),
        "column of a format": (dataset.with_format("numpy")["image"], PLACES),
        "column of a transform": (drawn["image"], PLACES),
        "column of a part": (dataset.select([*range(1, 40), 0]).select([39, *range(39)])["image"], PLACES),
        "column in a column": (Dataset.from_dict({"at": [{"path": path} for path in paths]})["at"]["path"], PLACES),
        "column of a stream": (dataset.to_iterable_dataset()["image"], PLACES),
        "two Series": ((pd.Series(paths), pd.Series(PLACES)), None),
        "Dataset with a transform": (dataset.with_transform(lambda rows: rows), numbers),
    }


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the same images in every kind of container."""
    return make_containers(tmp_path_factory.mktemp("images"))


KINDS = [
    *("(rows, h, w, 3)", "(rows, 3, h, w)", "(rows, h, w)", "(rows, h, w, 1)", "with transparency", "floats", "tensor"),
    *("list of arrays", "lists of numbers", "pictures", "grey pictures", "paths", "Path objects"),
    *("bytes", "frame of bytes"),
    *("Series", "Series of arrays", "Index", "polars Series", "two Series"),
    *("column of paths", "column of files", "column of a format", "column of a transform", "column of a part"),
    *("column in a column", "column of a stream"),
    *("x and y in a tuple", "pairs", "dict of columns", "list of dicts", "Dataset", "Dataset in y"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_container_gives_the_same_tensors(kind: str, trained: Model, containers: dict[str, Any]):
    """The same images give the same tensors and targets, whatever holds them."""
    x, y = containers[kind]
    task = trained.task

    features = list(task.encode_rows(Feed(task).read(x, y)))
    inputs, targets = task.collate(features)

    expected = processed([image[:8] for image in IMAGES])["pixel_values"]
    torch.testing.assert_close(inputs["pixel_values"], expected, rtol=0, atol=0)
    assert targets.tolist() == [["above", "below"].index(place) for place in PLACES]


def test_pandas_frame(trained: Model):
    """A frame may hold arrays in a column of objects."""
    import pandas as pd

    frame = pd.DataFrame({"image": [rgb(image) for image in IMAGES], "label": PLACES})

    assert trained.evaluate(frame, verbose=0) == trained.evaluate(IMAGES, PLACES, verbose=0)


def test_transform_of_a_dataset(trained: Model, containers: dict[str, Any]):
    """A Dataset with a transform is read through it: pictures come out."""
    dataset, _ = containers["Dataset with a transform"]

    rows = Feed(trained.task).read(dataset, has_target=False)

    assert len(trained.predict(dataset)) == len(rows) == 40


def test_torch_dataset_of_pairs(trained: Model):
    """A torch Dataset of (image, label) is read as torchvision's are."""

    class Pairs(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> Any:
            return Image.fromarray(IMAGES[index]), PLACES[index]

    assert trained.evaluate(Pairs(), verbose=0) == trained.evaluate(IMAGES, PLACES, verbose=0)


def test_loader_of_pairs(trained: Model):
    """A DataLoader of tensors and labels keeps its batches."""
    numbers = [["above", "below"].index(place) for place in PLACES]
    pairs: Any = [(torch.from_numpy(rgb(image[:8])), number) for image, number in zip(IMAGES, numbers, strict=True)]
    model = Model(small_vit(), task=ImageClassification(labels=[0, 1]), device="cpu")

    history = model.fit(torch.utils.data.DataLoader(pairs, batch_size=8), epochs=1, seed=0, verbose=0)

    assert np.isfinite(history[0]["loss"])


def test_prepare_gets_what_the_user_gave(trained: Model):
    """`prepare` sees the user's own arrays, and may give others; Datasets are prepared when they are read."""
    seen = []

    def turned(row: dict[str, Any]) -> dict[str, Any]:
        seen.append(type(row["image"]))
        return {**row, "image": row["image"][::-1]}

    x = {"image": IMAGES, "label": PLACES}
    model = Model(small_vit(), task=NAME, device="cpu")
    model.fit(x, prepare=turned, epochs=1, seed=0, verbose=0)

    assert set(seen) == {np.ndarray}


@pytest.mark.parametrize("split", [False, True], ids=["classes", "splits"])
def test_folder_of_class_folders(split: bool, tiny_vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with a folder for each class is read as it lies, also within folders of splits."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for part in ("train", "test") if split else ("",):
        for number, (image, place) in enumerate(zip(IMAGES[:12], PLACES[:12], strict=True)):
            folder = tmp_path / "data" / part / place
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}.png")

    model = Model(str(tiny_vit), task=NAME, device="cpu")
    model.fit(str(tmp_path / "data"), epochs=1, seed=0, verbose=0)

    assert model.labels == ["above", "below"]
    assert len(model.predict(tmp_path / "data")) == 12
    assert model.evaluate(str(tmp_path / "data"), verbose=0)["accuracy"] <= 1


@pytest.mark.parametrize("kind", ["array", "grey", "picture", "path", "Path", "bytes", "encoded"])
def test_one_image_gives_one_answer(kind: str, trained: Model, tmp_path: Path):
    """One image in, one label out, whatever it is."""
    image = rgb(IMAGES[0])
    path = tmp_path / "one.png"
    Image.fromarray(image).save(path)
    given = {"array": image, "grey": IMAGES[0], "picture": Image.fromarray(image), "path": str(path), "Path": path}
    given |= {"bytes": path.read_bytes(), "encoded": {"bytes": path.read_bytes(), "path": None}}

    answer = trained.predict(given[kind])

    assert answer == trained.predict([image])[0] == "above"


def test_proba_and_logits(trained: Model):
    """`predict_proba` is the softmax of the logits by transformers alone."""
    with torch.no_grad():
        logits = trained.network.wrapped.eval()(**processed(IMAGES)).logits

    np.testing.assert_allclose(trained.predict_proba(IMAGES), F.softmax(logits, -1).numpy(), atol=1e-6)


# The processor


def test_saved_model_answers_the_same(trained: Model, tmp_path: Path):
    """What is saved and loaded answers the same, its processor beside it."""
    trained.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved")

    assert (tmp_path / "saved" / "preprocessor_config.json").is_file()
    np.testing.assert_array_equal(again.predict_logits(IMAGES), trained.predict_logits(IMAGES))


@pytest.mark.parametrize("kind", ["pictures", "paths"])
def test_pipeline_answers_the_same(kind: str, trained: Model, tmp_path: Path, containers: dict[str, Any]):
    """The image-classification pipeline of transformers reads the directory, and gives the same labels and scores."""
    from transformers import pipeline

    x, _ = containers[kind]
    trained.save(tmp_path / "saved")

    answers = pipeline(NAME, str(tmp_path / "saved"), device="cpu")(x, top_k=1)

    assert [answer["label"] for [answer] in answers] == trained.predict(x)
    np.testing.assert_allclose([answer["score"] for [answer] in answers], trained.predict_proba(x).max(1), atol=1e-6)


def test_processor_is_made_from_the_config(trained: Model):
    """Without a processor one is made: the config's size, from -1 to 1; a note says so."""
    task = ImageClassification(labels=["a", "b"])
    task.build(small_vit(image_size=[8, 12]))

    assert dict(task.tokenizer.size) == {"height": 8, "width": 12}
    assert list(task.tokenizer.image_mean) == list(task.tokenizer.image_std) == [0.5, 0.5, 0.5]
    assert "No image processor beside the model: images become 8 x 12, from -1 to 1." in task.notes


def test_processor_of_one_channel():
    """A network of one channel gets grey images."""
    model = Model(small_vit(num_channels=1), task=NAME, device="cpu")

    model.fit(IMAGES, PLACES, epochs=1, seed=0, verbose=0)

    inputs, _ = model.task.collate(list(model.task.encode_rows(model.task.read(IMAGES[:2], PLACES[:2]))))
    assert inputs["pixel_values"].shape == (2, 1, 8, 8)


@pytest.mark.parametrize("form", ["object", "directory", "of several"])
def test_processor_is_given(form: str, tiny_vit: Path, tmp_path: Path):
    """`tokenizer=` takes a processor, its directory, or one that holds it among others."""
    processor = ViTImageProcessor(size={"height": 16, "width": 16}, image_mean=[0.1] * 3, image_std=[0.2] * 3)
    processor.save_pretrained(tmp_path)

    class Several:
        image_processor = processor
        save_pretrained = None

    given = {"object": processor, "directory": str(tmp_path), "of several": Several()}[form]
    model = Model(str(tiny_vit), task=ImageClassification(labels=[0, 1]), tokenizer=given, device="cpu")

    assert list(model.task.tokenizer.image_mean) == [0.1] * 3


def test_processor_that_cannot_be_read(tiny_vit: Path, tmp_path: Path):
    """A broken file of a processor is no missing one."""
    (tmp_path / "preprocessor_config.json").write_text("{")

    with pytest.raises(LoadError, match=r"no processor can be read from .*\n  Expected: .*preprocessor_config.json"):
        Model(str(tiny_vit), task=ImageClassification(labels=[0, 1]), tokenizer=str(tmp_path), device="cpu")


def test_max_length_is_refused(tiny_vit: Path):
    """Images have no tokens to cut."""
    with pytest.raises(ArgumentError, match=r"max_length=5 is given, and the task 'image-classification' has no token"):
        Model(str(tiny_vit), task=ImageClassification(labels=[0, 1]), max_length=5, device="cpu")


def test_networks_of_other_kinds():
    """A convolutional network with its own head, and another size, trains as well."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=2)
    model = Model(ResNetForImageClassification(config), task=NAME, device="cpu")
    history = model.fit(IMAGES[:4], PLACES[:4], epochs=1, seed=0, verbose=0)

    assert dict(model.task.tokenizer.size) == {"height": 224, "width": 224}
    assert np.isfinite(history[0]["loss"])


def test_pillow_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    """Without Pillow the error holds the line to type."""
    for name in ("PIL", "PIL.Image", "PIL.ImageOps"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingDependencyError, match=r'needs Pillow.*\n  Do: pip install "keraslike\[image\]"'):
        ImageClassification()


@pytest.mark.parametrize("member", ["is_value", "make_processor", "process", "measured"])
def test_what_another_kind_of_media_has_to_say(member: str):
    """A task for something else than images and sounds writes these four."""
    method = getattr(MediaClassification(), member)

    with pytest.raises(NotImplementedError):
        method(*[None] * (2 if member == "measured" else 1))


# Memory


def test_images_are_processed_a_batch_at_a_time(trained: Model):
    """Neither reading nor evaluating keeps images in their processed form: 3 x 16 x 16 floats for one of 8 x 8."""
    count = 2_000
    x = np.zeros((count, 8, 8), dtype=np.uint8)
    y = ["above", "below"] * (count // 2)
    trained.evaluate(x[:64], y[:64], verbose=0)
    tracemalloc.start()

    trained.evaluate(x, y, verbose=0)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * 3 * 16 * 16 * 4 / 3


def test_features_hold_what_was_given(trained: Model):
    """A feature holds the user's own array, not a copy."""
    features = trained.task.encode_rows(trained.task.read(IMAGES, PLACES))

    assert features[3]["image"].value is IMAGES[3]


def test_dataset_stays_on_disk(trained: Model, containers: dict[str, Any]):
    """Of a Dataset a feature holds the place, and the image is decoded when its batch is made."""
    dataset, _ = containers["Dataset"]

    features = trained.task.encode_rows(Feed(trained.task).read(dataset))

    assert type(features[3]["image"]) is Stored
    assert features[3]["image"].value["bytes"].startswith(b"\x89PNG")


def test_column_of_a_dataset_stays_on_disk(trained: Model, containers: dict[str, Any]):
    """A column of a Dataset is read like the Dataset itself, from its Arrow table; no picture is decoded for it."""
    dataset, _ = containers["Dataset"]

    column = trained.task.read(dataset["image"], PLACES).column("image")

    assert isinstance(column, ArrowColumn)
    assert set(column[3]) == {"bytes", "path"}
    assert trained.predict(dataset["image"]) == trained.predict(dataset)


def test_columns_by_themselves_have_no_name(tiny_vit: Path, containers: dict[str, Any]):
    """After a frame a column by itself is read whatever its name, and after such a column a frame of any name."""
    import pandas as pd

    dataset, _ = containers["Dataset"]
    frame = pd.DataFrame({"file_name": containers["paths"][0], "label": PLACES})
    by_frame, by_column = (Model(str(tiny_vit), task=NAME, device="cpu") for _ in range(2))
    by_frame.fit(frame, epochs=1, seed=0, verbose=0)
    by_column.fit(dataset["image"], PLACES, epochs=1, seed=0, verbose=0)

    expected = by_frame.predict_proba(frame)

    for model in (by_frame, by_column):
        np.testing.assert_array_equal(model.predict_proba(frame), expected)
        np.testing.assert_array_equal(model.predict_proba(frame["file_name"]), expected)
        np.testing.assert_array_equal(model.predict_proba(dataset["image"]), expected)


def test_batches_have_no_lengths(trained: Model):
    """Images of a batch go through together: there is nothing to sort them by."""
    features = trained.task.encode_rows(trained.task.read(IMAGES, PLACES))

    (batch, *_) = FeatureBatches(features, trained.task.collate, 40)

    assert batch.features[0].keys() == {"image", "target", "row"}


# What is refused


WRONG = {
    "digits from 0 to 16": (
        np.arange(17.0)[None, None].repeat(2, 0),
        r"the image of row 0 \(counted from 0\) holds numbers from 0 to 16 of type float64\.(\n|.)*by 16: x / 16\.",
    ),
    "the largest is in another row": (
        [np.full((2, 2), 15.0), np.full((2, 2), 16.0)],
        r"row 0 .* from 15 to 15 of type float64.*(\n.*)*x / 16\.",
    ),
    "whole numbers": (
        np.full((2, 4, 4), 255),
        r"from 255 to 255 of type int64(\n|.)*x\.astype\(\"uint8\"\)",
    ),
    "normalised": (np.full((2, 4, 4), -1.0), r"from -1 to -1(\n|.)*give images that are not normalised yet"),
    "not a number": (np.full((2, 4, 4), np.nan), r"from nan to nan(\n|.)*np\.isfinite"),
    "no such channels": (
        np.zeros((2, 6, 6, 5)),
        r"row 0 .* has the shape \(6, 6, 5\)\.\n  Expected: \(height, width\)",
    ),
    "no pixels": ([np.zeros((0, 4)), np.zeros((4, 4))], r"row 0 .* has the shape \(0, 4\)"),
    "no image": ([np.zeros((4, 4)), 3], r"row 1 .* is 3, an int\.\n  Expected: an array"),
    "missing": ([np.zeros((4, 4)), None], r"row 1 .* is None, None"),
    "a path that is not there": (["a.png", "b.png"], r"row 0 .* is 'a.png', and there is no such file"),
    "no path of an image": (["a.txt", "b.txt"], r"row 0 .* is 'a.txt', a str"),
    "a picture of 16 bits": (
        [Image.fromarray(np.zeros((4, 4), np.uint16))] * 2,
        r"row 0 .* is a picture of mode 'I;16', with more than 8 bits(\n|.)*/ 65535",
    ),
    "a column is missing": ({"a": [1, 2], "b": [2, 3]}, r"no column holds an image for each row; there are 'a', 'b'"),
    "a column that is none": ({"image": 3}, r"x is a dict whose 'image' is 3"),
    "a column with a hole": ({"image": [np.zeros((4, 4)), None], "label": [0, 1]}, r"row 1 .* is None, None"),
    "a column of words": ({"image": ["cat", "dog"], "label": [0, 1]}, r"row 0 .* is 'cat', a str"),
    "one row of bytes": ({"image": b"0" * 999, "label": 1}, r"^x is a dict whose 'image' is b'0{78}, a"),
    "a pair among others": (
        [(np.zeros((4, 4)), 0), np.zeros((4, 4))],
        r"row 1 of x \(counted from 0\) is an? ndarray, but row 0 is a pair",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_images(case: str, tiny_vit: Path):
    """What is no image is refused before the first step, with its row, what would be right, and the way out."""
    x, text = WRONG[case]
    is_labelled = isinstance(x, dict) or case == "a pair among others"
    model = Model(str(tiny_vit), task=NAME, device="cpu")

    with pytest.raises(DataError, match=text):
        model.fit(x, None if is_labelled and not isinstance(x, dict) else [0, 1], epochs=1, verbose=0)


def test_rows_are_numbered_as_the_user_counts(tiny_vit: Path):
    """After a split the row in a message is still the user's."""
    x = [*IMAGES[:19], np.full((4, 4), 7.0)]

    with pytest.raises(DataError, match=r"the image of row 19 "):
        Model(str(tiny_vit), task=NAME, device="cpu").fit(x, PLACES[:20], validation_split=0.2, seed=1, verbose=0)


def test_file_that_is_no_image(trained: Model, tmp_path: Path):
    """A file that Pillow cannot read is named."""
    (tmp_path / "broken.png").write_bytes(b"nothing")

    with pytest.raises(
        DataError,
        match=r"the image of row 0 \(counted from 0\), '.*broken.png', cannot be read: cannot identify image file",
    ):
        trained.predict(str(tmp_path / "broken.png"))


def with_a_broken_one(kind: str, folder: Path) -> tuple[Any, Any]:
    """Give 12 images as files, of which that of row 9 is no image, and their labels."""
    from datasets import Dataset

    paths = []
    for number, image in enumerate(IMAGES[:12]):
        paths.append(folder / "data" / ("above" if number < 6 else "below") / f"{number:02}.png")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(paths[-1])
    paths[9].write_bytes(b"nope")
    encoded = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    return {
        "paths": (list(map(str, paths)), PLACES[:12]),
        "dicts": (encoded, PLACES[:12]),
        "folder": (str(folder / "data"), None),
        "Dataset": (Dataset.from_dict({"image": encoded}), PLACES[:12]),
    }[kind]


@pytest.mark.parametrize("kind", ["paths", "dicts", "folder", "Dataset"])
def test_broken_file_is_found_before_the_first_step(
    kind: str, tiny_vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A file that is no image is found by its header, with its row and its name, and no weight has changed."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    x, y = with_a_broken_one(kind, tmp_path)
    model = Model(str(tiny_vit), task=ImageClassification(labels=["above", "below"]), device="cpu")
    before = weights_of(model.network).clone()

    with pytest.raises(DataError, match=r"the image of row 9 \(counted from 0\), '(.*/)?09.png', cannot be read"):
        model.fit(x, y, epochs=1, batch_size=4, shuffle=False, verbose=0)

    assert torch.equal(weights_of(model.network), before)


def test_broken_bytes_have_a_row_alone(trained: Model):
    """Bytes have no name: the message holds the row, and nothing of where they lie in memory."""
    with pytest.raises(
        DataError, match=r"the image of row 1 \(counted from 0\) cannot be read: cannot identify im.*file\."
    ):
        trained.predict([np.zeros((4, 4)), b"nope"])


def test_file_of_sixteen_bits(trained: Model, tmp_path: Path):
    """Too many bits a channel stand in the header."""
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")

    with pytest.raises(DataError, match=r"row 0 \(counted from 0\), '.*deep.png', is a picture of mode 'I;16'"):
        trained.evaluate([str(tmp_path / "deep.png")], ["above"], verbose=0)


def test_pixels_that_are_broken_behind_a_good_header(tiny_vit: Path, tmp_path: Path):
    """What only its pixels can tell is found when its batch is read: with the user's row, also of a part, and file."""
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    x = [*IMAGES[:19], str(path)]

    with pytest.raises(
        DataError, match=r"the image of row 19 \(counted from 0\), '.*cut.png', cannot be read: .*trunc"
    ):
        Model(str(tiny_vit), task=NAME, device="cpu").fit(x, PLACES[:20], validation_split=0.2, seed=1, verbose=0)


def closed_picture(kind: str, path: Path) -> Image.Image:
    """Give a picture of Pillow that cannot be read any more."""
    Image.fromarray(IMAGES[9]).save(path)
    if kind == "file closed":
        with path.open("rb") as file:
            return Image.open(file)
    if kind == "in a with":
        with Image.open(path) as picture:
            return picture
    picture = Image.open(path)
    picture.load()
    picture.close()
    return picture


@pytest.mark.parametrize("kind", ["in a with", "loaded and closed", "file closed"])
def test_closed_pictures_are_found_before_the_first_step(kind: str, tiny_vit: Path, tmp_path: Path):
    """A picture whose pixels nobody can read any more is refused with its row, and no weight has changed."""
    pictures = [*map(Image.fromarray, IMAGES[:9]), closed_picture(kind, tmp_path / "one.png")]
    named = "" if kind == "file closed" else r", '.*one\.png',"
    model = Model(str(tiny_vit), task=ImageClassification(labels=["above", "below"]), device="cpu")
    before = weights_of(model.network).clone()

    with pytest.raises(
        DataError, match=rf"row 9 \(counted from 0\){named} is a closed picture of Pillow(.|\n)*\.load\(\)"
    ):
        model.fit(pictures, PLACES[:10], epochs=1, batch_size=4, shuffle=False, verbose=0)

    assert torch.equal(weights_of(model.network), before)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")
def test_formats_that_need_no_file_once_open(trained: Model, tmp_path: Path):
    """AVIF's decoder keeps the bytes: such a picture is answered behind its `with`, as Pillow still reads it."""
    Image.fromarray(rgb(IMAGES[0])).resize((32, 32)).save(tmp_path / "one.avif")
    with Image.open(tmp_path / "one.avif") as picture:
        pass

    assert trained.predict_logits(picture).tolist() == trained.predict_logits(tmp_path / "one.avif").tolist()


def test_pictures_that_were_read_may_be_closed(trained: Model, tmp_path: Path):
    """A picture that was loaded before its file was closed holds its pixels; one that is open reads them in time."""
    Image.fromarray(IMAGES[0]).save(tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as loaded:
        loaded.load()

    with Image.open(tmp_path / "one.png") as opened:
        assert trained.predict([loaded, opened]) == trained.predict([IMAGES[0]] * 2)


@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_opened_picture_that_is_cut_off(kind: str, tiny_vit: Path, tmp_path: Path):
    """A picture that Pillow has opened and not read is like its file: its batch tells the row, and the file's name."""
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    named = r", '.*cut\.png'," if kind == "path" else ""
    model = Model(str(tiny_vit), task=NAME, device="cpu")

    with (
        Image.open(path if kind == "path" else io.BytesIO(path.read_bytes())) as picture,
        pytest.raises(DataError, match=rf"the image of row 7 \(counted from 0\){named} cannot be read: .*trunc"),
    ):
        model.fit([*IMAGES[:7], picture], PLACES[:8], epochs=1, verbose=0)


def test_prepared_rows_of_a_dataset_are_not_looked_at(trained: Model, containers: dict[str, Any]):
    """What `prepare` makes of rows on disk is not made once more beforehand."""
    dataset, _ = containers["Dataset"]
    calls = []

    def note(row: dict[str, Any]) -> dict[str, Any]:
        calls.append(row)
        return row

    rows = trained.task.read(dataset.remove_columns("label"), labelled=False, prepare=note)
    calls.clear()

    features = trained.task.encode_rows(rows)

    assert calls == []
    assert len(features) == 40


# Folders, and files of other kinds


def test_folder_that_is_not_there(tiny_vit: Path, tmp_path: Path):
    """A misspelt folder is told the nearest name."""
    (tmp_path / "pets").mkdir()

    with pytest.raises(LoadError, match=r"there is no folder '.*petz'\.\n.*\n  Do: did you mean 'pets'\?"):
        Model(str(tiny_vit), task=NAME, device="cpu").fit(tmp_path / "petz", epochs=1, verbose=0)


@pytest.mark.parametrize("other", [None, "notes.txt"])
def test_folder_without_images(other: str | None, trained: Model, tmp_path: Path):
    """An empty folder, or one of other files, says how one of images looks."""
    (tmp_path / "pets").mkdir()
    if other:
        (tmp_path / "pets" / other).write_text("x")

    with pytest.raises(DataError, match=r"the folder '.*pets' holds no image\.\n.*pets/cat/1\.png"):
        trained.predict(str(tmp_path / "pets"))


def test_folder_without_classes(trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Images side by side have answers, but no labels to learn."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "flat").mkdir()
    for number in range(4):
        Image.fromarray(rgb(IMAGES[number])).save(tmp_path / "flat" / f"{number}.png")

    answers = trained.predict(tmp_path / "flat")

    assert answers == trained.predict(IMAGES[:4])
    with pytest.raises(DataError, match=r"the folder says no labels(.|\n)*a folder for each class(.|\n)*labels as y"):
        trained.fit(str(tmp_path / "flat"), epochs=1, verbose=0)
    with pytest.raises(DataError, match=r"x is the folder '.*flat', and y is given(.|\n)*a list of paths"):
        trained.fit(str(tmp_path / "flat"), PLACES[:4], epochs=1, verbose=0)


def test_folder_that_datasets_cannot_read(trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What else stops `datasets` is said with the folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "pets").mkdir()
    Image.fromarray(IMAGES[0]).save(tmp_path / "pets" / "1.png")
    for name in ("metadata.csv", "metadata.jsonl"):  # one is enough
        (tmp_path / "pets" / name).write_text("x")

    with pytest.raises(DataError, match=r"the folder '.*pets' cannot be read: \w+: "):
        trained.predict(str(tmp_path / "pets"))


@pytest.mark.parametrize("is_there", [False, True])
def test_file_of_another_kind_is_answered_as_in_a_list(is_there: bool, trained: Model, tmp_path: Path):
    """The path of a file that is not read has the same message alone and in a list."""
    path = tmp_path / "a.heic"
    if is_there:
        path.write_bytes(b"x")
    with pytest.raises(DataError) as in_a_list:
        trained.predict([str(path)])

    with pytest.raises(DataError) as alone:
        trained.predict(str(path))

    assert str(alone.value) == str(in_a_list.value)
    assert "open files of other kinds yourself" in str(alone.value)


@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_one_image_is_not_learned_from(kind: str, trained: Model, tmp_path: Path):
    """One image beside its label is told to become a list."""
    path = tmp_path / "one.png"
    Image.fromarray(IMAGES[0]).save(path)

    with pytest.raises(DataError, match=r"an image by itself(.|\n)*put it into a list: \[x\]"):
        trained.fit(str(path) if kind == "path" else path.read_bytes(), "above", epochs=1, verbose=0)


def test_no_images_to_predict(trained: Model):
    """An empty list is told what is missing in words that fit images."""
    with pytest.raises(DataError, match=r"x is empty\.\n  Expected: at least one row\."):
        trained.predict([])


def test_notes_are_said_once(tiny_vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A head that is drawn twice, and rows for validation, repeat no line."""
    network = AutoModelForImageClassification.from_pretrained(tiny_vit, num_labels=2)
    network.save_pretrained(tmp_path / "labelled")
    dark = [np.eye(8, dtype=np.uint8), 1 - np.eye(8, dtype=np.uint8)] * 10

    model = Model(str(tmp_path / "labelled"), task=NAME, device="cpu")
    model.fit(dark, PLACES[:20], validation_split=0.2, epochs=1, seed=0)

    said = capsys.readouterr().out
    assert (said.count("No image processor"), said.count("nearly black")) == (1, 1)


def test_bytes_of_zeros_and_ones_are_remarked(tiny_vit: Path):
    """Black and white given as 0 and 1 would be black and nearly black: a line says so."""
    model = Model(str(tiny_vit), task="image-classification", device="cpu")
    images = [np.eye(8, dtype=np.uint8), 1 - np.eye(8, dtype=np.uint8)] * 2

    model.task.encode_rows(model.task.read(images, labelled=False))

    assert [note for note in model.task.notes if "uint8 of 0 and 1" in note]
    assert not ImageClassification().notes
