"""A task of the user's own is a subclass with a few methods; `Model` does the rest."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import datasets
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from keraslike import Model, Task
from keraslike.data.dataset import as_dataset
from keraslike.data.encoding import Features
from keraslike.errors import DataError
from keraslike.losses import CrossEntropy, Loss
from keraslike.tasks.feed import Feed

WORDS = ["one", "two", "three", "four", "five six seven eight nine"]


class Counting(nn.Module):
    """Sums the letters' vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(128, 2)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.letters(input_ids).sum(1)


class Vowels(Task):
    """Whether a text has an "o", from windows of four letters: many features to a row, answers put together again."""

    name: ClassVar[str] = "vowels"

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        return source

    def encode(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        letters = [ord(letter) for letter in row["text"]]
        known = {"target": int(row["target"])} if "target" in row else {}
        return [{"input_ids": letters[start : start + 4], **known} for start in range(0, len(letters), 4)]

    def collate(self, features: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Tensor], Any]:
        width = max(len(feature["input_ids"]) for feature in features)
        ids = [[*feature["input_ids"], *[0] * (width - len(feature["input_ids"]))] for feature in features]
        targets = torch.tensor([f["target"] for f in features]) if "target" in features[0] else None
        return {"input_ids": torch.tensor(np.array(ids))}, targets

    @property
    def loss(self) -> Loss:
        return CrossEntropy()

    def decode(self, outputs: Tensor, features: Sequence[Mapping[str, Any]]) -> list[Any]:
        rows = [feature["row"] for feature in features]
        found = dict.fromkeys(rows, False)
        for row, is_found in zip(rows, outputs.argmax(1).tolist(), strict=True):
            found[row] |= bool(is_found)
        return list(found.values())


class Scrambled(Vowels):
    """The letters of a window in another order in every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[int]] = []

    def vary(self, feature: Mapping[str, Any], generator: np.random.Generator) -> Mapping[str, Any]:
        return {**feature, "input_ids": generator.permutation(feature["input_ids"])}

    def collate(self, features: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Tensor], Any]:
        self.seen += [list(map(int, feature["input_ids"])) for feature in features]
        return super().collate(features)


def targets_of(words: list[str]) -> list[int]:
    return [int("o" in word) for word in words]


def test_fits_evaluates_and_predicts():
    """Windows are trained one by one and decoded to one answer per row."""
    torch.manual_seed(0)
    model = Model(Counting(), task=Vowels(), optimizer={"optim": "adam", "lr": 0.1}, device="cpu")

    history = model.fit(WORDS, targets_of(WORDS), epochs=20, seed=0, verbose=0)

    assert history[-1]["loss"] < history[0]["loss"]
    assert len(model.predict(WORDS)) == len(WORDS)
    assert {type(answer) for answer in model.predict(WORDS)} == {bool}
    assert list(model.evaluate(WORDS, targets_of(WORDS), verbose=0)) == ["loss"]


def test_one_text_gives_one_answer():
    """One text of several windows in, one answer out."""
    model = Model(Counting(), task=Vowels(), device="cpu")
    model.fit(WORDS, targets_of(WORDS), epochs=1, verbose=0)

    assert model.predict(WORDS[-1]) == model.predict(WORDS)[-1]


def test_batch_size_counts_features():
    """A row of seven windows is seven features: `batch_size` counts these."""
    features = Vowels().encode_rows(as_dataset(WORDS, targets_of(WORDS)))

    batches = Feed(Vowels()).batches(as_dataset(WORDS, targets_of(WORDS)), batch_size=5)

    assert len(features) == 1 + 1 + 2 + 1 + 7
    assert len(batches) == 3
    assert [batch.size for batch in batches] == [5, 5, 2]


def test_class_in_place_of_an_object():
    """A task may be given as its class."""
    model = Model(Counting(), task=Vowels, device="cpu")

    assert isinstance(model.task, Vowels)


class Doubled(Vowels):
    """Packs two windows into one feature, the last short block kept."""

    def pack(self, features: Features) -> Features:
        pairs = [features[start : start + 2] for start in range(0, len(features), 2)]
        return Features(
            {**pair[0], "input_ids": [int(i) for feature in pair for i in feature["input_ids"]]} for pair in pairs
        )


def test_pack_puts_features_together():
    """`pack` runs after encoding; the batches hold what it gives."""
    batches = Feed(Doubled()).batches(as_dataset(WORDS, targets_of(WORDS)), batch_size=100)

    assert batches.examples == 6
    assert bytes(int(letter) for letter in batches.features[0]["input_ids"]) == b"onetwo"


def seen_in(seed: int, epochs: int) -> list[list[int]]:
    model = Model(Counting(), task=Scrambled(), device="cpu")
    model.fit(WORDS, targets_of(WORDS), epochs=epochs, seed=seed, shuffle=False, verbose=0)
    return model.task.seen


def test_vary_is_a_function_of_seed_epoch_and_index():
    """Each feature of each epoch is varied with a generator of its own, fed (seed, epoch, index of the feature)."""
    features = Vowels().encode_rows(as_dataset(WORDS, targets_of(WORDS)))

    seen = seen_in(seed=7, epochs=2)

    expected = [
        np.random.default_rng((7, epoch, index)).permutation(feature["input_ids"]).tolist()
        for epoch in (1, 2)
        for index, feature in enumerate(features)
    ]
    assert seen == expected


@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_vary_does_not_depend_on_the_batches(batch_size: int):
    """The same features come whatever the batch size."""
    model = Model(Counting(), task=Scrambled(), device="cpu")

    model.fit(WORDS, targets_of(WORDS), epochs=2, seed=7, shuffle=False, batch_size=batch_size, verbose=0)

    assert model.task.seen == seen_in(seed=7, epochs=2)


def test_vary_changes_with_the_epoch_and_the_seed():
    """Two epochs, and two seeds, see other orders."""
    first = seen_in(seed=7, epochs=2)

    assert first[:12] != first[12:]
    assert first != seen_in(seed=8, epochs=2)


def test_vary_draws_nothing_from_the_global_state():
    """A varying task leaves dropout and the caller's numbers alone: only its own generators are drawn from."""
    np.random.seed(0)
    before = np.random.get_state()[1].copy()

    seen_in(seed=7, epochs=1)

    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_vary_goes_on_in_a_second_fit():
    """A second fit counts on: its first epoch is the model's second."""
    model = Model(Counting(), task=Scrambled(), device="cpu")
    for _ in range(2):
        model.fit(WORDS, targets_of(WORDS), epochs=1, seed=7, shuffle=False, verbose=0)

    assert model.task.seen == seen_in(seed=7, epochs=2)


ROWS = [{"text": word, "label": target} for word, target in zip(WORDS, targets_of(WORDS), strict=True)]


def stream_of(rows: list[dict[str, Any]]) -> Any:
    return datasets.Dataset.from_list(rows).to_iterable_dataset()


@pytest.mark.parametrize(
    ("x", "options"),
    [
        (lambda: DataLoader(ROWS, batch_size=2, collate_fn=list), {}),
        (lambda: stream_of(ROWS), {"shuffle": False}),
        (lambda: iter(ROWS * 2), {"steps_per_epoch": 3, "batch_size": 2}),
    ],
    ids=["loader", "stream", "generator"],
)
def test_vary_reaches_what_comes_in_batches(x: Any, options: dict[str, Any]):
    """What a DataLoader or a stream gives is varied as rows are: by (seed, epoch, index of the feature)."""
    model = Model(Counting(), task=Scrambled(), device="cpu")

    model.fit(x(), epochs=1, seed=7, verbose=0, **options)

    assert model.task.seen[:4] == seen_in(seed=7, epochs=1)[:4]


def test_vary_of_a_validation_loader_is_fixed():
    """What is measured from a DataLoader is varied by the task's own seed, the same in every epoch."""
    model = Model(Counting(), task=Scrambled(), device="cpu")
    loader = DataLoader(ROWS, batch_size=2, collate_fn=list)
    model.fit(ROWS, epochs=1, verbose=0)
    passes = []

    for _ in range(2):
        model.task.seen.clear()
        model.evaluate(loader, verbose=0)
        passes.append(list(model.task.seen))

    features = Vowels().encode_rows(as_dataset(WORDS, targets_of(WORDS)))
    by_hand = [
        np.random.default_rng((0, 1, index)).permutation(f["input_ids"]).tolist() for index, f in enumerate(features)
    ]
    assert passes == [by_hand, by_hand]


def test_vary_of_one_batch_is_drawn_anew():
    """`train_on_batch` varies by a seed drawn from torch's generator at each call."""
    model = Model(Counting(), task=Scrambled(), device="cpu")
    seen = []

    for start in (1, None, 1):
        torch.manual_seed(start) if start else None
        model.task.seen.clear()
        model.train_on_batch(WORDS, targets_of(WORDS))
        seen.append(list(model.task.seen))

    assert seen[0] == seen[2] != seen[1]


class Grown(Vowels):
    """Features whose length is drawn anew."""

    measuring_seed = 5

    def vary(self, feature: Mapping[str, Any], generator: np.random.Generator) -> Mapping[str, Any]:
        return {**feature, "input_ids": [1] * int(generator.integers(1, 60))}


def test_measuring_varies_once_by_a_seed_of_its_own():
    """What is measured is varied as in epoch 1 of the task's `measuring_seed`, before the features are sorted."""
    task, rows = Grown(), as_dataset(WORDS, targets_of(WORDS))
    features = task.encode_rows(rows)

    batches = Feed(task).batches(rows, None, is_measured=True, budget=100)

    by_hand = [task.vary(feature, np.random.default_rng((5, 1, place))) for place, feature in enumerate(features)]
    assert [feature["input_ids"] for feature in batches.features] == [feature["input_ids"] for feature in by_hand]
    assert batches.order.tolist() == sorted(range(len(by_hand)), key=lambda place: -len(by_hand[place]["input_ids"]))


def test_predicting_varies_nothing():
    """Rows to predict go through as they stand."""
    batches = Feed(Grown()).batches(as_dataset(WORDS, labelled=False), None, budget=100)

    assert [len(feature["input_ids"]) for feature in batches.features][:2] == [3, 3]


def share_of_hits(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Give the share of rows whose answer is their target."""
    assert len(predictions) == len(references)
    return float(np.mean([bool(answer) == bool(truth) for answer, truth in zip(predictions, references, strict=True)]))


def test_metric_of_rows_gets_answers_and_targets():
    """A function of `predictions` and `references` is called once with what predict gives, and the user's own y."""
    model = Model(Counting(), task=Vowels(), metrics=[share_of_hits], device="cpu")

    history = model.fit(WORDS, targets_of(WORDS), validation_data=(WORDS[1:], targets_of(WORDS[1:])), verbose=0)

    answers = model.predict(WORDS)
    by_hand = np.mean([int(answer) == target for answer, target in zip(answers, targets_of(WORDS), strict=True)])
    assert model.evaluate(WORDS, targets_of(WORDS), verbose=0)["share_of_hits"] == by_hand
    assert set(history[0]) == {"epoch", "time", "loss", "val_loss", "val_share_of_hits"}


class Generating(Vowels):
    """Answers by a pass of its own instead of the logits."""

    def predict_batch(self, network: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        return 1 - self.read_outputs(network(inputs)).softmax(1)


def test_metric_of_rows_of_a_task_that_generates():
    """Where a task predicts by itself, the metric's answers are those of its `predict_batch`."""
    model = Model(Counting(), task=Generating(), metrics=[share_of_hits], device="cpu")
    model.fit(WORDS, targets_of(WORDS), verbose=0)

    measured = model.evaluate(WORDS, targets_of(WORDS), verbose=0)

    answers = model.predict(WORDS)
    assert measured["share_of_hits"] == share_of_hits(answers, targets_of(WORDS))


def test_a_row_without_features_is_refused():
    """A row of which nothing is encoded would have no answer, and those behind it would move up."""
    model = Model(Counting(), task=Vowels(), device="cpu")
    model.fit(WORDS, targets_of(WORDS), epochs=1, verbose=0)
    model.task.encode = lambda row: []

    with pytest.raises(DataError, match=r"row 0 .* 'vowels' makes no feature of it"):
        model.predict(WORDS)
