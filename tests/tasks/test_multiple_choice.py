"""Multiple choice: the forms of rows, choices that a row does not have, and the answers."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForMultipleChoice, AutoTokenizer

import keraslike
from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import MultipleChoice
from keraslike.tasks.feed import Feed
from tests.engine.loops import weights_of
from tests.tasks.cases.multiple_choice import RIGHT, ROWS, TEXTS
from tests.tasks.seq2seq_by_hand import SEED, fine_tune_by_hand, gradients, seed_all
from tests.tiny import MAX_LENGTH

FOUR = [(text, ["film", "boring", "superb", f"what a {text}"]) for text in TEXTS]
ANSWERS = [number % 4 for number in range(len(FOUR))]
BODIES = ["tiny_bert", "tiny_distilbert", "tiny_roberta"]


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """The directory of the tiny model whose fixture is named."""
    found: Path = request.getfixturevalue(request.param)
    return found


each_body = pytest.mark.parametrize("folder", BODIES, indirect=True)


def task_of(folder: Path, rows: Any, y: Any = None) -> tuple[MultipleChoice, Any, list[Any]]:
    """Give a task with its network in evaluation mode, and the features of rows."""
    task = MultipleChoice()
    read = Feed(task).read(rows, y, has_target=y is not None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = task.build(str(folder)).eval()
    return task, network, list(task.encode_rows(read))


def inputs_by_hand(tokenizer: Any, rows: list[tuple[str, list[str]]]) -> dict[str, torch.Tensor]:
    """Tokenize rows of equally many choices: `(rows, choices, tokens)`."""
    texts = [text for text, choices in rows for _ in choices]
    choices = [choice for _, choices in rows for choice in choices]
    flat = tokenizer(texts, choices, padding=True, return_tensors="pt")
    return {name: tensor.view(len(rows), -1, tensor.shape[-1]) for name, tensor in flat.items()}


# Three lines, bits, saved and loaded


def test_three_lines(tiny_bert: Path):
    """Rows of two to four choices are learned from and measured; a row gives the index of a choice."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    history = model.fit(ROWS, RIGHT, validation_split=0.25, epochs=1, seed=0, verbose=0)
    answer = model.predict(("a great film", ["great", "boring"]))

    assert set(history[0]) == {"epoch", "time", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert type(answer) is int
    assert answer in (0, 1)


def test_learns(tiny_bert: Path):
    """One word is found among two to four, wherever it stands."""
    words = ["film", "story", "cast", "ending"]
    rows = [("what a", [words[(n + place) % 4] for place in range(2 + n % 3)]) for n in range(72)]
    rows = [row for row in rows if "film" in row[1]]
    right = [choices.index("film") for _, choices in rows]
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")

    model.fit(rows, right, epochs=6, batch_size=8, learning_rate=3e-3, seed=0, verbose=0)

    assert set(right) == {0, 1, 2, 3}
    assert model.evaluate(rows, right, verbose=0)["accuracy"] > 0.9


@each_body
def test_twenty_updates_have_the_bits_of_a_loop_by_hand(folder: Path):
    """Tokenizer, Auto class, the head's own loss, AdamW, schedule and clipping by hand give the same weights."""
    rows, answers = [*FOUR, *FOUR[:16]], torch.tensor([*ANSWERS, *ANSWERS[:16]])
    seed_all()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    by_hand = AutoModelForMultipleChoice.from_pretrained(folder)

    def inputs_of(chosen: torch.Tensor) -> Any:
        return {**inputs_by_hand(tokenizer, [rows[row] for row in chosen]), "labels": answers[chosen]}

    fine_tune_by_hand(by_hand, inputs_of, len(rows), epochs=4)
    model = Model(str(folder), task="multiple-choice", device="cpu")
    model.fit(rows, answers.tolist(), epochs=4, batch_size=8, micro_batch_size=None, seed=SEED, verbose=0)

    assert len(model.history.learning_rates) == 20
    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_saved_and_loaded(tiny_bert: Path, tmp_path: Path):
    """What is saved answers alike in keraslike, and gives the same logits by the Auto class."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    model.fit(FOUR, ANSWERS, epochs=1, seed=0, verbose=0)
    model.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved", device="cpu")

    assert again.predict(FOUR) == model.predict(FOUR)
    network = AutoModelForMultipleChoice.from_pretrained(tmp_path / "saved").eval()
    with torch.no_grad():
        logits = network(**inputs_by_hand(AutoTokenizer.from_pretrained(tmp_path / "saved"), FOUR)).logits
    np.testing.assert_allclose(model.predict_logits(FOUR), logits.numpy(), atol=1e-6)


# The loss, and choices that are not there


@each_body
def test_loss_is_the_heads(folder: Path):
    """With equally many choices the loss is the head's own."""
    task, network, features = task_of(folder, FOUR, ANSWERS)
    inputs, targets = task.collate(features)

    loss = task.loss.mean(task.read_outputs(network(**inputs)), targets)

    assert loss.item() == pytest.approx(network(**inputs, labels=targets).loss.item(), abs=1e-6)


@each_body
def test_ragged_rows_have_the_loss_of_each_alone(folder: Path):
    """With different numbers of choices the loss is the mean of the head's, each row sent through alone."""
    task, network, features = task_of(folder, ROWS, RIGHT)
    inputs, targets = task.collate(features)

    loss = task.loss.mean(task.read_outputs(network(**inputs)), targets)

    plain = AutoModelForMultipleChoice.from_pretrained(folder).eval()
    plain.load_state_dict(network.state_dict())
    alone = [
        plain(**inputs_by_hand(task.tokenizer, [row]), labels=torch.tensor([right])).loss.item()
        for row, right in zip(ROWS, RIGHT, strict=True)
    ]
    assert {len(choices) for _, choices in ROWS} == {2, 3, 4}
    assert loss.item() == pytest.approx(np.mean(alone), abs=1e-6)


@pytest.mark.parametrize("size", [1, 4, 5, "auto"])
def test_micro_batches_have_the_gradient_of_the_rows(tiny_bert: Path, size: Any):
    """However a batch of ragged rows is cut, the gradient is that of the mean over rows: 1e-10 in float64."""
    calm = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    whole = AutoModelForMultipleChoice.from_pretrained(tiny_bert, **calm).double()
    cut = AutoModelForMultipleChoice.from_pretrained(tiny_bert, **calm).double()
    cut.load_state_dict(whole.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    for (text, choices), right in zip(ROWS, RIGHT, strict=True):
        logits = whole.train()(**inputs_by_hand(tokenizer, [(text * (1 + 3 * (right == 1)), choices)])).logits
        (F.cross_entropy(logits, torch.tensor([right])) / len(ROWS)).backward()

    rows = [(text * (1 + 3 * (right == 1)), choices) for (text, choices), right in zip(ROWS, RIGHT, strict=True)]
    model = Model(cut, "sgd", task="multiple-choice", tokenizer=tokenizer, device="cpu")
    model.optimizer.zero_grad = lambda *args, **kwargs: None  # the gradient of the only step stays
    history = model.fit(
        rows, RIGHT, epochs=1, batch_size=24, micro_batch_size=size, learning_rate=1e-9, clip_norm=None, verbose=0
    )

    expected = gradients(whole)
    assert (gradients(cut) - expected).abs().max() <= 1e-10 * expected.abs().max()
    answers = model.predict(rows)
    assert history[0]["accuracy"] == np.mean([one == right for one, right in zip(answers, RIGHT, strict=True)])


def test_accuracy_does_not_see_absent_choices(tiny_bert: Path):
    """Scores that are all below 0 are not beaten by those of choices that a row does not have."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    nn.init.constant_(model.network.classifier.bias, -100.0)

    measured = model.evaluate(ROWS, RIGHT, batch_size=3, verbose=0)

    answers = model.predict(ROWS)
    assert measured["accuracy"] == np.mean([one == right for one, right in zip(answers, RIGHT, strict=True)])


def test_collate_by_hand(tiny_bert: Path):
    """Tokens are padded to the longest choice, rows to the most choices; an absent choice is one token of padding."""
    task, _, features = task_of(tiny_bert, [("film", ["a", "a great"]), ("a", ["film", "a", "great"])], [1, 2])
    ids = task.tokenizer
    cls, sep, pad = ids.cls_token_id, ids.sep_token_id, ids.pad_token_id
    film, a, great = ids("film a great", add_special_tokens=False).input_ids

    inputs, targets = task.collate(features)

    nothing = [pad] * 6
    assert inputs["input_ids"].tolist() == [
        [[cls, film, sep, a, sep, pad], [cls, film, sep, a, great, sep], nothing],
        [[cls, a, sep, film, sep, pad], [cls, a, sep, a, sep, pad], [cls, a, sep, great, sep, pad]],
    ]
    assert inputs["attention_mask"].sum(-1).tolist() == [[5, 6, 1], [5, 5, 5]]
    assert inputs["token_type_ids"][0].tolist() == [[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1], [0] * 6]
    assert targets.tolist() == [1, 2]
    assert [feature["length"] for feature in features] == [2 * 6, 3 * 5]


def test_long_choices_are_cut_and_counted(tiny_bert: Path):
    """What is longer than the model takes is cut, and said."""
    task, _, features = task_of(tiny_bert, [("film " * 80, ["a", "great"]), ("film", ["a", "great"])])

    assert max(features[0]["sizes"]) == MAX_LENGTH
    assert task.notes[-1] == "2 of 4 choices (50.0 %) were cut at 64 tokens; 84 would keep all."


def test_networks_without_a_mask(tiny_bert: Path):
    """A tokenizer whose network takes no attention mask gets none."""
    task, _, features = task_of(tiny_bert, ROWS, RIGHT)
    task.tokenizer.model_input_names = ["input_ids"]

    assert "attention_mask" not in task.collate(features)[0]


def test_networks_of_ones_own(tiny_bert: Path):
    """A module that gives a tensor, and inputs without ids, go through as well."""

    class Scores(nn.Module):
        def forward(self, input_ids: Any = None, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
            return -torch.ones(2, 2) if input_ids is None else -input_ids.sum(-1).double()

    task, network = MultipleChoice(), Scores()
    task.build(network, tokenizer=AutoTokenizer.from_pretrained(tiny_bert))
    features = list(task.encode_rows(task.read(ROWS[:3], labelled=False)))

    outputs = network(**task.collate(features)[0])

    assert torch.isinf(outputs).sum(1).tolist() == [2, 1, 0]
    assert torch.equal(network(), -torch.ones(2, 2))


# Answers


def test_probabilities_are_of_a_rows_choices(tiny_bert: Path):
    """Each row's probabilities add up to 1 over its own choices; equally many give an array."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")

    ragged, even, one = model.predict_proba(ROWS), model.predict_proba(FOUR), model.predict_proba(ROWS[0])

    assert [len(row) for row in ragged] == [len(choices) for _, choices in ROWS]
    np.testing.assert_allclose([row.sum() for row in ragged], 1, rtol=1e-6)
    assert even.shape == (len(FOUR), 4)
    assert [int(row.argmax()) for row in ragged] == model.predict(ROWS)
    np.testing.assert_allclose(one, ragged[0], rtol=1e-5)


def test_one_row_gives_one_answer(tiny_bert: Path):
    """A pair of a text and its choices, or a dict of them, is one row."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    row = {"question": "a great film", "choices": ["great", "boring", "awful"]}

    answers = model.predict(row), model.predict(("a great film", row["choices"])), model.predict([row])

    assert answers[0] == answers[1] == answers[2][0]


def same(a: Any, b: Any) -> float:
    """Give the share of rows that are the same."""
    return float(np.mean([one == other for one, other in zip(a, b, strict=True)]))


def test_metrics_of_rows_see_indices(tiny_bert: Path):
    """Answers that were given as letters are held against predictions as indices."""

    def agreement(predictions: Any, references: Any) -> float:
        return same(predictions, references)

    model = Model(str(tiny_bert), task="multiple-choice", metrics=["accuracy", agreement], device="cpu")

    measured = model.evaluate(FOUR, ["ABCD"[answer] for answer in ANSWERS], verbose=0)

    assert measured["agreement"] == measured["accuracy"] == same(model.predict(FOUR), ANSWERS)


def test_columns_are_remembered(tiny_bert: Path, tmp_path: Path):
    """Columns that were named for fit are those of evaluate and predict, also after loading."""
    table = {"a": [row[0] for row in FOUR], "b": ["film"] * 24, "c": ["great"] * 24, "right": [0, 1] * 12}
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    model.fit(table, text=("a", "b", "c"), target="right", epochs=1, seed=0, verbose=0)
    model.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved", device="cpu")

    pairs = [(text, ["film", "great"]) for text, _ in FOUR]
    assert again.evaluate(table, verbose=0) == pytest.approx(model.evaluate(pairs, [0, 1] * 12, verbose=0))
    assert again.predict({name: table[name] for name in "abc"}) == model.predict(pairs)


# Right choices, column after column

WINOGRANDE = [
    {"sentence": text, "option1": "film", "option2": "story", "answer": "12"[number > 3]}
    for number, text in enumerate(TEXTS[:8])
]
"""The first four rows alone may be option1 or the second choice."""

PAIRS = [(row["sentence"], [row["option1"], row["option2"]]) for row in WINOGRANDE]
"""The same, without right choices."""


@pytest.fixture(scope="module")
def settled(tiny_bert: Path) -> Model:
    """A model that has learned from Winogrande's form."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    model.fit(pd.DataFrame(WINOGRANDE), epochs=1, seed=0, verbose=0)
    return model


def test_training_settles_how_right_choices_are_read(settled: Model, tmp_path: Path):
    """Rows that would be ambiguous alone are measured as the training data were read, also after loading."""
    few = pd.DataFrame(WINOGRANDE[:4])
    settled.save(tmp_path / "saved")

    again = keraslike.load(tmp_path / "saved", device="cpu")

    expected = pytest.approx(settled.evaluate(PAIRS[:4], [0] * 4, verbose=0), rel=1e-5)  # sums in another order
    assert settled.evaluate(few, verbose=0) == expected
    assert again.evaluate(few, verbose=0) == expected


def test_validation_and_batches_are_read_like_the_training_data(settled: Model):
    """Validation rows, one batch, and a loader's batches with "1" alone are no questions after training."""
    few, loader = WINOGRANDE[:4], DataLoader(WINOGRANDE, batch_size=4, collate_fn=list)

    history = settled.fit(loader, validation_data=few, epochs=1, verbose=0)
    losses = [settled.evaluate(x, y, verbose=0)["loss"] for x, y in ((loader, None), (PAIRS, [0] * 4 + [1] * 4))]
    answers = settled.predict(few)
    settled.train_on_batch(few)

    assert history[0]["val_accuracy"] == np.mean([answer == 0 for answer in answers])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # sums in another order


def test_numbers_stay_numbers_in_later_rows(tiny_bert: Path):
    """Where the training data count from 0 beside labels 1, 2, 3, rows without a 0 do so, too."""
    choices = {"text": ["film", "story", "cast"], "label": ["1", "2", "3"]}
    rows = [{"question": "what?", "choices": choices, "answerKey": key} for key in ("0", "1", "2", "1")]
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    model.fit(rows, epochs=1, verbose=0)

    measured = model.evaluate(rows[1:], verbose=0)

    pairs = [("what?", choices["text"])] * 3
    assert measured == pytest.approx(model.evaluate(pairs, [1, 2, 1], verbose=0), rel=1e-5)


def test_another_fit_with_right_choices_of_another_form(tiny_bert: Path):
    """Data of another form are learned from after the first, and predicting asks for no right choices."""
    letters = ["ABCD"[answer] for answer in ANSWERS]
    words = [choices[answer] for (_, choices), answer in zip(FOUR, ANSWERS, strict=True)]
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    model.fit(FOUR, letters, epochs=1, seed=0, verbose=0)
    model.fit(FOUR, words, epochs=1, seed=0, verbose=0)

    measured = [model.evaluate(FOUR, y, verbose=0) for y in (ANSWERS, letters, words)]

    assert measured[0] == measured[1] == measured[2]
    assert measured[0]["accuracy"] == same(model.predict(FOUR), ANSWERS)


def test_a_refused_fit_settles_nothing(tiny_bert: Path):
    """What a fit has read that ended before its first step is forgotten, as its columns are."""
    model = Model(str(tiny_bert), task="multiple-choice", device="cpu")
    with pytest.raises(DataError, match="is None, None, and the row has 2"):
        model.fit(WINOGRANDE, validation_data=[{**row, "answer": None} for row in WINOGRANDE], verbose=0)

    with pytest.raises(DataError, match="choice 0 as the end of a column's name and choice 1 as a number"):
        model.fit(WINOGRANDE[:4], verbose=0)


def test_states_that_do_not_tell_how_right_choices_were_read():
    """A directory that was saved before is loaded; a copy of a task does not learn from the other."""
    task = MultipleChoice.from_state({"max_length": 8})
    twin = copy.copy(task)

    twin.read(WINOGRANDE)

    assert twin.read(WINOGRANDE[:1]).column("target") == [0]
    with pytest.raises(DataError, match="the end of a column's name"):
        task.read(WINOGRANDE[:1])


# Errors


def test_wrong_choice(tiny_bert: Path):
    """A target that is none of the choices is refused before the first step."""
    with pytest.raises(
        DataError, match=r"the right choice of row 1 \(counted from 0\) is 2, an int, and the row has 2"
    ):
        Model(str(tiny_bert), task="multiple-choice", device="cpu").fit([("a", ["b", "c"])] * 2, [1, 2], verbose=0)


@pytest.mark.parametrize(
    ("kind", "summary"), [("XLNet", "last"), ("RoFormer", "last"), ("ELECTRA", "mean"), ("ELECTRA", "cls_index")]
)
def test_heads_that_may_read_padding_are_refused(kind: str, summary: str, tiny_bert: Path):
    """A head that reads elsewhere than at the first token may read padding: its scores depend on the batch."""
    usual = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    sizes: dict[str, Any] = {
        "XLNet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16},
        "RoFormer": usual,
        "ELECTRA": {**usual, "embedding_size": 16, "summary_type": summary},
    }
    network = AutoModelForMultipleChoice.from_config(AutoConfig.for_model(kind.lower(), vocab_size=20, **sizes[kind]))

    with pytest.raises(ArgumentError, match=rf"does not read .* at the first token \(summary_type='{summary}'\)"):
        Model(network, task="multiple-choice", tokenizer=str(tiny_bert), device="cpu")


def test_class_weight_is_refused(tiny_bert: Path):
    """The second choice of one row is nothing like that of another: choices are no classes to weigh."""
    with pytest.raises(
        ArgumentError, match="class_weight is given, but the targets of 'multiple-choice' are no classes"
    ):
        Model(str(tiny_bert), task="multiple-choice", device="cpu").fit(ROWS, RIGHT, class_weight="balanced", verbose=0)
