"""Hugging Face Accelerate: a loop written by hand around its objects."""

from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from jobs import AccumulationJob, Learned, TensorJob, TextJob
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


def prepared(network: Any, optimizer: Any, loader: Any, **options: Any) -> tuple[Any, ...]:
    """Give the accelerator and what it makes of network, optimizer and loader."""
    accelerator = Accelerator(cpu=True, **options)
    return accelerator, *accelerator.prepare(network, optimizer, loader)


def train_tensors(job: TensorJob) -> Learned:
    """Train as its documentation shows."""
    network = job.network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr, fused=True)
    loader = DataLoader(TensorDataset(job.x, job.y), job.batch_size, shuffle=job.is_shuffled)
    accelerator, network, optimizer, loader = prepared(network, optimizer, loader)
    total, correct = 0.0, 0
    for _ in range(job.epochs):
        total, correct = 0.0, 0
        for x, y in loader:
            optimizer.zero_grad()
            outputs = network(x)
            loss = F.cross_entropy(outputs, y)
            accelerator.backward(loss)
            optimizer.step()
            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
    return Learned(total / len(job.x), list(network.parameters()))


def train_texts(job: TextJob) -> Learned:
    """Fine-tune as its documentation shows."""
    network, total = job.network(), 0.0
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr, fused=True)
    order: Any = {"shuffle": job.is_shuffled, "generator": job.generator()}
    loader = DataLoader(job.features, job.batch_size, collate_fn=job.collator(), **order)
    accelerator, network, optimizer, loader = prepared(network, optimizer, loader)
    network.train()
    job.clock.start()
    for batch in loader:
        optimizer.zero_grad()
        loss = network(**batch).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(network.parameters(), job.clip_norm)
        optimizer.step()
        total += loss.item() * len(batch["labels"])
    return Learned(total / len(job.features))


def accumulate(job: AccumulationJob) -> Tensor:
    """Use its `accumulate`, which divides each micro-batch's mean by their number."""
    network = job.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    parts = job.parts()
    loader = DataLoader(job.dataset(), job.micro_batch)
    found = prepared(network, optimizer, loader, gradient_accumulation_steps=len(parts))
    accelerator, network, optimizer, loader = found
    for batch in loader:
        with accelerator.accumulate(network):
            accelerator.backward(job.loss(network(batch["x"]), batch["y"]))
            if accelerator.sync_gradients and job.clip_norm is not None:
                accelerator.clip_grad_norm_(network.parameters(), job.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
    return job.moved(network)
