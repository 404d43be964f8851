"""The contract that every task keeps, its own file aside: from rows to features, tensors, a loss and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from keraslike import Model
from keraslike.data.dataset import as_dataset
from keraslike.errors import ArgumentError
from keraslike.losses import Loss
from keraslike.tasks import TASKS, Task, as_task, task_from_state
from tests.tiny import texts_with_labels

TEXTS, SENTIMENTS = texts_with_labels()
ROWS = as_dataset(TEXTS, SENTIMENTS)

EACH = pytest.mark.parametrize("name", TASKS)


@pytest.fixture
def task(name: str, tiny_bert: Path) -> Task:
    """A task that has learned from rows and built its network."""
    made = TASKS[name]()
    made.learn(ROWS)
    made.network = made.build(str(tiny_bert)).eval()
    return made


@EACH
def test_is_found_by_name(name: str):
    """The name of a task stands for its class with default options; class and object do as well."""
    found = as_task(name)

    assert type(found) is TASKS[name]
    assert type(as_task(TASKS[name])) is TASKS[name]
    assert type(as_task(found)) is TASKS[name]
    assert name == TASKS[name].name


@EACH
def test_is_ready_once_it_has_learned(name: str):
    """`learn` finds out all that the network's size depends on."""
    made = TASKS[name]()
    before = made.is_ready

    made.learn(ROWS)

    assert (before, made.is_ready) == (False, True)


@EACH
def test_features_know_their_rows(name: str, task: Task):
    """Every feature has the number of its row; every row has a feature."""
    features = task.encode_rows(ROWS)

    rows = features.column("row")
    assert sorted(set(rows)) == list(range(len(ROWS)))
    assert list(rows) == sorted(rows)


@EACH
def test_features_are_unpadded_integers(name: str, task: Task):
    """A feature's ids are a sequence of integers, no longer than max_length."""
    features = task.encode_rows(ROWS)

    lengths = features.lengths()
    assert len(set(lengths)) > 1
    assert max(lengths) <= task.max_length
    assert all(np.issubdtype(feature["input_ids"].dtype, np.integer) for feature in features)


@EACH
def test_one_row_is_encoded_as_among_many(name: str, task: Task):
    """`encode` gives the features that `encode_rows` gives for the row, the number aside."""
    many = task.encode_rows(ROWS)

    one = task.encode(ROWS[5])

    same = [feature for feature in many if feature["row"] == 5]
    assert [list(feature["input_ids"]) for feature in one] == [list(feature["input_ids"]) for feature in same]


@EACH
def test_collate_gives_a_dict_of_tensors(name: str, task: Task):
    """Inputs are a plain dict of tensors with one row per feature; targets have as many rows."""
    features = task.encode_rows(ROWS)

    inputs, targets = task.collate(features[:7])

    assert type(inputs) is dict
    assert {tensor.shape[0] for tensor in inputs.values()} == {7}
    assert len(targets) == 7


@EACH
def test_collate_pads_on_the_right_to_the_longest(name: str, task: Task):
    """A batch is as wide as its longest feature, the shorter ones filled behind with the padding token, unseen."""
    features = task.encode_rows(ROWS)[:7]

    inputs, _ = task.collate(features)

    for row, feature in enumerate(features):
        length = len(feature["input_ids"])
        assert inputs["input_ids"][row, :length].tolist() == list(feature["input_ids"])
        assert set(inputs["input_ids"][row, length:].tolist()) <= {task.tokenizer.pad_token_id}
        assert inputs["attention_mask"][row].tolist() == [1] * length + [0] * (inputs["input_ids"].shape[1] - length)


@EACH
def test_collate_without_targets(name: str, task: Task):
    """Rows to predict have no targets, and collate gives None for them."""
    features = task.encode_rows(as_dataset(TEXTS, labelled=False))

    _, targets = task.collate(features[:3])

    assert targets is None


@EACH
def test_loss_is_a_sum_and_a_count(name: str, task: Task):
    """The loss is one of keraslike's, so that batches can be cut: its mean is total by count."""
    inputs, targets = task.collate(task.encode_rows(ROWS)[:9])
    logits = task.read_outputs(task.network(**inputs)).detach().double()

    loss = task.loss

    assert isinstance(loss, Loss)
    assert loss.problem_type == task.problem_type
    torch.testing.assert_close(loss.total(logits, targets) / loss.count(targets), loss.mean(logits, targets))


@EACH
def test_decode_gives_one_answer_per_row(name: str, task: Task):
    """`decode` gives a list of plain Python values, one per row in the order of the rows."""
    features = task.encode_rows(ROWS)
    inputs, _ = task.collate(list(features))
    with torch.no_grad():
        outputs = task.predict_batch(lambda given: task.network(**given), inputs)

    answers = task.decode(outputs, features)

    assert len(answers) == len(ROWS)
    assert {type(answer) for answer in answers} == {str}


@EACH
def test_state_is_plain_json(name: str, task: Task):
    """`state` goes through JSON, and `from_state` makes the same task of it."""
    state = json.loads(json.dumps(task.state()))

    again = task_from_state(name, state)

    assert type(again) is type(task)
    assert again.state() == task.state()
    assert again.is_ready


@EACH
def test_a_task_again_decodes_the_same(name: str, task: Task):
    """A task made from its state reads outputs as the first did."""
    features = task.encode_rows(ROWS)
    outputs = torch.randn(len(features), 2, generator=torch.Generator().manual_seed(0))

    again = task_from_state(name, task.state())

    assert again.decode(outputs, features) == task.decode(outputs, features)


@EACH
def test_works_through_model(name: str, tiny_bert: Path):
    """A task's name is enough: fit, evaluate, predict."""
    model = Model(str(tiny_bert), task=name, device="cpu")

    model.fit(TEXTS, SENTIMENTS, epochs=1, verbose=0)

    assert np.isfinite(model.evaluate(TEXTS, SENTIMENTS, verbose=0)["loss"])
    assert len(model.predict(TEXTS)) == len(TEXTS)


@EACH
def test_varies_only_where_it_says_so(name: str, task: Task):
    """A task without a `vary` of its own is told from one that has it, and changes no feature."""
    feature = task.encode_rows(ROWS)[0]

    varied = task.vary(feature, np.random.default_rng(0))

    assert task.varies == (type(task).vary is not Task.vary)
    assert task.varies or varied is feature


@pytest.mark.parametrize("member", ["build", "encode", "collate", "decode", "loss"])
def test_what_a_task_has_to_say(member: str):
    """A task that lacks a part says which one is to be written."""
    arguments: dict[str, tuple[Any, ...]] = {"decode": (torch.zeros(1), [])}

    def ask() -> None:
        getattr(Task(), member)(*arguments.get(member, (None,)))

    with pytest.raises(NotImplementedError, match=rf"Task .*write .*{member}"):
        ask()


@pytest.mark.parametrize("given", ["text-clasification", 3, int])
def test_no_such_task(given: Any):
    """What is no task is refused with the names that there are."""
    with pytest.raises(ArgumentError, match="one of text-classification"):
        as_task(given)
