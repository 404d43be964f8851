"""Times optimizer steps, counts what goes through a network, reads a process' memory: the same for everybody."""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch.optim.optimizer import register_optimizer_step_post_hook

MEGABYTE = 2**20


class Clock:
    """Ticks at every optimizer step, whoever's loop makes it, and takes the time between two of them.

    Args:
        first: the step at whose end the time begins; 0: when `start` is called.
        last: the step at whose end the time ends.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last, self.steps = first, last, 0
        self.began = self.ended = (0.0, 0.0)

    def __enter__(self) -> Self:
        # Every torch optimizer calls such hooks, about a microsecond for each side alike.
        self._hook = register_optimizer_step_post_hook(lambda *_: self.tick())
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def start(self) -> None:
        """Begin, where `first` is 0: everything is loaded, and the first batch is next."""
        self.began = (time.process_time(), time.perf_counter())

    def tick(self) -> None:
        """Count a step; optimizers that are not torch's have to be told to call it."""
        self.steps += 1
        if self.steps == self.first:
            self.start()
        elif self.steps == self.last:
            self.ended = (time.process_time(), time.perf_counter())

    @property
    def seconds(self) -> dict[str, float]:
        """CPU and wall seconds of one step, the mean over all that were timed."""
        if self.steps < self.last or not self.began[1]:
            raise AssertionError(f"{self.steps} steps were made where {self.last} were asked for")
        steps = self.last - self.first
        cpu, wall = (ended - began for began, ended in zip(self.began, self.ended, strict=True))
        return {"cpu": cpu / steps, "wall": wall / steps}


@dataclass
class Sent:
    """How many examples, and how many tokens with their padding, went through a network."""

    examples: int = 0
    tokens: int = 0


@contextmanager
def counting() -> Iterator[Sent]:
    """Count what goes through the embeddings (examples) and the layers (tokens) of any BERT, whoever calls it."""
    from transformers.models.bert.modeling_bert import BertEmbeddings, BertEncoder

    sent, embed, encode = Sent(), BertEmbeddings.forward, BertEncoder.forward

    @functools.wraps(embed)
    def embedded(self: Any, input_ids: Any = None, *args: Any, **kwargs: Any) -> Any:
        if input_ids is not None and input_ids.device.type != "meta":  # Keras asks for shapes on that device
            sent.examples += len(input_ids)
        return embed(self, input_ids, *args, **kwargs)

    @functools.wraps(encode)
    def encoded(self: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        if hidden_states.device.type != "meta":
            sent.tokens += hidden_states.shape[0] * hidden_states.shape[1]
        return encode(self, hidden_states, *args, **kwargs)

    BertEmbeddings.forward, BertEncoder.forward = embedded, encoded
    try:
        yield sent
    finally:
        BertEmbeddings.forward, BertEncoder.forward = embed, encode


def memory(name: str) -> float:
    """Give this process' memory in MB: "VmRSS" is what it holds, "VmHWM" the most that it held (Linux)."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024 / MEGABYTE


def forget_peak() -> float:
    """Let "VmHWM" begin anew, and give what the process holds now, in MB."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return memory("VmRSS")
