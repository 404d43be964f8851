"""Text classification by hand: what the tokenizer gives, what the logits mean."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from keraslike import Model, TextClassification
from keraslike.data.dataset import as_dataset
from keraslike.errors import ArgumentError, LabelError
from keraslike.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
OTHERS = TEXTS[1:] + TEXTS[:1]


def built(directory: Path, targets: Any = SENTIMENTS, max_length: int | None = None) -> TextClassification:
    task = TextClassification()
    task.learn(as_dataset(TEXTS, targets))
    task.build(str(directory), max_length=max_length)
    return task


@pytest.mark.parametrize("max_length", [None, 12, 7, 5])
@pytest.mark.parametrize("is_pair", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_truncation_is_the_tokenizers(kind: str, is_pair: bool, max_length: int | None, request: pytest.FixtureRequest):
    """A feature is what the tokenizer gives with truncation=True, for texts and for pairs, in every column."""
    directory = request.getfixturevalue(f"tiny_{kind}")
    task = built(directory, max_length=max_length)
    tokenizer = AutoTokenizer.from_pretrained(directory)

    rows = as_dataset(list(zip(TEXTS, OTHERS, strict=True)) if is_pair else TEXTS, SENTIMENTS)
    features = task.encode_rows(rows)

    expected = tokenizer(TEXTS, OTHERS if is_pair else None, truncation=True, max_length=max_length or 64)
    for number, feature in enumerate(features):
        given = {name: list(value) for name, value in feature.items() if name not in ("row", "target")}
        assert given == {name: expected[name][number] for name in expected}


def test_a_thousand_rows_at_once(tiny_bert: Path):
    """Rows beyond one chunk for the tokenizer keep their order and their targets."""
    task = built(tiny_bert)
    texts, labels = TEXTS * 30, SENTIMENTS * 30

    features = task.encode_rows(as_dataset(texts, labels))

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    assert len(features) == 1200
    assert list(features[1199]["input_ids"]) == tokenizer(texts[1199])["input_ids"]
    assert [feature["target"] for feature in features] == [["bad", "good"].index(label) for label in labels]


def test_truncated_texts_are_noted(tiny_bert: Path):
    """The note counts the texts that were cut, and names the length that would keep all."""
    task = built(tiny_bert, max_length=6)
    task.notes.clear()

    task.encode_rows(as_dataset(TEXTS, SENTIMENTS))

    lengths = [len(ids) for ids in AutoTokenizer.from_pretrained(tiny_bert)(TEXTS)["input_ids"]]
    cut = sum(length > 6 for length in lengths)
    assert task.notes == [
        f"{cut} of 40 texts ({100 * cut / 40:.1f} %) were cut at 6 tokens; {max(lengths)} would keep all."
    ]


def test_tokenised_rows_are_taken_as_they_are(tiny_bert: Path):
    """Rows with input_ids are not tokenised again; columns that the network does not take are left out."""
    task = built(tiny_bert)
    rows = as_dataset(
        {
            "input_ids": [[2, 9, 3], [2, 3]],
            "attention_mask": [[1, 1, 1], [1, 1]],
            "label": ["bad", "good"],
            "length": [3, 2],
        }
    )

    features = task.encode_rows(rows)

    assert [list(feature["input_ids"]) for feature in features] == [[2, 9, 3], [2, 3]]
    assert set(features[0]) == {"input_ids", "attention_mask", "target", "row"}


@pytest.mark.parametrize(
    ("targets", "loss", "dtype", "shape"),
    [
        (SENTIMENTS, CrossEntropy, torch.int64, (40,)),
        ([[label] for label in SENTIMENTS], BinaryCrossEntropy, torch.float32, (40, 2)),
        ([[i % 2, 1, 0] for i in range(40)], BinaryCrossEntropy, torch.float32, (40, 3)),
        ([i / 7 for i in range(40)], MeanSquaredError, torch.float32, (40,)),
        ([[i / 7, 0.5] for i in range(40)], MeanSquaredError, torch.float32, (40, 2)),
    ],
    ids=["classes", "names", "bits", "numbers", "several numbers"],
)
def test_targets(targets: list[Any], loss: type, dtype: torch.dtype, shape: tuple[int, ...], tiny_bert: Path):
    """Each kind of target has its loss, and the type and shape that it wants."""
    task = built(tiny_bert, targets)

    _, collated = task.collate(task.encode_rows(as_dataset(TEXTS, targets))[:])

    assert type(task.loss) is loss
    assert (collated.dtype, tuple(collated.shape)) == (dtype, shape)


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.1, 0.2], [-1.0, -2.0, -3.0]])


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["x", "y", "z"], ["x", "z", "x"]),
        ([10, -5, 7], [-5, 10, -5]),
        ([["x"], ["y", "z"], []], [["x", "z"], ["y", "z"], []]),
        ([[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[1, 0, 1], [0, 1, 1], [0, 0, 0]]),
    ],
    ids=["str", "int", "names", "bits"],
)
def test_decode(targets: list[Any], expected: list[Any]):
    """The largest logit names the class; each logit above 0 names a label."""
    task = TextClassification()
    task.learn(as_dataset(["a", "b", "c"], targets))

    assert task.decode(LOGITS, []) == expected


def test_decode_numbers():
    """A regression's outputs are the answers."""
    task = TextClassification()
    task.learn(as_dataset(["a", "b", "c"], [0.5, 1.5, 2.5]))

    answers = task.decode(LOGITS[:, :1], [])

    np.testing.assert_array_equal(answers, [2.0, -3.0, -1.0])


def test_misspelt_problem_type():
    """problem_type takes transformers' three words."""
    with pytest.raises(ArgumentError, match=r"no problem_type 'multilabel'(.|\n)*multi_label_classification"):
        TextClassification(problem_type="multilabel")


def test_labels_before_the_data():
    """A task with labels is ready at once; it holds the data against them."""
    task = TextClassification(labels=["good", "bad"])

    task.learn(as_dataset(TEXTS, SENTIMENTS))

    assert task.is_ready
    assert task.labels.names == ("good", "bad")


def test_rows_of_bits_need_as_many_labels():
    """Rows of 0 and 1 have one place per named label."""
    task = TextClassification(labels=["a", "b"])

    with pytest.raises(LabelError, match="rows of 3 labels"):
        task.learn(as_dataset(["x", "y"], [[0, 1, 1], [1, 0, 0]]))


def test_encoding_before_learning():
    """Targets cannot be encoded while the labels are unknown."""
    with pytest.raises(LabelError, match=r"labels are not known yet(.|\n)*labels="):
        _ = TextClassification().known_labels


@pytest.mark.parametrize("targets", [[0, 1, -100, 1], [0.0, -100.0, 1.0, 1.0], [[0], [1, -100], [2], [0, 1]]], ids=str)
def test_a_number_that_is_no_label(targets: Any):
    """-100 marks what has no label, in torch and transformers: it is not learned as one unless it is named."""
    rows = as_dataset(TEXTS[:4], targets)

    with pytest.raises(LabelError) as error:
        TextClassification().learn(rows)
    TextClassification(labels=[-100, 0, 1, 2]).learn(rows)

    assert str(error.value).startswith("1 of ")
    assert " labels are -100, which stands for no label.\n  Expected: a label for each row." in str(error.value)
    assert "Model(..., labels=[-100, 0, 1" in str(error.value)


@pytest.mark.parametrize("kind", ["fnet", "bert"])
def test_bodies_that_see_padding_are_named(kind: str, tiny_bert: Path, capsys: pytest.CaptureFixture[str]):
    """FNet mixes padding into its answers, whatever the mask says; the screen says so, and is silent for BERT."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    sizes = {name: size for name, size in sizes.items() if kind == "bert" or name != "num_attention_heads"}
    torch.manual_seed(0)
    network = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(kind, vocab_size=99, **sizes)).eval()
    ids = torch.full((1, 4), 7)
    alone, padded = network(ids).logits, network(torch.nn.functional.pad(ids, (0, 4))).logits

    model = Model(network, task="text-classification", tokenizer=str(tiny_bert), device="cpu")
    model.fit(["a film", "a story"], ["x", "y"], epochs=1, verbose=2)

    assert ("depend on padding" in capsys.readouterr().out) == (kind == "fnet")
    assert kind == "bert" or not torch.allclose(alone, padded, atol=1e-4)
