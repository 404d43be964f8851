"""Image classification: a label for each image."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from keraslike.data.encoding import Features
from keraslike.data.fields import Field
from keraslike.data.files import quiet
from keraslike.data.images import are_nearly_black, as_rgb, check_image, is_image, is_one_image, largest_number, pillow
from keraslike.data.media import Stored, Whole
from keraslike.data.rows import LazyColumn, Rows
from keraslike.tasks.media import MediaClassification

SIZE = 224
"""Pixels a side where the configuration names no size: what most networks for images were trained on."""

SAVED = ("dataset_dict.json", "dataset_info.json")
"""What tells a folder that `save_to_disk` wrote."""


class ImageClassification(MediaClassification):
    """One label, several labels, or numbers for each image.

    Images are arrays `(height, width)`, `(height, width, 3)` or `(3, height, width)` of uint8 or of floats from 0 to 1,
    pictures of Pillow, or paths; a folder holds a folder for each class. All become RGB of 8 bits. The processor is
    `Model(tokenizer=)`, the model's own, or one made from its configuration; it resizes and normalises a batch at a
    time. What the targets are is told from the data, as for texts.

    Args:
        problem_type: as in `TextClassification`.
        labels: as in `TextClassification`.
        targets: how many numbers per image, for regression before the data are known.

    Raises:
        MissingDependencyError: Pillow is not installed.

    Example:
        >>> ImageClassification(labels=["cat", "dog"]).outputs
        2
    """

    name: ClassVar[str] = "image-classification"
    auto_class: ClassVar[str] = "AutoModelForImageClassification"
    head: ClassVar[str | tuple[str, ...]] = (
        "ForImageClassification",
        *("ForImageClassificationWithTeacher", "ForImageClassificationLearned", "ForImageClassificationFourier"),
        "ForImageClassificationConvProcessing",
    )
    field: ClassVar[Field] = Field(
        "image", ("img", "images", "picture", "photo", "pixels", "path", "file", "file_name", "filename"), "an image"
    )
    processor: ClassVar[str] = "AutoImageProcessor"
    part: ClassVar[str] = "image_processor"

    def __init__(
        self, problem_type: str | None = None, labels: Sequence[Any] | None = None, targets: int | None = None
    ) -> None:
        pillow("image classification")
        super().__init__(problem_type, labels, targets)
        self._largest: float | None = None
        self._has_told_of_cache = False

    is_value = staticmethod(is_image)

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single image, given to `predict`, from a container of images; see `data.images.is_one_image`."""
        return is_one_image(x)

    def open(self, x: Any) -> Any:
        """Open a folder that holds a folder of images for each class, or one of those for each split."""
        is_folder = isinstance(x, (str, os.PathLike)) and Path(x).is_dir()
        if not is_folder or any(Path(x, name).exists() for name in SAVED):
            return x
        import datasets

        with quiet():
            found = datasets.load_dataset("imagefolder", data_dir=os.fspath(x))
        if not self._has_told_of_cache:
            self._has_told_of_cache = True
            self.notes.append(f"The folder is listed in an Arrow file in {datasets.config.HF_DATASETS_CACHE}.")
        return found if len(found) > 1 else next(iter(found.values()))

    def encode_rows(self, rows: Rows) -> Features:
        """Check all images that are in memory, and that files are there; nothing is opened or processed yet."""
        column = rows.column(self.field.name)
        in_memory = [] if isinstance(column, LazyColumn) else [value.value for value in column]
        self._largest = largest_number(in_memory)
        if self._largest == 1 and are_nearly_black(in_memory):
            self.notes.append("The images are uint8 of 0 and 1, nearly black; if 1 is white, write x.astype(bool).")
        return super().encode_rows(rows)

    def measured(self, number: int, value: Whole | Stored) -> Mapping[str, Any]:
        """Check an image; all take the same place in memory, so that nothing has to be said of it.

        Raises:
            DataError: it is no image, its numbers are out of range, or its file is missing.
        """
        if isinstance(value, Whole):
            check_image(value.value, f"the image of row {number} (counted from 0)", self._largest)
        return {}

    def process(self, values: Sequence[Any]) -> dict[str, Tensor]:
        """Give `pixel_values`, `(batch, channels, height, width)`."""
        images: list[Any] = [as_rgb(value) for value in values]
        layout = {"input_data_format": "channels_last"}
        if _channels(self.tokenizer) == 1:
            images = [pillow("a grey image").Image.fromarray(image).convert("L") for image in images]
            layout = {}
        return dict(self.tokenizer(images=images, return_tensors="pt", **layout))

    def make_processor(self, config: Any) -> Any:
        """Make ViT's processor: plain resizing to the configuration's size, then to -1..1 in each channel."""
        from transformers import ViTImageProcessor

        size, channels = getattr(config, "image_size", SIZE), getattr(config, "num_channels", 3)
        height, width = size if isinstance(size, (list, tuple)) else (size, size)
        self.notes.append(f"No image processor beside the model: images become {height} x {width}, from -1 to 1.")
        half = [0.5] * channels
        return ViTImageProcessor(size={"height": height, "width": width}, image_mean=half, image_std=half)


def _channels(processor: Any) -> int:
    mean = getattr(processor, "image_mean", None)
    return len(mean) if isinstance(mean, (list, tuple)) else 3
