"""When a task's network comes into being: in the constructor where its size is known, else at the first fit."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from keraslike.data.rows import Rows
from keraslike.errors import NotFittedError
from keraslike.tasks.base import Task
from keraslike.tasks.feed import require_labels
from keraslike.tasks.mistakes import check_built
from keraslike.tasks.transformer import TransformerTask

UNBUILT = frozenset(
    {"network", "optimizer", "loss_function", "batch_metrics", "epoch_metrics", "device", "other_device"}
    | {"batch_metrics_names", "epoch_metrics_names", "metrics_names"}
)
"""Poutyne's attributes that exist only once the network does."""


DESCRIBED = ("problem_type", "id2label", "label2id")
"""What a task writes into a network's configuration."""


class Blueprint:
    """What a model with a task was made of, and its network once there is one.

    A head that no checkpoint held is drawn again at the first fit, after seeding, unless somebody has changed it: so
    naming the labels in the constructor does not change a run.

    Attributes:
        is_settled: whether training has begun, so that labels and head stay as they are.

    Args:
        task: the task.
        source: a name, a directory, or a module.
        tokenizer: as in `Model`.
        max_length: as in `Model`.
    """

    def __init__(self, task: Task, source: Any, tokenizer: Any, max_length: int | None) -> None:
        self.task = task
        self.source = source
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.network: nn.Module | None = None
        self.is_settled = False
        self._drawn: dict[str, Tensor] = {}
        self._has_warned = False

    def build_early(self) -> nn.Module | None:
        """Give the network if its labels are known: named, or those of the checkpoint's own head."""
        if isinstance(self.task, TransformerTask):
            self.task.adopt_labels(self.source)
        return self._build() if self.task.is_ready else None

    def settle(self, rows: Rows | None) -> nn.Module:
        """Bring task and network together, at the first fit or a later one.

        Args:
            rows: the training rows, to learn the labels from; None where the labels have to be known already.

        Raises:
            LabelError: the labels cannot be told, or they are not those of the network.
        """
        if not self.is_settled and isinstance(self.task, TransformerTask) and self.task.has_adopted_labels and rows:
            return self._settle_adopted(self.task, rows)
        if rows is not None:
            self.task.learn(rows)
        require_labels(self.task)
        if self.network is None:
            self._build()
        elif not self.is_settled:
            self._draw_again()
        return self.require()

    def _settle_adopted(self, task: TransformerTask, rows: Rows) -> nn.Module:
        """Keep the checkpoint's own head where it knows the labels of the data; else give it a new one."""
        network = self.require()
        task.forget()
        task.learn(rows)
        config = getattr(network, "config", None)
        if config is None or not task.fits_head(config):
            if isinstance(self.source, nn.Module):
                task.build(self.source, tokenizer=self.tokenizer, max_length=self.max_length)
            else:
                network = self._build()
        task.describe(network)
        return network

    def require(self, name: str = "network") -> nn.Module:
        """Give the network, or the error that there is none yet, nor anything else that needs it."""
        if self.network is None:
            raise NotFittedError(
                f"there is no {name} yet: how large the network's head must be is not known before fit.",
                "a fitted model, or labels that are known at the start.",
                "call fit(...) first, or give Model(..., labels=[...]).",
            )
        return self.network

    def warn_of_chance(self) -> None:
        """Say once that answers are by chance, where a head was drawn and nothing has changed it since."""
        if self._has_warned or self.is_settled or not self._drawn or not self._is_untouched(self.require()):
            return
        self._has_warned = True
        names = ", ".join(self._drawn if len(self._drawn) < 4 else [*list(self._drawn)[:3], "..."])
        message = f"the head ({names}) starts from random numbers and was not trained: what it gives is chance."
        warnings.warn(f"{message} Call fit(...) first.", UserWarning, stacklevel=5)

    def _build(self) -> nn.Module:
        network = self.task.build(self.source, tokenizer=self.tokenizer, max_length=self.max_length)
        check_built(self.task, network)
        self.network = network
        self._drawn = self._fresh_weights(network)
        return network

    @contextmanager
    def unchanged_by_errors(self) -> Iterator[None]:
        """Put the network's head and its configuration back as they were if what is done inside ends in an error."""
        network = self.network
        config: Any = getattr(network, "config", None)
        described = {name: getattr(config, name, None) for name in DESCRIBED} if config is not None else {}
        head = {} if network is None else self._fresh_weights(network)
        try:
            yield
        except BaseException:
            for name, value in described.items():
                setattr(config, name, value)
            with torch.no_grad():
                for name, tensor in network.state_dict().items() if network is not None else ():
                    if name in head:
                        tensor.copy_(head[name])
            raise

    def _fresh_weights(self, network: nn.Module) -> dict[str, Tensor]:
        state = network.state_dict()
        names = self.task.fresh if isinstance(self.task, TransformerTask) else []
        return {name: state[name].detach().clone() for name in names}

    def _draw_again(self) -> None:
        """Draw the fresh head anew, as if the network were built now; every tensor stays the object it is."""
        network = self.require()
        if not self._drawn or isinstance(self.source, nn.Module) or not self._is_untouched(network):
            return
        before = list(self.task.notes)
        twin = self.task.build(self.source, tokenizer=self.tokenizer, max_length=self.max_length).state_dict()
        self.task.notes[:] = before
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                if name in self._drawn:
                    tensor.copy_(twin[name])
        self.task.describe(network)

    def _is_untouched(self, network: nn.Module) -> bool:
        state = network.state_dict()
        return all(torch.equal(state[name].cpu(), drawn.cpu()) for name, drawn in self._drawn.items())
