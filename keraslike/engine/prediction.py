"""Sends batches through the network without learning: the way of predict."""

from collections.abc import Callable, Iterable, Sized
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from poutyne import CallbackList
from torch import Tensor

from keraslike.data.batches import as_batch


class Predictor(Protocol):
    """What is asked of the model."""

    network: Any

    def in_mode(self, *, training: bool) -> AbstractContextManager[None]:
        """Set training or evaluation mode, and put the old one back."""
        ...

    def preprocess_input(self, x: Any) -> Any:
        """Make tensors of arrays and move them to the network's device."""
        ...


def predict_batches(
    model: Predictor,
    batches: Iterable[Any],
    predict_batch: Callable[[Any, dict[str, Tensor]], Tensor],
    callbacks: list[Any],
) -> Tensor:
    """Give the outputs of all batches on the CPU, in float32 or better.

    Returns:
        The outputs in the order of the batches, `(features, ...)`.
    """
    callback_list = CallbackList(callbacks)
    callback_list.set_model(model)
    callback_list.set_params({"steps": len(batches) if isinstance(batches, Sized) else None})
    outputs = []
    with model.in_mode(training=False):
        callback_list.on_predict_begin({})
        for number, data in enumerate(batches, start=1):
            batch = as_batch(data)
            callback_list.on_predict_batch_begin(number, {})
            (x, _), *_ = batch.parts(None)
            output = predict_batch(model.network, model.preprocess_input(x)[0]).detach().cpu()
            outputs.append(output.float() if output.dtype in (torch.float16, torch.bfloat16) else output)
            callback_list.on_predict_batch_end(number, {"batch": number, "size": batch.size, "time": 0.0})
        callback_list.on_predict_end({"time": 0.0})
    return torch.cat(outputs)
