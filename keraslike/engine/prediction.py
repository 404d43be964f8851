"""Sends batches through the network without learning: the way of predict."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from poutyne import CallbackList, torch_to_numpy
from poutyne.utils import _concat
from torch import Tensor

from keraslike.data.batches import Batch, PairBatch, as_batch
from keraslike.data.nested import leaves
from keraslike.engine.joining import by_feature
from keraslike.engine.measuring import Limited, outputs_of
from keraslike.engine.precision import Precision
from keraslike.errors import DataError


class Predictor(Limited, Protocol):
    """What is asked of the model."""

    network: Any
    precision: Precision

    def in_mode(self, *, training: bool) -> AbstractContextManager[None]:
        """Set training or evaluation mode, and put the old one back."""
        ...

    def forward_pass(self, x: Any) -> Any:
        """Send inputs through the network."""
        ...

    def send(self, data: Any) -> Any:
        """Make tensors of arrays and move them to the network's device."""
        ...


def predict_batches(
    model: Predictor,
    batches: Iterable[Any],
    predict_batch: Callable[[Any, dict[str, Tensor]], Tensor],
    callbacks: list[Any],
) -> Any:
    """Give the outputs of all batches on the CPU, in float32 or better.

    Returns:
        The outputs in the order of the user's rows, whatever the order of the batches, as `by_feature` gives them.
    """

    def forward(x: Any) -> Tensor:
        with model.precision.forward():
            output = predict_batch(model.network, model.send(x))
        return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output

    outputs = [output.cpu() for output in predictions(model, batches, forward, callbacks)]
    return by_feature(outputs, getattr(batches, "order", None))


def predictions(
    model: Predictor,
    batches: Iterable[Any],
    forward: Callable[[Any], Any],
    callbacks: list[Any],
    steps: int | None = None,
    as_given: Callable[[Any], Batch] = as_batch,
) -> Iterator[Any]:
    """Give the outputs of one batch after the other, in evaluation mode.

    Args:
        model: the model.
        batches: what goes through.
        forward: makes outputs of a part's inputs.
        callbacks: Poutyne's callbacks.
        steps: how many batches; None: all.
        as_given: makes a batch of what `batches` yields.
    """
    steps = len(batches) if steps is None and isinstance(batches, Sized) else steps
    listed = CallbackList(callbacks)
    listed.set_model(model)
    listed.set_params({"steps": steps})
    began = before = time.perf_counter()
    with model.in_mode(training=False):
        listed.on_predict_begin({})
        for number, data in _numbered(batches, steps):
            listed.on_predict_batch_begin(number, {})
            batch = as_given(data)
            yield outputs_of(model, batch, forward)
            now = time.perf_counter()
            listed.on_predict_batch_end(number, {"batch": number, "time": now - before})
            before = now
        listed.on_predict_end({"time": time.perf_counter() - began})


def _numbered(batches: Iterable[Any], steps: int | None) -> Iterator[tuple[int, Any]]:
    """Number batches from 1, over and over where more are asked for than one pass gives, as Poutyne does."""
    number = 0
    while steps is None or number < steps:
        before = number
        for data in batches:
            number += 1
            yield number, data
            if number == steps:
                return
        if steps is None or number == before:
            return


def predict_as_poutyne(
    model: Predictor,
    generator: Iterable[Any],
    callbacks: list[Any],
    *,
    steps: int | None = None,
    has_ground_truth: bool = False,
    return_ground_truth: bool = False,
    concatenate_returns: bool = True,
    convert_to_numpy: bool = True,
) -> Any:
    """Give the network's outputs in Poutyne's forms; arguments as in `poutyne.Model.predict_generator`."""
    truths = []

    def as_given(data: Any) -> PairBatch:
        x, y = data if has_ground_truth or return_ground_truth else (data, None)
        if return_ground_truth:
            truths.append(_given(model.send(y), convert_to_numpy))
        return PairBatch(x, y, size=_examples(x))

    def forward(x: Any) -> Any:
        return model.forward_pass(model.send(x))

    found = predictions(model, generator, forward, callbacks, steps, as_given)
    outputs = [_given(output, convert_to_numpy) for output in found]
    if not outputs and concatenate_returns:
        raise DataError("there is nothing to predict: x gave no batch.", "at least one batch.", "check how x was made.")
    columns = [outputs, truths] if return_ground_truth else [outputs]
    returned = [_concat(column) if concatenate_returns else column for column in columns]
    return tuple(returned) if return_ground_truth else returned[0]


def _given(data: Any, convert_to_numpy: bool) -> Any:
    return torch_to_numpy(data) if convert_to_numpy else data


def _examples(x: Any) -> int:
    """Count the examples of a batch of inputs; of what holds no tensors, one, which is never cut."""
    first = next((leaf for leaf in leaves(x) if getattr(leaf, "ndim", 0)), None)
    return 1 if first is None else len(first)
