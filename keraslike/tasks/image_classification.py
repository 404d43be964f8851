"""Image classification: a label for each image."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from keraslike.data.arrow import ArrowColumn
from keraslike.data.class_folders import open_image_folder
from keraslike.data.encoding import Features
from keraslike.data.fields import Field
from keraslike.data.images import are_nearly_black, as_rgb, check_image, is_image, is_one_image, largest_number
from keraslike.data.media import Stored, Whole, bare, is_other_file
from keraslike.data.pictures import Pixels, encoded, pillow
from keraslike.data.rows import LazyColumn, Rows
from keraslike.tasks.media import MediaClassification

SIZE = 224
"""Pixels a side where the configuration names no size: what most networks for images were trained on."""


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
        self._is_looked_at = True

    is_value = staticmethod(is_image)

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single image, given to `predict`, from a container of images; see `data.images.is_one_image`."""
        return is_one_image(x) or is_other_file(x)

    def open_folder(self, path: str | os.PathLike[str]) -> Any:
        """List the images of a folder, and say once where the list is kept."""
        found = open_image_folder(path)
        if not self._has_told_of_cache:
            import datasets

            self._has_told_of_cache = True
            self.notes.append(f"The folder is listed in an Arrow file in {datasets.config.HF_DATASETS_CACHE}.")
        return found

    def encode_rows(self, rows: Rows) -> Features:
        """Check all images in memory, and the headers of files; no pixel of a file is read yet."""
        column = rows.column(self.field.name)
        is_on_disk = isinstance(column, ArrowColumn)
        self._is_looked_at = not isinstance(column, LazyColumn) or (is_on_disk and encoded(column[0]) is not None)
        in_memory = [] if isinstance(column, LazyColumn) else [bare(value) for value in column]
        self._largest = largest_number(in_memory)
        if self._largest == 1 and are_nearly_black(in_memory):
            self.note("The images are uint8 of 0 and 1, nearly black; if 1 is white, write x.astype(bool).")
        return super().encode_rows(rows)

    def measured(self, number: int, value: Whole | Stored) -> Mapping[str, Any]:
        """Check an image; all take the same place in memory, so that nothing has to be said of it.

        Of what lies in an Arrow file, encoded images are; what `prepare` makes of such rows is made when it is needed.

        Raises:
            DataError: it is no image, its numbers are out of range, or its file is missing, or of another kind.
        """
        if self._is_looked_at:
            check_image(value.value, self.place(number), self._largest)
        return {}

    def opened(self, value: Any, place: str) -> Pixels:
        """Give an image as RGB, `(height, width, 3)`."""
        return as_rgb(value, place)

    def process(self, values: Sequence[Any]) -> dict[str, Tensor]:
        """Give `pixel_values`, `(batch, channels, height, width)`, of images as `opened` gives them."""
        images = list(values)
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
        self.note(f"No image processor beside the model: images become {height} x {width}, from -1 to 1.")
        half = [0.5] * channels
        return ViTImageProcessor(size={"height": height, "width": width}, image_mean=half, image_std=half)


def _channels(processor: Any) -> int:
    mean = getattr(processor, "image_mean", None)
    return len(mean) if isinstance(mean, (list, tuple)) else 3
