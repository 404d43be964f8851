"""Poutyne."""

from typing import Any

import torch
from jobs import AccumulationJob, Learned, TensorJob, TextJob
from poutyne import ClipNorm, Model
from torch import Tensor, nn
from torch.utils.data import DataLoader


def train_tensors(job: TensorJob) -> Learned:
    """Train by `fit`."""
    network = job.network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr, fused=True)
    model = Model(network, optimizer, "cross_entropy", batch_metrics=["accuracy"])
    fitting: Any = {"epochs": job.epochs, "batch_size": job.batch_size, "verbose": False}
    if job.is_shuffled:
        history = model.fit(job.x, job.y, **fitting)
    else:
        history = model.fit(job.x, job.y, dataloader_kwargs={"shuffle": False}, **fitting)
    return Learned(history[-1]["loss"], list(network.parameters()))


class Logits(nn.Module):
    """Take a dict and give logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Give the logits."""
        logits: Tensor = self.network(**inputs).logits
        return logits


def collated(job: TextJob) -> Any:
    """Give what makes a pair of inputs and targets of a list of features."""
    collate = job.collator()

    def pair(features: list[dict[str, Any]]) -> tuple[dict[str, Tensor], Tensor]:
        batch = {**collate(features)}
        return batch, batch.pop("labels", torch.zeros(len(features)))

    return pair


def train_texts(job: TextJob) -> Learned:
    """Fine-tune by `fit_generator`."""
    network = Logits(job.network())
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr, fused=True)
    model = Model(network, optimizer, "cross_entropy")
    order: Any = {"shuffle": job.is_shuffled, "generator": job.generator()}
    loader = DataLoader(job.features, job.batch_size, collate_fn=collated(job), **order)
    clip = ClipNorm(network.parameters(), max_norm=job.clip_norm)
    job.clock.start()
    history = model.fit_generator(loader, epochs=1, callbacks=[clip], verbose=False)
    return Learned(history[-1]["loss"])


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Ask by `predict_generator`, in the order given."""
    encoded = job.tokenizer(job.texts, truncation=True)["input_ids"]
    features = [{"input_ids": ids} for ids in encoded]
    collate = job.collator()
    loader = DataLoader(features, job.batch_size, collate_fn=lambda rows: {**collate(rows)})
    logits = Model(Logits(network), None, None).predict_generator(loader, verbose=False)
    return [job.kinds[index] for index in logits.argmax(-1)]


def accumulate(job: AccumulationJob) -> Tensor:
    """Take `batches_per_step` batches."""
    network = job.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    callbacks = [] if job.clip_norm is None else [ClipNorm(network.parameters(), max_norm=job.clip_norm)]
    batches = [(part["x"], part["y"]) for part in job.parts()]
    model = Model(network, optimizer, "cross_entropy")
    model.fit_generator(batches, batches_per_step=len(batches), callbacks=callbacks, epochs=1, verbose=False)
    return job.moved(network)
