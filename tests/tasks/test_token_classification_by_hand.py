"""Token classification beside a loop written by hand with transformers and torch alone, and beside its pipeline."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from keraslike import Model
from keraslike.tasks import TokenClassification
from tests.engine import by_hand as hand
from tests.engine.loops import batches_by_hand, weights_of
from tests.tasks.cases.token_classification import TAGS, WORDS

SEED = 7
NAMES = ["B-bad", "B-good", "O"]


def decaying_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Matrices decay, biases and norms do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    return [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]


def batch_by_hand(tokenizer: Any, rows: Any, label_all_pieces: bool = False) -> tuple[Any, torch.Tensor]:
    """Give padded inputs, and labels as transformers' own tutorial makes them."""
    inputs = tokenizer([WORDS[row] for row in rows], is_split_into_words=True, padding=True, return_tensors="pt")
    labels = torch.full(inputs["input_ids"].shape, -100)
    for place, row in enumerate(rows):
        before = None
        for token, word in enumerate(inputs.word_ids(place)):
            if word is not None and (label_all_pieces or word != before):
                labels[place, token] = NAMES.index(TAGS[row][word])
            before = word
    return inputs, labels


def fine_tuned_by_hand(folder: Path, label_all_pieces: bool, weight: torch.Tensor | None = None) -> nn.Module:
    """Train 20 updates by the recipe of a fine-tuning, in plain torch."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    random.seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForTokenClassification.from_pretrained(folder, num_labels=3)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    optimizer = torch.optim.AdamW(decaying_groups(network), lr=5e-5, fused=True)
    updates = 4 * math.ceil(len(WORDS) / 8)
    warm = math.ceil(0.1 * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, 5):
        for rows in batches_by_hand(len(WORDS), 8, SEED, epoch):
            inputs, labels = batch_by_hand(tokenizer, rows.tolist(), label_all_pieces)
            optimizer.zero_grad()
            logits = network(**inputs).logits
            F.cross_entropy(logits.view(-1, 3), labels.view(-1), weight).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    assert updates == 20
    return network


@pytest.mark.parametrize("label_all_pieces", [False, True], ids=["first piece", "all pieces"])
@pytest.mark.parametrize("kind", ["bert", "distilbert", "gpt2"])
def test_twenty_updates(kind: str, label_all_pieces: bool, request: pytest.FixtureRequest):
    """Twenty updates have the bits of a loop written by hand."""
    folder = request.getfixturevalue(f"tiny_{kind}")
    expected = fine_tuned_by_hand(folder, label_all_pieces)
    model = Model(str(folder), task=TokenClassification(label_all_pieces=label_all_pieces), device="cpu")

    model.fit(WORDS, TAGS, epochs=4, batch_size=8, micro_batch_size=None, seed=SEED, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(expected))


WEIGHTS = {"B-bad": 2.0, "B-good": 0.5}


def balanced() -> torch.Tensor:
    """Give scikit-learn's balanced weights of the words' labels."""
    from sklearn.utils.class_weight import compute_class_weight

    flat = [tag for tags in TAGS for tag in tags]
    return torch.tensor(compute_class_weight("balanced", classes=np.array(NAMES), y=flat), dtype=torch.float32)


@pytest.mark.parametrize("kind", ["by label", "balanced"])
def test_class_weight(kind: str, tiny_bert: Path):
    """Classes weigh in the loss as in torch's own, and are counted by words."""
    weight, given = (torch.tensor([2.0, 0.5, 1.0]), WEIGHTS) if kind == "by label" else (balanced(), "balanced")
    expected = fine_tuned_by_hand(tiny_bert, False, weight)
    model = Model(str(tiny_bert), task="token-classification", device="cpu")

    chosen: dict[str, Any] = {"epochs": 4, "batch_size": 8, "micro_batch_size": None, "seed": SEED, "verbose": 0}
    model.fit(WORDS, TAGS, class_weight=given, **chosen)

    torch.testing.assert_close(weights_of(model.network), weights_of(expected), rtol=0, atol=0)


def test_class_weight_over_batches_of_any_width(tiny_bert: Path):
    """Labels are counted over batches that are padded to different widths."""
    chosen: dict[str, Any] = {"epochs": 1, "batch_size": 10, "shuffle": False, "seed": SEED, "verbose": 0}
    counted, named = (Model(str(tiny_bert), task="token-classification", device="cpu") for _ in range(2))

    counted.fit(WORDS, TAGS, class_weight="balanced", **chosen)
    named.fit(WORDS, TAGS, class_weight=dict(zip(NAMES, balanced().tolist(), strict=True)), **chosen)

    torch.testing.assert_close(weights_of(counted.network), weights_of(named.network), rtol=0, atol=1e-6)


# In float64 and without dropout, any cut of a batch has the gradient of the whole


def without_dropout(folder: Path) -> nn.Module:
    torch.manual_seed(0)
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    network: nn.Module = AutoModelForTokenClassification.from_pretrained(folder, num_labels=3, **off)
    return network.double()


LONG = [WORDS[0] * 40, *WORDS[1:]]
"""The first row is of several windows."""


def fitted(folder: Path, **options: Any) -> nn.Module:
    network = without_dropout(folder)
    task = TokenClassification(labels=NAMES, stride=5)
    model = Model(network, optimizer=hand.sgd(network, 0.1), task=task, device="cpu")
    known: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "schedule": None, "clip_norm": None}
    model.fit(LONG, [TAGS[0] * 40, *TAGS[1:]], verbose=0, seed=0, **known, **options)
    return network


@pytest.mark.parametrize("size", [1, 3, 7, "auto"])
@pytest.mark.parametrize("weighs", [False, True], ids=["plain", "sample weights"])
def test_micro_batches(size: Any, weighs: bool, tiny_bert: Path):
    """Micro-batches of any size, one without a counted word among them, change the weights as the whole batch does."""
    options = {"sample_weight": np.linspace(0, 2, len(WORDS))} if weighs else {}
    expected = fitted(tiny_bert, micro_batch_size=None, **options)

    network = fitted(tiny_bert, micro_batch_size=size, **options)

    assert hand.largest_difference(network, expected) < 1e-10


def test_sample_weights(tiny_bert: Path):
    """A row's words count as often as the row weighs: the gradient of the weighted sum over the weighted count."""
    weights = np.linspace(0.5, 2, 8)
    by_hand, network = without_dropout(tiny_bert), without_dropout(tiny_bert)
    inputs, labels = batch_by_hand(AutoTokenizer.from_pretrained(tiny_bert), range(8))
    optimizer = hand.sgd(by_hand, 0.1)
    each = torch.from_numpy(weights)[:, None].expand(labels.shape)
    losses = F.cross_entropy(by_hand.train()(**inputs).logits.transpose(1, 2), labels, reduction="none")
    ((losses * each).sum() / each[labels != -100].sum()).backward()
    optimizer.step()

    task = TokenClassification(labels=NAMES)
    model = Model(network, optimizer=hand.sgd(network, 0.1), task=task, device="cpu")
    model.fit(
        WORDS[:8], TAGS[:8], batch_size=8, epochs=1, sample_weight=weights, schedule=None, clip_norm=None, verbose=0
    )

    assert hand.largest_difference(network, by_hand) < 1e-10


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "gpt2"])
def test_loss_is_the_heads(kind: str, request: pytest.FixtureRequest):
    """The loss of a batch is what transformers' own head computes from the same labels."""
    task = TokenClassification(labels=NAMES)
    network = task.build(str(request.getfixturevalue(f"tiny_{kind}"))).eval()
    rows = task.read(WORDS, TAGS)
    inputs, targets = task.collate(list(task.encode_rows(rows))[:9])

    with torch.no_grad():
        outputs = network(**inputs, labels=targets)
        ours = task.loss.mean(task.read_outputs(outputs), targets)

    assert ours.item() == pytest.approx(outputs.loss.item(), rel=1e-6)


# The saved model in other hands


@pytest.mark.parametrize("label_all_pieces", [False, True], ids=["first piece", "all pieces"])
@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
def test_pipeline(kind: str, label_all_pieces: bool, tmp_path: Path, request: pytest.FixtureRequest):
    """What is saved answers the same when loaded, and in transformers' pipeline at the first piece of each word."""
    task = TokenClassification(label_all_pieces=label_all_pieces)
    model = Model(str(request.getfixturevalue(f"tiny_{kind}")), task=task, device="cpu")
    model.fit(WORDS, TAGS, epochs=15, batch_size=8, learning_rate=5e-3, seed=0, verbose=0)
    words = [*WORDS, ["wonderfully", "zzz", "superb"]]

    model.save(tmp_path / "saved")

    again = Model.load(tmp_path / "saved", device="cpu")
    tagger = pipeline("token-classification", str(tmp_path / "saved"), ignore_labels=[], device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    found = model.predict(words)
    assert again.predict(words) == found
    assert {label for row in found for label in row} == set(NAMES)
    assert again.task.state() == model.task.state()
    for row, tokens in zip(words, tagger(words, is_split_into_words=True), strict=True):
        word_ids = tokenizer(row, is_split_into_words=True).word_ids()
        labels = {token["index"]: token["entity"] for token in tokens}
        assert [labels[word_ids.index(word)] for word in range(len(row))] == found[words.index(row)]


def test_a_checkpoint_of_its_own(tiny_bert: Path, tmp_path: Path):
    """A checkpoint with a token head answers at once, in its own labels, and goes on learning them."""
    network = AutoModelForTokenClassification.from_pretrained(
        tiny_bert, id2label=dict(enumerate(reversed(NAMES))), label2id={name: 2 - i for i, name in enumerate(NAMES)}
    )
    network.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    model = Model(str(tmp_path), task="token-classification", device="cpu")

    found = model.predict(WORDS[0])

    inputs = AutoTokenizer.from_pretrained(tmp_path)(WORDS[0], is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        ids = network.eval()(**inputs).logits[0, 1:-1].argmax(-1).tolist()
    assert found == [["O", "B-good", "B-bad"][label] for label in ids]
    before = weights_of(model.network)
    model.fit(WORDS, TAGS, epochs=1, learning_rate=1e-6, verbose=0)
    torch.testing.assert_close(weights_of(model.network), before, rtol=0, atol=1e-4)
    assert model.labels == ["O", "B-good", "B-bad"]
