"""What classifying images and classifying sounds share: the processor, and features that stay as the user gave them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from keraslike.data.class_folders import is_class_folder, refuse_targets, refuse_unlabelled
from keraslike.data.columns import TARGETS
from keraslike.data.encoding import Feature, Features
from keraslike.data.fields import Field
from keraslike.data.media import Stored, Whole, held, read_media
from keraslike.data.rows import Rows
from keraslike.errors import ArgumentError, LoadError
from keraslike.tasks import pretrained
from keraslike.tasks.text_classification import TextClassification

TARGET = Field("target", TARGETS, "a label")
FILES = ("preprocessor_config.json", "processor_config.json")
"""Where transformers keeps a processor."""


class MediaClassification(TextClassification):
    """Labels, several labels, or numbers for what a processor makes tensors of.

    Targets are what they are for texts. Features hold what the user gave; a batch goes through the processor when it
    goes through the network, so that what is kept in memory is never the processed form.

    Attributes:
        tokenizer: the processor, from `build` on.
        field: the column that is read.
        processor: the Auto class of the processor.
        part: the attribute under which a processor of several kinds of input holds this one.
        way_to_cut: what to write instead of `max_length`.
    """

    field: ClassVar[Field]
    processor: ClassVar[str]
    part: ClassVar[str]
    way_to_cut: ClassVar[str] = "leave it out."

    # What only images, or only sounds, can answer: a task that leaves one out is told its name at the first use

    @staticmethod
    def is_value(value: Any) -> bool:
        """Tell what the task classifies from other values."""
        raise NotImplementedError("a task of images or sounds says this itself: write is_value().")

    def make_processor(self, config: Any) -> Any:
        """Make a processor that fits a configuration, where the model comes without one."""
        raise NotImplementedError("a task of images or sounds says this itself: write make_processor().")

    def opened(self, value: Any, place: str) -> Any:
        """Give what `process` gets for a value that the user gave: what is in its file, for example.

        Args:
            value: what the row holds.
            place: what a message calls it.
        """
        return value

    def process(self, values: Sequence[Any]) -> dict[str, Tensor]:
        """Give the network's inputs for what some features hold, as `opened` gives it."""
        raise NotImplementedError("a task of images or sounds says this itself: write process().")

    def measured(self, number: int, value: Whole | Stored) -> Mapping[str, Any]:
        """Check a value that the user gave, and give what the feature says of it beside itself.

        Args:
            number: its row in the user's data, for messages.
            value: what the row holds.
        """
        raise NotImplementedError("a task of images or sounds says this itself: write measured().")

    def open_folder(self, path: str | os.PathLike[str]) -> Any:
        """List the files of a folder that holds a folder for each class, or one of those for each split."""
        raise NotImplementedError("a task of images or sounds says this itself: write open_folder().")

    # From rows to tensors

    def open(self, x: Any) -> Any:
        """List a folder, as `open_folder` does; anything else stays as it is."""
        return self.open_folder(x) if is_class_folder(x) else x

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read any container; of a folder, the folders in it are the labels.

        Raises:
            DataError: as in `data.media.read_media`; or labels are looked for in a folder that tells none.
        """
        if y is not None and is_class_folder(x):
            refuse_targets(x, self.noun)
        if y is None and options.get("labelled", True) and not options.get("target"):
            refuse_unlabelled(x, self.noun)
        known = {name: options[name] for name in ("text", "target", "prepare", "labelled") if name in options}
        return read_media(x, y, fields=(self.field, TARGET), is_value=self.is_value, **known)

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Give the one feature of a row: what it holds, and its target."""
        (value,) = held([row[self.field.name]])
        known = {"target": self._encode_targets([row["target"]])[0]} if "target" in row else {}
        return [{**self._feature(0, value), **known}]

    def _feature(self, number: int, value: Whole | Stored) -> Feature:
        """Give the feature of a checked value, which knows its row from now on."""
        return {self.field.name: replace(value, number=number), **self.measured(number, value)}

    @property
    def noun(self) -> str:
        """What the task classifies, "image" or "sound", for messages."""
        return self.field.kind.split()[-1]

    def place(self, number: int | None) -> str:
        """Say which image, or sound, is meant: that of a row in the user's data."""
        return f"the {self.noun}" if number is None else f"the {self.noun} of row {number} (counted from 0)"

    def note(self, line: str) -> None:
        """Note a line for the screen, once: a network may be built twice, and validation has rows of its own."""
        if line not in self.notes:
            self.notes.append(line)

    def _encode_all(self, rows: Rows) -> Iterator[Feature]:
        numbers = range(len(rows)) if rows.numbers is None else rows.numbers
        targets = self._encode_targets(list(rows.column("target"))) if "target" in rows.columns else None
        for row, value in enumerate(held(rows.column(self.field.name))):
            known = {} if targets is None else {"target": targets[row]}
            yield {**self._feature(numbers[row], value), **known, "row": row}

    def encode_rows(self, rows: Rows) -> Features:
        """Check all rows; nothing is processed yet."""
        return Features(self._encode_all(rows))

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Process some features together: inputs `(batch, ...)`, targets `(batch,)`, `(batch, labels)` or None."""
        values = [feature[self.field.name] for feature in features]
        inputs = self.process([self.opened(value.value, self.place(value.number)) for value in values])
        if "target" not in features[0]:
            return inputs, None
        return inputs, torch.from_numpy(np.stack([feature["target"] for feature in features]))

    # The processor

    def _adopt(self, network: nn.Module, tokenizer: Any, max_length: int | None) -> nn.Module:
        config: Any = getattr(network, "config", None)
        if tokenizer is None and config is not None and not getattr(config, "_name_or_path", None):
            tokenizer = self._made(config)
        return super()._adopt(network, tokenizer, max_length)

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        if max_length is not None:
            raise ArgumentError(
                f"max_length={max_length} is given, and the task {self.name!r} has no tokens to cut.",
                "no max_length.",
                self.way_to_cut,
            )
        given = source if not isinstance(source, (str, bytes)) and hasattr(source, "save_pretrained") else None
        if given is None:
            has_files = has_processor(source)
            given = load_processor(self.processor, source) if has_files or config is None else self._made(config)
        self.tokenizer = getattr(given, self.part, given)

    def _made(self, config: Any) -> Any:
        with pretrained.quiet():
            return self.make_processor(config)


def has_processor(source: Any) -> bool:
    """Say whether a model's directory, here or on the hub, holds a processor."""
    from transformers.utils import cached_file

    quietly: dict[str, Any] = {
        f"_raise_exceptions_for_{kind}": False for kind in ("missing_entries", "connection_errors", "gated_repo")
    }
    with pretrained.quiet():
        return any(cached_file(source, name, **quietly) is not None for name in FILES)


def load_processor(auto_class: str, source: Any) -> Any:
    """Read a processor by one of transformers' Auto classes.

    Raises:
        LoadError: there is none, or it cannot be read.
    """
    import transformers

    load: Callable[[Any], Any] = getattr(transformers, auto_class).from_pretrained
    try:
        with pretrained.quiet():
            return load(source)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise LoadError(
            f"no processor can be read from {str(source)!r}: {reason}",
            f"a directory, or a model's name, with {FILES[0]}.",
            f"give tokenizer= an object: {auto_class}.from_pretrained(...).",
        ) from None
