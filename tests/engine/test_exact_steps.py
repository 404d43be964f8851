"""However a step is cut, its weights and its loss are those of one big batch: 1e-10 in float64, dropout off."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.errors import ArgumentError
from tests.engine import by_hand as hand
from tests.engine.letters import Letters, LettersTask, read, text_of
from tests.engine.loops import make_data, make_mlp

ROWS, BATCH = 37, 14  # three optimizer steps: 14, 14, 9
EXACT = 1e-10
WEIGHT = torch.tensor([0.2, 3.0, 1.3], dtype=torch.float64)
CLASS_WEIGHT = torch.tensor([0.5, 2.0, 1.25], dtype=torch.float64)
UNLABELLED = slice(0, 7)  # in the first batch: half of it, the first of 5 + 5 + 4, and single examples


def some_without_label(y: Tensor) -> Tensor:
    y = y.clone()
    y[UNLABELLED] = -100
    y[20] = -100
    return y


def of_tokens(y: Tensor, tokens: int = 5) -> Tensor:
    """Three classes for every token, some tokens and some whole examples without one."""
    given = torch.randint(3, (len(y), tokens), generator=torch.Generator().manual_seed(3))
    given[::3, 2:] = -100
    given[30] = -100
    return some_without_label(given)


@dataclass(frozen=True)
class Case:
    given: Any  # for Model(loss_function=)
    by_hand: hand.PerExample
    torchs: Callable[[Tensor, Tensor], Tensor]
    target_of: Callable[[Tensor], Tensor]
    weighs_by: Callable[[Tensor], Tensor] | None = lambda weight: weight  # the whole weight of a class_weight
    per_token: bool = False


LOSSES = {
    "cross-entropy": Case("cross_entropy", hand.cross_entropy, F.cross_entropy, some_without_label),
    "class weights": Case(
        nn.CrossEntropyLoss(WEIGHT),
        lambda outputs, y, weight: hand.cross_entropy(outputs, y, WEIGHT if weight is None else weight),
        partial(F.cross_entropy, weight=WEIGHT),
        some_without_label,
        lambda weight: weight * WEIGHT,
    ),
    "smoothing": Case(
        nn.CrossEntropyLoss(label_smoothing=0.2),
        partial(hand.cross_entropy, smoothing=0.2),
        partial(F.cross_entropy, label_smoothing=0.2),
        some_without_label,
    ),
    "several labels": Case(
        "bce_with_logits",
        hand.binary_cross_entropy,
        F.binary_cross_entropy_with_logits,
        lambda y: torch.stack([y == 0, y != 1, y == 2], 1).double(),
    ),
    "squared error": Case(
        "mse", hand.squared_error, F.mse_loss, lambda y: torch.stack([y, y * y - 1, 1 - y], 1).double(), None
    ),
    "tokens": Case("cross_entropy", hand.cross_entropy, F.cross_entropy, of_tokens, per_token=True),
}
MODES = ["plain", "clipped", "class_weight", "sample_weight"]
SPLITS = {"whole": None, "two halves": 7, "ragged": 5, "one by one": 1, "out of memory": None}
FITTING = [(loss, mode) for loss, case in LOSSES.items() for mode in MODES if case.weighs_by or mode != "class_weight"]


def sample_weights() -> Tensor:
    """Zero for whole parts of the last batch, so that nothing counts in them."""
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(4), dtype=torch.float64) + 0.1
    weights[28:33] = 0.0
    return weights


def arguments_of(mode: str) -> dict[str, Any]:
    """For `fit`."""
    return {
        "plain": {},
        "clipped": {"clip_norm": 0.02},
        "class_weight": {"class_weight": dict(enumerate(CLASS_WEIGHT.tolist()))},
        "sample_weight": {"sample_weight": sample_weights()},
    }[mode]


def by_one_big_batch(network: nn.Module, case: Case, mode: str, x: Any, y: Tensor) -> float:
    """Train by hand, and give the loss of the epoch; x is a tensor, or a function of the rows."""
    weights = sample_weights() if mode == "sample_weight" else None
    batches = hand.batches_of(BATCH, torch.arange(ROWS), y, weights)
    read = x if callable(x) else x.__getitem__
    return hand.learn(
        network,
        hand.sgd(network),
        case.by_hand,
        ((read(rows), y, weight) for rows, y, weight in batches),
        class_weight=case.weighs_by(CLASS_WEIGHT) if mode == "class_weight" and case.weighs_by else None,
        clip_norm=0.02 if mode == "clipped" else None,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_the_reference(name):
    """The losses by hand are torch's own: the sums by the counts are its mean, to the last digits."""
    case = LOSSES[name]
    x, y = make_data(ROWS, dtype=torch.float64)
    y = case.target_of(y)
    outputs = mlp(case)(x)

    sums, counts = case.by_hand(outputs, y, None)

    assert (sums.sum() / counts.sum()).item() == pytest.approx(case.torchs(outputs, y).item(), rel=1e-13)


# Tensors


def mlp(case: Case) -> nn.Module:
    network = make_mlp(outputs=15 if case.per_token else 3, dtype=torch.float64)
    return nn.Sequential(network, nn.Unflatten(1, (3, 5))) if case.per_token else network


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("name", "mode"), FITTING)
def test_tensors(name, mode, split):
    """Cut by number, or after memory ran out in the second step, parts without a counted label included."""
    case = LOSSES[name]
    x, y = make_data(ROWS, dtype=torch.float64)
    y = case.target_of(y)
    reference, network = mlp(case), mlp(case)
    loss = by_one_big_batch(reference, case, mode, x, y)
    limit = hand.Limit(network, 4, after=1) if split == "out of memory" else None

    model = Model(network, hand.sgd(network), case.given, device="cpu")
    history = model.fit(
        x, y, batch_size=BATCH, micro_batch_size=SPLITS[split], shuffle=False, verbose=0, **arguments_of(mode)
    )

    assert limit is None or limit.hits == 2  # 14, 7, then it fits
    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 2, "auto"])
@pytest.mark.parametrize("name", LOSSES)
def test_batches_of_a_loader(name, micro_batch_size):
    """Three batches of a loader make one step, a last short group of two is one too, whatever its parts count."""
    case = LOSSES[name]
    x, y = make_data(ROWS, dtype=torch.float64)
    y = case.target_of(y)
    reference, network = mlp(case), mlp(case)
    groups = [slice(0, 15), slice(15, 30), slice(30, 37)]
    loss = hand.learn(reference, hand.sgd(reference), case.by_hand, [(x[rows], y[rows], None) for rows in groups])

    model = Model(network, hand.sgd(network), case.given, device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=5)
    history = model.fit(loader, batches_per_step=3, micro_batch_size=micro_batch_size, verbose=0)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_sample_weights_of_a_loader(micro_batch_size):
    """A loader may yield (x, y, weights), also several batches per step."""
    case = LOSSES["tokens"]
    x, y = make_data(ROWS, dtype=torch.float64)
    y, weights = case.target_of(y), sample_weights()
    reference, network = mlp(case), mlp(case)
    groups = [slice(0, 10), slice(10, 20), slice(20, 30), slice(30, 37)]
    loss = hand.learn(reference, hand.sgd(reference), case.by_hand, [(x[g], y[g], weights[g]) for g in groups])

    model = Model(network, hand.sgd(network), case.given, device="cpu")
    loader = DataLoader(TensorDataset(x, y, weights), batch_size=5)
    history = model.fit(loader, batches_per_step=2, micro_batch_size=micro_batch_size, verbose=0)

    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_parameters_that_the_optimizer_does_not_hold(micro_batch_size):
    """They gather no gradients of earlier steps, which would be clipped along with those of this step."""
    x, y = make_data(ROWS, dtype=torch.float64)
    reference, network = make_mlp(dtype=torch.float64), make_mlp(dtype=torch.float64)
    optimizer = hand.sgd(reference[3])
    for rows in torch.arange(ROWS).split(BATCH):
        reference.zero_grad()
        F.cross_entropy(reference(x[rows]), y[rows]).backward()
        assert nn.utils.clip_grad_norm_(reference.parameters(), 0.2) > 0.2
        optimizer.step()

    model = Model(network, hand.sgd(network[3]), "cross_entropy", device="cpu")
    options = {"batch_size": BATCH, "micro_batch_size": micro_batch_size, "shuffle": False, "verbose": 0}
    model.fit(x, y, clip_norm=0.2, **options)

    assert hand.largest_difference(network, reference) <= EXACT


def test_numbers_have_no_classes_to_weigh():
    """A loss of numbers refuses class weights before the first step."""
    x, y = make_data(ROWS, dtype=torch.float64)
    network = make_mlp(dtype=torch.float64)
    before = [parameter.clone() for parameter in network.parameters()]
    model = Model(network, hand.sgd(network), "mse", device="cpu")

    with pytest.raises(ArgumentError, match="class_weight"):
        model.fit(x, F.one_hot(y, 3).double(), class_weight={0: 2.0}, verbose=0)

    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


# Rows of different lengths, for which "auto" sorts within the batch


LENGTHS = [90, 85, 80, 82, 75, 88, 89] + [3 + (5 * row) % 11 + 70 * (row % 6 == 0) for row in range(7, ROWS)]
TEXTS = [text_of(length, row) for row, length in enumerate(LENGTHS)]


def table_of(case: Case) -> Tensor:
    _, y = make_data(ROWS)
    if not case.per_token:
        return case.target_of(y)
    table = of_tokens(y, max(LENGTHS))
    for row, length in enumerate(LENGTHS):
        table[row, length:] = -100
    return table


def read_texts(rows: Tensor) -> Tensor:
    return read([TEXTS[row] for row in rows])


@pytest.mark.parametrize("split", ["auto", "auto, out of memory", *SPLITS])
@pytest.mark.parametrize(("name", "mode"), [pair for pair in FITTING if pair[1] != "class_weight"])
def test_texts(name, mode, split):
    """Sorted by length and cut where it costs least, or cut by number and padded to each part's own longest text."""
    case, table = LOSSES[name], table_of(LOSSES[name])
    reference, network = Letters(case.per_token), Letters(case.per_token)
    width = max(LENGTHS) if case.per_token else None
    loss = by_one_big_batch(
        reference,
        case,
        mode,
        lambda rows: F.pad(ids := read_texts(rows), (0, (width or ids.shape[1]) - ids.shape[1])),
        table,
    )
    limit = hand.Limit(network.hidden, 4 if "memory" in split else ROWS, after=1)

    model = Model(network, hand.sgd(network), task=LettersTask(case.given, table, case.per_token), device="cpu")
    history = model.fit(
        TEXTS,
        list(range(ROWS)),
        epochs=1,
        batch_size=BATCH,
        micro_batch_size=SPLITS.get(split, "auto"),
        schedule=None,
        shuffle=False,
        verbose=0,
        **{"clip_norm": None, **arguments_of(mode)},
    )

    assert limit.hits > 0 if "memory" in split else len(limit.sizes) > 3 or split == "whole"
    assert hand.largest_difference(network, reference) <= EXACT
    assert history[0]["loss"] == pytest.approx(loss, rel=EXACT)


@pytest.mark.parametrize("name", ["cross-entropy", "tokens"])
def test_shuffled_texts_keep_their_batches(name):
    """Sorting happens inside a batch: which rows are in it, and the order of batches, are those of plain shuffling."""
    case, table = LOSSES[name], table_of(LOSSES[name])
    reference, network = Letters(case.per_token), Letters(case.per_token)
    optimizer, losses = hand.sgd(reference), []
    for epoch in (1, 2):
        order = torch.from_numpy(np.random.default_rng((7, epoch)).permutation(ROWS))
        batches = [(read_texts(rows), table[rows], None) for rows in order.split(BATCH)]
        cut = [(x, y[:, : x.shape[1]] if case.per_token else y, w) for x, y, w in batches]
        losses.append(hand.learn(reference, optimizer, case.by_hand, cut))

    model = Model(network, hand.sgd(network), task=LettersTask(case.given, table, case.per_token), device="cpu")
    history = model.fit(
        TEXTS, list(range(ROWS)), epochs=2, batch_size=BATCH, schedule=None, clip_norm=None, seed=7, verbose=0
    )

    assert hand.largest_difference(network, reference) <= EXACT
    assert [row["loss"] for row in history] == pytest.approx(losses, rel=EXACT)


def test_sorting_saves_padding():
    """The cut of "auto" sends fewer padded tokens than whole batches do, and history counts them."""
    case = LOSSES["cross-entropy"]
    whole = sum(14 * max(LENGTHS[s : s + 14]) for s in (0, 14)) + 9 * max(LENGTHS[28:])
    sent = {}

    for micro_batch_size in (None, "auto"):
        network = Letters(per_token=False)
        seen: list[int] = []
        network.register_forward_pre_hook(
            lambda _, __, inputs, seen=seen: seen.append(inputs["input_ids"].numel()), with_kwargs=True
        )
        model = Model(network, hand.sgd(network), task=LettersTask(case.given, table_of(case)), device="cpu")
        options = {"epochs": 1, "batch_size": BATCH, "shuffle": False, "verbose": 0}
        history = model.fit(TEXTS, list(range(ROWS)), micro_batch_size=micro_batch_size, **options)
        sent[micro_batch_size] = sum(seen)
        assert (history.tokens_real, history.tokens_sent) == (sum(LENGTHS), sum(seen))
        assert history.padding == pytest.approx(1 - sum(LENGTHS) / sum(seen))

    assert sent[None] == whole
    assert sent["auto"] < 0.75 * whole
    assert sent["auto"] > sum(LENGTHS)
