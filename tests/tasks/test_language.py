"""What both tasks on plain texts read and refuse, and how their texts are packed."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import Dataset
from torch.utils.data import DataLoader

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import FillMask, TextGeneration
from keraslike.tasks.feed import Feed
from tests.engine.loops import weights_of
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0]
BODIES = {FillMask: "tiny_bert", TextGeneration: "tiny_gpt2"}

each = pytest.mark.parametrize("kind", BODIES)


@pytest.fixture
def body(kind: Any, request: pytest.FixtureRequest) -> str:
    """The directory of the tiny model for the task."""
    return str(request.getfixturevalue(BODIES[kind]))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The texts, one in each line."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


def fitted(body: str, task: Any, x: Any, **options: Any) -> Model:
    """Give a model that was fitted for an epoch."""
    model = Model(body, task=task, device="cpu")
    model.fit(x, epochs=1, seed=0, verbose=0, **options)
    return model


@each
def test_any_container_gives_the_same_weights(kind: Any, body: str, file: Path):
    """A list, a Dataset with a label beside the text, and a file of lines are the same texts."""
    containers = [TEXTS, Dataset.from_dict({"text": TEXTS, "label": [0] * len(TEXTS)}), str(file)]

    weights = [weights_of(fitted(body, kind(block_size=16), x).network) for x in containers]

    assert all(weights[0].equal(other) for other in weights[1:])


@each
def test_a_file_as_one_text(kind: Any, body: str, file: Path):
    """With sample_by="document" a file is one text."""
    task = kind(sample_by="document", block_size=16)
    task.build(body)

    features = Feed(task).batches(Feed(task).read(str(file)), 4).features

    assert {tuple(feature["row"].tolist()) for feature in features} == {(0,)}


@each
def test_validation_is_packed_by_itself(kind: Any, body: str):
    """Validation data are texts, too; their loss is that of `evaluate`."""
    model = fitted(body, kind(block_size=16), TEXTS[:30], validation_data=TEXTS[30:])

    measured = model.evaluate(TEXTS[30:], verbose=0)

    assert model.history[0]["val_loss"] == pytest.approx(measured["loss"], rel=1e-6)
    assert model.history[0]["val_perplexity"] == pytest.approx(np.exp(measured["loss"]), rel=1e-5)


@each
@pytest.mark.parametrize("size", ["auto", 3])
def test_micro_batches_change_no_loss(kind: Any, body: str, size: Any):
    """How a batch is cut changes the loss of an epoch by rounding alone, but for the dropout that it draws."""
    losses = [
        fitted(body, kind(block_size=16), TEXTS, micro_batch_size=each_size, learning_rate=1e-12).history[0]["loss"]
        for each_size in (size, None)
    ]

    assert losses[0] == pytest.approx(losses[1], rel=0.02)  # dropout of 10 % is drawn otherwise


@each
def test_screen_says_what_was_packed(kind: Any, body: str, capsys: pytest.CaptureFixture[str]):
    """The screen counts tokens, texts and blocks, once for the training and once for the validation data."""
    model = Model(body, task=kind(block_size=16), device="cpu")

    model.fit([*TEXTS, " "], validation_data=TEXTS[:5], epochs=1, seed=0, verbose=2)

    shown = capsys.readouterr().out
    assert "tokens of 40 texts are packed into 1" in shown
    assert "tokens of 5 validation texts are packed into" in shown
    assert "; 1 without words are left out." in shown


@pytest.mark.parametrize(("kind", "head"), [(FillMask, True), (TextGeneration, False)])
def test_new_head_is_said(kind: Any, head: bool, body: str):
    """A body without a head for masks gets a new one, which is said; a decoder's head is its embeddings."""
    model = Model(body, task=kind(), device="cpu")

    assert any(note.startswith("New head: ") for note in model.task.notes) == head
    network = model.network.wrapped
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight


@each
def test_state(kind: Any, body: str):
    """Options are kept."""
    task = kind(block_size=16, sample_by="paragraph")
    task.build(body, max_length=32)

    again = kind.from_state(task.state())

    assert (again.block_size, again.sample_by, again.max_length) == (16, "paragraph", 32)


# Mistakes


@each
def test_labels_are_refused(kind: Any, body: str):
    """Labels are no part of this."""
    with pytest.raises(ArgumentError) as error:
        Model(body, task=kind(), device="cpu").fit(TEXTS, [0] * len(TEXTS), verbose=0)

    assert str(error.value) == (
        f"y is given, but {kind.name!r} learns from the texts alone.\n"
        "  Expected: texts without labels.\n"
        "  Do: leave it out; validation_data is a list of texts, too."
    )


@each
def test_a_target_is_refused(kind: Any, body: str):
    """Nor is a column of labels."""
    with pytest.raises(ArgumentError, match="target= is given"):
        Model(body, task=kind(), device="cpu").fit({"text": TEXTS, "y": TEXTS}, target="y", verbose=0)


@each
def test_weights_are_refused(kind: Any, body: str):
    """A block has no row of its own, so that no row has a weight."""
    with pytest.raises(ArgumentError, match="packs several rows into one feature"):
        Model(body, task=kind(), device="cpu").fit(TEXTS, sample_weight=[1.0] * len(TEXTS), verbose=0)


@each
@pytest.mark.parametrize("texts", [["  ", "\n"], [""]])
def test_nothing_to_learn(kind: Any, body: str, texts: list[str]):
    """Texts without any word are refused."""
    with pytest.raises(DataError, match=r"x holds no words.\n.*one word or more"):
        fitted(body, kind(), texts)


@each
def test_a_thousand_empty_texts(kind: Any, body: str):
    """A text behind many empty ones keeps its number."""
    task = kind()
    task.build(body)

    features = Feed(task).batches(Feed(task).read([""] * 1_000 + ["a film"]), 4).features

    assert [feature["row"].tolist() for feature in features] == [[1_000]]


@each
def test_a_loader_is_refused(kind: Any, body: str):
    """A loader gives batches, and texts are packed as a whole."""
    with pytest.raises(DataError, match=r"packs the texts of a whole set.*\n.*larger than memory.*\n.*its dataset"):
        fitted(body, kind(), DataLoader(TEXTS, batch_size=4))


@each
def test_a_loader_is_predicted(kind: Any, body: str):
    """Texts to predict are not packed: they may come from a loader."""
    model = Model(body, task=kind(), device="cpu")
    texts = ["a [MASK] film", "what a [MASK]"] if kind is FillMask else ["a", "what a"]

    assert model.predict(DataLoader(texts, batch_size=1)) == model.predict(texts, batch_size=1)


@each
@pytest.mark.parametrize("size", [1, 65])
def test_size_of_a_block(kind: Any, body: str, size: int):
    """A block has to hold something, and to fit into the model."""
    with pytest.raises(ArgumentError, match=rf"block_size={size} does not fit this model.\n.*(2|4) to 64 tokens"):
        Model(body, task=kind(block_size=size), device="cpu")
