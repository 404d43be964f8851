"""Keras 3 on torch."""

import os

os.environ["KERAS_BACKEND"] = "torch"

from typing import Any

import keras
import numpy as np
import torch
from jobs import AccumulationJob, Learned, TensorJob, TextJob
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Tick(keras.callbacks.Callback):
    """Count steps, as Keras' optimizers are not torch's; start the clock where that is asked for."""

    def __init__(self, clock: Any, starts: bool = False) -> None:
        super().__init__()
        self.clock, self.starts = clock, starts

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        if self.starts:
            self.clock.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count a step."""
        self.clock.tick()


def adamw(lr: float, **options: Any) -> Any:
    """Give AdamW with torch's numbers."""
    return keras.optimizers.AdamW(lr, weight_decay=0.01, epsilon=1e-8, **options)


def train_tensors(job: TensorJob) -> Learned:
    """Train by `fit`, Keras' own layers with the same first weights."""
    keras.config.disable_interactive_logging()
    first, _, last = job.network()
    network = keras.Sequential([keras.Input((32,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)])
    network.set_weights([values.detach().numpy() for layer in (first, last) for values in (layer.weight.T, layer.bias)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(adamw(job.lr), loss, metrics=["accuracy"])
    fitting: Any = {"epochs": job.epochs, "batch_size": job.batch_size, "shuffle": job.is_shuffled, "verbose": 0}
    history = network.fit(job.x.numpy(), job.y.numpy(), callbacks=[Tick(job.clock)], **fitting)
    weights = [torch.from_numpy(np.ascontiguousarray(values.T)) for values in network.get_weights()]
    return Learned(history.history["loss"][-1], weights)


class Wrapped(keras.Model):
    """A torch network behind Keras' verbs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inside = keras.layers.TorchModuleWrapper(network)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Give the outputs, of a dict its logits."""
        self.inside.module.train(bool(training))
        if isinstance(inputs, dict):
            return self.inside.module(**{name: values.long() for name, values in inputs.items()}).logits
        return self.inside.module(inputs)

    def build(self, shape: Any) -> None:
        """Do nothing: the network stands."""
        self.built = True


def train_texts(job: TextJob) -> Learned:
    """Fine-tune the torch network by `fit` on a DataLoader."""
    keras.config.disable_interactive_logging()
    collate = job.collator()

    def pair(features: list[dict[str, Any]]) -> tuple[dict[str, Tensor], Tensor]:
        batch = {**collate(features)}
        return batch, batch.pop("labels")

    model = Wrapped(job.network())
    order: Any = {"shuffle": job.is_shuffled, "generator": job.generator()}
    loader = DataLoader(job.features, job.batch_size, collate_fn=pair, **order)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(adamw(job.lr, global_clipnorm=job.clip_norm), loss)
    history = model.fit(loader, epochs=1, shuffle=False, callbacks=[Tick(job.clock, starts=True)], verbose=0)
    return Learned(history.history["loss"][-1])


def accumulate(job: AccumulationJob) -> Tensor:
    """Use the optimizer's `gradient_accumulation_steps` and `global_clipnorm`."""
    keras.config.disable_interactive_logging()
    network = job.network()
    model = Wrapped(network)
    options: Any = {"gradient_accumulation_steps": len(job.parts()), "global_clipnorm": job.clip_norm}
    model.compile(keras.optimizers.SGD(1.0, **options), lambda y, outputs: job.loss(outputs, y.long()))
    batches = [(part["x"], part["y"]) for part in job.parts()]
    model.fit(DataLoader(batches, batch_size=None), epochs=1, verbose=0, shuffle=False)
    return job.moved(network)
