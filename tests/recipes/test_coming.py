"""The coming steps of a run, counted without being made, beside what the engine makes of them."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from transformers import BertConfig, BertForSequenceClassification

from keraslike.data.batches import TensorBatches
from keraslike.data.cutting import Cut
from keraslike.data.features import Feature, FeatureBatches
from keraslike.engine.padding_free import PaddingFree
from keraslike.engine.run import Run
from keraslike.engine.step import Cutting
from keraslike.recipes.coming import ChosenBatches, Coming
from keraslike.recipes.stopwatch import Line
from keraslike.tracking.history import History

CUTS = [Cut(), Cut(size=3), Cut(price=5.0), Cut(price=5.0, limit=2), Cut(tokens=20)]


def features(count: int = 23, **further: Any) -> list[dict[str, Any]]:
    lengths = default_rng(0).integers(1, 12, count)
    return [
        {"input_ids": [1] * int(length), "row": row, **{name: make(int(length)) for name, make in further.items()}}
        for row, length in enumerate(lengths)
    ]


def run_of(batches: Any, cut: Cut, padding_free: PaddingFree | None = None, **options: Any) -> Run:
    cutting = Cutting(cut, None, lambda _: None, lambda _: None, padding_free=padding_free)
    none: Any = None
    return Run(batches, None, none, History(), cutting, 2, **{"steps_per_epoch": len(batches), **options})


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("width", [False, True])
@pytest.mark.parametrize("options", [{}, {"batches_per_step": 2}, {"steps_per_epoch": 9, "epochs_before": 3}], ids=str)
def test_counts_what_the_batches_hold(cut: Cut, width: bool, options: dict[str, Any]):
    """Examples, tokens and the largest part of each step are those of the batches, made and cut."""
    rows = features(width=lambda length: length % 3) if width else features()
    batches = FeatureBatches(rows, lambda chosen: (len(chosen), None), batch_size=4, seed=5)
    run = run_of(batches, cut, **options)
    found = Coming(run).epoch(2)
    batches.set_epoch(run.epochs_before + 2)
    made = [list(batch.parts(cut)) for _ in range(2) for batch in batches][: run.steps_per_epoch]
    steps = [
        [part for parts in made[start : start + run.batches_per_step] for part in parts]
        for start in range(0, len(made), run.batches_per_step)
    ]

    assert found.sizes.tolist() == [sum(part.size for part in parts) for parts in steps]
    assert found.sent.tolist() == [sum(part.sent_tokens for part in parts) for parts in steps]
    assert found.real.tolist() == [sum(part.real_tokens for part in parts) for parts in steps]
    assert found.largest.tolist() == [max(part.sent_tokens for part in parts) for parts in steps]


def padded(chosen: list[Feature]) -> tuple[dict[str, torch.Tensor], None]:
    """Pad on the right, as tokenizers do."""
    lengths = torch.tensor([len(feature["input_ids"]) for feature in chosen])
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    return {"input_ids": mask, "attention_mask": mask}, None


def test_counts_what_layers_without_padding_are_given():
    """Batches with little padding go through as they are, those with more without it: as the layers' own count says."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    network = BertForSequenceClassification(BertConfig(vocab_size=4, max_position_embeddings=16, **sizes))
    batches = FeatureBatches(features(), padded, batch_size=4, seed=5)
    batches.set_epoch(1)
    parts = [part for batch in batches for part in batch.parts(Cut())]
    paddings = sorted(part.sent_tokens - part.real_tokens for part in parts)
    free = PaddingFree.of(network, worth=paddings[len(paddings) // 2])
    assert free is not None
    found = Coming(run_of(batches, Cut(), free)).epoch(1)
    with free.in_force(), torch.no_grad():
        for part in parts:
            network(**part.x)

    assert paddings[0] < free.worth < paddings[-1]
    assert found.sent.tolist() == found.largest.tolist() == free.sent
    assert found.real.tolist() == [part.real_tokens for part in parts]


@pytest.mark.parametrize(("size", "largest"), [(None, [4, 4, 2]), (3, [3, 3, 2])])
def test_counts_examples_where_there_are_no_tokens(size: int | None, largest: list[int]):
    """Tensors have no lengths: a part is as large as it has examples."""
    batches = TensorBatches((torch.zeros(10, 2), torch.zeros(10)), batch_size=4, seed=None)
    found = Coming(run_of(batches, Cut(size=size))).epoch(1)

    assert (found.sizes.tolist(), found.largest.tolist(), found.sent.any()) == ([4, 4, 2], largest, False)


def test_longest_examples_come_first():
    """The longest ones; of tensors, which are all alike, the first ones."""
    rows = features()
    run = run_of(FeatureBatches(rows, lambda chosen: (len(chosen), None), batch_size=4), Cut())
    lengths = [len(row["input_ids"]) for row in rows]

    assert [lengths[place] for place in Coming(run).longest(5)] == sorted(lengths, reverse=True)[:5]
    assert Coming(run_of(TensorBatches((torch.zeros(3, 1), torch.zeros(3)), 2, None), Cut())).longest(9).tolist() == [
        0,
        1,
        2,
    ]


def test_inputs_alone_are_not_known():
    """Batches of inputs without targets are none to learn from."""
    batches = TensorBatches(torch.zeros(3, 1), 2, None, is_labelled=False)

    assert not Coming.is_known(run_of(batches, Cut()))


def test_chosen_batches_are_those_of_the_source():
    """They have the source's examples, weights and row numbers, in the order of the keys."""
    columns = (torch.arange(6.0).reshape(6, 1), torch.arange(6), torch.arange(6) / 2)
    keys = [np.array([5, 1]), np.array([2])]
    batches = ChosenBatches(TensorBatches(columns, 2, None), keys)
    batches.set_epoch(3)
    made = list(batches)

    assert len(batches) == 2
    assert [batch.y.tolist() for batch in made] == [[5, 1], [2]]
    assert [batch.weight.tolist() for batch in made] == [[2.5, 0.5], [1.0]]
    assert batches.source.epoch == 3


LINES = [
    ([1, 2, 3], [3.0, 5.0, 7.0], (1.0, 2.0)),
    ([2, 2, 2], [3.0, 5.0, 7.0], (5.0, 0.0)),
    ([4], [3.0], (3.0, 0.0)),
    ([1, 2, 3], [3.0, 2.0, 1.0], (2.0, 0.0)),
    ([1, 2], [1.0, 3.0], (0.0, 7 / 5)),
]


@pytest.mark.parametrize(("amounts", "seconds", "expected"), LINES)
def test_lines(amounts: list[float], seconds: list[float], expected: tuple[float, float]):
    """The best line; level where it would fall, or amounts are alike; through the origin where it would begin below."""
    line = Line.through(amounts, seconds)

    assert (line.fixed, line.each) == pytest.approx(expected)
