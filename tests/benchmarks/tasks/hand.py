"""A training loop as anyone may write it with torch and transformers, for features that are dicts."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import torch
import transformers
from torch import Tensor

from .run import BATCH, RATE, Run

PARTS = 4
"""A batch goes through in so many parts, the shortest features first: less padding, the same step."""

FILLS = {"labels": -100}
"""What features are padded with; else 0, which is the padding's id in the models here."""

Feature = dict[str, Any]
Batch = dict[str, Tensor]


def loaded(run: Run, auto_class: Any, **options: Any) -> Any:
    """Give the body under a new head that the seed draws."""
    torch.manual_seed(run.seed)
    return auto_class.from_pretrained(run.model, **options)


def pad(features: Sequence[Feature]) -> Batch:
    """Make a batch, padded to its longest feature."""
    batch = {}
    for name in features[0]:
        values = [torch.as_tensor(feature[name]) for feature in features]
        padding = {"batch_first": True, "padding_value": FILLS.get(name, 0)}
        batch[name] = torch.nn.utils.rnn.pad_sequence(values, **padding) if values[0].dim() else torch.stack(values)
    return batch


def own_loss(network: Any, batch: Batch) -> Tensor:
    """Give the loss that the head of transformers computes."""
    loss: Tensor = network(**batch).loss
    return loss


def rows_of(batch: Batch) -> int:
    """Count rows."""
    return len(batch["input_ids"])


def labels_of(batch: Batch) -> int:
    """Count the tokens that have a label."""
    return int((batch["labels"] != -100).sum())


def fine_tune(
    run: Run,
    network: Any,
    features: Callable[[int], Sequence[Feature]],
    weight: Callable[[Batch], int] = rows_of,
    loss: Callable[[Any, Batch], Tensor] = own_loss,
) -> None:
    """Train.

    Args:
        run: how long, and the seed.
        network: to be trained.
        features: gives those of an epoch; as many in each.
        weight: what the loss is a mean over, counted in a batch.
        loss: of a batch.
    """
    steps = run.updates or run.epochs * -(-len(features(1)) // BATCH)
    optimizer, schedule = recipe(network, steps)
    network.train()
    for _, batch in zip(range(steps), batches(features, run.seed), strict=False):
        optimizer.zero_grad()
        ordered = sorted(batch, key=lambda feature: len(feature["input_ids"]))
        size = -(-len(ordered) // PARTS)
        parts = [pad(ordered[start : start + size]) for start in range(0, len(ordered), size)]
        weights = [weight(part) for part in parts]
        for part, own in zip(parts, weights, strict=True):
            if own:
                (loss(network, part) * (own / sum(weights))).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def recipe(network: Any, steps: int) -> tuple[Any, Any]:
    """Give AdamW without decay of biases and norms, and a rate that rises for a tenth of the steps and then falls."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in network.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)
    return optimizer, transformers.get_linear_schedule_with_warmup(optimizer, -(-steps // 10), steps)


def batches(features: Callable[[int], Sequence[Feature]], seed: int) -> Iterator[list[Feature]]:
    """Give batches without end, shuffled anew in each epoch."""
    generator = torch.Generator().manual_seed(seed)
    for epoch in count(1):
        own = features(epoch)
        for rows in torch.randperm(len(own), generator=generator).split(BATCH):
            yield [own[row] for row in rows.tolist()]


@torch.inference_mode()
def outputs(network: Any, features: Sequence[Feature], read: Callable[[Any], Tensor]) -> list[Tensor]:
    """Give for each feature what `read` takes from the network's outputs; the features have no labels."""
    network.eval()
    found: dict[int, Tensor] = {}
    order = sorted(range(len(features)), key=lambda index: len(features[index]["input_ids"]))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        found |= dict(zip(rows, read(network(**pad([features[row] for row in rows]))), strict=True))
    return [found[row] for row in range(len(features))]
