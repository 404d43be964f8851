"""Which of several choices fits a text: an answer to a question, an ending of a story."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from keraslike.data.choices import read_choices
from keraslike.data.encoding import Feature, Features
from keraslike.data.right_choices import Ways
from keraslike.data.rows import Rows
from keraslike.losses import CrossEntropy
from keraslike.losses.base import Loss
from keraslike.tasks.cuts import Cuts
from keraslike.tasks.transformer import TransformerTask

CHUNK = 1_000
"""Rows that go to the tokenizer at once."""

NO_CHOICE = -torch.inf
"""The score of a choice that a row does not have: its probability is 0, and nothing is learned from it."""


class MultipleChoice(TransformerTask):
    """The choice that fits a text best; rows may have different numbers of choices.

    Every choice goes through the network with the text before it and gets one score; the softmax is over the choices of
    a row.

    Attributes:
        most: the largest number of choices that any row so far had: as many scores every row has.
        ways: how right choices were read so far; later ones are read alike.

    Example:
        >>> rows = MultipleChoice().read([("One and one?", ["two", "three"])], ["two"])
        >>> rows.column("target")
        [0]
    """

    name: ClassVar[str] = "multiple-choice"
    has_classes: ClassVar[bool] = False  # the second choice of one row is nothing like that of another
    auto_class: ClassVar[str] = "AutoModelForMultipleChoice"
    head: ClassVar[str] = "ForMultipleChoice"

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.ways: Ways = {}

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read rows of a text, its choices and the right one; as in `read_choices`.

        Raises:
            DataError: texts, choices or targets are missing, or a target is none of the choices.
        """
        names = ("text", "target", "prepare", "labelled")
        ways = dict(self.ways)
        rows = read_choices(x, y, before=ways, **{name: options[name] for name in names if name in options})
        self.ways = ways
        self.most = max(self.most, *map(len, rows.column("choices")), 0)
        return rows

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single `(text, choices)`, or a dict of them, from a container of rows."""
        if isinstance(x, Mapping):
            return any(isinstance(value, str) for value in x.values())
        return isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], str) and not isinstance(x[1], str)

    @property
    def loss(self) -> Loss:
        """Cross-entropy over the choices of a row."""
        return CrossEntropy()

    @property
    def metrics(self) -> list[Any]:
        """Accuracy."""
        return ["accuracy"]

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        """Load network and tokenizer; scores of choices that are not there are hidden from then on.

        Raises:
            LoadError: the model cannot be found or read.
        """
        network = super().build(source, tokenizer=tokenizer, max_length=max_length)
        network.register_forward_hook(partial(_hide_absent, self), with_kwargs=True)
        return network

    # From rows to tensors

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize one row; `encode_rows` does the same for many at once."""
        return list(self._tokenized([row], Cuts(self.max_length, "choices")))

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all rows, the choices of each one behind the other; note how many had to be cut."""
        cuts = Cuts(self.max_length, "choices")
        features = Features(self._encode_all(rows, cuts))
        self.notes += filter(None, [cuts.note(rows.part)])
        return features

    def _encode_all(self, rows: Rows, cuts: Cuts) -> Iterator[Feature]:
        for start in range(0, len(rows), CHUNK):
            chunk = [rows[index] for index in range(start, min(start + CHUNK, len(rows)))]
            for offset, feature in enumerate(self._tokenized(chunk, cuts)):
                yield {**feature, "row": start + offset}

    def _tokenized(self, chunk: Sequence[Mapping[str, Any]], cuts: Cuts) -> Iterator[Feature]:
        pairs = [(row["text"], choice) for row in chunk for choice in row["choices"]]
        encoded = self._within(pairs, cuts)
        for row in chunk:
            choices = [next(encoded) for _ in row["choices"]]
            sizes = [len(choice["input_ids"]) for choice in choices]
            names = [name for name in choices[0] if name != "attention_mask"]  # told by the sizes
            flat = {name: [token for choice in choices for token in choice[name]] for name in names}
            known = {"target": row["target"]} if "target" in row else {}
            yield {**flat, "sizes": sizes, "length": len(sizes) * max(sizes), **known}

    def _within(self, pairs: Sequence[tuple[str, str]], cuts: Cuts) -> Iterator[dict[str, Any]]:
        """Tokenize pairs, the long ones cut."""
        texts, choices = map(list, zip(*pairs, strict=True))
        encoded = self.tokenizer(texts, choices, truncation=False, verbose=False)
        for index, ids in enumerate(encoded["input_ids"]):
            if not cuts.has(len(ids)):
                yield {name: encoded[name][index] for name in encoded}
                continue
            limit: dict[str, Any] = {"truncation": True, "max_length": cuts.limit}
            yield dict(self.tokenizer(texts[index], choices[index], **limit, verbose=False))

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad to the longest choice, and to as many as the row with most has.

        Returns:
            Inputs `(batch, choices, tokens)`, and the index of each right choice, `(batch,)`, or None. A choice that a
            row does not have is one token of padding.
        """
        sizes = [np.asarray(feature["sizes"]) for feature in features]
        shape = (len(features), max(map(len, sizes)), max(map(max, sizes)))
        is_there = np.zeros(shape, dtype=bool)
        for place, size in zip(is_there, sizes, strict=True):
            place[: len(size)] = np.arange(shape[2]) < size[:, None]
        fills = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": self.tokenizer.pad_token_type_id}
        inputs = {}
        for name in (name for name in features[0] if name not in ("sizes", "length", "row", "target")):
            tokens = np.full(shape, fills.get(name, 0), dtype=np.int64)
            tokens[is_there] = np.concatenate([feature[name] for feature in features])
            inputs[name] = torch.from_numpy(tokens)
        if "attention_mask" in self.tokenizer.model_input_names:
            is_there[..., 0] = True  # no choice of nothing but padding: some networks give NaN for it
            inputs["attention_mask"] = torch.from_numpy(is_there.astype(np.int64))
        if "target" not in features[0]:
            return inputs, None
        return inputs, torch.tensor([int(feature["target"]) for feature in features])

    # From outputs to answers

    def decode(self, outputs: Any, features: Sequence[Feature]) -> list[int]:
        """Give the index of the best choice of each row."""
        return [int(scores[: len(f["sizes"])].argmax()) for scores, f in zip(outputs, features, strict=True)]

    def probabilities(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """Give the probability of each choice, `(choices,)` for every row."""
        pairs = zip(outputs, features, strict=True)
        return [scores[: len(feature["sizes"])].softmax(0).numpy() for scores, feature in pairs]

    # Saved

    def state(self) -> dict[str, Any]:
        """Give the options, the length that texts are cut at, and how right choices were read."""
        return {**super().state(), "ways": self.ways}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        task = super().from_state({name: value for name, value in state.items() if name != "ways"})
        task.ways = dict(state.get("ways", {}))
        return task


def _hide_absent(task: MultipleChoice, _network: Any, _args: Any, inputs: Mapping[str, Any], outputs: Any) -> Any:
    """Hide the scores of choices that rows do not have, and give all rows as many scores.

    A choice is absent where its first token is padding. Rows of one width are put together without filling up, which
    would make scores of what is not there.
    """
    if "input_ids" not in inputs:
        return outputs
    logits = outputs if isinstance(outputs, Tensor) else outputs["logits"]
    is_absent = inputs["input_ids"][..., 0] == task.tokenizer.pad_token_id
    hidden = logits.masked_fill(is_absent, NO_CHOICE)
    hidden = F.pad(hidden, (0, max(task.most - hidden.shape[-1], 0)), value=NO_CHOICE)
    if isinstance(outputs, Tensor):
        return hidden
    outputs["logits"] = hidden
    return outputs
