"""A task over texts of letters of different lengths, and a network for it, so small that a fit takes milliseconds."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from keraslike import Task
from keraslike.losses import Loss
from keraslike.losses.naming import as_loss


class Letters(nn.Module):
    """A vector per letter; an example is the mean of its own, padding left out. In float64, always the same weights.

    Args:
        per_token: whether there are three outputs per letter, `(batch, 3, letters)`, else per text, `(batch, 3)`.
    """

    def __init__(self, per_token: bool = False) -> None:
        super().__init__()
        self.per_token = per_token
        self.letters = nn.Embedding(128, 6, padding_idx=0)
        self.hidden = nn.Linear(6, 8)
        self.last = nn.Linear(8, 3)
        self.double()
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2)

    def forward(self, input_ids: Tensor) -> Tensor:
        vectors = self.letters(input_ids)
        if self.per_token:
            return self.last(torch.tanh(self.hidden(vectors))).transpose(1, 2)
        mask = (input_ids != 0).unsqueeze(2)
        return self.last(torch.tanh(self.hidden((vectors * mask).sum(1) / mask.sum(1))))


class LettersTask(Task):
    """Any loss over texts.

    Args:
        loss: a name or an object, for `as_loss`.
        table: a target for each number that `fit` is given as y; of letters, wide enough for the longest text.
        per_token: whether the targets are those of letters.
    """

    name: ClassVar[str] = "letters"

    def __init__(self, loss: Any, table: Tensor, per_token: bool = False) -> None:
        super().__init__()
        self.given, self.table, self.per_token = loss, table, per_token

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        return source

    def encode(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        known = {"target": int(row["target"])} if "target" in row else {}
        return [{"input_ids": [ord(letter) for letter in row["text"]], **known}]

    def collate(self, features: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Tensor], Any]:
        inputs = padded([feature["input_ids"] for feature in features])
        if "target" not in features[0]:
            return {"input_ids": inputs}, None
        targets = self.table[[feature["target"] for feature in features]]
        return {"input_ids": inputs}, targets[:, : inputs.shape[1]] if self.per_token else targets

    @property
    def loss(self) -> Loss:
        loss = as_loss(self.given)
        assert isinstance(loss, Loss)
        return loss

    def decode(self, outputs: Tensor, features: Sequence[Mapping[str, Any]]) -> list[Any]:
        return outputs.argmax(1).tolist()


def padded(ids: Sequence[Any]) -> Tensor:
    """Pad rows of ids on the right, by 0."""
    width = max(len(row) for row in ids)
    return torch.tensor(np.array([[*row, *[0] * (width - len(row))] for row in ids]))


def text_of(length: int, row: int) -> str:
    """Give a text of so many letters, another one for each row."""
    return "".join(chr(97 + (row + 3 * place) % 26) for place in range(length))


def read(texts: Sequence[str]) -> Tensor:
    """Give the padded ids of texts."""
    return padded([[ord(letter) for letter in text] for text in texts])
