"""The loop that courses teach: a DataLoader, every batch padded to its longest text, `.item()` at every step."""

from typing import Any

import torch
import torch.nn.functional as F
from jobs import AccumulationJob, Learned, TensorJob, TextJob
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


def train_tensors(job: TensorJob) -> Learned:
    """Train as anyone would write it."""
    network = job.network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr)
    loader = DataLoader(TensorDataset(job.x, job.y), job.batch_size, shuffle=job.is_shuffled)
    total, correct = 0.0, 0
    for _ in range(job.epochs):
        total, correct = 0.0, 0
        for x, y in loader:
            optimizer.zero_grad()
            outputs = network(x)
            loss = F.cross_entropy(outputs, y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
    return Learned(total / len(job.x), list(network.parameters()))


def train_texts(job: TextJob) -> Learned:
    """Fine-tune as anyone would write it."""
    network, total = job.network(), 0.0
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr)
    order: Any = {"shuffle": job.is_shuffled, "generator": job.generator()}
    loader = DataLoader(job.features, job.batch_size, collate_fn=job.collator(), **order)
    network.train()
    job.clock.start()
    for batch in loader:
        optimizer.zero_grad()
        loss = network(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), job.clip_norm)
        optimizer.step()
        total += loss.item() * len(batch["labels"])
    return Learned(total / len(job.features))


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Tokenize and pad batch by batch, in the order given."""
    network.eval()
    found: list[str] = []
    with torch.no_grad():
        for start in range(0, len(job.texts), job.batch_size):
            texts = job.texts[start : start + job.batch_size]
            batch = job.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            found += [job.kinds[index] for index in network(**batch).logits.argmax(-1).tolist()]
    return found


def accumulate(job: AccumulationJob) -> Tensor:
    """Divide each micro-batch's mean by their number, as courses teach it."""
    network = job.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    parts = job.parts()
    for part in parts:
        (job.loss(network(part["x"]), part["y"]) / len(parts)).backward()
    if job.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(network.parameters(), job.clip_norm)
    optimizer.step()
    return job.moved(network)
