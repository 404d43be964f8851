"""The best loop that we can write: nothing is read from a tensor, copied, looked up or padded without need."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jobs import Learned, TensorJob, TextJob

TOKEN_BUDGET = 384  # padded tokens that go through at once when predicting; more is slower on a core, by padding


def train_tensors(job: TensorJob) -> Learned:
    """Shuffle once per epoch, slice, and let the sums stay tensors."""
    network = job.network()
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=job.lr, fused=True)
    total = correct = torch.zeros(())
    for _ in range(job.epochs):
        order = torch.randperm(len(job.x)) if job.is_shuffled else torch.arange(len(job.x))
        total, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
        x, y = job.x[order].split(job.batch_size), job.y[order].split(job.batch_size)
        for inputs, targets in zip(x, y, strict=True):
            outputs = network(inputs)
            loss = F.cross_entropy(outputs, targets)
            for parameter in parameters:
                parameter.grad = None
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                total += loss
                correct += (outputs.argmax(1) == targets).sum()
    return Learned(float(total) * job.batch_size / len(job.x), parameters)


def train_texts(job: TextJob, pool: int = 0) -> Learned:
    """Fine-tune on batches of texts of like length, padded before the loop begins; other batches than by a shuffle.

    With a pool the batches are cut from so many batches' worth of texts, as in a long epoch, and some of them taken.
    """
    network = job.network()
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=job.lr, fused=True)
    rows = from_pool(job, pool) if pool and job.is_shuffled else bucketed(job)
    batches, total = [{**job.collator()(batch)} for batch in rows], torch.zeros(())
    network.train()
    job.clock.start()
    for batch in batches:
        loss = network(**batch).loss
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, job.clip_norm)
        optimizer.step()
        with torch.no_grad():
            total += loss * len(batch["labels"])
    return Learned(float(total) / len(job.features), real_tokens=sum(tokens(row) for batch in rows for row in batch))


def tokens(feature: dict[str, Any]) -> int:
    """Give a text's length."""
    return len(feature["input_ids"])


def bucketed(job: TextJob) -> list[list[dict[str, Any]]]:
    """Sort the texts by length, cut them in batches, draw the batches' order; unshuffled: as they stand."""
    rows = sorted(job.features, key=tokens) if job.is_shuffled else job.features
    batches = [rows[start : start + job.batch_size] for start in range(0, len(rows), job.batch_size)]
    order = np.random.default_rng(job.seed).permutation(len(batches)) if job.is_shuffled else range(len(batches))
    return [batches[index] for index in order]


def from_pool(job: TextJob, pool: int) -> list[list[dict[str, Any]]]:
    """Cut batches of like lengths from many texts, and take some."""
    assert job.pool is not None
    rows = sorted(job.encode(*job.pool(pool * job.batch_size)), key=tokens)
    return some([rows[start : start + job.batch_size] for start in range(0, len(rows), job.batch_size)], job)


def some(batches: list[list[dict[str, Any]]], job: TextJob) -> list[list[dict[str, Any]]]:
    """Take every so-many-th batch, from the shortest to the longest, as many as the job's texts make.

    The first is chosen so that they have about as many tokens as the job's own texts: what a step costs whatever its
    length, the optimizer above all, then weighs the same.
    """
    counts = [sum(map(tokens, batch)) for batch in batches]
    order = sorted(range(len(batches)), key=counts.__getitem__)
    wanted = len(job.texts) // job.batch_size
    stride = len(batches) // wanted
    choices = [order[first::stride][:wanted] for first in range(stride)]
    nearest = min(choices, key=lambda choice: abs(sum(counts[index] for index in choice) - job.real_tokens))
    return [batches[index] for index in np.random.default_rng(job.seed).permutation(nearest)]


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Tokenize all at once, sort by length, fill batches by a budget of padded tokens."""
    ids = job.tokenizer(job.texts, truncation=True, return_attention_mask=False)["input_ids"]
    lengths = [len(row) for row in ids]
    order = sorted(range(len(ids)), key=lengths.__getitem__, reverse=True)
    found = [0] * len(ids)
    pad, start = job.tokenizer.pad_token_id, 0
    network.eval()
    with torch.inference_mode():
        while start < len(order):
            longest = lengths[order[start]]
            rows = order[start : start + max(TOKEN_BUDGET // longest, 1)]
            batch = np.full((len(rows), longest), pad)
            mask = np.zeros((len(rows), longest), dtype=np.int64)
            for place, row in enumerate(rows):
                batch[place, : lengths[row]], mask[place, : lengths[row]] = ids[row], 1
            logits = network(input_ids=torch.from_numpy(batch), attention_mask=torch.from_numpy(mask)).logits
            for row, index in zip(rows, logits.argmax(-1).tolist(), strict=True):
                found[row] = index
            start += len(rows)
    return [job.kinds[index] for index in found]
