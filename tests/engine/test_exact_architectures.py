"""The exact step through real architectures: tiny random configurations, in float64, dropout off."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
)

from keraslike import Model, ModelWrapper, TransformerCollator
from tests.engine import by_hand as hand
from tests.tiny import make_tokenizer, texts_with_labels

VOCABULARY, ROWS, BATCH = 40, 11, 4  # three steps: 4, 4, 3
EXACT = 1e-10
ROUNDED = 1e-6  # where the network or its head goes through float32
SIZES = {"vocab_size": VOCABULARY, "max_position_embeddings": 80, "pad_token_id": 0, "num_labels": 3}
WIDTH = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def bert_config(**sizes):
    return BertConfig(**SIZES | WIDTH | CALM | sizes)


def roberta_config(**sizes):
    return RobertaConfig(**SIZES | WIDTH | CALM | sizes)


def distilbert_config(**sizes):
    calm = {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    return DistilBertConfig(**SIZES | {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24} | calm | sizes)


def llama_config(**sizes):
    return LlamaConfig(
        **SIZES | WIDTH | {"num_key_value_heads": 1, "attention_dropout": 0.0, "classifier_dropout": 0.0} | sizes
    )


@dataclass(frozen=True)
class Head:
    network: Any
    config: Callable[..., Any]
    tolerance: float
    kind: str  # "sequence", "token", "masked", "causal"


HEADS = {
    "BERT sequence": Head(BertForSequenceClassification, bert_config, EXACT, "sequence"),
    "BERT token": Head(BertForTokenClassification, bert_config, EXACT, "token"),
    "BERT masked": Head(BertForMaskedLM, bert_config, EXACT, "masked"),
    "DistilBERT sequence": Head(DistilBertForSequenceClassification, distilbert_config, EXACT, "sequence"),
    "DistilBERT token": Head(DistilBertForTokenClassification, distilbert_config, EXACT, "token"),
    "DistilBERT masked": Head(DistilBertForMaskedLM, distilbert_config, EXACT, "masked"),
    "RoBERTa sequence": Head(RobertaForSequenceClassification, roberta_config, EXACT, "sequence"),
    "RoBERTa token": Head(RobertaForTokenClassification, roberta_config, EXACT, "token"),
    "RoBERTa masked": Head(RobertaForMaskedLM, roberta_config, EXACT, "masked"),
    "Llama sequence": Head(LlamaForSequenceClassification, llama_config, ROUNDED, "sequence"),
    "Llama token": Head(LlamaForTokenClassification, llama_config, ROUNDED, "token"),
    "Llama causal": Head(LlamaForCausalLM, llama_config, ROUNDED, "causal"),
}
SPLITS = {"whole": None, "one by one": 1, "two halves": 2, "ragged": 3, "auto": "auto", "out of memory": "auto"}


def make_network(head: Head, **sizes: Any) -> Any:
    """Give a network of its own, always with the same weights."""
    return deepcopy(_make_network(head, tuple(sizes.items())))


@cache
def _make_network(head: Head, sizes: tuple[tuple[str, Any], ...]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = head.network(head.config(**dict(sizes)))
        for parameter in network.parameters():  # at the usual 0.02 the gradients are nearly zero
            parameter.data.add_(torch.randn_like(parameter) / 5)
    network.tie_weights()
    return network.double()


def make_rows(kind: str) -> list[dict[str, Any]]:
    """Give rows of ragged ids and their labels: whole rows, and many tokens, have none."""
    generator = torch.Generator().manual_seed(2)
    rows = []
    for number in range(ROWS):
        length = 3 + (5 * number) % 8
        ids = torch.randint(4, VOCABULARY, (length,), generator=generator)
        labels = torch.randint(3, (length,), generator=generator) if kind == "token" else ids.clone()
        labels[1 :: 2 + number % 2] = -100
        if number in (2, 3, 7):
            labels[:] = -100
        label = int(torch.randint(3, (), generator=generator))
        rows.append({"input_ids": ids.tolist(), "labels": label if kind == "sequence" else labels.tolist()})
    return rows


def padded(rows: list[dict[str, Any]]) -> tuple[dict[str, Tensor], Tensor]:
    """Pad by hand: ids by 0, masks by 0, labels by -100."""
    width = max(len(row["input_ids"]) for row in rows)

    def fill(values: list[int], value: int) -> list[int]:
        return [*values, *[value] * (width - len(values))]

    ids = torch.tensor([fill(row["input_ids"], 0) for row in rows])
    masks = torch.tensor([fill([1] * len(row["input_ids"]), 0) for row in rows])
    is_one = isinstance(rows[0]["labels"], int)
    labels = torch.tensor([row["labels"] if is_one else fill(row["labels"], -100) for row in rows])
    return {"input_ids": ids, "attention_mask": masks}, labels


def read(logits: Tensor, labels: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Bring logits and labels together: classes before tokens, and for a causal head each token before the next."""
    if kind == "causal":
        logits, labels = logits[:, :-1], labels[:, 1:]
    return (logits, labels) if kind == "sequence" else (logits.transpose(1, 2), labels)


@cache
def by_hand(head: Head, size: int = BATCH) -> tuple[Any, float]:
    """Train on big batches in plain torch, and give the network and the loss of the epoch."""
    network, rows = make_network(head), make_rows(head.kind)
    batches = [padded(rows[start : start + size]) for start in range(0, ROWS, size)]
    forward = nn.Module()
    forward.network, forward.forward = network, lambda inputs: network(**inputs).logits

    def loss(logits: Tensor, labels: Tensor, _: None) -> tuple[Tensor, Tensor]:
        return hand.cross_entropy(*read(logits, labels, head.kind))

    return network, hand.learn(forward, hand.sgd(network, 0.05), loss, [(x, y, None) for x, y in batches])


def make_loader(kind: str, *, batch_size: int = BATCH, remove_labels: bool) -> DataLoader[Any]:
    collate = TransformerCollator(y_keys="labels", remove_labels=remove_labels)
    return DataLoader(make_rows(kind), batch_size=batch_size, collate_fn=collate)


@pytest.mark.parametrize("name", HEADS)
def test_the_reference(name):
    """The loss by hand is that of the head itself on the same padded batch."""
    head = HEADS[name]
    network = make_network(head).eval()
    inputs, labels = padded(make_rows(head.kind))

    outputs = network(**inputs, labels=labels)

    sums, counts = hand.cross_entropy(*read(outputs.logits, labels, head.kind))
    assert (sums.sum() / counts.sum()).item() == pytest.approx(outputs.loss.item(), rel=ROUNDED)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", HEADS)
def test_the_heads_own_loss(name, split):
    """Labels among the inputs and the loss left at "auto": the head's mean, over the labelled tokens of the batch."""
    head = HEADS[name]
    reference, loss = by_hand(head)
    network = make_network(head)

    model = Model(network, hand.sgd(network, 0.05), device="cpu")
    limit = hand.Limit(model.network, 1, after=1) if split == "out of memory" else None
    history = model.fit(make_loader(head.kind, remove_labels=False), micro_batch_size=SPLITS[split], verbose=0)

    assert limit is None or limit.hits > 0
    assert hand.largest_difference(network, reference) <= max(head.tolerance, ROUNDED if split == "whole" else 0)
    assert history[0]["loss"] == pytest.approx(loss, rel=ROUNDED)


def summed(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    classes = logits if logits.ndim == 2 else logits.transpose(1, 2)
    return F.cross_entropy(classes, labels, reduction="sum"), (labels != -100).sum()


def summed_behind(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return summed(logits[:, :-1], labels[:, 1:])


@pytest.mark.parametrize("split", ["whole", "one by one", "two halves", "ragged"])
@pytest.mark.parametrize("name", HEADS)
def test_a_function_by_name(name, split):
    """`def loss(logits, labels)` that gives (sum, count), with the labels kept out of the network."""
    head = HEADS[name]
    reference, loss = by_hand(head)
    network = make_network(head)
    function = summed_behind if head.kind == "causal" else summed

    model = Model(ModelWrapper(network), hand.sgd(network, 0.05), function, device="cpu")
    history = model.fit(make_loader(head.kind, remove_labels=True), micro_batch_size=SPLITS[split], verbose=0)

    assert hand.largest_difference(network, reference) <= head.tolerance
    assert history[0]["loss"] == pytest.approx(loss, rel=head.tolerance)


@pytest.mark.parametrize("micro_batch_size", [None, 1, "auto"])
@pytest.mark.parametrize("way", ["head", "function"])
@pytest.mark.parametrize("name", HEADS)
def test_batches_per_step(name, way, micro_batch_size):
    """Two batches of a loader, padded each to its own width, make a step, and so does a last short group of one."""
    head = HEADS[name]
    reference, loss = by_hand(head, 8)  # 4 + 4, then 3
    network = make_network(head)
    function = summed_behind if head.kind == "causal" else summed

    model = Model(ModelWrapper(network), hand.sgd(network, 0.05), "auto" if way == "head" else function, device="cpu")
    loader = make_loader(head.kind, remove_labels=way == "function")
    history = model.fit(loader, batches_per_step=2, micro_batch_size=micro_batch_size, verbose=0)

    tolerance = head.tolerance if way == "function" else ROUNDED  # a part may be the head's own float32 mean
    assert hand.largest_difference(network, reference) <= tolerance
    assert history[0]["loss"] == pytest.approx(loss, rel=ROUNDED)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", [name for name in HEADS if "sequence" in name])
def test_text_classification(name, split):
    """Through the task: labels stay out of the network, every part is padded to its own longest text."""
    head = HEADS[name]
    tokenizer = make_tokenizer("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
    texts, labels = (column[14:29] for column in texts_with_labels())
    texts = [f"{text} " * (1 + 5 * (row % 4 == 1)) for row, text in enumerate(texts)]
    sizes = {"vocab_size": len(tokenizer), "num_labels": 2, "pad_token_id": tokenizer.pad_token_id}
    reference, network = make_network(head, **sizes), make_network(head, **sizes)
    optimizer = hand.sgd(reference, 0.05)
    targets = torch.tensor([["bad", "good"].index(label) for label in labels])
    total = 0.0
    for rows in torch.arange(len(texts)).split(6):
        optimizer.zero_grad()
        inputs = tokenizer(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        loss = F.cross_entropy(reference(**inputs).logits, targets[rows])
        loss.backward()
        assert nn.utils.clip_grad_norm_(reference.parameters(), 0.1) > 0.1
        optimizer.step()
        total += loss.item() * len(rows)

    model = Model(network, hand.sgd(network, 0.05), task="text-classification", tokenizer=tokenizer, device="cpu")
    limit = hand.Limit(model.network, 1, after=1) if split == "out of memory" else None
    options = {"epochs": 1, "batch_size": 6, "shuffle": False, "schedule": None, "clip_norm": 0.1, "verbose": 0}
    history = model.fit(texts, labels, micro_batch_size=SPLITS[split], **options)

    assert limit is None or limit.hits > 0
    assert hand.largest_difference(network, reference) <= head.tolerance
    assert history[0]["loss"] == pytest.approx(total / len(texts), rel=head.tolerance)
