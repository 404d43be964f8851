"""The contract that every task keeps, its own file aside: from rows to features, tensors, a loss and back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from keraslike import Model
from keraslike.data.features import lengths_of
from keraslike.data.rows import Rows
from keraslike.errors import ArgumentError
from keraslike.losses import Loss
from keraslike.tasks import TASKS, Task, as_task, task_from_state
from keraslike.tasks.feed import Feed
from tests.tasks.cases import Case, case_of

EACH = pytest.mark.parametrize("name", TASKS)


@dataclass
class Built:
    """A task that has learned from the rows of its case and built its network."""

    task: Any
    case: Case
    rows: Rows
    network: Any
    body: Path

    def features(self, rows: Rows | None = None) -> Any:
        """Encode and pack rows, varied as for measuring."""
        feed, given = Feed(self.task), self.rows if rows is None else rows
        return list(feed.batches(given, len(given), is_measured=True).features)

    def rows_to_predict(self) -> Rows:
        """Read the rows that have no targets."""
        x = self.case.x if self.case.to_predict is None else self.case.to_predict
        return Feed(self.task).read(x, has_target=False)


@pytest.fixture
def case(name: str) -> Case:
    """What the task is tried on."""
    return case_of(name)


@pytest.fixture
def body(case: Case, request: pytest.FixtureRequest) -> Path:
    """The directory of the tiny model that the case names."""
    found: Path = request.getfixturevalue(case.body)
    return found


@pytest.fixture
def built(name: str, case: Case, body: Path) -> Built:
    """A task that has learned and built its network."""
    made = TASKS[name]()
    rows = Feed(made).read(case.x, case.y, learns=True)
    made.learn(rows)
    return Built(made, case, rows, made.build(str(body)).eval(), body)


@EACH
def test_is_found_by_name(name: str):
    """The name of a task stands for its class with default options; class and object do as well."""
    found = as_task(name)

    assert type(found) is TASKS[name]
    assert type(as_task(TASKS[name])) is TASKS[name]
    assert type(as_task(found)) is TASKS[name]
    assert name == TASKS[name].name


@EACH
def test_is_ready_once_it_has_learned(name: str, case: Case):
    """`learn` finds out all that the network's size depends on."""
    made = TASKS[name]()
    before = made.is_ready

    made.learn(Feed(made).read(case.x, case.y, learns=True))

    assert (before, made.is_ready) == (case.is_ready, True)


@EACH
def test_features_know_their_rows(name: str, built: Built):
    """Every feature has the number of its row, or of its rows; every row has a feature."""
    numbers = [np.atleast_1d(feature["row"]).tolist() for feature in built.features()]

    flat = [row for rows in numbers for row in rows]
    assert sorted(set(flat)) == list(range(len(built.rows)))
    assert flat == sorted(flat)
    assert built.case.is_packed or all(len(rows) == 1 for rows in numbers)


@EACH
def test_features_are_no_longer_than_the_limit(name: str, built: Built):
    """Where features have lengths, none is longer than the model's limit."""
    lengths = lengths_of(built.features()) if "length" not in built.features()[0] else None

    assert lengths is None or built.task.max_length is None or max(lengths) <= built.task.max_length


@EACH
def test_one_row_is_encoded_as_among_many(name: str, built: Built):
    """`encode` gives the features that `encode_rows` gives for the row, the number aside."""
    many = [feature for feature in built.task.encode_rows(built.rows) if feature["row"] == 5]

    one = built.task.encode(built.rows[5])

    assert len(one) == len(many) > 0
    for feature, same in zip(one, many, strict=True):
        for key in set(feature) - {"row"}:
            np.testing.assert_array_equal(np.asarray(feature[key]), np.asarray(same[key]))


@EACH
def test_collate_gives_a_dict_of_tensors(name: str, built: Built):
    """Inputs are a plain dict of tensors with one row per feature; targets have as many rows."""
    features = built.features()[:3]

    inputs, targets = built.task.collate(features)

    assert type(inputs) is dict
    assert {tensor.shape[0] for tensor in inputs.values()} == {len(features)}
    assert len(targets) == len(features)


@EACH
def test_collate_pads_on_the_right(name: str, built: Built):
    """What the attention mask hides stands behind what it shows, in every row."""
    inputs, _ = built.task.collate(built.features()[:7])

    mask = inputs.get("attention_mask")
    assert mask is None or bool((mask.long().diff(dim=-1) <= 0).all())
    assert mask is None or bool((mask.sum(-1) > 0).all())


@EACH
def test_collate_without_targets(name: str, built: Built):
    """Rows to predict have no targets, and collate gives None for them."""
    features = Feed(built.task).batches(built.rows_to_predict(), 3).features

    _, targets = built.task.collate(features[:3])

    assert targets is None


@EACH
def test_loss_is_a_sum_and_a_count(name: str, built: Built):
    """The loss is one of keraslike's, so that batches can be cut: the parts' totals and counts add up to its mean."""
    features = built.features()[:5]
    inputs, targets = built.task.collate(features)
    with torch.no_grad():
        outputs = built.task.read_outputs(built.network(**inputs)).double()
    loss = built.task.loss

    parts = [(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(features))]

    assert isinstance(loss, Loss)
    assert loss.problem_type == built.task.problem_type
    total = sum(float(loss.total(*part)) for part in parts)
    count = sum(float(loss.count(part[1])) for part in parts)
    assert total / count == pytest.approx(float(loss.mean(outputs, targets)), rel=1e-9)


@EACH
def test_decode_gives_one_answer_per_row(name: str, built: Built):
    """`decode` gives a list of plain Python values, one per row in the order of the rows."""
    rows = built.rows_to_predict()
    features = list(Feed(built.task).batches(rows, 3).features)
    inputs, _ = built.task.collate(features)
    with torch.no_grad():
        outputs = built.task.predict_batch(_Taking(built.network), inputs)

    answers = built.task.decode(outputs, features)

    assert len(answers) == len(rows)
    assert {type(answer) for answer in answers} == {built.case.answer}


@EACH
def test_state_is_plain_json(name: str, built: Built):
    """`state` goes through JSON, and `from_state` makes the same task of it."""
    state = json.loads(json.dumps(built.task.state()))

    again = task_from_state(name, state)

    assert type(again) is type(built.task)
    assert json.loads(json.dumps(again.state())) == state
    assert again.is_ready


@EACH
def test_works_through_model(name: str, case: Case, body: Path, tmp_path: Path):
    """A task's name is enough for fit, evaluate, predict; what is saved and loaded answers the same."""
    model = Model(str(body), task=name, device="cpu", **case.options)

    history = model.fit(case.x, case.y, validation_split=0.2, epochs=1, seed=0, verbose=0)

    measured = model.evaluate(case.x, case.y, verbose=0)
    model.save(tmp_path / "saved")
    again = Model.load(tmp_path / "saved", device="cpu")
    assert np.isfinite([history[0]["loss"], history[0]["val_loss"], measured["loss"]]).all()
    assert again.evaluate(case.x, case.y, verbose=0) == pytest.approx(measured, nan_ok=True)
    given = case.x if case.to_predict is None else case.to_predict
    assert len(model.predict(given)) == len(given)
    assert _plain(again.predict(given)) == _plain(model.predict(given))


@EACH
def test_batch_size_changes_no_measurement(name: str, case: Case, body: Path):
    """Loss and metrics are those of the whole set, whatever goes through at once."""
    model = Model(str(body), task=name, device="cpu", **case.options)
    model.fit(case.x, case.y, epochs=1, seed=0, verbose=0)

    whole, single = (model.evaluate(case.x, case.y, batch_size=size, verbose=0) for size in (100, 1))

    assert single == pytest.approx(whole, rel=1e-5, abs=1e-6, nan_ok=True)


@EACH
def test_varies_only_where_it_says_so(name: str, built: Built):
    """A task without a `vary` of its own is told from one that has it, and changes no feature."""
    feature = built.task.encode_rows(built.rows)[0]

    varied = built.task.vary(feature, np.random.default_rng(0))

    assert built.task.varies == (type(built.task).vary is not Task.vary)
    assert built.task.varies or varied is feature


class _Taking:
    """A network as `predict_batch` gets it: it takes the dict of inputs, and has the wrapped network's attributes."""

    def __init__(self, network: Any) -> None:
        self.wrapped = network

    def __call__(self, inputs: dict[str, Any]) -> Any:
        return self.wrapped(**inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def _plain(answers: Any) -> list[Any]:
    return json.loads(json.dumps(np.asarray(answers).tolist() if isinstance(answers, np.ndarray) else answers))


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
    with pytest.raises(ArgumentError, match=r"one of .*text-classification"):
        as_task(given)
