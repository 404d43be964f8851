"""The features of rows, by key: in files, for later runs too.

::

    cache/
      3f0c...           a body: the digest of its weights, its configuration, and in which numbers it computes
        k2x9...         some thousand rows, written beside and renamed when they are complete
          index.json    keys, and of each field the kind of its numbers and the shape of each row
          last_hidden_state.bin     the numbers of all rows, one behind the other
"""

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from keraslike.engine.kept_features import Form, Row, bytes_of

FORMAT, INDEX = 1, "index.json"

AT_ONCE = 256 * 2**20
"""Bytes of features that wait in memory to be written together."""

OF_HEADS = frozenset(
    {"architectures", "classifier_dropout", "dtype", "finetuning_task", "id2label", "label2id", "problem_type"}
)
"""What a configuration says beside the body."""


class _Rows(NamedTuple):
    """The rows of one folder, read from their files when they are asked for."""

    data: list[npt.NDArray[np.uint8]]
    dtypes: list[torch.dtype]
    shapes: list[list[tuple[int, ...]]]
    starts: list[list[int]]

    def row(self, number: int) -> Row:
        return tuple(
            torch.from_numpy(data[starts[number] : starts[number + 1]]).view(dtype).view(shapes[number])
            for data, dtype, shapes, starts in zip(self.data, self.dtypes, self.shapes, self.starts, strict=True)
        )


class InFiles:
    """Features in files.

    Args:
        folder: the body's own; it is made when there is something to write.
        body: the body, whose outputs they are.
        say: prints a line.

    Attributes:
        form: what the body gives; None: not known yet.
    """

    def __init__(self, folder: Path, body: nn.Module, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self.form: Form | None = None
        self._places: dict[bytes, tuple[_Rows, int]] = {}
        self._waiting: dict[bytes, Row] = {}
        self._bytes, self._is_writable = 0, True
        damaged = 0
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.is_dir() and not path.name.startswith("."):
                damaged += not self._open(path, body)
        if damaged:
            say(f"cache=: {damaged} of the folders in {str(folder)!r} are damaged; their features are computed again.")

    def find(self, keys: Sequence[bytes]) -> list[Row | None]:
        """As in `Features`."""
        return [self._find(key) for key in keys]

    def _find(self, key: bytes) -> Row | None:
        if key in self._places:
            rows, number = self._places[key]
            return rows.row(number)
        return self._waiting.get(key)

    def keep(self, keys: Sequence[bytes], rows: Sequence[Row]) -> None:
        """As in `Features`."""
        for key, row in zip(keys, rows, strict=True):
            if self._is_writable and key not in self._places and key not in self._waiting:
                self._waiting[key] = tuple(tensor.cpu() for tensor in row)
                self._bytes += bytes_of(row)
        if self._bytes >= AT_ONCE:
            self._write()

    def close(self) -> None:
        """Write what waits."""
        self._write()

    # Reading

    def _open(self, path: Path, body: Any) -> bool:
        """Read what a folder holds, and tell whether it is whole and of this body."""
        try:
            index = json.loads((path / INDEX).read_text("utf-8"))
            form = Form(_kind(index["kind"], body), tuple(index["fields"]))
            rows = _read(path, form, index)
            keys = [bytes.fromhex(key) for key in index["keys"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        is_whole = all(len(shapes) == len(keys) for shapes in rows.shapes) and self.form in (None, form)
        if is_whole:
            self.form = form
            self._places |= {key: (rows, number) for number, key in enumerate(keys)}
        return is_whole

    # Writing

    def _write(self) -> None:
        """Write what waits as a folder of its own; where that fails, say so and keep nothing more."""
        if not self._waiting or self.form is None:
            return
        keys, rows = list(self._waiting), list(self._waiting.values())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = _write(self.folder, self.form, keys, rows)
            written = _read(path, self.form, json.loads((path / INDEX).read_text("utf-8")))
        except OSError as error:
            self._is_writable = False
            self.say(f"cache=: the features cannot be written to {str(self.folder)!r}: {error}.")
            return
        self._places |= {key: (written, number) for number, key in enumerate(keys)}
        self._waiting, self._bytes = {}, 0


def _kind(name: str, body: Any) -> type:
    """Give a class of outputs that the body's own file knows; nothing is imported by name."""
    modules = [sys.modules[kind.__module__] for kind in type(body).__mro__]
    kind = next(getattr(module, name) for module in modules if hasattr(module, name))
    if not (isinstance(kind, type) and issubclass(kind, dict)):
        raise TypeError(name)
    return kind


def _read(path: Path, form: Form, index: Mapping[str, Any]) -> _Rows:
    rows = _Rows([], [], [], [])
    if index["format"] != FORMAT:
        raise ValueError(index["format"])
    for name in form.fields:
        field = index["fields"][name]
        data, dtype = np.memmap(path / f"{name}.bin", mode="c"), getattr(torch, field["dtype"])
        shapes = [tuple(shape) for shape in field["shapes"]]
        starts = [0, *np.cumsum([math.prod(shape) * dtype.itemsize for shape in shapes]).tolist()]
        if len(data) != starts[-1]:
            raise ValueError(name)
        rows.data.append(data)
        rows.dtypes.append(dtype)
        rows.shapes.append(shapes)
        rows.starts.append(starts)
    return rows


def _write(parent: Path, form: Form, keys: Sequence[bytes], rows: Sequence[Row]) -> Path:
    """Write a folder under a name of its own, and give it the final one when everything is on the disk."""
    draft = Path(tempfile.mkdtemp(prefix=".", dir=parent))
    try:
        fields = {}
        for name, column in zip(form.fields, zip(*rows, strict=True), strict=True):
            flat = torch.cat([tensor.reshape(-1) for tensor in column])
            fields[name] = {"dtype": str(flat.dtype).removeprefix("torch."), "shapes": [list(t.shape) for t in column]}
            with (draft / f"{name}.bin").open("wb") as file:
                file.write(flat.view(torch.uint8).numpy().data)
                _sync(file)
        told = {"format": FORMAT, "kind": form.kind.__name__, "fields": fields, "keys": [key.hex() for key in keys]}
        with (draft / INDEX).open("w", encoding="utf-8") as file:
            json.dump(told, file)
            _sync(file)
        draft.chmod(parent.stat().st_mode & 0o777)  # mkdtemp's 0o700 would lock out those who may read the parent
        return draft.rename(parent / draft.name[1:])
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def fingerprint(body: nn.Module, apart: nn.Module | None = None, precision: str = "float32") -> str:
    """Give a digest of all that the features of a body depend on, but its inputs.

    Args:
        body: the body.
        apart: the part of it that features do not depend on.
        precision: in which numbers the network computes.

    Example:
        >>> fingerprint(nn.Linear(1, 1)) == fingerprint(nn.Linear(1, 1))  # two draws
        False
    """
    import transformers

    config: Any = getattr(body, "config", None)
    settings = {} if config is None else {k: v for k, v in config.to_dict().items() if _is_of_body(k)}
    told = [FORMAT, type(body).__qualname__, transformers.__version__, precision, apart is None, settings]
    digest = blake2b(json.dumps(told, sort_keys=True, default=str).encode(), digest_size=16)
    for name, tensor in _tensors(body, apart):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _is_of_body(name: str) -> bool:
    return name not in OF_HEADS and not name.startswith("_") and name != "transformers_version"


def _tensors(body: nn.Module, apart: nn.Module | None) -> Iterator[tuple[str, Tensor]]:
    without = set() if apart is None else {id(tensor) for tensor in [*apart.parameters(), *apart.buffers()]}
    for name, tensor in [*body.named_parameters(), *body.named_buffers()]:
        if id(tensor) not in without:
            yield name, tensor
